"""The SweepStore port in memory."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sweep_service.core.errors import ConflictError, NotFoundError
from sweep_service.core.event import Event
from sweep_service.core.hypermodel import StoredHyperModel
from sweep_service.core.ports import StoredDataset, WorkerInfo
from sweep_service.core.run import Purpose, Run, RunState
from sweep_service.core.sweep import ENDED, Counters, EndReason, Sweep, SweepState
from sweep_service.core.task import TaskKind, TaskState
from sweep_service.core.trial import Trial, TrialState
from sweep_service.testing.memory import Memory
from sweep_service.testing.memory_endings import give_back_late
from sweep_service.testing.memory_record import Record, frozen

_WAITING = frozenset({RunState.WAITING})


class MemorySweepStore:
    """For those who post and ask."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    # --- posting -----------------------------------------------------------------------------------------------

    def create_sweep(
        self, spec: Mapping[str, Any], *, idempotency_key: str | None = None, body_digest: str | None = None
    ) -> tuple[Sweep, bool]:
        """Store a sweep with its first PLAN task."""
        memory = self._memory
        with memory.lock:
            if idempotency_key is not None and idempotency_key in memory.keys:
                digest, first = memory.keys[idempotency_key]
                if digest != (body_digest or ""):
                    raise ConflictError("This Idempotency-Key was used with another body: use a new key.")
                return self.sweep(first), False
            sweep = _new(f"swp_{secrets.token_hex(8)}", frozen(dict(spec)), memory)
            record = Record(sweep, memory.next_place(), memory.next_task)
            record.event("SWEEP_CREATED", {"name": sweep.name})
            record.queue(TaskKind.PLAN, {"generation": 0})
            record.sweep = replace(record.sweep, revision=1)
            memory.records[sweep.id] = record
            if idempotency_key is not None:
                memory.keys[idempotency_key] = (body_digest or "", sweep.id)
            return record.sweep, True

    # --- reading -----------------------------------------------------------------------------------------------

    def sweep(self, sweep_id: str) -> Sweep:
        """One sweep."""
        return self._memory.record(sweep_id).sweep

    def sweeps(self, *, limit: int, after: str | None = None) -> tuple[Sequence[Sweep], str | None]:
        """A page, newest first."""
        with self._memory.lock:
            records = sorted(self._memory.records.values(), key=lambda r: -r.place)
        found = [r for r in records if after is None or r.place < int(after)]
        following = str(found[limit - 1].place) if len(found) > limit else None
        return [r.sweep for r in found[:limit]], following

    def trials(
        self,
        sweep_id: str,
        *,
        limit: int | None = None,
        after: int = -1,
        states: Sequence[TrialState] | None = None,
    ) -> Sequence[Trial]:
        """Trials above a number."""
        trials = sorted(self._memory.record(sweep_id).trials.values(), key=lambda t: t.number)
        return [t for t in trials if t.number > after and (states is None or t.state in states)][:limit]

    def trial(self, sweep_id: str, number: int) -> Trial:
        """One trial."""
        found = self._memory.record(sweep_id).trials.get(number)
        if found is None:
            raise NotFoundError(f"Sweep {sweep_id} has no trial {number}.")
        return found

    def runs(
        self, sweep_id: str, *, trial: int | None = None, purpose: Purpose | None = None, curves: bool = False
    ) -> Sequence[Run]:
        """Runs of a sweep; none of one that is not there."""
        try:
            runs = self._memory.record(sweep_id).runs.values()
        except NotFoundError:
            return []
        found = [r for r in runs if trial in {None, r.key.trial} and purpose in {None, r.key.purpose}]
        found.sort(key=lambda r: (r.key.trial, r.key.purpose, r.key.repeat, r.key.fold))
        return found if curves else [replace(r, curve=b"") for r in found]

    def report(self, sweep_id: str, kind: str) -> Mapping[str, Any] | None:
        """A stored report."""
        with self._memory.lock:
            record = self._memory.records.get(sweep_id)
        return None if record is None else record.reports.get(kind)

    def events(self, sweep_id: str, *, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        """Events above a number."""
        with self._memory.lock:
            record = self._memory.records.get(sweep_id)
        return [] if record is None else record.events[after : after + limit]

    def workers(self, *, alive_within: float | None = None) -> Sequence[WorkerInfo]:
        """Workers, by id."""
        with self._memory.lock:
            workers = sorted(self._memory.workers.values(), key=lambda w: w.id)
        if alive_within is None:
            return workers
        since = self._memory.now() - timedelta(seconds=alive_within)
        return [w for w in workers if w.seen_at > since]

    def queue_depth(self) -> Mapping[str, int]:
        """Tasks by kind and state."""
        with self._memory.lock:
            rows = [t for r in self._memory.records.values() for t in r.in_state(TaskState.QUEUED, TaskState.LEASED)]
        return dict(Counter(f"{t.task.kind.value}_{t.state.value}" for t in rows))

    def hypermodels(self) -> Sequence[StoredHyperModel]:
        """The newest of each name; the dictionary is in the order of their publishing."""
        with self._memory.lock:
            newest = {name: stored for (name, _), stored in self._memory.hypermodels.items()}
        return [newest[name] for name in sorted(newest)]

    # --- control -----------------------------------------------------------------------------------------------

    def pause(self, sweep_id: str) -> Sweep:
        """Claim nothing more of it."""
        return self._control(sweep_id, "paused", _PAUSABLE, {SweepState.PAUSED}, lambda r: r.go(SweepState.PAUSED))

    def resume(self, sweep_id: str) -> Sweep:
        """Claim again."""
        return self._control(sweep_id, "resumed", {SweepState.PAUSED}, {SweepState.RUNNING}, _resume)

    def stop(self, sweep_id: str) -> Sweep:
        """End sampling, conclude what there is."""
        done = {SweepState.STOPPING, SweepState.FINALIZING}
        return self._control(sweep_id, "stopped", {*_PAUSABLE, SweepState.PAUSED}, done, _stop)

    def cancel(self, sweep_id: str) -> Sweep:
        """End everything."""
        done = {*ENDED, SweepState.CANCELLING}
        return self._control(sweep_id, "cancelled", set(SweepState) - done, done, _cancel)

    def _control(
        self,
        sweep_id: str,
        verb: str,
        allowed: set[SweepState],
        done: set[SweepState],
        change: Callable[[Record], None],
    ) -> Sweep:
        with self._memory.lock:
            state = self.sweep(sweep_id).state
            if state in done:
                return self.sweep(sweep_id)
            if state not in allowed:
                names = ", ".join(sorted(allowed))
                raise ConflictError(f"Sweep {sweep_id} is {state}: only one that is {names} can be {verb}.")
            with self._memory.write(sweep_id) as record:
                change(record)
            return self.sweep(sweep_id)

    def delete_sweep(self, sweep_id: str) -> None:
        """Remove an ended sweep."""
        memory = self._memory
        with memory.lock:
            state = self.sweep(sweep_id).state
            if state not in ENDED:
                raise ConflictError(f"Sweep {sweep_id} is {state}: cancel it before you delete it.")
            del memory.records[sweep_id]
            memory.keys = {key: value for key, value in memory.keys.items() if value[1] != sweep_id}

    # --- datasets ----------------------------------------------------------------------------------------------

    def add_dataset(
        self, name: str, digest: str, source_digest: str, media_type: str, size: int, summary: Mapping[str, Any]
    ) -> StoredDataset:
        """The next version, or the newest where it is the same."""
        with self._memory.lock:
            newest = max((v for n, v in self._memory.datasets if n == name), default=0)
            last = self._memory.datasets.get((name, newest))
            if last is not None and last.source_digest == source_digest:
                return last
            now, body = self._memory.now(), frozen(dict(summary))
            made = StoredDataset(name, newest + 1, digest, source_digest, media_type, size, body, now)
            self._memory.datasets[name, made.version] = made
            return made

    def dataset(self, name: str, version: int | None = None) -> StoredDataset:
        """A version, or the newest."""
        found = [d for d in self.datasets() if d.name == name and version in {None, d.version}]
        if not found:
            raise NotFoundError(f"There is no dataset {name!r}" + (f" version {version}." if version else "."))
        return found[-1]

    def datasets(self) -> Sequence[StoredDataset]:
        """All versions."""
        with self._memory.lock:
            return [self._memory.datasets[key] for key in sorted(self._memory.datasets)]


_PAUSABLE = {SweepState.QUEUED, SweepState.RUNNING}


def _new(sweep_id: str, spec: Mapping[str, Any], memory: Memory) -> Sweep:
    return Sweep(
        id=sweep_id,
        name=spec["name"],
        state=SweepState.QUEUED,
        end_reason=None,
        error=None,
        spec=spec,
        priority=spec["priority"],
        labels=spec["labels"],
        counters=Counters(),
        generation=0,
        revision=0,
        event_seq=0,
        created_at=memory.now(),
        started_at=None,
        ended_at=None,
    )


def _resume(record: Record) -> None:
    record.go(SweepState.FINALIZING if record.sweep.end_reason else SweepState.RUNNING)


def _stop(record: Record) -> None:
    record.go(SweepState.STOPPING, EndReason.STOPPED)
    record.close_tasks(TaskState.QUEUED)
    record.cancel_open(_WAITING)
    record.step()


def _cancel(record: Record) -> None:
    give_back_late(record)
    record.go(SweepState.CANCELLING, EndReason.CANCELLED)
    record.close_tasks(TaskState.QUEUED)
    record.cancel_open(_WAITING)
    record.step()
