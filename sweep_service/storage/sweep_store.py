"""Sweeps posted, read and controlled: the SweepStore port."""

from __future__ import annotations

import secrets
import string
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from sweep_service.core.duration import seconds_of
from sweep_service.core.errors import ConflictError, NotFoundError
from sweep_service.core.event import Event
from sweep_service.core.hypermodel import StoredHyperModel
from sweep_service.core.ports import StoredDataset, WorkerInfo
from sweep_service.core.run import Purpose, Run
from sweep_service.core.sweep import ENDED, Counters, EndReason, Sweep, SweepState
from sweep_service.core.task import TaskKind, TaskState
from sweep_service.core.trial import Trial, TrialState
from sweep_service.storage.database import Database
from sweep_service.storage.endings import give_back_late
from sweep_service.storage.ledger import Ledger
from sweep_service.storage.mapping import dataset_of, event_of, hypermodel_of, run_of, sweep_of, trial_of, worker_of
from sweep_service.storage.tables import (
    datasets,
    events,
    hypermodels,
    idempotency_keys,
    reports,
    runs,
    sweeps,
    tasks,
    trials,
    workers,
)

_ALPHABET = string.ascii_lowercase + string.digits
_RUN_COLUMNS = [c for c in runs.c if c.name != "curve"]
_RUN_ORDER = (runs.c.trial, runs.c.purpose, runs.c.repeat, runs.c.fold)


class SqlSweepStore:
    """The SweepStore port on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- posting -----------------------------------------------------------------------------------------------

    def create_sweep(
        self, spec: Mapping[str, Any], *, idempotency_key: str | None = None, body_digest: str | None = None
    ) -> tuple[Sweep, bool]:
        """Store a sweep with its first PLAN task."""
        # Alone, so that one key makes one sweep, and pages (by `seq`) never get a sweep in between later.
        with self._database.write(alone="sweeps") as connection:
            if idempotency_key is not None:
                first = self._of_key(connection, idempotency_key, body_digest or "")
                if first is not None:
                    return first, False
            now = self._database.now(connection)
            sweep_id = "swp_" + "".join(secrets.choice(_ALPHABET) for _ in range(16))
            connection.execute(insert(sweeps).values(_new_row(connection, sweep_id, spec, now)))
            ledger = Ledger(connection, sweep_id, now)
            ledger.event("SWEEP_CREATED", {"name": spec["name"]})
            ledger.queue(TaskKind.PLAN, {"generation": 0})
            ledger.save()
            if idempotency_key is not None:
                key = {"key": idempotency_key, "body_digest": body_digest or "", "sweep_id": sweep_id}
                connection.execute(insert(idempotency_keys).values(key | {"created_at": now}))
            return self._sweep(connection, sweep_id), True

    def _of_key(self, connection: Connection, key: str, digest: str) -> Sweep | None:
        found = connection.execute(select(idempotency_keys).where(idempotency_keys.c.key == key)).mappings().first()
        if found is None:
            return None
        if found["body_digest"] != digest:
            raise ConflictError("This Idempotency-Key was used with another body: use a new key for a new sweep.")
        return self._sweep(connection, found["sweep_id"])

    # --- reading -----------------------------------------------------------------------------------------------

    def sweep(self, sweep_id: str) -> Sweep:
        """One sweep."""
        with self._database.read() as connection:
            return self._sweep(connection, sweep_id)

    def _sweep(self, connection: Connection, sweep_id: str) -> Sweep:
        row = connection.execute(select(sweeps).where(sweeps.c.id == sweep_id)).mappings().first()
        if row is None:
            raise NotFoundError(f"There is no sweep {sweep_id!r}.")
        return sweep_of(row)

    def sweeps(self, *, limit: int, after: str | None = None) -> tuple[Sequence[Sweep], str | None]:
        """A page, newest first."""
        query = select(sweeps).order_by(sweeps.c.seq.desc()).limit(limit + 1)
        if after is not None:
            query = query.where(sweeps.c.seq < int(after))
        with self._database.read() as connection:
            rows = connection.execute(query).mappings().all()
        following = str(rows[limit - 1]["seq"]) if len(rows) > limit else None
        return [sweep_of(row) for row in rows[:limit]], following

    def trials(
        self,
        sweep_id: str,
        *,
        limit: int | None = None,
        after: int = -1,
        states: Sequence[TrialState] | None = None,
    ) -> Sequence[Trial]:
        """Trials above a number."""
        query = select(trials).where(trials.c.sweep_id == sweep_id, trials.c.number > after).order_by(trials.c.number)
        if states is not None:
            query = query.where(trials.c.state.in_([s.value for s in states]))
        with self._database.read() as connection:
            self._sweep(connection, sweep_id)
            return [trial_of(row) for row in connection.execute(query.limit(limit)).mappings()]

    def trial(self, sweep_id: str, number: int) -> Trial:
        """One trial."""
        with self._database.read() as connection:
            self._sweep(connection, sweep_id)
            query = select(trials).where(trials.c.sweep_id == sweep_id, trials.c.number == number)
            row = connection.execute(query).mappings().first()
        if row is None:
            raise NotFoundError(f"Sweep {sweep_id} has no trial {number}.")
        return trial_of(row)

    def runs(
        self, sweep_id: str, *, trial: int | None = None, purpose: Purpose | None = None, curves: bool = False
    ) -> Sequence[Run]:
        """Runs of a sweep."""
        query = select(runs) if curves else select(*_RUN_COLUMNS)
        query = query.where(runs.c.sweep_id == sweep_id).order_by(*_RUN_ORDER)
        if trial is not None:
            query = query.where(runs.c.trial == trial)
        if purpose is not None:
            query = query.where(runs.c.purpose == purpose.value)
        with self._database.read() as connection:
            return [run_of(row) for row in connection.execute(query).mappings()]

    def report(self, sweep_id: str, kind: str) -> Mapping[str, Any] | None:
        """A stored report."""
        query = select(reports.c.body).where(reports.c.sweep_id == sweep_id, reports.c.kind == kind)
        with self._database.read() as connection:
            body: Mapping[str, Any] | None = connection.execute(query).scalar_one_or_none()
            return body

    def events(self, sweep_id: str, *, after: int = 0, limit: int = 1000) -> Sequence[Event]:
        """Events above a number."""
        query = select(events).where(events.c.sweep_id == sweep_id, events.c.seq > after)
        with self._database.read() as connection:
            return [event_of(r) for r in connection.execute(query.order_by(events.c.seq).limit(limit)).mappings()]

    def workers(self, *, alive_within: float | None = None) -> Sequence[WorkerInfo]:
        """Workers, by id."""
        query = select(workers).order_by(workers.c.id)
        with self._database.read() as connection:
            if alive_within is not None:
                query = query.where(workers.c.seen_at > self._database.now(connection) - alive_within)
            return [worker_of(row) for row in connection.execute(query).mappings()]

    def queue_depth(self) -> Mapping[str, int]:
        """Tasks by kind and state."""
        query = select(tasks.c.kind, tasks.c.state, func.count()).group_by(tasks.c.kind, tasks.c.state)
        with self._database.read() as connection:
            found = connection.execute(query.where(tasks.c.state != TaskState.DONE.value)).all()
        return {f"{kind}_{state}": int(count) for kind, state, count in found}

    def hypermodels(self) -> Sequence[StoredHyperModel]:
        """The newest of each name."""
        newest = select(func.max(hypermodels.c.id)).group_by(hypermodels.c.name)
        query = select(hypermodels).where(hypermodels.c.id.in_(newest)).order_by(hypermodels.c.name)
        with self._database.read() as connection:
            return [hypermodel_of(row) for row in connection.execute(query).mappings()]

    # --- control -----------------------------------------------------------------------------------------------

    def pause(self, sweep_id: str) -> Sweep:
        """Claim nothing more of it."""
        return self._control(sweep_id, _pause)

    def resume(self, sweep_id: str) -> Sweep:
        """Claim again."""
        return self._control(sweep_id, _resume)

    def stop(self, sweep_id: str) -> Sweep:
        """End sampling, conclude what there is."""
        return self._control(sweep_id, _stop)

    def cancel(self, sweep_id: str) -> Sweep:
        """End everything."""
        return self._control(sweep_id, _cancel)

    def _control(self, sweep_id: str, change: Any) -> Sweep:
        with self._database.write() as connection:
            ledger = Ledger(connection, sweep_id, self._database.now(connection))
            if change(ledger):
                ledger.save()
            return self._sweep(connection, sweep_id)

    def delete_sweep(self, sweep_id: str) -> None:
        """Remove an ended sweep."""
        with self._database.write() as connection:
            ledger = Ledger(connection, sweep_id, self._database.now(connection))
            if ledger.state not in ENDED:
                raise ConflictError(f"Sweep {sweep_id} is {ledger.state}: cancel it before you delete it.")
            for table in (runs, tasks, trials, events, reports):
                connection.execute(delete(table).where(table.c.sweep_id == sweep_id))
            connection.execute(delete(sweeps).where(sweeps.c.id == sweep_id))

    # --- datasets ----------------------------------------------------------------------------------------------

    def add_dataset(
        self, name: str, digest: str, source_digest: str, media_type: str, size: int, summary: Mapping[str, Any]
    ) -> StoredDataset:
        """The next version, or the newest where it is the same."""
        with self._database.write(alone="datasets") as connection:
            query = select(datasets).where(datasets.c.name == name).order_by(datasets.c.version.desc()).limit(1)
            newest = connection.execute(query).mappings().first()
            if newest is not None and newest["source_digest"] == source_digest:
                return dataset_of(newest)
            row = {
                "name": name,
                "version": (newest["version"] if newest is not None else 0) + 1,
                "digest": digest,
                "source_digest": source_digest,
                "media_type": media_type,
                "size": size,
                "summary": dict(summary),
                "created_at": self._database.now(connection),
            }
            connection.execute(insert(datasets).values(row))
            return dataset_of(row)

    def dataset(self, name: str, version: int | None = None) -> StoredDataset:
        """A version, or the newest."""
        query = select(datasets).where(datasets.c.name == name).order_by(datasets.c.version.desc()).limit(1)
        if version is not None:
            query = query.where(datasets.c.version == version)
        with self._database.read() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise NotFoundError(f"There is no dataset {name!r}" + (f" version {version}." if version else "."))
        return dataset_of(row)

    def datasets(self) -> Sequence[StoredDataset]:
        """All versions."""
        query = select(datasets).order_by(datasets.c.name, datasets.c.version)
        with self._database.read() as connection:
            return [dataset_of(row) for row in connection.execute(query).mappings()]


def _new_row(connection: Connection, sweep_id: str, spec: Mapping[str, Any], now: float) -> dict[str, Any]:
    last = connection.execute(select(func.max(sweeps.c.seq))).scalar_one()
    budget = spec["budget"]
    return {
        "id": sweep_id,
        "seq": (last or 0) + 1,
        "name": spec["name"],
        "state": SweepState.QUEUED.value,
        "spec": dict(spec),
        "priority": spec["priority"],
        "labels": dict(spec["labels"]),
        "max_trials": budget["max_trials"],
        "max_failed": budget["max_failed_trials"],
        "max_seconds": seconds_of(budget["max_duration"]) if budget.get("max_duration") else None,
        "generation": 0,
        "exhausted": False,
        "counters": asdict(Counters()),
        "slots": {},
        "revision": 0,
        "event_seq": 0,
        "created_at": now,
    }


def _refuse(ledger: Ledger, verb: str, allowed: str) -> None:
    raise ConflictError(f"Sweep {ledger.id} is {ledger.state}: only a sweep that is {allowed} can be {verb}.")


def _pause(ledger: Ledger) -> bool:
    if ledger.state is SweepState.PAUSED:
        return False
    if ledger.state not in {SweepState.QUEUED, SweepState.RUNNING}:
        _refuse(ledger, "paused", "QUEUED or RUNNING")
    ledger.go(SweepState.PAUSED)
    return True


def _resume(ledger: Ledger) -> bool:
    if ledger.state is SweepState.RUNNING:
        return False
    if ledger.state is not SweepState.PAUSED:
        _refuse(ledger, "resumed", "PAUSED")
    # A paused sweep that had already stopped sampling goes on where it was: in its conclusion.
    ledger.go(SweepState.FINALIZING if ledger.row["end_reason"] else SweepState.RUNNING)
    return True


def _stop(ledger: Ledger) -> bool:
    if ledger.state in {SweepState.STOPPING, SweepState.FINALIZING}:
        return False
    if ledger.state not in {SweepState.QUEUED, SweepState.RUNNING, SweepState.PAUSED}:
        _refuse(ledger, "stopped", "QUEUED, RUNNING or PAUSED")
    ledger.go(SweepState.STOPPING, EndReason.STOPPED)
    ledger.close_tasks(TaskState.QUEUED)
    ledger.cancel_open(waiting_only=True)
    ledger.step()
    return True


def _cancel(ledger: Ledger) -> bool:
    if ledger.state in ENDED or ledger.state is SweepState.CANCELLING:
        return False
    # A worker that was killed ends nothing any more, and there may be none that gives its lease back for it.
    give_back_late(ledger)
    ledger.go(SweepState.CANCELLING, EndReason.CANCELLED)
    ledger.close_tasks(TaskState.QUEUED)
    ledger.cancel_open(waiting_only=True)
    ledger.step()
    return True
