"""The process that trains: what it does with a job, and what becomes of the job when it does not live to do it.

Real processes with TensorFlow: one child serves test after test until one kills it. On one kind of device, with
one TensorFlow and one number of slots, a run's numbers are the same to the bit, however often its pack was broken
off, and in whatever company its rest is trained.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from sweep_service.core.errors import DataError, NotFoundError, TrainerStartError, TrainingError
from sweep_service.core.pack import make_runs
from sweep_service.core.parsing import dump_spec, parse_spec
from sweep_service.core.run import Purpose, Run, RunOutcome, RunState
from sweep_service.core.task import PackWork, TrainJob
from sweep_service.storage.artifacts import FolderArtifacts
from sweep_service.worker.child_trainer import ChildTrainer
from sweep_service.worker.source import DataSource

pytestmark = [pytest.mark.engine, pytest.mark.faults]

PARAMETERS = {
    "delta": 1.345,
    "layers": 1,
    "units": 4,
    "activation": "relu",
    "optimizer": "adam",
    "nesterov": False,
    "batch_size": 16,
    "dropout": 0.2,
}
GOOD, WILD = 0.01, 1e30
"""Learning rates."""


def job(*rates: float, epochs: int = 12, folds: int = 3, rows: int = 70, runs: set[int] | None = None) -> TrainJob:
    """A trial for each learning rate; `runs`: the folds that are still open."""
    spec = parse_spec(
        {
            "dataset": {
                "name": "friedman1",
                "options": {"rows": rows, "noise": 1.0},
                "split": {"validation": {"folds": folds}},
            },
            "parameters": {"dropout": 0.2},
            "training": {"max_epochs": epochs, "early_stopping": None},
        }
    )
    made = [r for n in range(len(rates)) for r in make_runs(n, Purpose.SEARCH, 3, 1, 0)]
    work = tuple(
        Run(r.key, r.seed, RunState.RUNNING, 1, None, 0, {}, {}, b"", None)
        for r in made
        if runs is None or r.key.fold in runs
    )
    trials = {
        n: {"loss": "HUBER", "parameters": {**PARAMETERS, "learning_rate": rate}, "delta_unit": "SIGMA", "anchor": None}
        for n, rate in enumerate(rates)
    }
    return TrainJob("sweep", dump_spec(spec), Purpose.SEARCH, "signature", 8, PackWork(work, trials))


def long_job() -> TrainJob:
    return job(GOOD, epochs=10_000)


def no_upload(name: str, version: int | None) -> Any:
    raise NotFoundError(f"there is no dataset {name}")


def made_trainer(folder: Path, cache: Path | None) -> ChildTrainer:
    source = DataSource(FolderArtifacts(folder / "artifacts"), no_upload, folder / "data")
    return ChildTrainer(source, compile_cache=cache, environ={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"})


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[ChildTrainer]:
    made = made_trainer(tmp_path_factory.mktemp("worker"), cache)
    yield made
    made.close()


@pytest.fixture(scope="module")
def expected(trainer: ChildTrainer) -> dict[int, RunOutcome]:
    """What becomes of the good trial, by fold."""
    found = of_trial(trainer, job(GOOD))
    assert [o.state for o in found.values()] == [RunState.COMPLETE] * 3
    return found


def of_trial(trainer: ChildTrainer, wanted: TrainJob, trial: int = 0) -> dict[int, RunOutcome]:
    outcomes = trainer.train(wanted, ignore).outcomes
    return {o.key.fold: o for o in outcomes if o.key.trial == trial}


def ignore(_where: Mapping[str, Any]) -> None:
    pass


def gone(pid: int) -> bool:
    """No such process, or one that is dead and that only its parent may bury."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    return True


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not what():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.01)


def main_thread_reads() -> bool:
    """Whether it waits for the child's answer."""
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None and frame.f_code.co_name != "recv":
        frame = frame.f_back
    return frame is not None


@contextlib.contextmanager
def meanwhile(act: Callable[[], None]) -> Iterator[None]:
    """Another thread acts while the body runs."""
    thread = threading.Thread(target=act)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def test_the_answer_says_what_it_was_trained_on_and_how(trainer: ChildTrainer, expected: dict[int, RunOutcome]) -> None:
    told: list[Mapping[str, Any]] = []
    result = trainer.train(job(GOOD), told.append)
    assert result.engine["rung"] == "PACK"
    assert (result.engine["slots"], result.engine["members"]) == (8, 3)
    assert {"device", "tensorflow", "keras", "compile_seconds", "train_seconds"} <= set(result.engine)
    assert [(where["epoch"], where["active"]) for where in told] == [(10, 3), (12, 0)]


def test_the_same_job_again_and_the_rest_of_a_broken_one_give_the_same_bits(
    trainer: ChildTrainer, expected: dict[int, RunOutcome]
) -> None:
    assert of_trial(trainer, job(GOOD)) == expected
    for fold in range(3):
        assert of_trial(trainer, job(GOOD, runs={fold})) == {fold: expected[fold]}


def test_a_diverging_trial_fails_alone(trainer: ChildTrainer, expected: dict[int, RunOutcome]) -> None:
    outcomes = trainer.train(job(WILD, GOOD), ignore).outcomes
    wild, good = ([o for o in outcomes if o.key.trial == n] for n in range(2))
    assert [o.state for o in wild] == [RunState.FAILED] * 3
    assert all("diverged at epoch 1" in str(o.reason) for o in wild)
    assert [(o.state, o.metrics, o.curve) for o in good] == [(o.state, o.metrics, o.curve) for o in expected.values()]


def test_a_dataset_that_cannot_be_used_is_said_to_be_at_fault_and_the_child_lives(trainer: ChildTrainer) -> None:
    pid = trainer.pid
    with pytest.raises(DataError, match="use at most 24 folds"):
        trainer.train(job(GOOD, rows=30, folds=50), ignore)
    assert trainer.pid == pid


def test_a_pack_that_cannot_be_trained_is_an_error_and_the_child_lives(
    trainer: ChildTrainer, expected: dict[int, RunOutcome]
) -> None:
    pid = trainer.pid
    with pytest.raises(TrainingError, match="9 members do not fit 8 slots"):
        trainer.train(job(GOOD, GOOD, GOOD), ignore)
    assert of_trial(trainer, job(GOOD)) == expected
    assert trainer.pid == pid


def test_a_child_killed_in_the_middle_is_named_with_its_signal_and_another_trains_the_next_job(
    trainer: ChildTrainer, expected: dict[int, RunOutcome]
) -> None:
    pid = trainer.pid
    assert pid is not None
    with pytest.raises(TrainingError, match="was killed by SIGKILL"):
        trainer.train(long_job(), lambda _: os.kill(pid, signal.SIGKILL))
    assert gone(pid)
    assert of_trial(trainer, job(GOOD)) == expected
    assert trainer.pid != pid


def test_a_child_killed_between_two_jobs_costs_nothing(trainer: ChildTrainer, expected: dict[int, RunOutcome]) -> None:
    pid = trainer.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert of_trial(trainer, job(GOOD)) == expected
    assert trainer.pid != pid


def test_an_interrupt_from_another_thread_ends_the_pack_and_the_process(trainer: ChildTrainer) -> None:
    pid = trainer.pid
    assert pid is not None
    begun = threading.Event()
    with meanwhile(lambda: (begun.wait(), trainer.interrupt())), pytest.raises(TrainingError, match="interrupted"):
        trainer.train(long_job(), lambda _: begun.set())
    assert gone(pid)
    assert trainer.pid is None


def test_what_a_given_up_pack_still_says_is_not_taken_for_the_next_jobs_answer(
    trainer: ChildTrainer, expected: dict[int, RunOutcome]
) -> None:
    def fail(_where: Mapping[str, Any]) -> None:
        raise KeyError("of the caller's own")

    with pytest.raises(KeyError):
        trainer.train(job(GOOD, epochs=11), fail)
    assert of_trial(trainer, job(GOOD)) == expected


def test_a_child_that_crashes_before_its_first_epoch_is_replaced_once_by_one_without_the_compile_cache(
    trainer: ChildTrainer, expected: dict[int, RunOutcome]
) -> None:
    first = trainer.pid
    assert first is not None
    assert "--cache" in psutil.Process(first).cmdline()

    # Stopped, it keeps the signal until it has been sent the job.
    os.kill(first, signal.SIGSTOP)
    os.kill(first, signal.SIGSEGV)
    with meanwhile(lambda: (wait_for(main_thread_reads), os.kill(first, signal.SIGCONT))):
        assert of_trial(trainer, job(GOOD)) == expected
    assert trainer.pid != first
    assert "--cache" not in psutil.Process(trainer.pid).cmdline()


def test_closing_leaves_no_process_and_may_be_done_twice(trainer: ChildTrainer) -> None:
    pid = trainer.pid
    assert pid is not None
    trainer.close()
    assert gone(pid)
    assert trainer.pid is None
    trainer.close()


def test_an_interrupt_while_the_child_starts_is_heard(trainer: ChildTrainer) -> None:
    assert trainer.pid is None
    with (
        meanwhile(lambda: (wait_for(lambda: trainer.pid), trainer.interrupt())),
        pytest.raises(TrainerStartError, match="interrupted"),
    ):
        trainer.train(job(GOOD), ignore)
    assert trainer.pid is None


def test_damaged_files_in_the_compile_cache_are_removed_and_cost_no_job(
    tmp_path: Path, cache: Path, expected: dict[int, RunOutcome]
) -> None:
    programs = [path for path in cache.rglob("*") if path.is_file()]
    assert programs
    for path in programs:
        path.write_bytes(path.read_bytes()[:1000])
    with contextlib.closing(made_trainer(tmp_path, cache)) as other:
        assert of_trial(other, job(GOOD)) == expected
    assert not [path for path in programs if path.exists()]


PARENT = """
import sys
sys.path.insert(0, {folder!r})
from pathlib import Path
from test_child_trainer import long_job, made_trainer

trainer = made_trainer(Path({work!r}), None)
trainer.train(long_job(), lambda _: print(trainer.pid, flush=True))
"""


def test_a_child_dies_with_its_parent(tmp_path: Path) -> None:
    script = PARENT.format(folder=str(Path(__file__).parent), work=str(tmp_path))
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        try:
            assert parent.stdout is not None
            child = int(parent.stdout.readline())
            os.kill(child, signal.SIGSTOP)  # it cannot see that nobody reads what it says: the kernel must end it
            assert not gone(child)
        finally:
            parent.kill()
        wait_for(lambda: gone(child))
