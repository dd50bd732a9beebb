"""A sweep's own row inside one writing transaction: counters, events, states and the next task move together.

The row is locked first by everyone who writes about a sweep, so that counters are exact, events are numbered
in the order of their commits, and two packs that end at once queue one next task.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from sweep_service.core.errors import NotFoundError
from sweep_service.core.plain import plain_text
from sweep_service.core.run import OPEN_RUN_STATES, RunState
from sweep_service.core.sweep import ENDED, EndReason, SweepState, final_state, next_step, nothing_complete
from sweep_service.core.task import Pack, TaskKind, TaskState
from sweep_service.core.trial import OPEN_TRIAL_STATES, TrialState
from sweep_service.storage.mapping import standing_of
from sweep_service.storage.tables import events, reports, runs, sweeps, tasks, trials

OPEN_RUNS = [s.value for s in OPEN_RUN_STATES]
OPEN_TRIALS = [s.value for s in OPEN_TRIAL_STATES]


class Ledger:
    """Open with `Ledger(connection, sweep_id, now)`, change, and `save()` before the commit."""

    def __init__(self, connection: Connection, sweep_id: str, now: float) -> None:
        row = connection.execute(select(sweeps).where(sweeps.c.id == sweep_id).with_for_update()).mappings().first()
        if row is None:
            raise NotFoundError(f"There is no sweep {sweep_id!r}.")
        self.connection = connection
        self.now = now
        self.id = sweep_id
        self.row: dict[str, Any] = dict(row)
        self.row["counters"] = dict(row["counters"])
        self._events: list[dict[str, Any]] = []

    @property
    def state(self) -> SweepState:
        """State as changed so far."""
        return SweepState(self.row["state"])

    def count(self, name: str, by: int = 1) -> None:
        """Move a counter."""
        self.row["counters"][name] = self.row["counters"].get(name, 0) + by

    def event(self, kind: str, body: Mapping[str, Any] | None = None) -> None:
        """Write an event; its number is the next of the sweep."""
        self.row["event_seq"] += 1
        body = dict(body or {})
        self._events.append(
            {"sweep_id": self.id, "seq": self.row["event_seq"], "kind": kind, "at": self.now, "body": body}
        )

    def go(self, state: SweepState, reason: EndReason | None = None) -> None:
        """Change the state; ended sweeps get their time."""
        if state is self.state and reason is None:
            return
        changed = state is not self.state
        self.row["state"] = state.value
        if reason is not None and self.row["end_reason"] is None:
            self.row["end_reason"] = reason.value
        if state in ENDED:
            self.row["ended_at"] = self.now
        if changed:
            self.event("SWEEP_STATE", {"state": state.value, "end_reason": self.row["end_reason"]})

    def save(self) -> None:
        """Write the row and its events."""
        self.row["revision"] += 1
        names = ["state", "end_reason", "error", "generation", "exhausted", "counters", "slots"]
        names += ["revision", "event_seq", "started_at", "ended_at", "priority", "labels"]
        values = {name: self.row[name] for name in names}
        self.connection.execute(update(sweeps).where(sweeps.c.id == self.id).values(values))
        if self._events:
            self.connection.execute(insert(events), self._events)

    def report(self, kind: str, body: Mapping[str, Any]) -> None:
        """Store a report; one of the same kind is replaced."""
        gone = delete(reports).where(reports.c.sweep_id == self.id, reports.c.kind == kind)
        self.connection.execute(gone)
        row = {"sweep_id": self.id, "kind": kind, "body": dict(body), "made_at": self.now}
        self.connection.execute(insert(reports), [row])

    def queue(self, kind: TaskKind, payload: Mapping[str, Any], purpose: str | None = None) -> int:
        """Queue a task; returns its id."""
        values = {
            "sweep_id": self.id,
            "kind": kind.value,
            "purpose": purpose,
            "state": TaskState.QUEUED.value,
            "payload": dict(payload),
            "attempt": 0,
            "token": 0,
            "created_at": self.now,
        }
        key = self.connection.execute(insert(tasks).values(values)).inserted_primary_key
        assert key is not None  # noqa: S101 - an insert of one row has a key
        return int(key[0])

    def queue_packs(self, packs: Sequence[Pack]) -> None:
        """Queue TRAIN tasks with their runs, and remember K by purpose and signature."""
        slots = dict(self.row["slots"])
        rows: list[dict[str, Any]] = []
        for pack in packs:
            slots.setdefault(f"{pack.purpose.value}/{pack.signature}", pack.slots)
            payload = {**pack.payload, "signature": pack.signature, "slots": pack.slots}
            task = self.queue(TaskKind.TRAIN, payload, pack.purpose.value)
            rows += [_run_row(self.id, task, run.key, run.seed) for run in pack.runs]
        if rows:
            self.connection.execute(insert(runs), rows)
        self.row["slots"] = slots
        self.count("runs_planned", len(rows))

    def step(self) -> None:
        """Queue what follows, by the one rule of `core.sweep`."""
        if self.state in ENDED or self._busy_thinking():
            return
        following = next_step(standing_of(self.row, self._open_runs(), self.now))
        self.go(following.state, following.reason)
        if following.task is TaskKind.PLAN:
            self.queue(TaskKind.PLAN, {"generation": self.row["generation"]})
        elif following.task is TaskKind.CONCLUDE:
            self.queue(TaskKind.CONCLUDE, {})

    def end(self) -> None:
        """The sweep is concluded."""
        reason = EndReason(self.row["end_reason"]) if self.row["end_reason"] else None
        mine = (trials.c.sweep_id == self.id, trials.c.anchor.is_(None))
        complete = select(trials.c.number).where(*mine, trials.c.state == TrialState.COMPLETE.value).limit(1)
        found = self.connection.execute(complete).first() is not None
        state = final_state(reason, any_complete=found)
        if state is SweepState.FAILED and reason is not EndReason.TOO_MANY_FAILURES and self.row["error"] is None:
            failed = select(trials.c.reason).where(*mine, trials.c.reason.is_not(None)).order_by(trials.c.number)
            self.row["error"] = nothing_complete(self.connection.execute(failed.limit(1)).scalar_one_or_none())
        self.go(state)

    def cancel_open(self, *, waiting_only: bool) -> None:
        """Open runs of the sweep (or those that wait) and the trials that they leave without one: CANCELLED."""
        states = [RunState.WAITING.value] if waiting_only else OPEN_RUNS
        mine = runs.c.sweep_id == self.id
        values = {"state": RunState.CANCELLED.value, "ended_at": self.now}
        self.connection.execute(update(runs).where(mine, runs.c.state.in_(states)).values(values))
        still = select(runs.c.trial).where(mine, runs.c.state.in_(OPEN_RUNS))
        trial_values = {"state": TrialState.CANCELLED.value, "ended_at": self.now}
        self.connection.execute(
            update(trials)
            .where(trials.c.sweep_id == self.id, trials.c.state.in_(OPEN_TRIALS), trials.c.number.not_in(still))
            .values(trial_values)
        )

    def close_tasks(self, *states: TaskState) -> None:
        """Tasks of the sweep in these states are done with; whoever has leased one hears it at the fence."""
        mine = (tasks.c.sweep_id == self.id, tasks.c.state.in_([s.value for s in states]))
        self.connection.execute(update(tasks).where(*mine).values(state=TaskState.DONE.value, ended_at=self.now))

    def fail(self, error: str) -> None:
        """The sweep cannot go on: what is complete stays, all else ends with it."""
        self.row["error"] = plain_text(error)
        self.close_tasks(TaskState.QUEUED, TaskState.LEASED)
        self.cancel_open(waiting_only=False)
        if self.state is SweepState.CANCELLING:
            self.go(SweepState.CANCELLED)
            return
        self.row["end_reason"] = EndReason.ERROR.value
        self.go(SweepState.FAILED)

    def _busy_thinking(self) -> bool:
        """A PLAN or CONCLUDE stands already: it will queue what follows."""
        thinking = [TaskKind.PLAN.value, TaskKind.CONCLUDE.value]
        mine = (tasks.c.sweep_id == self.id, tasks.c.kind.in_(thinking), tasks.c.state != TaskState.DONE.value)
        return self.connection.execute(select(tasks.c.id).where(*mine).limit(1)).first() is not None

    def _open_runs(self) -> int:
        found = select(func.count()).select_from(runs).where(runs.c.sweep_id == self.id, runs.c.state.in_(OPEN_RUNS))
        return int(self.connection.execute(found).scalar_one())


def _run_row(sweep_id: str, task: int, key: Any, seed: int) -> dict[str, Any]:
    return {
        "sweep_id": sweep_id,
        "trial": key.trial,
        "purpose": key.purpose.value,
        "fold": key.fold,
        "repeat": key.repeat,
        "seed": seed,
        "state": RunState.WAITING.value,
        "attempt": 0,
        "task_id": task,
        "epochs": 0,
        "metrics": {},
        "details": {},
        "curve": b"",
    }
