"""The worker's loop on a real queue in SQLite, with a trainer that trains nothing: no TensorFlow is loaded here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from sweep_service.core.errors import DataError, StoreError, TrainerStartError, TrainingError
from sweep_service.core.lease import Lease
from sweep_service.core.pack import cut_packs
from sweep_service.core.parsing import dump_spec, parse_spec
from sweep_service.core.run import Purpose, Run, RunOutcome, RunState, pack_curve
from sweep_service.core.sweep import EndReason, SweepState
from sweep_service.core.task import Conclusion, Generation, PackResult, TaskKind, TrainJob
from sweep_service.core.trial import NewTrial, Trial, TrialState
from sweep_service.sampling.samplers import OptunaSampler
from sweep_service.storage.artifacts import FolderArtifacts
from sweep_service.storage.migrate import upgrade
from sweep_service.storage.store import SqlStore
from sweep_service.storage.tables import tasks
from sweep_service.worker.loop import MAX_FAILED_STARTS, Pace, WorkerLoop
from sweep_service.worker.planning import SweepPlanner
from sweep_service.worker.source import DataSource

PACE = Pace(lease=0.5, idle_first=0.01, idle_most=0.05)
EIGHT = {"dataset": "diabetes", "anchors": [], "confirm": None, "budget": {"max_trials": 8}}


class EightTrials:
    """Plans one pack of eight trials, one run each, and has nothing to add at the end."""

    def needs_curves(self, spec: Mapping[str, Any]) -> bool:
        return False

    def plan(
        self,
        spec: Mapping[str, Any],
        history: Sequence[Trial],
        slots: Mapping[str, int],
        generation: int,
        runs: Sequence[Run] = (),
    ) -> Generation:
        trials = [NewTrial(n, 0, 0, None, "HUBER", {"delta": 1.0 + n}, "SIGMA", "one") for n in range(8)]
        packs, _ = cut_packs(trials, Purpose.SEARCH, 1, 1, 0, slots)
        return Generation(tuple(trials), tuple(packs))

    def conclude(
        self, spec: Mapping[str, Any], history: Sequence[Trial], runs: Sequence[Run], slots: Mapping[str, int]
    ) -> Conclusion:
        return Conclusion(ended=True)


class Pretender:
    """A trainer whose runs end at once with an objective made of their parameters. Tests bend `on_pack`."""

    def __init__(self) -> None:
        self.packs: list[list[int]] = []
        self.interrupted = threading.Event()
        self.on_pack: Callable[[TrainJob], None] = lambda job: None

    def train(self, job: TrainJob, on_progress: Callable[[Mapping[str, Any]], None]) -> PackResult:
        self.interrupted.clear()
        self.packs.append(sorted({r.key.trial for r in job.work.runs}))
        on_progress({"epoch": 1, "active": len(job.work.runs)})
        self.on_pack(job)
        return PackResult(tuple(self.outcome(job, run) for run in job.work.runs), {"rung": "PACK"})

    @staticmethod
    def outcome(job: TrainJob, run: Run) -> RunOutcome:
        delta = float(job.work.trials[run.key.trial]["parameters"].get("delta", 3.0))
        metrics = dict.fromkeys(("MAE", "RMSE", "MEDIAN_AE"), 10.0 + (delta - 1.3) ** 2 + run.key.fold)
        return RunOutcome(run.key, RunState.COMPLETE, 1, 1, metrics, {}, pack_curve([[1.0], [1.0]]))

    def until_interrupted(self, job: TrainJob) -> None:
        """A pack that takes for ever."""
        assert self.interrupted.wait(60), "nobody interrupted the pack"
        raise TrainingError("The pack was interrupted.")

    def interrupt(self) -> None:
        self.interrupted.set()

    def close(self) -> None:
        pass


class Shop:
    """A queue with one sweep, and a worker for it."""

    def __init__(self, folder: Path) -> None:
        self.url = f"sqlite:///{folder / 'sweeps.db'}"
        upgrade(self.url)
        self.store = SqlStore(self.url)
        self.source = DataSource(FolderArtifacts(folder), self.store.dataset, folder / "cache")
        self.trainer = Pretender()
        self.id = ""

    def post(self, **spec: Any) -> None:
        self.id = self.store.create_sweep(dump_spec(parse_spec({**EIGHT, **spec})))[0].id

    def worker(self, planner: Any = None, queue: Any = None) -> WorkerLoop:
        return WorkerLoop("worker-1", queue or self.store, planner or EightTrials(), self.trainer, PACE)

    def work_to_the_end(self, worker: WorkerLoop) -> None:
        """Step until there is nothing to do."""
        for _ in range(1000):
            if not worker.step():
                return
        raise AssertionError("the queue never ran dry")

    def states(self) -> list[str]:
        return [t.state.value for t in self.store.trials(self.id)]

    def attempts(self) -> list[tuple[int, str]]:
        """What the events say of tasks that went back: attempts counted, and why."""
        events = self.store.events(self.id)
        return [(e.body["attempt"], e.body["reason"]) for e in events if e.kind == "TASK_REQUEUED"]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    opened = Shop(tmp_path)
    yield opened
    opened.store.close()


class Unreliable:
    """A store that answers with StoreError for the first calls of some methods."""

    def __init__(self, store: SqlStore, **failures: int) -> None:
        self._store = store
        self.left = dict(failures)

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._store, name)
        if not self.left.get(name):
            return real

        def refuse(*args: Any, **named: Any) -> Any:
            self.left[name] -= 1
            raise StoreError("The database cannot be reached.")

        return refuse


# --- the whole way ---------------------------------------------------------------------------------------------


def test_a_sweep_goes_from_its_post_to_its_end(shop: Shop) -> None:
    shop.post(
        anchors=["MSE"],
        parameters={"layers": 1, "units": 8},
        sampler={"generation_size": 4, "trials_per_architecture": 4},
        confirm={"finalists": 2, "repeats": 2},
    )
    shop.work_to_the_end(shop.worker(SweepPlanner(OptunaSampler(), shop.source)))
    sweep = shop.store.sweep(shop.id)
    assert (sweep.state, sweep.end_reason) == (SweepState.SUCCEEDED, EndReason.BUDGET)
    assert sweep.counters.trials_complete == sweep.counters.trials_planned + sweep.counters.anchors == 12
    assert sweep.counters.anchors_matched == 2  # MSE with the settings of each finalist, which none had yet
    assert len(shop.store.runs(shop.id, purpose=Purpose.CONFIRM)) == 5 * 5 * 2  # two finalists, two twins, MSE's own
    assert {r.state for r in shop.store.runs(shop.id)} == {RunState.COMPLETE}


def test_an_idle_worker_waits_and_takes_what_is_posted_meanwhile(shop: Shop) -> None:
    worker = shop.worker()
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        shop.post()
        wait_for(lambda: shop.store.sweep(shop.id).state is SweepState.SUCCEEDED)
    finally:
        worker.stop()
        thread.join(60)
    assert not thread.is_alive()


# --- the database is away --------------------------------------------------------------------------------------


def test_a_worker_outlives_a_database_that_does_not_answer(shop: Shop) -> None:
    shop.post()
    queue = Unreliable(shop.store, claim=3, spec=1, work=1)
    worker = shop.worker(queue=queue)
    thread = threading.Thread(target=worker.run)
    thread.start()
    try:
        wait_for(lambda: shop.store.sweep(shop.id).state is SweepState.SUCCEEDED)
    finally:
        worker.stop()
        thread.join(60)
    assert not any(queue.left.values())
    assert shop.states() == ["COMPLETE"] * 8


def test_a_finished_pack_is_stored_when_the_database_is_back_and_not_trained_again(shop: Shop) -> None:
    shop.post()
    queue = Unreliable(shop.store, end_train=3)
    shop.work_to_the_end(shop.worker(queue=queue))
    assert queue.left == {"end_train": 0}
    assert len(shop.trainer.packs) == 1
    assert shop.states() == ["COMPLETE"] * 8


def test_a_lease_is_kept_while_its_result_waits_for_the_database(shop: Shop) -> None:
    shop.post()
    queue = Unreliable(shop.store, end_train=4)  # waits of 0.1 + 0.2 + 0.4 + 0.8 s: three leases
    worker = shop.worker(queue=queue)
    assert worker.step()
    thread = threading.Thread(target=worker.step)
    thread.start()
    wait_for(lambda: bool(shop.trainer.packs))
    while thread.is_alive():
        lease = shop.store.claim("worker-2", 60)
        assert lease is None or lease.task.kind is TaskKind.CONCLUDE
        thread.join(0.05)
    assert len(shop.trainer.packs) == 1
    assert shop.states() == ["COMPLETE"] * 8


# --- leases ----------------------------------------------------------------------------------------------------


def test_a_pack_whose_lease_was_lost_is_left_to_the_worker_that_has_it(shop: Shop) -> None:
    shop.post()
    worker = shop.worker()
    worker.step()
    taken: list[Lease] = []

    def lose(job: TrainJob) -> None:
        with shop.store.engine.begin() as connection:
            connection.execute(update(tasks).where(tasks.c.state == "LEASED").values(expires_at=0.0))
        lease = shop.store.claim("worker-2", 3600)
        assert lease is not None
        taken.append(lease)
        shop.trainer.until_interrupted(job)

    shop.trainer.on_pack = lose
    assert worker.step()
    assert shop.states() == ["RUNNING"] * 8  # they are worker-2's now
    work = shop.store.work(taken[0])
    job = TrainJob(shop.id, {}, Purpose.SEARCH, "one", 8, work)
    shop.store.end_train(taken[0], PackResult(tuple(Pretender.outcome(job, r) for r in work.runs)))
    assert shop.states() == ["COMPLETE"] * 8
    assert shop.store.sweep(shop.id).counters.runs_complete == 8


def test_a_result_that_comes_after_the_lease_is_refused(shop: Shop) -> None:
    """The worker slept: nobody interrupted its trainer, and its heartbeat had no chance to hear of the loss."""
    shop.post()
    worker = shop.worker(queue=Unreliable(shop.store, renew=1_000_000))
    worker.step()

    def oversleep(job: TrainJob) -> None:
        with shop.store.engine.begin() as connection:
            connection.execute(update(tasks).where(tasks.c.state == "LEASED").values(expires_at=0.0))
        assert shop.store.claim("worker-2", 3600) is not None

    shop.trainer.on_pack = oversleep
    assert worker.step()
    assert shop.states() == ["RUNNING"] * 8
    assert shop.store.sweep(shop.id).counters.runs_complete == 0


def test_a_drain_gives_the_pack_back_at_once_and_counts_no_attempt(shop: Shop) -> None:
    shop.post()
    worker = shop.worker()
    begun = threading.Event()

    def endless(job: TrainJob) -> None:
        begun.set()
        shop.trainer.until_interrupted(job)

    shop.trainer.on_pack = endless
    thread = threading.Thread(target=worker.run)
    thread.start()
    assert begun.wait(60)
    worker.stop()
    thread.join(60)
    assert not thread.is_alive()
    assert [attempt for attempt, _ in shop.attempts()] == [0]
    assert shop.states() == ["RUNNING"] * 8
    assert {r.state for r in shop.store.runs(shop.id)} == {RunState.WAITING}
    shop.trainer.on_pack = lambda job: None
    lease = shop.store.claim("worker-2", 60)  # nobody had to wait for the lease to run out
    assert lease is not None
    assert lease.task.attempt == 0


def test_a_drain_that_comes_between_the_claim_and_the_training_is_heard_too(shop: Shop) -> None:
    shop.post()
    worker = shop.worker()
    worker.step()

    class Eager(Pretender):
        def train(self, job: TrainJob, on_progress: Callable[[Mapping[str, Any]], None]) -> PackResult:
            worker.stop()  # its interrupt comes before there is anything to interrupt
            return super().train(job, on_progress)

    eager = Eager()
    eager.on_pack = eager.until_interrupted
    shop.trainer = worker._trainer = eager
    assert worker.step()
    assert {r.state for r in shop.store.runs(shop.id)} == {RunState.WAITING}
    assert [attempt for attempt, _ in shop.attempts()] == [0]


def test_a_cancel_in_the_middle_of_a_pack_interrupts_it_and_ends_the_sweep(shop: Shop) -> None:
    shop.post()

    def cancel(job: TrainJob) -> None:
        shop.store.cancel(shop.id)
        shop.trainer.until_interrupted(job)

    shop.trainer.on_pack = cancel
    shop.work_to_the_end(shop.worker())
    assert shop.store.sweep(shop.id).state is SweepState.CANCELLED
    assert shop.states() == ["CANCELLED"] * 8


# --- faults of the sweep ---------------------------------------------------------------------------------------


def test_data_that_cannot_be_used_ends_the_sweep_with_the_sentence(shop: Shop) -> None:
    shop.post()

    class Refuses(EightTrials):
        def plan(self, *_: Any) -> Generation:
            raise DataError("The target 'price' is missing in row 17: fill it or remove the row.")

    shop.work_to_the_end(shop.worker(Refuses()))
    sweep = shop.store.sweep(shop.id)
    assert (sweep.state, sweep.end_reason) == (SweepState.FAILED, EndReason.ERROR)
    assert sweep.error == "The target 'price' is missing in row 17: fill it or remove the row."


def test_data_that_fails_in_a_fold_ends_the_sweep_too_and_cancels_what_is_open(shop: Shop) -> None:
    shop.post()

    def refuse(job: TrainJob) -> None:
        raise DataError("The target is constant on the training rows of a fold.")

    shop.trainer.on_pack = refuse
    shop.work_to_the_end(shop.worker())
    sweep = shop.store.sweep(shop.id)
    assert (sweep.state, sweep.error) == (SweepState.FAILED, "The target is constant on the training rows of a fold.")
    assert shop.states() == ["CANCELLED"] * 8
    assert len(shop.trainer.packs) == 1


def test_a_planner_with_a_bug_gets_three_attempts_and_then_the_sweep_fails(shop: Shop) -> None:
    shop.post()
    calls: list[int] = []

    class Buggy(EightTrials):
        def plan(self, *_: Any) -> Generation:
            calls.append(1)
            raise ZeroDivisionError("division by zero")

    shop.work_to_the_end(shop.worker(Buggy()))
    sweep = shop.store.sweep(shop.id)
    assert len(calls) == 3
    assert (sweep.state, sweep.end_reason) == (SweepState.FAILED, EndReason.ERROR)
    assert sweep.error is not None
    assert "ZeroDivisionError: division by zero" in sweep.error


def test_a_result_that_cannot_be_stored_counts_attempts_and_is_not_tried_for_ever(shop: Shop) -> None:
    shop.post(budget={"max_trials": 8, "max_failed_trials": 0})

    class Unstorable(Pretender):
        def train(self, job: TrainJob, on_progress: Callable[[Mapping[str, Any]], None]) -> PackResult:
            return PackResult(super().train(job, on_progress).outcomes, {"device": object()})

    shop.trainer = Unstorable()
    shop.work_to_the_end(shop.worker())
    sweep = shop.store.sweep(shop.id)
    assert (sweep.state, sweep.end_reason) == (SweepState.FAILED, EndReason.TOO_MANY_FAILURES)
    assert shop.states() == ["FAILED"] * 8


# --- faults of a pack ------------------------------------------------------------------------------------------


def test_a_poison_trial_in_a_pack_of_eight_fails_alone_and_the_other_seven_complete(shop: Shop) -> None:
    shop.post()

    def poison(job: TrainJob) -> None:
        if any(r.key.trial == 5 for r in job.work.runs):
            raise TrainingError("The training process was killed by SIGSEGV.")

    shop.trainer.on_pack = poison
    shop.work_to_the_end(shop.worker())
    assert shop.states() == ["COMPLETE"] * 5 + ["FAILED"] + ["COMPLETE"] * 2
    assert shop.store.trial(shop.id, 5).reason == "The training process was killed by SIGSEGV."
    assert shop.trainer.packs.count([5]) == 3  # a single trial has three attempts of its own
    sweep = shop.store.sweep(shop.id)
    assert sweep.state is SweepState.SUCCEEDED
    assert (sweep.counters.runs_complete, sweep.counters.runs_failed) == (7, 1)
    assert (sweep.counters.trials_complete, sweep.counters.trials_failed) == (7, 1)


def test_a_pack_that_fails_once_is_trained_again_whole(shop: Shop) -> None:
    shop.post()

    def once(job: TrainJob) -> None:
        if len(shop.trainer.packs) == 1:
            raise TrainingError("The training process was killed by SIGKILL.")

    shop.trainer.on_pack = once
    shop.work_to_the_end(shop.worker())
    assert shop.trainer.packs == [list(range(8))] * 2
    assert [attempt for attempt, _ in shop.attempts()] == [1]
    assert shop.states() == ["COMPLETE"] * 8


def test_a_trainer_that_does_not_start_is_no_fault_of_the_pack_and_ends_the_worker_after_a_while(shop: Shop) -> None:
    shop.post()
    worker = shop.worker()
    worker.step()

    def broken(job: TrainJob) -> None:
        raise TrainerStartError("The training process did not start: it ended with exit status 1.")

    shop.trainer.on_pack = broken
    with pytest.raises(TrainerStartError, match="exit status 1"):
        shop.work_to_the_end(worker)
    assert len(shop.trainer.packs) == MAX_FAILED_STARTS
    assert [attempt for attempt, _ in shop.attempts()] == [0] * MAX_FAILED_STARTS
    lease = shop.store.claim("worker-2", 60)  # another worker may do better, and need not wait
    assert lease is not None
    assert lease.task.attempt == 0


def test_one_run_that_diverges_fails_its_trial_alone(shop: Shop) -> None:
    shop.post()

    class Diverging(Pretender):
        @staticmethod
        def outcome(job: TrainJob, run: Run) -> RunOutcome:
            if run.key.trial == 2:
                return RunOutcome(run.key, RunState.FAILED, epochs=3, reason="diverged at epoch 3")
            return Pretender.outcome(job, run)

    shop.trainer = Diverging()
    shop.work_to_the_end(shop.worker())
    assert shop.store.trial(shop.id, 2).state is TrialState.FAILED
    assert shop.store.trial(shop.id, 2).reason == "diverged at epoch 3"
    assert len(shop.trainer.packs) == 1
    assert shop.states().count("COMPLETE") == 7


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
