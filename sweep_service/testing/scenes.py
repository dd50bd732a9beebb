"""How the contracts bring a store to where a test begins, and what must hold wherever it ends."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, Protocol

from sweep_service.core.lease import Lease
from sweep_service.core.parsing import dump_spec, parse_spec
from sweep_service.core.ports import SweepStore, TaskQueue
from sweep_service.core.run import (
    OPEN_RUN_STATES,
    NewRun,
    Purpose,
    Run,
    RunKey,
    RunOutcome,
    RunState,
    common_seed,
    pack_curve,
)
from sweep_service.core.sweep import ENDED, Sweep, SweepState
from sweep_service.core.task import Conclusion, Generation, Pack, PackResult, TaskKind
from sweep_service.core.trial import OPEN_TRIAL_STATES, NewTrial, TrialState

FOLDS = 2
SIGNATURE = "0123456789abcdef"
LONG = 3600.0


class Store(SweepStore, TaskQueue, Protocol):
    """Both ports in one object, as the contract needs it."""


def make_spec(
    *, name: str = "a sweep", priority: int = 50, max_trials: int = 4, max_failed: int = 12, **budget: Any
) -> dict[str, Any]:
    """A complete spec."""
    document = {
        "dataset": "diabetes",
        "name": name,
        "priority": priority,
        "budget": {"max_trials": max_trials, "max_failed_trials": max_failed, **budget},
    }
    return dump_spec(parse_spec(document))


def make_runs(trial: int, purpose: Purpose = Purpose.SEARCH, folds: int = FOLDS) -> tuple[NewRun, ...]:
    """One run a fold."""
    return tuple(NewRun(RunKey(trial, purpose, f, 0), common_seed(0, purpose, f, 0)) for f in range(folds))


def make_pack(trials: Sequence[int], purpose: Purpose = Purpose.SEARCH) -> Pack:
    """All runs of these trials."""
    return Pack(purpose, SIGNATURE, 8, tuple(run for t in trials for run in make_runs(t, purpose)))


def make_generation(
    trials: Sequence[int] = range(4), *, per_pack: int = 2, anchors: Collection[int] = (), generation: int = 0
) -> Generation:
    """Trials of these numbers, in packs of `per_pack`."""
    made = tuple(
        NewTrial(
            number=n,
            generation=generation,
            group=0,
            anchor="MSE" if n in anchors else None,
            loss="MSE" if n in anchors else "HUBER",
            parameters={"learning_rate": 0.01} if n in anchors else {"delta": 1.0 + n, "learning_rate": 0.01},
            delta_unit="SIGMA",
            signature=SIGNATURE,
        )
        for n in trials
    )
    cuts = [list(trials)[i : i + per_pack] for i in range(0, len(trials), per_pack)]
    return Generation(made, tuple(make_pack(cut) for cut in cuts))


def make_outcome(key: RunKey, state: RunState = RunState.COMPLETE, *, value: float = 2.0, **more: Any) -> RunOutcome:
    """What became of a run; `value` + fold is its MAE."""
    metrics = {"MAE": value + key.fold} if state is RunState.COMPLETE else {}
    reason = None if state is RunState.COMPLETE else f"{state.value} on fold {key.fold}"
    curve = pack_curve([[3.0, value], [3.0, value]])
    plain: dict[str, Any] = {"best_epoch": 2, "epochs": 2, "metrics": metrics, "curve": curve, "reason": reason}
    return RunOutcome(key, state, **(plain | more))


def make_result(runs: Sequence[Run], **more: Any) -> PackResult:
    """One outcome for each of these runs."""
    return PackResult(tuple(make_outcome(r.key, **more) for r in runs), {"rung": "PACK"})


def post(store: Store, **spec: Any) -> Sweep:
    """A new sweep."""
    return store.create_sweep(make_spec(**spec))[0]


def claim(store: Store, kind: TaskKind | None = None, *, worker: str = "w1", seconds: float = LONG) -> Lease:
    """The most urgent task, which is there and of that kind."""
    lease = store.claim(worker, seconds)
    assert lease is not None, "there was nothing to claim"
    assert kind is None or lease.task.kind is kind
    return lease


def plan(store: Store, made: Generation | None = None) -> None:
    """Do the PLAN that is next."""
    store.end_plan(claim(store, TaskKind.PLAN), made if made is not None else make_generation())


def planned(store: Store, made: Generation | None = None, **spec: Any) -> Sweep:
    """A new sweep with its first generation."""
    sweep = post(store, **spec)
    plan(store, made)
    return store.sweep(sweep.id)


def train(store: Store, lease: Lease | None = None, **more: Any) -> Lease:
    """Do the TRAIN task of this lease, or the one that is next."""
    lease = lease or claim(store, TaskKind.TRAIN)
    store.end_train(lease, make_result(store.work(lease).runs, **more))
    return lease


def conclude(store: Store, conclusion: Conclusion | None = None) -> None:
    """Do the CONCLUDE that is next; it ends the sweep unless something else is asked for."""
    store.end_conclude(claim(store, TaskKind.CONCLUDE), conclusion or Conclusion(ended=True))


def drain(store: Store, sweep_id: str, *, most: int = 200) -> Sweep:
    """Do whatever is queued until the sweep has ended."""
    for _ in range(most):
        if store.sweep(sweep_id).state in ENDED:
            break
        lease = claim(store)
        if lease.task.kind is TaskKind.PLAN:
            first = len(store.history(lease.task.sweep_id))
            store.end_plan(lease, make_generation(range(first, first + 4), generation=lease.task.payload["generation"]))
        elif lease.task.kind is TaskKind.TRAIN:
            train(store, lease)
        else:
            store.end_conclude(lease, Conclusion(ended=True))
    check(store, sweep_id)
    return store.sweep(sweep_id)


def bring_to(store: Store, state: SweepState) -> str:
    """A sweep in that state, with something in flight where the state says so; returns its id."""
    sweep = post(store)
    if state is SweepState.FAILED:
        store.fail_sweep(claim(store, TaskKind.PLAN), "the data cannot be used")
    elif state is not SweepState.QUEUED:
        plan(store)
    if state in {SweepState.FINALIZING, SweepState.SUCCEEDED}:
        train(store)
        train(store)
    if state is SweepState.SUCCEEDED:
        conclude(store)
    elif state is SweepState.PAUSED:
        store.pause(sweep.id)
    elif state in {SweepState.STOPPING, SweepState.CANCELLING}:
        claim(store, TaskKind.TRAIN)
        (store.stop if state is SweepState.STOPPING else store.cancel)(sweep.id)
    elif state is SweepState.CANCELLED:
        store.cancel(sweep.id)
    assert store.sweep(sweep.id).state is state
    return sweep.id


def seen(store: Store, sweep_id: str) -> list[object]:
    """All that can be read of a sweep: equal before and after means that nothing was written."""
    return [
        store.sweep(sweep_id),
        list(store.trials(sweep_id)),
        list(store.runs(sweep_id, curves=True)),
        list(store.events(sweep_id)),
        store.queue_depth(),
        store.slots(sweep_id),
        store.report(sweep_id, "data"),
    ]


def check(store: Store, sweep_id: str) -> None:
    """Whatever happened: counters are counts of the rows, events have no gap, ended sweeps have nothing open."""
    sweep, trials, runs = store.sweep(sweep_id), store.trials(sweep_id), store.runs(sweep_id)
    counted = {
        "trials_planned": sum(t.anchor is None for t in trials),
        "trials_complete": _count(trials, TrialState.COMPLETE),
        "trials_failed": _count(trials, TrialState.FAILED, TrialState.TIMED_OUT),
        "trials_pruned": _count(trials, TrialState.PRUNED),
        "anchors": sum(t.anchor is not None for t in trials),
        "runs_planned": len(runs),
        "runs_complete": _count(runs, RunState.COMPLETE),
        "runs_failed": _count(runs, RunState.FAILED, RunState.TIMED_OUT),
    }
    assert {name: getattr(sweep.counters, name) for name in counted} == counted
    events = store.events(sweep_id, limit=100_000)
    assert [e.seq for e in events] == list(range(1, sweep.event_seq + 1))
    if sweep.state in ENDED:
        assert not [t for t in trials if t.state in OPEN_TRIAL_STATES]
        assert not [r for r in runs if r.state in OPEN_RUN_STATES]
        assert sweep.ended_at is not None
    for trial in trials:
        mine = [r for r in runs if r.key.trial == trial.number and r.key.purpose is Purpose.SEARCH]
        if trial.state is TrialState.COMPLETE:
            assert all(r.state is RunState.COMPLETE for r in mine)
        if trial.state in OPEN_TRIAL_STATES:
            assert any(r.state in OPEN_RUN_STATES for r in mine)


def _count(rows: Sequence[Any], *states: object) -> int:
    return sum(row.state in states for row in rows)


def states_of(rows: Sequence[Any]) -> Mapping[int, str]:
    """Trial number -> state, of trials."""
    return {row.number: row.state.value for row in rows}
