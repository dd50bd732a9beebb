"""The queue for workers: the TaskQueue port on a database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from sqlalchemy import Connection, case, delete, func, insert, select, update

from sweep_service.core.errors import LeaseLostError, NotFoundError
from sweep_service.core.hypermodel import PublishedSpace
from sweep_service.core.lease import Lease, Renewal
from sweep_service.core.plain import plain_text
from sweep_service.core.run import Run, RunState
from sweep_service.core.sweep import CLAIMABLE, SweepState
from sweep_service.core.task import Conclusion, Generation, PackResult, PackWork, TaskKind, TaskState
from sweep_service.core.trial import Trial, TrialState
from sweep_service.storage.database import Database, moment_of
from sweep_service.storage.endings import give_back, give_back_late, write_generation, write_outcomes
from sweep_service.storage.ledger import OPEN_RUNS, Ledger
from sweep_service.storage.mapping import run_of, task_of, trial_of
from sweep_service.storage.tables import hypermodels, runs, sweeps, tasks, trials, workers

_CLAIMABLE = [s.value for s in CLAIMABLE]
_REAP_AT_ONCE = 20


class SqlTaskQueue:
    """The TaskQueue port on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # --- workers -----------------------------------------------------------------------------------------------

    def register_worker(
        self, worker_id: str, *, host: str, pid: int, device: str, version: str, info: Mapping[str, Any]
    ) -> None:
        """Insert or replace."""
        with self._database.write(alone="workers") as connection:
            now = self._database.now(connection)
            connection.execute(delete(workers).where(workers.c.id == worker_id))
            row: dict[str, Any] = {"id": worker_id, "pid": pid, "version": version, "info": dict(info)}
            row |= {"host": plain_text(host), "device": plain_text(device), "started_at": now, "seen_at": now}
            connection.execute(insert(workers).values(row))

    def worker_seen(self, worker_id: str) -> None:
        """It lives."""
        with self._database.write() as connection:
            self._seen(connection, worker_id, self._database.now(connection))

    def _seen(self, connection: Connection, worker_id: str, now: float, **more: Any) -> None:
        connection.execute(update(workers).where(workers.c.id == worker_id).values(seen_at=now, **more))

    def forget_worker(self, worker_id: str) -> None:
        """Good-bye: its leases go back without an attempt."""
        held = select(tasks).where(tasks.c.worker_id == worker_id, tasks.c.state == TaskState.LEASED.value)
        with self._database.read() as connection:
            found = {row["sweep_id"] for row in connection.execute(held).mappings()}
        # A transaction for each: whoever holds one sweep's row never waits for another's.
        for sweep_id in sorted(found):
            with suppress(NotFoundError), self._database.write() as connection:
                ledger = Ledger(connection, sweep_id, self._database.now(connection))
                # Read again now that the sweep is ours: a lease may have run out and been given to another.
                mine = connection.execute(held.where(tasks.c.sweep_id == sweep_id).order_by(tasks.c.id)).mappings()
                for row in mine.all():
                    give_back(ledger, row, reason=None, counts=False)
                ledger.save()
        with self._database.write() as connection:
            connection.execute(delete(workers).where(workers.c.id == worker_id))

    def publish_hypermodels(self, worker_version: str, spaces: Sequence[PublishedSpace]) -> None:
        """Replace what is published, name by name."""
        # Alone: two workers that start at once publish the same names.
        with self._database.write(alone="hypermodels") as connection:
            now = self._database.now(connection)
            for space in spaces:
                mine = (hypermodels.c.name == space.hypermodel, hypermodels.c.worker_version == worker_version)
                connection.execute(delete(hypermodels).where(*mine))
                row = {"name": space.hypermodel, "worker_version": worker_version, "published_at": now}
                connection.execute(insert(hypermodels).values(row | {"space": space.model_dump(mode="json")}))

    # --- leases ------------------------------------------------------------------------------------------------

    def claim(self, worker_id: str, lease_seconds: float) -> Lease | None:
        """The most urgent task, leased."""
        with self._database.write() as connection:
            now = self._database.now(connection)
            self._reap(connection, now)
            row = connection.execute(self._most_urgent()).mappings().first()
            if row is None:
                self._seen(connection, worker_id, now, task_id=None)
                return None
            token, expires = row["token"] + 1, now + lease_seconds
            values = {"state": TaskState.LEASED.value, "token": token, "worker_id": worker_id, "expires_at": expires}
            connection.execute(update(tasks).where(tasks.c.id == row["id"]).values(values))
            self._seen(connection, worker_id, now, task_id=row["id"])
            self._begin(connection, row, worker_id, now)
            return Lease(task_of(row), token, worker_id, moment_of(expires))

    def _most_urgent(self) -> Any:
        """Sweep priority, then CONCLUDE, PLAN, TRAIN, then the sweep with the fewest leases, then age.

        Rows that another claimer holds are skipped, its sweep's row among them: nobody waits for a lock here.
        """
        other = tasks.alias()
        leased = (
            select(func.count())
            .select_from(other)
            .where(other.c.sweep_id == sweeps.c.id, other.c.state == TaskState.LEASED.value)
            .scalar_subquery()
        )
        rank = case({TaskKind.CONCLUDE.value: 0, TaskKind.PLAN.value: 1}, value=tasks.c.kind, else_=2)
        return (
            select(tasks)
            .join(sweeps, sweeps.c.id == tasks.c.sweep_id)
            .where(tasks.c.state == TaskState.QUEUED.value, sweeps.c.state.in_(_CLAIMABLE))
            .order_by(sweeps.c.priority.desc(), rank, leased, tasks.c.id)
            .limit(1)
            .with_for_update(skip_locked=True, of=[tasks, sweeps])
        )

    def _begin(self, connection: Connection, row: Mapping[Any, Any], worker_id: str, now: float) -> None:
        ledger = Ledger(connection, row["sweep_id"], now)
        if ledger.row["started_at"] is None:
            ledger.row["started_at"] = now
        if ledger.state is SweepState.QUEUED:
            ledger.go(SweepState.RUNNING)
        if row["kind"] == TaskKind.TRAIN.value:
            mine = (runs.c.task_id == row["id"], runs.c.state.in_(OPEN_RUNS))
            values = {"state": RunState.RUNNING.value, "attempt": runs.c.attempt + 1}
            connection.execute(update(runs).where(*mine).values(values))
            named = select(runs.c.trial).where(runs.c.task_id == row["id"])
            waiting = (trials.c.sweep_id == row["sweep_id"], trials.c.state == TrialState.WAITING.value)
            connection.execute(
                update(trials).where(*waiting, trials.c.number.in_(named)).values(state=TrialState.RUNNING.value)
            )
            ledger.event("PACK_STARTED", {"task": str(row["id"]), "worker": worker_id, "purpose": row["purpose"]})
        ledger.save()

    def _reap(self, connection: Connection, now: float) -> None:
        """Leases that ran out go back to the queue, of sweeps that nobody else is writing about."""
        late = (
            select(tasks.c.sweep_id)
            .join(sweeps, sweeps.c.id == tasks.c.sweep_id)
            .where(tasks.c.state == TaskState.LEASED.value, tasks.c.expires_at < now)
            .order_by(tasks.c.sweep_id, tasks.c.id)
            .limit(_REAP_AT_ONCE)
            .with_for_update(skip_locked=True, of=[tasks, sweeps])
        )
        for sweep_id in dict.fromkeys(connection.execute(late).scalars()):
            ledger = Ledger(connection, sweep_id, now)
            give_back_late(ledger)
            ledger.save()

    def renew(self, lease: Lease, lease_seconds: float) -> Renewal:
        """Extend the lease."""
        with self._database.write() as connection:
            now = self._database.now(connection)
            self._fence(connection, lease, expires_at=now + lease_seconds)
            self._seen(connection, lease.worker_id, now)
            state = connection.execute(select(sweeps.c.state).where(sweeps.c.id == lease.task.sweep_id)).scalar_one()
            return "CANCEL" if state == SweepState.CANCELLING.value else "CONTINUE"

    def _fence(self, connection: Connection, lease: Lease, **values: Any) -> None:
        """Write to the task if the lease still holds; else nothing of this transaction may stand."""
        held = (
            tasks.c.id == int(lease.task.id),
            tasks.c.sweep_id == lease.task.sweep_id,  # SQLite gives the ids of deleted tasks to new ones
            tasks.c.token == lease.token,
            tasks.c.state == TaskState.LEASED.value,
        )
        changed = connection.execute(update(tasks).where(*held).values(values or {"token": lease.token}))
        if changed.rowcount != 1:
            raise LeaseLostError(f"The lease of task {lease.task.id} is no longer this worker's: nothing was written.")

    def _open(self, connection: Connection, lease: Lease, **values: Any) -> Ledger:
        """The sweep's row first (everybody's order of locks), then the fence."""
        try:
            ledger = Ledger(connection, lease.task.sweep_id, self._database.now(connection))
        except NotFoundError:
            raise LeaseLostError("The sweep is gone: nothing was written.") from None
        self._fence(connection, lease, **values)
        return ledger

    def release(self, lease: Lease, *, reason: str | None = None, counts: bool = False) -> None:
        """Give the task back."""
        with self._database.write() as connection:
            ledger = self._open(connection, lease)
            row = connection.execute(select(tasks).where(tasks.c.id == int(lease.task.id))).mappings().one()
            give_back(ledger, row, reason=reason, counts=counts)
            ledger.save()

    # --- what a worker reads -----------------------------------------------------------------------------------

    def work(self, lease: Lease) -> PackWork:
        """Open runs of a TRAIN task."""
        mine = (runs.c.sweep_id == lease.task.sweep_id, runs.c.task_id == int(lease.task.id))
        query = (
            select(runs).where(*mine, runs.c.state.in_(OPEN_RUNS)).order_by(runs.c.trial, runs.c.repeat, runs.c.fold)
        )
        with self._database.read() as connection:
            found = [run_of(row) for row in connection.execute(query).mappings()]
            numbers = sorted({run.key.trial for run in found})
            wanted = select(trials).where(trials.c.sweep_id == lease.task.sweep_id, trials.c.number.in_(numbers))
            rows = connection.execute(wanted).mappings().all()
        named = ("loss", "parameters", "delta_unit", "anchor")
        return PackWork(tuple(found), {row["number"]: {n: row[n] for n in named} for row in rows})

    def spec(self, sweep_id: str) -> Mapping[str, Any]:
        """The spec."""
        with self._database.read() as connection:
            spec = connection.execute(select(sweeps.c.spec).where(sweeps.c.id == sweep_id)).scalar_one_or_none()
        if spec is None:
            raise NotFoundError(f"There is no sweep {sweep_id!r}.")
        found: Mapping[str, Any] = spec
        return found

    def history(self, sweep_id: str) -> Sequence[Trial]:
        """All trials."""
        query = select(trials).where(trials.c.sweep_id == sweep_id).order_by(trials.c.number)
        with self._database.read() as connection:
            return [trial_of(row) for row in connection.execute(query).mappings()]

    def all_runs(self, sweep_id: str, *, curves: bool = False) -> Sequence[Run]:
        """All runs, their curves where they are asked for."""
        columns = [c for c in runs.c if curves or c.name != "curve"]
        order = (runs.c.trial, runs.c.purpose, runs.c.repeat, runs.c.fold)
        query = select(*columns).where(runs.c.sweep_id == sweep_id).order_by(*order)
        with self._database.read() as connection:
            return [run_of(row) for row in connection.execute(query).mappings()]

    def slots(self, sweep_id: str) -> Mapping[str, int]:
        """K by purpose and signature."""
        with self._database.read() as connection:
            found = connection.execute(select(sweeps.c.slots).where(sweeps.c.id == sweep_id)).scalar_one_or_none()
        return dict(found or {})

    # --- endings -----------------------------------------------------------------------------------------------

    def _done(self, connection: Connection, lease: Lease) -> Ledger:
        ledger = self._open(connection, lease, state=TaskState.DONE.value)
        connection.execute(update(tasks).where(tasks.c.id == int(lease.task.id)).values(ended_at=ledger.now))
        self._seen(connection, lease.worker_id, ledger.now, task_id=None)
        return ledger

    def end_plan(self, lease: Lease, generation: Generation) -> None:
        """Store a generation."""
        with self._database.write() as connection:
            ledger = self._done(connection, lease)
            if ledger.state in {SweepState.QUEUED, SweepState.RUNNING, SweepState.PAUSED}:
                write_generation(ledger, generation)
            ledger.step()
            ledger.save()

    def end_train(self, lease: Lease, result: PackResult) -> None:
        """Store a pack's outcomes."""
        with self._database.write() as connection:
            ledger = self._done(connection, lease)
            write_outcomes(ledger, int(lease.task.id), result)
            ledger.step()
            ledger.save()

    def end_conclude(self, lease: Lease, conclusion: Conclusion) -> None:
        """Queue what is left to train, or end the sweep."""
        with self._database.write() as connection:
            ledger = self._done(connection, lease)
            for kind, body in conclusion.reports.items():
                ledger.report(kind, body)
            if ledger.state is SweepState.CANCELLING:
                ledger.step()
            elif conclusion.ended or not conclusion.packs:
                ledger.event("CONCLUDED")
                ledger.end()
            elif conclusion.trials:
                write_generation(ledger, Generation(conclusion.trials, conclusion.packs))
                ledger.count("anchors_matched", len(conclusion.trials))
            else:
                ledger.queue_packs(conclusion.packs)
            ledger.save()

    def fail_sweep(self, lease: Lease, reason: str) -> None:
        """The sweep cannot go on."""
        with self._database.write() as connection:
            ledger = self._done(connection, lease)
            ledger.fail(reason)
            ledger.save()
