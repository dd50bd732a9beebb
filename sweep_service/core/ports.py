"""What the house needs from outside, as protocols. Each docstring is the contract; `testing/` holds it as tests.

All methods may be called from any thread. Nothing given to a caller is changed later; nothing that a
caller gives may be changed by it afterwards. Times are the store's own clock, in UTC.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, BinaryIO, Protocol

from sweep_service.core.event import Event
from sweep_service.core.hypermodel import PublishedSpace, StoredHyperModel
from sweep_service.core.lease import Lease, Renewal
from sweep_service.core.run import Purpose, Run
from sweep_service.core.sweep import Sweep
from sweep_service.core.task import Conclusion, Generation, PackResult, PackWork
from sweep_service.core.trial import Trial, TrialState


@dataclass(frozen=True, slots=True)
class StoredDataset:
    """One version of an uploaded dataset. `digest` is the sha256 of the normalised file in the ArtifactStore."""

    name: str
    version: int
    digest: str
    source_digest: str
    media_type: str
    size: int
    summary: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker as the database knows it."""

    id: str
    host: str
    pid: int
    device: str
    version: str
    started_at: datetime
    seen_at: datetime
    task_id: str | None
    info: Mapping[str, Any]


class SweepStore(Protocol):
    """Sweeps and what belongs to them, for those who post and ask."""

    def create_sweep(
        self, spec: Mapping[str, Any], *, idempotency_key: str | None = None, body_digest: str | None = None
    ) -> tuple[Sweep, bool]:
        """Store a sweep (QUEUED) with its PLAN task of generation 0 and its event, in one transaction.

        `spec` is complete (all defaults filled in) and holds `name`, `priority`, `labels`, `seed`, `budget`.
        With a key that was used before with the same digest the first sweep comes back, and False.

        Raises:
            ConflictError: the key was used with another body.
        """
        ...

    def sweep(self, sweep_id: str) -> Sweep:
        """Raises: NotFoundError."""
        ...

    def sweeps(self, *, limit: int, after: str | None = None) -> tuple[Sequence[Sweep], str | None]:
        """Newest first; `after` is what the last call returned beside its sweeps, None at the end."""
        ...

    def trials(
        self,
        sweep_id: str,
        *,
        limit: int | None = None,
        after: int = -1,
        states: Sequence[TrialState] | None = None,
    ) -> Sequence[Trial]:
        """In the order of their numbers, those above `after`. Raises: NotFoundError (no such sweep)."""
        ...

    def trial(self, sweep_id: str, number: int) -> Trial:
        """Raises: NotFoundError."""
        ...

    def runs(
        self, sweep_id: str, *, trial: int | None = None, purpose: Purpose | None = None, curves: bool = False
    ) -> Sequence[Run]:
        """In the order (trial, purpose, repeat, fold); `curve` is empty unless asked for."""
        ...

    def pause(self, sweep_id: str) -> Sweep:
        """RUNNING or QUEUED -> PAUSED: packs in flight finish, nothing more is claimed. PAUSED: no change.

        Raises: NotFoundError, ConflictError (any other state).
        """
        ...

    def resume(self, sweep_id: str) -> Sweep:
        """PAUSED -> RUNNING. RUNNING: no change. Raises: NotFoundError, ConflictError."""
        ...

    def stop(self, sweep_id: str) -> Sweep:
        """Sampling ends: -> STOPPING; packs in flight finish; what waits of purpose SEARCH is CANCELLED (tasks
        dropped, runs and trials CANCELLED); then `next_step` (at once where nothing is in flight).

        STOPPING or FINALIZING: no change. Raises: NotFoundError, ConflictError (ended or CANCELLING).
        """
        ...

    def cancel(self, sweep_id: str) -> Sweep:
        """-> CANCELLING, and CANCELLED at once where no task is leased; queued tasks are dropped, open runs and
        trials become CANCELLED (those in flight when their lease ends). Ended or CANCELLING: no change.

        Raises: NotFoundError.
        """
        ...

    def delete_sweep(self, sweep_id: str) -> None:
        """An ended sweep and all that belongs to it. Raises: NotFoundError, ConflictError (not ended)."""
        ...

    def report(self, sweep_id: str, kind: str) -> Mapping[str, Any] | None:
        """The stored report of that kind, None where there is none."""
        ...

    def events(self, sweep_id: str, *, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        """In commit order; a seq once seen never gets a lower one committed later."""
        ...

    def workers(self, *, alive_within: float | None = None) -> Sequence[WorkerInfo]:
        """All, or those seen within so many seconds."""
        ...

    def queue_depth(self) -> Mapping[str, int]:
        """`<KIND>_<STATE>` to number of tasks, DONE left out."""
        ...

    def add_dataset(
        self,
        name: str,
        digest: str,
        source_digest: str,
        media_type: str,
        size: int,
        summary: Mapping[str, Any],
    ) -> StoredDataset:
        """The next version of that name; where the newest version has the same source digest, that one."""
        ...

    def dataset(self, name: str, version: int | None = None) -> StoredDataset:
        """That version, or the newest. Raises: NotFoundError."""
        ...

    def datasets(self) -> Sequence[StoredDataset]:
        """All versions, by name and version."""
        ...

    def hypermodels(self) -> Sequence[StoredHyperModel]:
        """What workers have published, by name; of each name what came last."""
        ...


class TaskQueue(Protocol):
    """The queue, for workers. Every write after `claim` checks the fence and raises LeaseLostError."""

    def register_worker(
        self, worker_id: str, *, host: str, pid: int, device: str, version: str, info: Mapping[str, Any]
    ) -> None:
        """Insert or refresh."""
        ...

    def worker_seen(self, worker_id: str) -> None:
        """The worker lives."""
        ...

    def forget_worker(self, worker_id: str) -> None:
        """It has said good-bye: its row goes, and every lease it still holds is released without an attempt."""
        ...

    def publish_hypermodels(self, worker_version: str, spaces: Sequence[PublishedSpace]) -> None:
        """Store what a worker of that version has installed; what such a worker published before is replaced name
        by name, and other names stay: another worker may have them."""
        ...

    def claim(self, worker_id: str, lease_seconds: float) -> Lease | None:
        """The most urgent queued task of a sweep in CLAIMABLE state, leased to this worker; None if there is none.

        Expired leases are given back first (no attempt counts; runs RUNNING -> WAITING; a CANCELLING sweep's become
        CANCELLED). Order: sweep priority (higher first), then CONCLUDE, PLAN, TRAIN, then the sweep with fewest
        leased tasks, then age. The sweep goes QUEUED -> RUNNING with `started_at`; a TRAIN task's open runs and
        their trials go WAITING -> RUNNING and the runs' attempt counts one more.
        """
        ...

    def renew(self, lease: Lease, lease_seconds: float) -> Renewal:
        """Extend; also marks the worker as seen. CANCEL when the sweep is being cancelled."""
        ...

    def release(self, lease: Lease, *, reason: str | None = None, counts: bool = False) -> None:
        """Give the task back (QUEUED; runs WAITING). `counts`: the child died or failed on this very pack, so its
        attempt counts. Past 3 counted attempts a pack of several trials is split into two tasks (half of the
        trials each, attempts anew); past 3 a pack of one trial: its runs and trial are FAILED with the reason.
        A PLAN or CONCLUDE past 3 counted attempts ends the sweep: FAILED with the reason as `error`.
        In a CANCELLING sweep: runs and trials become CANCELLED, and the sweep with the last of them.
        """
        ...

    def fail_sweep(self, lease: Lease, reason: str) -> None:
        """A PLAN or CONCLUDE found that the sweep cannot go on (bad data): sweep FAILED, `error` = reason,
        end_reason ERROR; its queued tasks are dropped, open runs and trials CANCELLED, those complete stay."""
        ...

    def work(self, lease: Lease) -> PackWork:
        """The open runs of a TRAIN task (terminal ones are not trained again) and their trials."""
        ...

    def spec(self, sweep_id: str) -> Mapping[str, Any]:
        """The complete spec."""
        ...

    def history(self, sweep_id: str) -> Sequence[Trial]:
        """All trials of the sweep, by number (what PLAN samples from and CONCLUDE looks at)."""
        ...

    def all_runs(self, sweep_id: str, *, curves: bool = False) -> Sequence[Run]:
        """All runs of the sweep, in the order (trial, purpose, repeat, fold); `curve` is empty unless asked for."""
        ...

    def slots(self, sweep_id: str) -> Mapping[str, int]:
        """`PURPOSE/signature` -> K, of all TRAIN tasks of the sweep so far."""
        ...

    def end_plan(self, lease: Lease, generation: Generation) -> None:
        """Trials, runs, TRAIN tasks, reports, counters, events and the task's end in one transaction; where the
        generation is empty, the next task too (`next_step`)."""
        ...

    def end_train(self, lease: Lease, result: PackResult) -> None:
        """Outcomes of runs that are not terminal yet, the trials that they complete, the task's end and the next
        task in one transaction; terminal runs are left alone; counters move by the rows changed.

        A trial ends when its last SEARCH run ends: COMPLETE with `values` = means of the runs' metrics by name,
        or FAILED (TIMED_OUT, PRUNED) where one of its runs is, with that run's reason; a PRUNED trial keeps the
        means of what stood when it left. CONFIRM and FINAL runs
        move no trial. Runs of the task for which no outcome came stay open: the task goes back to the queue.
        """
        ...

    def end_conclude(self, lease: Lease, conclusion: Conclusion) -> None:
        """Reports, new trials, packs, and the task's end in one transaction. `ended`: the sweep ends (`final_state`);
        otherwise the packs are queued (state FINALIZING), and CONCLUDE again once they are done."""
        ...


class ArtifactStore(Protocol):
    """Bytes by their sha256: datasets, predictions, models, logs."""

    def put(self, source: BinaryIO) -> tuple[str, int]:
        """Store a stream; returns (sha256 hex, size). The same bytes twice are stored once."""
        ...

    def open(self, digest: str) -> BinaryIO:
        """Raises: NotFoundError (unknown, or not a digest)."""
        ...

    def delete(self, digest: str) -> None:
        """Unknown digests are no error."""
        ...
