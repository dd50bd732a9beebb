"""What a sampler learns, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

from sweep_service.core.search_space import Params


@dataclass(frozen=True, slots=True)
class Observation:
    """What a sampler learns of a finished trial; `value` is the objective, None where it failed.

    `pruned_at`: the epoch at which a pruner took it out; `value` is what stood then.
    """

    parameters: Params
    value: float | None
    generation: int
    pruned_at: int | None = None


@dataclass(frozen=True, slots=True)
class Sampled:
    """Groups of settings that share one architecture; `exhausted`: the space has no further point."""

    groups: tuple[tuple[Params, ...], ...]
    exhausted: bool = False
