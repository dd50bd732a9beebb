"""A sweep, its states, and the one rule that says what is queued next."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sweep_service.core.task import TaskKind


class SweepState(StrEnum):
    """QUEUED -> RUNNING <-> PAUSED; -> STOPPING -> FINALIZING -> SUCCEEDED or FAILED; -> CANCELLING -> CANCELLED."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    STOPPING = "STOPPING"
    FINALIZING = "FINALIZING"
    CANCELLING = "CANCELLING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


class EndReason(StrEnum):
    """Why a sweep stopped sampling."""

    BUDGET = "BUDGET"
    TIME = "TIME"
    NO_IMPROVEMENT = "NO_IMPROVEMENT"
    TARGET = "TARGET"
    STOPPED = "STOPPED"
    GRID_DONE = "GRID_DONE"
    TOO_MANY_FAILURES = "TOO_MANY_FAILURES"
    CANCELLED = "CANCELLED"
    ERROR = "ERROR"


ENDED = frozenset({SweepState.SUCCEEDED, SweepState.FAILED, SweepState.CANCELLED})
CLAIMABLE = frozenset({SweepState.QUEUED, SweepState.RUNNING, SweepState.STOPPING, SweepState.FINALIZING})


@dataclass(frozen=True, slots=True)
class Counters:
    """Counts of a sweep, moved in the same transaction as the rows that they count.

    `trials_planned` counts sampled trials; `anchors` are counted apart, and among them as `anchors_matched` those that
    were added with the finalists' settings. Runs are of all purposes.
    """

    trials_planned: int = 0
    trials_complete: int = 0
    trials_failed: int = 0
    trials_pruned: int = 0
    anchors: int = 0
    anchors_matched: int = 0
    runs_planned: int = 0
    runs_complete: int = 0
    runs_failed: int = 0
    runs_pruned: int = 0


@dataclass(frozen=True, slots=True)
class Sweep:
    """A sweep as it stands. `spec` is the whole spec with every default filled in, as JSON values."""

    id: str
    name: str
    state: SweepState
    end_reason: EndReason | None
    error: str | None
    spec: Mapping[str, Any]
    priority: int
    labels: Mapping[str, str]
    counters: Counters
    generation: int
    revision: int
    event_seq: int
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What `next_step` looks at, read inside the writing transaction."""

    state: SweepState
    open_runs: int
    planned: int
    max_trials: int
    failed: int
    max_failed: int
    exhausted: bool
    generation: int
    elapsed_seconds: float = 0.0
    max_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What follows: a task to queue, the state that the sweep goes to, and why it stopped sampling."""

    task: TaskKind | None
    state: SweepState
    reason: EndReason | None = None


def next_step(now: Standing) -> Step:
    """What is queued when a task of a sweep has ended.

    Nothing while runs are open (synchronous generations: the last pack to end asks for the next). PAUSED
    changes nothing here: what is queued waits, since tasks of a paused sweep are not claimed.
    """
    if now.state in ENDED or now.open_runs > 0:
        return Step(None, now.state)
    if now.state is SweepState.CANCELLING:
        return Step(None, SweepState.CANCELLED, EndReason.CANCELLED)
    if now.state is SweepState.FINALIZING:
        return Step(TaskKind.CONCLUDE, now.state)
    # A paused sweep whose generation has just ended goes on sampling only after it is resumed; its next
    # task is queued now, so that nothing has to remember to do so later.
    reason = _why_stop(now)
    if reason is None:
        return Step(TaskKind.PLAN, now.state)
    return Step(TaskKind.CONCLUDE, now.state if now.state is SweepState.PAUSED else SweepState.FINALIZING, reason)


def _why_stop(now: Standing) -> EndReason | None:
    if now.state is SweepState.STOPPING:
        return EndReason.STOPPED
    if now.failed > now.max_failed:
        return EndReason.TOO_MANY_FAILURES
    if now.exhausted:
        return EndReason.GRID_DONE
    if now.planned >= now.max_trials:
        return EndReason.BUDGET
    if now.max_seconds is not None and now.elapsed_seconds >= now.max_seconds:
        return EndReason.TIME
    return None


def final_state(reason: EndReason | None, *, any_complete: bool = True) -> SweepState:
    """The state that a concluded sweep ends in; without one complete sampled trial it has found nothing."""
    if reason in {EndReason.TOO_MANY_FAILURES, EndReason.ERROR}:
        return SweepState.FAILED
    return SweepState.SUCCEEDED if any_complete or reason is EndReason.STOPPED else SweepState.FAILED


def nothing_complete(reason: str | None) -> str:
    """The error of a sweep that ended without a complete trial; `reason` is that of one that failed."""
    return "No trial was completed" + (f"; of one that failed: {reason}" if reason else ", and none has failed.")
