"""How a pruner reaches the place where it prunes: curves to medians, medians to packs, packs to jobs, jobs to pruners.

What was pruned goes the other way: to the sampler as pruned, and never to the finalists. No TensorFlow in here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import optuna
import pytest

from sweep_service.core.errors import TrainingError
from sweep_service.core.pack import cut_packs
from sweep_service.core.parsing import dump_spec, parse_spec
from sweep_service.core.run import Purpose, Run, RunKey, RunOutcome, RunState, pack_curve
from sweep_service.core.search_space import SearchSpace
from sweep_service.core.spec import SweepSpec
from sweep_service.core.sweep import SweepState
from sweep_service.core.task import Conclusion, Generation, PackResult, PackWork, TrainJob
from sweep_service.core.trial import NewTrial, Trial, TrialState
from sweep_service.core.work_ports import Observation, Sampled
from sweep_service.sampling.replay import rebuild
from sweep_service.sampling.rungs import Halving, Median, Never
from sweep_service.sampling.samplers import OptunaSampler
from sweep_service.testing.memory_store import MemoryStore
from sweep_service.worker.child import _pruner
from sweep_service.worker.loop import Pace, WorkerLoop
from sweep_service.worker.planning import SweepPlanner, finalists
from sweep_service.worker.source import DataSource

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
DATA = {"name": "friedman1", "options": {"rows": 60}}
MEDIAN = {"name": "MEDIAN", "rungs": [2, 3]}
HALVING = {"name": "HALVING", "rungs": [2, 3], "keep": 0.25}


def spec(**changes: Any) -> SweepSpec:
    small = {"sampler": {"generation_size": 4}, "budget": {"max_trials": 12}, "parameters": {"layers": 1, "units": 8}}
    return parse_spec({"dataset": DATA, "seed": 5, **small, **changes})


def trial(number: int, state: TrialState, value: float, *, anchor: str | None = None, metric: str = "MAE") -> Trial:
    parameters: dict[str, Any] = {"learning_rate": 0.01, "batch_size": 32}
    if anchor is None:
        parameters["delta"] = 1.0 + number
    return Trial(
        number, 0, 0, anchor, anchor or "HUBER", parameters, "SIGMA", "s", state, None, {metric: value}, {},
        excluded=False, created_at=MOMENT, ended_at=MOMENT,
    )  # fmt: skip


def run(number: int, curve: Sequence[float], *, fold: int = 0, purpose: Purpose = Purpose.SEARCH) -> Run:
    packed = pack_curve([curve, [9.0] * len(curve)])
    return Run(RunKey(number, purpose, fold, 0), 1, RunState.COMPLETE, 1, 1, len(curve), {}, {}, packed, None)


def refuse_uploads(*_: object) -> None:
    raise AssertionError("these sweeps use built-in datasets")


class Listening(OptunaSampler):
    """A sampler that keeps what it is told."""

    def sample(self, space: SearchSpace, history: Sequence[Observation], **rest: Any) -> Sampled:
        self.space, self.history = space, list(history)
        return super().sample(space, history, **rest)


@pytest.fixture
def sampler() -> Listening:
    return Listening()


@pytest.fixture
def planner(sampler: Listening, tmp_path: Path) -> SweepPlanner:
    return SweepPlanner(sampler, DataSource(None, refuse_uploads, tmp_path))


def medians(made: Generation) -> list[Mapping[str, float] | None]:
    """Of each pack, what its payload says."""
    assert made.packs
    return [pack.payload.get("medians") for pack in made.packs]


# --- the plan ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pruner", "needed"), [(None, False), ({"name": "NONE"}, False), (HALVING, False), (MEDIAN, True)]
)
def test_only_median_looks_at_curves(planner: SweepPlanner, pruner: Any, needed: bool) -> None:
    assert planner.needs_curves(dump_spec(spec(pruner=pruner))) is needed


HISTORY = [
    trial(0, TrialState.COMPLETE, 1.0),
    trial(1, TrialState.COMPLETE, 2.0),
    trial(2, TrialState.COMPLETE, 3.0),
    trial(3, TrialState.PRUNED, 9.0),
    trial(4, TrialState.COMPLETE, 9.0, anchor="MSE"),
    trial(5, TrialState.COMPLETE, 9.0, anchor="MAE"),
]
RUNS = [
    run(0, [8.0, 1.0, 1.0]),
    run(1, [8.0, 2.0, 1.5], fold=0),
    run(1, [8.0, 4.0, 2.5], fold=1),  # the mean over folds: 3, then 2
    run(2, [4.0, 6.0, 6.0]),  # the best so far stands: 4 at both rungs
    run(3, [64.0, 64.0, 64.0]),  # pruned
    run(4, [128.0, 128.0, 128.0]),  # anchors
    run(5, [128.0, 128.0, 128.0]),
    run(0, [256.0, 256.0, 256.0], purpose=Purpose.CONFIRM),
]


def test_every_pack_from_the_second_generation_on_carries_the_medians_of_complete_sampled_trials(
    planner: SweepPlanner,
) -> None:
    sweep = dump_spec(spec(pruner=MEDIAN, sampler={"generation_size": 4, "trials_per_architecture": 1}, parameters={}))
    made = planner.plan(sweep, HISTORY, {}, 1, RUNS)
    assert len(made.packs) > 1
    assert medians(made) == [{"2": 3.0, "3": 2.0}] * len(made.packs)


def test_the_first_generation_has_no_medians(planner: SweepPlanner) -> None:
    assert set(medians(planner.plan(dump_spec(spec(pruner=MEDIAN)), [], {}, 0, ()))) == {None}


def test_no_other_pruner_has_medians(planner: SweepPlanner) -> None:
    assert set(medians(planner.plan(dump_spec(spec(pruner=HALVING)), HISTORY, {}, 1, RUNS))) == {None}


def test_medians_of_a_maximised_metric_are_turned_round_so_that_smaller_is_better(planner: SweepPlanner) -> None:
    sweep = dump_spec(spec(pruner=MEDIAN, objective={"metric": "R2"}))
    history = [replace(t, values={"R2": 0.5}) for t in HISTORY]
    runs = [run(0, [0.0, 0.25, 0.75]), run(1, [0.5, 0.25, 0.25]), run(2, [0.125, 0.125, 0.625]), run(4, [1.0] * 3)]
    found = medians(planner.plan(sweep, history, {}, 1, runs))[0]
    assert found == {"2": -0.25, "3": -0.625}


def test_the_sampler_is_told_that_a_pruned_trial_was_pruned(planner: SweepPlanner, sampler: Listening) -> None:
    history = [*HISTORY, replace(trial(6, TrialState.PRUNED, 7.0), excluded=True), trial(7, TrialState.FAILED, 7.0)]
    planner.plan(dump_spec(spec(pruner=MEDIAN)), history, {}, 1, RUNS)
    told = [(o.value, o.pruned_at) for o in sampler.history]
    assert told[:3] == [(1.0, None), (2.0, None), (3.0, None)]
    assert told[3] == (9.0, 3)
    assert [value for value, _ in told[4:]] == [None, None]
    study = rebuild(sampler.space, sampler.history, optuna.samplers.RandomSampler(), maximize=False)
    assert [t.state.name for t in study.trials] == ["COMPLETE"] * 3 + ["PRUNED", "FAIL", "FAIL"]
    assert study.trials[3].intermediate_values == {3: 9.0}
    assert study.best_value == 1.0


@pytest.mark.parametrize(("metric", "worse", "best"), [("MAE", 5.0, 0.25), ("R2", 0.5, 0.875)])
def test_a_pruned_trial_is_no_finalist_even_where_its_values_are_the_best(
    metric: str, worse: float, best: float
) -> None:
    history = [
        trial(0, TrialState.PRUNED, best, metric=metric),
        trial(1, TrialState.COMPLETE, worse, metric=metric),
        trial(2, TrialState.PRUNED, best, metric=metric, anchor="MSE"),
        trial(3, TrialState.COMPLETE, worse, metric=metric, anchor="MSE"),
    ]
    chosen = finalists(spec(pruner=MEDIAN, objective={"metric": metric}, confirm={"finalists": 4}), history)
    assert [t.number for t in chosen] == [1, 3]


# --- the loop ----------------------------------------------------------------------------------------------------


class TwoGenerations:
    """Plans packs of two trials; the second generation's have medians in their payload, as MEDIAN's do."""

    def __init__(self, curved: bool) -> None:
        self.curved = curved
        self.seen: list[list[bytes]] = []

    def needs_curves(self, spec: Mapping[str, Any]) -> bool:
        return self.curved

    def plan(
        self,
        spec: Mapping[str, Any],
        history: Sequence[Trial],
        slots: Mapping[str, int],
        generation: int,
        runs: Sequence[Run] = (),
    ) -> Generation:
        self.seen.append([r.curve for r in runs])
        numbers = range(2 * generation, 2 * generation + 2)
        trials = [NewTrial(n, generation, 0, None, "HUBER", {"delta": 1.0 + n}, "SIGMA", "one") for n in numbers]
        packs, _ = cut_packs(trials, Purpose.SEARCH, 1, 1, 0, slots)
        more = {"medians": {"2": 0.5, "12": 0.25}} if generation else {}
        return Generation(tuple(trials), tuple(replace(p, payload=more) for p in packs))

    def conclude(self, *_: Any) -> Conclusion:
        return Conclusion(ended=True)


class Recorder:
    """A trainer that keeps its jobs; `refuses` says which it cannot train."""

    def __init__(self, refuses: Callable[[TrainJob], bool] = lambda job: False) -> None:
        self.jobs: list[TrainJob] = []
        self._refuses = refuses

    def train(self, job: TrainJob, on_progress: Callable[[Mapping[str, Any]], None]) -> PackResult:
        self.jobs.append(job)
        if self._refuses(job):
            raise TrainingError("The training process was killed by SIGKILL.")
        curve = pack_curve([[3.0], [3.0]])
        outcomes = [RunOutcome(r.key, RunState.COMPLETE, 1, 1, {"MAE": 3.0}, {}, curve) for r in job.work.runs]
        return PackResult(tuple(outcomes))

    def interrupt(self) -> None:
        pass

    def close(self) -> None:
        pass


class Asked(MemoryStore):
    """Keeps how it was asked for runs."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[bool] = []

    def all_runs(self, sweep_id: str, *, curves: bool = False) -> Sequence[Run]:
        self.asked.append(curves)
        return super().all_runs(sweep_id, curves=curves)


def work(planner: TwoGenerations, trainer: Recorder) -> Asked:
    """Let a worker do a whole sweep of two generations."""
    store = Asked()
    document = {"dataset": "diabetes", "anchors": [], "confirm": None, "budget": {"max_trials": 4}}
    sweep = store.create_sweep(dump_spec(parse_spec(document)))[0]
    loop = WorkerLoop("worker-1", store, planner, trainer, Pace())
    while loop.step():
        pass
    assert store.sweep(sweep.id).state is SweepState.SUCCEEDED
    return store


def test_the_medians_of_a_pack_reach_its_job_with_epochs_as_numbers() -> None:
    trainer = Recorder()
    work(TwoGenerations(curved=True), trainer)
    assert [job.medians for job in trainer.jobs] == [{}, {2: 0.5, 12: 0.25}]
    assert [job.halved for job in trainer.jobs] == [False, False]


def test_the_halves_of_a_pack_that_kept_failing_are_told_so_and_keep_their_medians() -> None:
    trainer = Recorder(lambda job: len(job.work.runs) == 2 and bool(job.medians))
    work(TwoGenerations(curved=True), trainer)
    told = [(len(job.work.runs), job.halved) for job in trainer.jobs]
    assert told == [(2, False)] * 4 + [(1, True)] * 2
    assert [job.medians for job in trainer.jobs[1:]] == [{2: 0.5, 12: 0.25}] * 5


def test_curves_are_read_for_a_planner_that_needs_them() -> None:
    planner = TwoGenerations(curved=True)
    store = work(planner, Recorder())
    assert planner.seen == [[], [pack_curve([[3.0], [3.0]])] * 2]
    assert store.asked == [True, True, False]  # CONCLUDE looks at no curve


def test_no_run_is_read_for_a_planner_that_needs_none() -> None:
    planner = TwoGenerations(curved=False)
    store = work(planner, Recorder())
    assert planner.seen == [[], []]
    assert store.asked == [False]  # by CONCLUDE


# --- the child ---------------------------------------------------------------------------------------------------


def job(pruner: Any, purpose: Purpose, *, halved: bool = False) -> tuple[TrainJob, SweepSpec]:
    sweep = spec(pruner=pruner)
    made = TrainJob("s", dump_spec(sweep), purpose, "one", 8, PackWork((), {}), {}, {2: 0.5, 3: 0.25}, halved)
    return made, sweep


def test_halving_in_the_search_compares_at_its_rungs_and_keeps_its_share() -> None:
    pruner = _pruner(*job(HALVING, Purpose.SEARCH))
    assert isinstance(pruner, Halving)
    assert pruner.rungs == (2, 3)
    assert set(pruner.losers(2, {n: float(n) for n in range(8)})) == set(range(2, 8))


@pytest.mark.parametrize("halved", [False, True])
def test_median_in_the_search_compares_with_the_jobs_medians_in_halves_too(halved: bool) -> None:
    pruner = _pruner(*job(MEDIAN, Purpose.SEARCH, halved=halved))
    assert isinstance(pruner, Median)
    assert pruner.rungs == (2, 3)
    assert set(pruner.losers(2, {0: 0.5, 1: 0.625})) == {1}
    assert set(pruner.losers(3, {0: 0.25, 1: 0.5})) == {1}


def test_halving_prunes_nobody_in_half_a_pack() -> None:
    assert isinstance(_pruner(*job(HALVING, Purpose.SEARCH, halved=True)), Never)


@pytest.mark.parametrize("pruner", [HALVING, MEDIAN])
@pytest.mark.parametrize("purpose", [Purpose.CONFIRM, Purpose.FINAL])
def test_what_is_confirmed_or_refitted_trains_to_its_end(pruner: Any, purpose: Purpose) -> None:
    assert isinstance(_pruner(*job(pruner, purpose)), Never)


@pytest.mark.parametrize("pruner", [None, {"name": "NONE"}])
def test_without_a_pruner_nobody_leaves(pruner: Any) -> None:
    assert isinstance(_pruner(*job(pruner, Purpose.SEARCH)), Never)
