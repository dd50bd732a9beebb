"""What the routes share: the stores, the checks of a POST, and the answers kept until something changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from fastapi import Request

from sweep_service.api.errors import ProblemError
from sweep_service.core.errors import DataError, NotFoundError, Problem, SpecError
from sweep_service.core.hypermodel import PublishedSpace
from sweep_service.core.ports import ArtifactStore, SweepStore
from sweep_service.core.run import Run
from sweep_service.core.spec import SweepSpec
from sweep_service.core.sweep import Sweep
from sweep_service.core.trial import Trial
from sweep_service.datasets.catalog import catalog, check_options
from sweep_service.datasets.files import FileSummary, validate_choice
from sweep_service.datasets.load import BuiltinSource, ColumnChoice, check_names
from sweep_service.settings import Settings

Answer = Callable[[Sweep, Sequence[Trial], Sequence[Run], Mapping[str, Any] | None], dict[str, Any]]
KEPT_ANSWERS = 256


class Service:
    """One for each app."""

    def __init__(self, store: SweepStore, artifacts: ArtifactStore, settings: Settings) -> None:
        self.store = store
        self.artifacts = artifacts
        self.settings = settings
        self._answers: OrderedDict[tuple[str, str], tuple[int, dict[str, Any]]] = OrderedDict()
        self._lock = threading.Lock()
        self._in_flight: set[str] = set()

    def answer(self, sweep: Sweep, name: str, make: Answer) -> dict[str, Any]:
        """An answer computed from all trials and runs; kept until the sweep's revision moves."""
        key = (sweep.id, name)
        with self._lock:
            kept = self._answers.get(key)
        if kept is not None and kept[0] == sweep.revision:
            return kept[1]
        store = self.store
        made = make(sweep, store.trials(sweep.id), store.runs(sweep.id), store.report(sweep.id, "data"))
        with self._lock:
            self._answers[key] = (sweep.revision, made)
            self._answers.move_to_end(key)
            while len(self._answers) > KEPT_ANSWERS:
                self._answers.popitem(last=False)
        return made

    @contextmanager
    def in_flight(self, key: str | None) -> Iterator[None]:
        """Hold an Idempotency-Key while its POST is being answered; the database holds it from then on.

        Raises:
            ProblemError: 409, the first POST with this key has no answer yet.
        """
        if key is None:
            yield
            return
        with self._lock:
            if key in self._in_flight:
                message = "The first request with this Idempotency-Key is still being answered: send it again then."
                raise ProblemError(409, message, retry_after=1)
            self._in_flight.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._in_flight.discard(key)

    def published(self) -> dict[str, PublishedSpace]:
        """The HyperModels that workers have, by name."""
        return {stored.space.hypermodel: stored.space for stored in self.store.hypermodels()}

    def pin_dataset(self, spec: SweepSpec) -> SweepSpec:
        """Check the dataset of a spec before it is stored, and pin its version.

        Raises:
            SpecError: no such dataset, option or column, or one that cannot be used.
        """
        dataset = spec.dataset
        builtin = {e.name: e for e in catalog()}
        if dataset.options and dataset.name not in builtin:
            raise SpecError([Problem("/dataset/options", f"The dataset {dataset.name} is a file and has no options.")])
        try:
            if dataset.name in builtin and dataset.version is None:
                check_options(dataset.name, dataset.options)
                self._check_builtin_columns(spec, builtin[dataset.name].default_target)
                return spec
            stored = self.store.dataset(dataset.name, dataset.version)
            validate_choice(FileSummary.from_dict(stored.summary), column_choice(spec))
        except NotFoundError as error:
            known = ", ".join([*builtin, *sorted({d.name for d in self.store.datasets()})])
            message = f"{error} Known: {known}. Upload one with POST /v1/datasets?name=..."
            raise SpecError([Problem("/dataset/name", message)]) from None
        except DataError as error:
            raise SpecError([Problem("/dataset", str(error))]) from None
        pinned = dataset.model_copy(update={"version": stored.version})
        return spec.model_copy(update={"dataset": pinned})

    def _check_builtin_columns(self, spec: SweepSpec, default_target: str) -> None:
        choice = column_choice(spec)
        if choice.special() or choice.categorical:
            from sweep_service.datasets.catalog import load_builtin

            source = BuiltinSource(spec.dataset.name, dict(spec.dataset.options))
            if source.name in {"boston_housing", "california_housing"}:
                return  # their file may not be here; the first PLAN checks the columns
            names = list(load_builtin(source.name, source.options).values)
            target = choice.target or (default_target,)
            rest = (choice.exclude, choice.categorical, choice.weight, choice.time, choice.group)
            check_names(names, ColumnChoice(target, *rest))


def column_choice(spec: SweepSpec) -> ColumnChoice:
    """Which columns are what."""
    dataset = spec.dataset
    target = dataset.target if isinstance(dataset.target, list) else [dataset.target] if dataset.target else []
    return ColumnChoice(
        tuple(target),
        tuple(dataset.features.exclude),
        tuple(dataset.features.categorical),
        dataset.weight,
        dataset.time,
        dataset.group,
        dataset.missing,
    )


def service_of(request: Request) -> Service:
    """The app's Service."""
    found: Service = request.app.state.service
    return found


def only_query(request: Request, *names: str) -> None:
    """Unknown query parameters are refused, so that a typing error is not silently without effect.

    Raises:
        ProblemError: 422.
    """
    unknown = [n for n in request.query_params if n not in names]
    if unknown:
        allowed = f"the parameters here are {', '.join(names)}" if names else "there are none here"
        raise ProblemError(422, f"There is no query parameter {unknown[0]!r}; {allowed}.")
