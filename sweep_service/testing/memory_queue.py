"""The TaskQueue port in memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sweep_service.core.errors import LeaseLostError, NotFoundError
from sweep_service.core.hypermodel import PublishedSpace, StoredHyperModel
from sweep_service.core.lease import Lease, Renewal
from sweep_service.core.plain import plain_text
from sweep_service.core.ports import WorkerInfo
from sweep_service.core.run import Run, RunState
from sweep_service.core.sweep import CLAIMABLE, SweepState
from sweep_service.core.task import Conclusion, Generation, PackResult, PackWork, TaskKind, TaskState
from sweep_service.core.trial import Trial, TrialState
from sweep_service.testing.memory import Memory
from sweep_service.testing.memory_endings import give_back, give_back_late, write_generation, write_outcomes
from sweep_service.testing.memory_record import Record, TaskRow, frozen

_RANK = {TaskKind.CONCLUDE: 0, TaskKind.PLAN: 1, TaskKind.TRAIN: 2}


class MemoryTaskQueue:
    """For workers."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    # --- workers -----------------------------------------------------------------------------------------------

    def register_worker(
        self, worker_id: str, *, host: str, pid: int, device: str, version: str, info: Mapping[str, Any]
    ) -> None:
        """Insert or replace."""
        with self._memory.lock:
            now, host, device = self._memory.now(), plain_text(host), plain_text(device)
            info = frozen(dict(info))
            self._memory.workers[worker_id] = WorkerInfo(worker_id, host, pid, device, version, now, now, None, info)

    def worker_seen(self, worker_id: str) -> None:
        """It lives."""
        self._seen(worker_id)

    def _seen(self, worker_id: str, **more: Any) -> None:
        with self._memory.lock:
            known = self._memory.workers.get(worker_id)
            if known is not None:
                self._memory.workers[worker_id] = replace(known, seen_at=self._memory.now(), **more)

    def forget_worker(self, worker_id: str) -> None:
        """Good-bye: its leases go back without an attempt."""
        with self._memory.lock:
            for sweep_id in list(self._memory.records):
                mine = [t for t in self._leased(sweep_id) if t.worker_id == worker_id]
                if mine:
                    with self._memory.write(sweep_id) as record:
                        for row in mine:
                            give_back(record, row, reason=None, counts=False)
            self._memory.workers.pop(worker_id, None)

    def _leased(self, sweep_id: str) -> list[TaskRow]:
        return self._memory.record(sweep_id).in_state(TaskState.LEASED)

    def publish_hypermodels(self, worker_version: str, spaces: Sequence[PublishedSpace]) -> None:
        """Replace what is published, name by name."""
        with self._memory.lock:
            now = self._memory.now()
            for space in spaces:
                told = PublishedSpace.model_validate(frozen(space.model_dump(mode="json")))
                self._memory.hypermodels.pop((space.hypermodel, worker_version), None)
                self._memory.hypermodels[space.hypermodel, worker_version] = StoredHyperModel(told, worker_version, now)

    # --- leases ------------------------------------------------------------------------------------------------

    def claim(self, worker_id: str, lease_seconds: float) -> Lease | None:
        """The most urgent task, leased."""
        memory = self._memory
        with memory.lock:
            now = memory.now()
            for sweep_id in list(memory.records):
                if any(t.expires_at is not None and t.expires_at < now for t in self._leased(sweep_id)):
                    with memory.write(sweep_id) as record:
                        give_back_late(record)
            row = self._most_urgent()
            if row is None:
                self._seen(worker_id, task_id=None)
                return None
            expires = now + timedelta(seconds=lease_seconds)
            leased = TaskRow(row.task, TaskState.LEASED, row.token + 1, worker_id, expires)
            with memory.write(row.task.sweep_id) as record:
                record.tasks[row.task.id] = leased
                _begin(record, leased)
            self._seen(worker_id, task_id=row.task.id)
            return Lease(row.task, leased.token, worker_id, expires)

    def _most_urgent(self) -> TaskRow | None:
        found = [
            (
                -record.sweep.priority,
                _RANK[row.task.kind],
                len(record.in_state(TaskState.LEASED)),
                int(row.task.id),
                row,
            )
            for record in self._memory.records.values()
            if record.state in CLAIMABLE
            for row in record.in_state(TaskState.QUEUED)
        ]
        return min(found, key=lambda f: f[:4])[4] if found else None

    def renew(self, lease: Lease, lease_seconds: float) -> Renewal:
        """Extend the lease."""
        memory = self._memory
        with memory.lock:
            record, row = self._held(lease)
            later = memory.now() + timedelta(seconds=lease_seconds)
            record = record.copy(memory.now())
            record.tasks[row.task.id] = replace(row, expires_at=later)
            memory.records[lease.task.sweep_id] = record
            self._seen(lease.worker_id)
            return "CANCEL" if record.state is SweepState.CANCELLING else "CONTINUE"

    def _held(self, lease: Lease) -> tuple[Record, TaskRow]:
        """The fence."""
        record = self._memory.records.get(lease.task.sweep_id)
        row = record.tasks.get(lease.task.id) if record is not None else None
        if record is None or row is None or row.state is not TaskState.LEASED or row.token != lease.token:
            raise LeaseLostError(f"The lease of task {lease.task.id} is no longer this worker's: nothing was written.")
        return record, row

    def release(self, lease: Lease, *, reason: str | None = None, counts: bool = False) -> None:
        """Give the task back."""
        with self._memory.lock:
            _, row = self._held(lease)
            with self._memory.write(lease.task.sweep_id) as record:
                give_back(record, row, reason=reason, counts=counts)

    # --- what a worker reads -----------------------------------------------------------------------------------

    def work(self, lease: Lease) -> PackWork:
        """Open runs of a TRAIN task."""
        record = self._memory.record(lease.task.sweep_id)
        found = sorted(record.open_runs(lease.task.id), key=lambda r: (r.key.trial, r.key.repeat, r.key.fold))
        trials = {run.key.trial: record.trials[run.key.trial] for run in found}
        named = {
            number: {"loss": t.loss, "parameters": t.parameters, "delta_unit": t.delta_unit, "anchor": t.anchor}
            for number, t in trials.items()
        }
        return PackWork(tuple(replace(run, curve=b"") for run in found), named)

    def spec(self, sweep_id: str) -> Mapping[str, Any]:
        """The spec."""
        return self._memory.record(sweep_id).sweep.spec

    def history(self, sweep_id: str) -> Sequence[Trial]:
        """All trials."""
        trials = self._record_or_none(sweep_id)
        return [] if trials is None else sorted(trials.trials.values(), key=lambda t: t.number)

    def all_runs(self, sweep_id: str, *, curves: bool = False) -> Sequence[Run]:
        """All runs, their curves where they are asked for."""
        record = self._record_or_none(sweep_id)
        found = [] if record is None else list(record.runs.values())
        found.sort(key=lambda r: (r.key.trial, r.key.purpose, r.key.repeat, r.key.fold))
        return found if curves else [replace(r, curve=b"") for r in found]

    def slots(self, sweep_id: str) -> Mapping[str, int]:
        """K by purpose and signature."""
        record = self._record_or_none(sweep_id)
        return {} if record is None else dict(record.slots)

    def _record_or_none(self, sweep_id: str) -> Record | None:
        try:
            return self._memory.record(sweep_id)
        except NotFoundError:
            return None

    # --- endings -----------------------------------------------------------------------------------------------

    @contextmanager
    def _done(self, lease: Lease) -> Iterator[Record]:
        with self._memory.lock:
            self._held(lease)
            with self._memory.write(lease.task.sweep_id) as record:
                record.close_task(lease.task.id)
                yield record
            self._seen(lease.worker_id, task_id=None)

    def end_plan(self, lease: Lease, generation: Generation) -> None:
        """Store a generation."""
        with self._done(lease) as record:
            if record.state in {SweepState.QUEUED, SweepState.RUNNING, SweepState.PAUSED}:
                write_generation(record, generation)
            record.step()

    def end_train(self, lease: Lease, result: PackResult) -> None:
        """Store a pack's outcomes."""
        with self._done(lease) as record:
            write_outcomes(record, lease.task.id, result)
            record.step()

    def end_conclude(self, lease: Lease, conclusion: Conclusion) -> None:
        """Queue what is left to train, or end the sweep."""
        with self._done(lease) as record:
            record.reports.update({kind: frozen(dict(body)) for kind, body in conclusion.reports.items()})
            if record.state is SweepState.CANCELLING:
                record.step()
            elif conclusion.ended or not conclusion.packs:
                record.event("CONCLUDED")
                record.end()
            elif conclusion.trials:
                write_generation(record, Generation(conclusion.trials, conclusion.packs))
                record.count("anchors_matched", len(conclusion.trials))
            else:
                record.queue_packs(conclusion.packs)

    def fail_sweep(self, lease: Lease, reason: str) -> None:
        """The sweep cannot go on."""
        with self._done(lease) as record:
            record.fail(reason)


def _begin(record: Record, row: TaskRow) -> None:
    """Its sweep runs, and so do its runs and their trials."""
    if record.sweep.started_at is None:
        record.sweep = replace(record.sweep, started_at=record.now)
    if record.state is SweepState.QUEUED:
        record.go(SweepState.RUNNING)
    if row.task.kind is not TaskKind.TRAIN:
        return
    for run in record.open_runs(row.task.id):
        record.runs[run.key] = replace(run, state=RunState.RUNNING, attempt=run.attempt + 1)
        trial = record.trials[run.key.trial]
        if trial.state is TrialState.WAITING:
            record.trials[run.key.trial] = replace(trial, state=TrialState.RUNNING)
    purpose = row.task.purpose.value if row.task.purpose else None
    record.event("PACK_STARTED", {"task": row.task.id, "worker": row.worker_id, "purpose": purpose})
