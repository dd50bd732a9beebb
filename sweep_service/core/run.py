"""A run: one training of a trial, on one fold, from one seed. The unit that is counted exactly."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Purpose(StrEnum):
    """Why a run is trained."""

    SEARCH = "SEARCH"
    CONFIRM = "CONFIRM"
    FINAL = "FINAL"


class RunState(StrEnum):
    """States of a run; all but the first two are terminal and never change."""

    WAITING = "WAITING"
    RUNNING = "RUNNING"
    COMPLETE = "COMPLETE"
    PRUNED = "PRUNED"
    FAILED = "FAILED"
    TIMED_OUT = "TIMED_OUT"
    CANCELLED = "CANCELLED"


OPEN_RUN_STATES = frozenset({RunState.WAITING, RunState.RUNNING})


@dataclass(frozen=True, slots=True, order=True)
class RunKey:
    """What makes a run unique within its sweep."""

    trial: int
    purpose: Purpose
    fold: int
    repeat: int


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run to be trained; `seed` is common to all trials of the same purpose, fold and repeat (R9)."""

    key: RunKey
    seed: int


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What became of a run.

    `metrics` are in target units, of the held-out rows; `details` hold what is not a metric (sigma, delta in
    target units, share beyond delta, residual quantiles). `curve` is `pack_curve`'s form.
    """

    key: RunKey
    state: RunState
    best_epoch: int | None = None
    epochs: int = 0
    metrics: Mapping[str, float] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)
    curve: bytes = b""
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """A run as it stands."""

    key: RunKey
    seed: int
    state: RunState
    attempt: int
    best_epoch: int | None
    epochs: int
    metrics: Mapping[str, float]
    details: Mapping[str, Any]
    curve: bytes
    reason: str | None


def common_seed(sweep_seed: int, *parts: str | int) -> int:
    """A 63-bit seed from sha256 of the sweep's seed and what it is for: the same on every machine.

    Trials do not enter, so that all of them meet the same batch orders and initial weights (R9).
    """
    text = "\x1f".join([str(sweep_seed), *(str(p) for p in parts)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


CURVE_COLUMNS = ("objective", "train_loss")


def pack_curve(columns: Sequence[Sequence[float]]) -> bytes:
    """CURVE_COLUMNS, each with one value an epoch, as little-endian float32, column after column."""
    packed = array("f", [value for column in columns for value in column])
    return packed.tobytes()


def unpack_curve(curve: bytes) -> dict[str, list[float]]:
    """The columns by name, shape (epochs,) each."""
    values = array("f")
    values.frombytes(curve)
    epochs = len(values) // len(CURVE_COLUMNS)
    return {name: list(values[i * epochs : (i + 1) * epochs]) for i, name in enumerate(CURVE_COLUMNS)}
