"""A sweep in memory with all that belongs to it, and the rules that move it: one copy is one transaction."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sweep_service.core.duration import seconds_of
from sweep_service.core.event import Event
from sweep_service.core.plain import dump_json, plain_text
from sweep_service.core.run import OPEN_RUN_STATES, Run, RunKey, RunState
from sweep_service.core.sweep import (
    ENDED,
    EndReason,
    Standing,
    Sweep,
    SweepState,
    final_state,
    next_step,
    nothing_complete,
)
from sweep_service.core.task import Pack, Task, TaskKind, TaskState
from sweep_service.core.trial import OPEN_TRIAL_STATES, Trial, TrialState


def frozen(value: object) -> Any:
    """The value as it comes back from a database: JSON, and nobody else's."""
    return json.loads(dump_json(value))


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A task and who has it."""

    task: Task
    state: TaskState = TaskState.QUEUED
    token: int = 0
    worker_id: str | None = None
    expires_at: datetime | None = None


class Record:
    """One sweep. Everything in here is immutable but the containers, which `copy` makes anew."""

    def __init__(self, sweep: Sweep, place: int, next_id: Callable[[], int]) -> None:
        self.sweep = sweep
        self.place = place
        self.now = sweep.created_at
        self.exhausted = False
        self.slots: dict[str, int] = {}
        self.trials: dict[int, Trial] = {}
        self.runs: dict[RunKey, Run] = {}
        self.task_of: dict[RunKey, str] = {}
        self.tasks: dict[str, TaskRow] = {}
        self.events: list[Event] = []
        self.reports: dict[str, Mapping[str, Any]] = {}
        self._next_id = next_id

    def copy(self, now: datetime) -> Record:
        """To be changed, and to take this one's place once the change is whole."""
        made = copy.copy(self)
        for name in ("slots", "trials", "runs", "task_of", "tasks", "events", "reports"):
            setattr(made, name, copy.copy(getattr(self, name)))
        made.now = now
        return made

    # --- the sweep's row ---------------------------------------------------------------------------------------

    @property
    def state(self) -> SweepState:
        """State as changed so far."""
        return self.sweep.state

    def count(self, name: str, by: int = 1) -> None:
        """Move a counter."""
        counters = self.sweep.counters
        self.sweep = replace(self.sweep, counters=replace(counters, **{name: getattr(counters, name) + by}))

    def event(self, kind: str, body: Mapping[str, Any] | None = None) -> None:
        """The next event."""
        self.sweep = replace(self.sweep, event_seq=self.sweep.event_seq + 1)
        self.events.append(Event(self.sweep.event_seq, kind, self.now, frozen(dict(body or {}))))

    def go(self, state: SweepState, reason: EndReason | None = None) -> None:
        """Change the state; the first reason stands."""
        changed = state is not self.state
        reason = self.sweep.end_reason or reason
        self.sweep = replace(self.sweep, state=state, end_reason=reason)
        if changed:
            ended_at = self.now if state in ENDED else None
            self.sweep = replace(self.sweep, ended_at=ended_at)
            self.event("SWEEP_STATE", {"state": state.value, "end_reason": reason.value if reason else None})

    def standing(self) -> Standing:
        """What `next_step` looks at."""
        budget, counters = self.sweep.spec["budget"], self.sweep.counters
        started = self.sweep.started_at or self.now
        return Standing(
            state=self.state,
            open_runs=sum(r.state in OPEN_RUN_STATES for r in self.runs.values()),
            planned=counters.trials_planned,
            max_trials=budget["max_trials"],
            failed=counters.trials_failed,
            max_failed=budget["max_failed_trials"],
            exhausted=self.exhausted,
            generation=self.sweep.generation,
            elapsed_seconds=(self.now - started).total_seconds(),
            max_seconds=seconds_of(budget["max_duration"]) if budget.get("max_duration") else None,
        )

    def step(self) -> None:
        """Queue what follows, by the one rule of `core.sweep`."""
        thinking = {TaskKind.PLAN, TaskKind.CONCLUDE}
        if self.state in ENDED or any(
            t.task.kind in thinking and t.state is not TaskState.DONE for t in self.tasks.values()
        ):
            return
        following = next_step(self.standing())
        self.go(following.state, following.reason)
        if following.task is TaskKind.PLAN:
            self.queue(TaskKind.PLAN, {"generation": self.sweep.generation})
        elif following.task is TaskKind.CONCLUDE:
            self.queue(TaskKind.CONCLUDE, {})

    def end(self) -> None:
        """The sweep is concluded."""
        sampled = [t for t in self.trials.values() if t.anchor is None]
        found = any(t.state is TrialState.COMPLETE for t in sampled)
        state = final_state(self.sweep.end_reason, any_complete=found)
        many = self.sweep.end_reason is EndReason.TOO_MANY_FAILURES
        if state is SweepState.FAILED and not many and self.sweep.error is None:
            first = min((t for t in sampled if t.reason is not None), key=lambda t: t.number, default=None)
            self.sweep = replace(self.sweep, error=nothing_complete(first.reason if first else None))
        self.go(state)

    def fail(self, error: str) -> None:
        """The sweep cannot go on."""
        self.sweep = replace(self.sweep, error=plain_text(error))
        self.close_tasks(TaskState.QUEUED, TaskState.LEASED)
        self.cancel_open(OPEN_RUN_STATES)
        if self.state is SweepState.CANCELLING:
            self.go(SweepState.CANCELLED)
            return
        self.sweep = replace(self.sweep, end_reason=EndReason.ERROR)
        self.go(SweepState.FAILED)

    # --- tasks and runs ----------------------------------------------------------------------------------------

    def in_state(self, *states: TaskState) -> list[TaskRow]:
        """Tasks in these states, the oldest first."""
        return [t for t in self.tasks.values() if t.state in states]

    def queue(self, kind: TaskKind, payload: Mapping[str, Any], pack: Pack | None = None) -> str:
        """Queue a task; returns its id."""
        task_id = str(self._next_id())
        purpose = pack.purpose if pack is not None else None
        self.tasks[task_id] = TaskRow(Task(task_id, self.sweep.id, kind, purpose, frozen(dict(payload)), 0))
        return task_id

    def queue_packs(self, packs: Sequence[Pack]) -> None:
        """TRAIN tasks with their runs, and K by purpose and signature."""
        for pack in packs:
            self.slots.setdefault(f"{pack.purpose.value}/{pack.signature}", pack.slots)
            payload = {**pack.payload, "signature": pack.signature, "slots": pack.slots}
            task_id = self.queue(TaskKind.TRAIN, payload, pack)
            for new in pack.runs:
                if new.key in self.runs or new.key.trial not in self.trials:
                    raise ValueError(f"{new.key} is there already, or its trial is not")
                self.runs[new.key] = Run(new.key, new.seed, RunState.WAITING, 0, None, 0, {}, {}, b"", None)
                self.task_of[new.key] = task_id
        self.count("runs_planned", sum(len(p.runs) for p in packs))

    def open_runs(self, task_id: str) -> list[Run]:
        """Open runs of a task, in the order of their keys."""
        mine = (self.runs[k] for k, t in self.task_of.items() if t == task_id)
        return sorted((r for r in mine if r.state in OPEN_RUN_STATES), key=lambda r: r.key)

    def set_runs(self, found: Sequence[Run], **values: Any) -> None:
        """Change runs."""
        for run in found:
            self.runs[run.key] = replace(run, **values)

    def close_task(self, task_id: str) -> None:
        """Done with."""
        self.tasks[task_id] = replace(self.tasks[task_id], state=TaskState.DONE)

    def close_tasks(self, *states: TaskState) -> None:
        """All in these states are done with."""
        for row in self.in_state(*states):
            self.close_task(row.task.id)

    def cancel_open(self, states: frozenset[RunState]) -> None:
        """Runs in these states, and the trials that they leave without an open run: CANCELLED."""
        self.set_runs([r for r in self.runs.values() if r.state in states], state=RunState.CANCELLED)
        still = {r.key.trial for r in self.runs.values() if r.state in OPEN_RUN_STATES}
        for number, trial in self.trials.items():
            if trial.state in OPEN_TRIAL_STATES and number not in still:
                self.trials[number] = replace(trial, state=TrialState.CANCELLED, ended_at=self.now)


def counter() -> Callable[[], int]:
    """Numbers from 1."""
    numbers = itertools.count(1)
    return lambda: next(numbers)
