"""A trial: one set of parameters and what became of it (Optuna's word)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any


class TrialState(StrEnum):
    """WAITING -> RUNNING -> one of the terminal states, which never change."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    CANCELLED = "CANCELLED"


OPEN_TRIAL_STATES = frozenset({TrialState.WAITING, TrialState.RUNNING})


@dataclass(frozen=True, slots=True)
class NewTrial:
    """A trial as PLAN makes it. `group` numbers the architecture groups of its generation.

    `anchor` is None for a sampled trial, else the anchor's label (`MSE`, `MAE`, `1.345 SIGMA`, ...); the
    delta of an anchor stands in `parameters` in the unit of `delta_unit`; MSE and MAE have none.
    """

    number: int
    generation: int
    group: int
    anchor: str | None
    loss: str
    parameters: Mapping[str, Any]
    delta_unit: str
    signature: str


@dataclass(frozen=True, slots=True)
class Trial:
    """A trial as it stands; `values` are means over its SEARCH runs, by metric, in target units."""

    number: int
    generation: int
    group: int
    anchor: str | None
    loss: str
    parameters: Mapping[str, Any]
    delta_unit: str
    signature: str
    state: TrialState
    reason: str | None
    values: Mapping[str, float]
    engine: Mapping[str, Any]
    excluded: bool
    created_at: datetime
    ended_at: datetime | None
