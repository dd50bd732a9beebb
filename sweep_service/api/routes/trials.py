"""Trials, their runs and their curves."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request

from sweep_service.api.errors import ProblemError
from sweep_service.api.paging import PageSize, make_token, read_token
from sweep_service.api.schemas import finite_object, run_json, trial_json
from sweep_service.api.service import only_query, service_of
from sweep_service.core.run import unpack_curve
from sweep_service.core.trial import TrialState

router = APIRouter(prefix="/v1/sweeps/{sweep_id}/trials", tags=["trials"])
Number = Annotated[int, Path(ge=0, lt=2**31)]


@router.get("")
def list_trials(
    request: Request,
    sweep_id: str,
    page_size: PageSize = 100,
    page_token: str = "",
    state: Annotated[list[str] | None, Query()] = None,
) -> dict[str, Any]:
    """Trials by number; `state` (repeatable) keeps those in the named states."""
    only_query(request, "page_size", "page_token", "state")
    store = service_of(request).store
    unknown = [s for s in state or [] if s not in TrialState.__members__]
    if unknown:
        raise ProblemError(422, f"There is no state {unknown[0]!r}; there are {', '.join(TrialState)}.")
    listed = f"trials {sweep_id} {sorted(set(state)) if state is not None else 'ALL'}"
    after = read_token(listed, page_token)
    states = None if state is None else [TrialState(s) for s in state]
    found = store.trials(sweep_id, limit=page_size + 1, after=-1 if after is None else int(after), states=states)
    data = store.report(sweep_id, "data")
    shown = found[:page_size]
    following = str(shown[-1].number) if len(found) > page_size else None
    return finite_object(
        {"trials": [trial_json(t, data) for t in shown], "next_page_token": make_token(listed, following)}
    )


@router.get("/{number}")
def get_trial(request: Request, sweep_id: str, number: Number) -> dict[str, Any]:
    """One trial."""
    only_query(request)
    store = service_of(request).store
    return finite_object(trial_json(store.trial(sweep_id, number), store.report(sweep_id, "data")))


@router.get("/{number}/runs")
def list_runs(request: Request, sweep_id: str, number: Number) -> dict[str, Any]:
    """The runs of a trial, by purpose, repeat and fold."""
    only_query(request)
    store = service_of(request).store
    store.trial(sweep_id, number)
    return finite_object({"runs": [run_json(r) for r in store.runs(sweep_id, trial=number)], "next_page_token": ""})


@router.get("/{number}/curves")
def list_curves(request: Request, sweep_id: str, number: Number) -> dict[str, Any]:
    """The learning curves of a trial's runs: the objective and the training loss of each epoch, in target units."""
    only_query(request)
    store = service_of(request).store
    store.trial(sweep_id, number)
    runs = store.runs(sweep_id, trial=number, curves=True)
    curves = [
        {"purpose": r.key.purpose.value, "fold": r.key.fold, "repeat": r.key.repeat, **unpack_curve(r.curve)}
        for r in runs
    ]
    return finite_object({"curves": curves, "next_page_token": ""})
