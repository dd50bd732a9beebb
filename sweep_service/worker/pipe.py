"""What the worker's parent and its child say to each other, over a socket pair that nobody else holds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sweep_service.core.hypermodel import PublishedSpace
from sweep_service.core.task import PackResult, TrainJob
from sweep_service.worker.data import Source

CACHE_FAULT = 75
"""Exit status of a child that the compile cache kept from training."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The child is ready; `info`: tensorflow, keras, device."""

    info: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Work:
    """Train this."""

    job: TrainJob
    source: Source


@dataclass(frozen=True, slots=True)
class Describe:
    """Say what HyperModels are installed."""


@dataclass(frozen=True, slots=True)
class Described:
    """Their spaces."""

    spaces: tuple[PublishedSpace, ...]


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the pack stands."""

    epoch: int
    active: int


@dataclass(frozen=True, slots=True)
class Done:
    """The pack has ended."""

    result: PackResult


@dataclass(frozen=True, slots=True)
class Refused:
    """The pack could not be trained, and the child lives. `data`: the dataset is at fault, not the pack."""

    reason: str
    data: bool
    trace: str


Message = Hello | Describe | Described | Work | Progress | Done | Refused
