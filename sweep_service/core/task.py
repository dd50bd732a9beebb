"""A task: a unit of queued work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sweep_service.core.run import NewRun, Purpose, Run, RunOutcome
from sweep_service.core.trial import NewTrial


class TaskKind(StrEnum):
    """PLAN samples a generation, TRAIN trains one pack, CONCLUDE looks at what stands and goes on from there."""

    PLAN = "PLAN"
    TRAIN = "TRAIN"
    CONCLUDE = "CONCLUDE"


class TaskState(StrEnum):
    """QUEUED -> LEASED -> DONE; a lost lease goes back to QUEUED (what counts as an attempt: see `release`)."""

    QUEUED = "QUEUED"
    LEASED = "LEASED"
    DONE = "DONE"


@dataclass(frozen=True, slots=True)
class Task:
    """A task as it stands. `payload`: PLAN {generation}; TRAIN {trials, slots, signature, epochs}; CONCLUDE {stage}."""

    id: str
    sweep_id: str
    kind: TaskKind
    purpose: Purpose | None
    payload: Mapping[str, Any]
    attempt: int


@dataclass(frozen=True, slots=True)
class Pack:
    """A TRAIN task to be queued: its runs, and the number of slots of its compiled program."""

    purpose: Purpose
    signature: str
    slots: int
    runs: tuple[NewRun, ...]
    payload: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Generation:
    """What a PLAN task makes."""

    trials: tuple[NewTrial, ...]
    packs: tuple[Pack, ...]
    exhausted: bool = False
    """The space has no further point (GRID): no generation follows."""
    reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Reports to store with it, by kind (the first generation's `data`)."""


@dataclass(frozen=True, slots=True)
class PackWork:
    """What a TRAIN task's worker needs: the runs that are still open, and the trials that they belong to."""

    runs: tuple[Run, ...]
    trials: Mapping[int, Mapping[str, Any]]
    """Number -> {loss, parameters, delta_unit, anchor}."""


@dataclass(frozen=True, slots=True)
class PackResult:
    """What a TRAIN task ended with. `engine` is shown on each of its trials (rung, slots, seconds, device)."""

    outcomes: tuple[RunOutcome, ...]
    engine: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conclusion:
    """What a CONCLUDE task ended with: packs to train (then it is asked again), or the end of the sweep.

    `trials`: anchors that are new with the packs; they make a generation of their own.
    """

    packs: tuple[Pack, ...] = ()
    reports: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ended: bool = False
    trials: tuple[NewTrial, ...] = ()


@dataclass(frozen=True, slots=True)
class TrainJob:
    """A pack as the trainer gets it. `epochs`: trial number -> fixed number of epochs (CONFIRM, FINAL)."""

    sweep_id: str
    spec: Mapping[str, Any]
    purpose: Purpose
    signature: str
    slots: int
    work: PackWork
    epochs: Mapping[int, int] = field(default_factory=dict)
    medians: Mapping[int, float] = field(default_factory=dict)
    """MEDIAN: rung -> the median of the finished generations there, smaller is better (as `Pruner.losers`)."""
    halved: bool = False
    """The pack is half of one that failed its attempts: HALVING would compare with half of the trials."""
