"""The worker's loop: claim, do, report. It sees ports only, so it runs in tests without a database or TensorFlow."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sweep_service.core.errors import (
    DataError,
    LeaseLostError,
    NotFoundError,
    StoreError,
    TrainerStartError,
    TrainingError,
)
from sweep_service.core.lease import Lease
from sweep_service.core.ports import TaskQueue
from sweep_service.core.run import Purpose
from sweep_service.core.task import TaskKind, TrainJob
from sweep_service.core.work_ports import Planner, Trainer
from sweep_service.worker.heartbeat import Heartbeat
from sweep_service.worker.stopping import StopFlag

log = logging.getLogger(__name__)
MAX_FAILED_STARTS = 3


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds: the lease, and how long an idle worker sleeps at first and at most between two looks."""

    lease: float = 30.0
    idle_first: float = 0.05
    idle_most: float = 1.0


class WorkerLoop:
    """One worker: one task at a time."""

    def __init__(self, worker_id: str, queue: TaskQueue, planner: Planner, trainer: Trainer, pace: Pace) -> None:
        self._id = worker_id
        self._queue = queue
        self._planner = planner
        self._trainer = trainer
        self._pace = pace
        self._stop = StopFlag()
        self._failed_starts = 0

    def stop(self) -> None:
        """Drain: give up the pack that is being trained, give back the lease, and return from `run`.

        Safe to call from a signal handler or another thread.
        """
        self._stop.set()
        self._trainer.interrupt()

    def run(self) -> None:
        """Work until `stop`.

        Raises:
            TrainerStartError: the trainer did not start, several times in a row: another process may do better.
        """
        idle = self._pace.idle_first
        while not self._stop.is_set():
            try:
                busy = self.step()
            except StoreError as error:
                log.warning("the database does not answer: %s", error)
                busy, idle = False, self._pace.idle_most
            idle = self._pace.idle_first if busy else min(idle * 2, self._pace.idle_most)
            if not busy:
                self._stop.wait(idle)

    def step(self) -> bool:
        """Claim one task and do it; False where there was none.

        Raises:
            StoreError: the database does not answer.
            TrainerStartError: see `run`; the lease is given back first.
        """
        lease = self._queue.claim(self._id, self._pace.lease)
        if lease is None:
            return False
        log.info("%s of sweep %s, attempt %d", lease.task.kind, lease.task.sweep_id, lease.task.attempt)
        try:
            with Heartbeat(self._queue, lease, self._pace.lease, self._stop.is_set) as heart:
                self._do(lease, heart)
        except LeaseLostError:
            log.warning("the lease of task %s was lost: its result is left to the worker that has it", lease.task.id)
        return True

    def _do(self, lease: Lease, heart: Heartbeat) -> None:
        try:
            write = self._train(lease, heart) if lease.task.kind is TaskKind.TRAIN else self._think(lease)
        except StoreError:
            raise
        except (DataError, NotFoundError) as error:
            reason = str(error)
            log.exception("sweep %s cannot go on", lease.task.sweep_id)
            write = lambda: self._queue.fail_sweep(lease, reason)  # noqa: E731
        except TrainerStartError as error:
            reason = str(error)
            self._persist(lambda: self._queue.release(lease, reason=reason))
            if not heart.must_stop:
                self._count_failed_start(error)
            return
        except TrainingError as error:
            # A drain or a cancel interrupts the pack from outside: no fault of the pack's.
            counts = not heart.must_stop
            reason = str(error)
            log.warning("task %s was not trained: %s", lease.task.id, reason)
            write = lambda: self._queue.release(lease, reason=reason, counts=counts)  # noqa: E731
        except Exception as error:
            reason = f"{type(error).__name__}: {error}"
            log.exception("task %s failed", lease.task.id)
            write = lambda: self._queue.release(lease, reason=reason, counts=True)  # noqa: E731
        try:
            self._persist(write)
        except (StoreError, LeaseLostError):
            raise
        except Exception as error:
            # What was made cannot be stored: a fault of ours, which must not be tried for ever.
            reason = f"{type(error).__name__}: {error}"
            log.exception("the result of task %s cannot be stored", lease.task.id)
            self._persist(lambda: self._queue.release(lease, reason=reason[:2000], counts=True))

    def _think(self, lease: Lease) -> Callable[[], None]:
        queue, task = self._queue, lease.task
        spec, history, slots = queue.spec(task.sweep_id), queue.history(task.sweep_id), queue.slots(task.sweep_id)
        if task.kind is TaskKind.PLAN:
            curved = self._planner.needs_curves(spec)
            runs = queue.all_runs(task.sweep_id, curves=True) if curved else ()
            made = self._planner.plan(spec, history, slots, int(task.payload["generation"]), runs)
            return lambda: queue.end_plan(lease, made)
        found = self._planner.conclude(spec, history, queue.all_runs(task.sweep_id), slots)
        return lambda: queue.end_conclude(lease, found)

    def _count_failed_start(self, error: TrainerStartError) -> None:
        """No fault of the pack's, so no attempt counts; but a worker that cannot train must not go on claiming."""
        self._failed_starts += 1
        log.warning("the trainer did not start (%d of %d): %s", self._failed_starts, MAX_FAILED_STARTS, error)
        if self._failed_starts >= MAX_FAILED_STARTS:
            raise error

    def _train(self, lease: Lease, heart: Heartbeat) -> Callable[[], None]:
        queue, task = self._queue, lease.task
        work = queue.work(lease)
        job = TrainJob(
            sweep_id=task.sweep_id,
            spec=queue.spec(task.sweep_id),
            purpose=task.purpose or Purpose.SEARCH,
            signature=str(task.payload["signature"]),
            slots=int(task.payload["slots"]),
            work=work,
            epochs={int(k): int(v) for k, v in dict(task.payload.get("epochs", {})).items()},
            halved=bool(task.payload.get("halved", False)),
            medians={int(k): float(v) for k, v in dict(task.payload.get("medians", {})).items()},
        )

        def on_progress(where: Mapping[str, Any]) -> None:
            log.debug("pack %s: epoch %s, %s members active", task.id, where["epoch"], where["active"])

        with heart.guarding(self._trainer.interrupt):
            result = self._trainer.train(job, on_progress)
        self._failed_starts = 0
        return lambda: queue.end_train(lease, result)

    def _persist(self, write: Callable[[], None]) -> None:
        """Write, and while the database is away try again: a finished pack is worth waiting for.

        The fence ends it: once the lease has run out and another worker has the task, LeaseLostError comes.
        """
        wait = 0.1
        while True:
            try:
                write()
            except StoreError as error:
                if self._stop.is_set():
                    raise
                log.warning("a result waits for the database: %s", error)
                self._stop.wait(wait)
                wait = min(wait * 2, 5.0)
            else:
                return
