"""What a sweep may vary: distributions, and the space that they make together.

A space is data: no library is needed to validate or to print it. Names with `structural=True` change
the compiled program (they make the signature); all others are inputs of it and cost nothing to vary.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Value = bool | int | float | str
DeltaUnit = Literal["SIGMA", "TARGET"]
When = dict[str, list[Value]]


class _Distribution(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)
    when: When | None = Field(None, description="active only where each named parameter has one of these values")


class FloatRange(_Distribution):
    """A real number from `low` to `high`, both included."""

    kind: Literal["FLOAT"] = "FLOAT"
    low: float
    high: float
    log: bool = False
    step: float | None = Field(None, gt=0)
    unit: DeltaUnit | None = Field(None, description="for delta: multiples of sigma, or units of the target")

    @model_validator(mode="after")
    def _sound(self) -> FloatRange:
        if not self.low < self.high:
            raise ValueError(
                f"low ({self.low:g}) must be below high ({self.high:g}); for one value give the value itself"
            )
        if self.log and self.low <= 0:
            raise ValueError(f"a log range needs low > 0, not {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other: drop one of them")
        return self

    def contains(self, value: object) -> bool:
        """Whether a value lies in the range, and on its raster where there is a step."""
        if not isinstance(value, int | float) or isinstance(value, bool) or not self.low <= value <= self.high:
            return False
        steps = 0.0 if self.step is None else (value - self.low) / self.step
        return abs(steps - round(steps)) <= self._slack()

    def steps(self) -> int:
        """Number of values of a stepped range."""
        return math.floor((self.high - self.low) / (self.step or math.inf) + self._slack()) + 1

    def _slack(self) -> float:
        """Round-off of a place on the raster, in steps: large where the step is small beside the numbers."""
        return 1e-9 + 1e-15 * max(abs(self.low), abs(self.high)) / (self.step or math.inf)

    def nth(self, i: int) -> float:
        """The i-th value of a stepped range; round-off does not lift the last one over `high`."""
        return min(self.low + i * (self.step or 0.0), self.high)

    def at(self, share: float) -> float:
        """The value at a share (0 to 1) of the way from low to high, on the range's own scale."""
        if share <= 0 or share >= 1:
            return self.low if share <= 0 else self.high
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            return min(max(math.exp(low + share * (high - low)), self.low), self.high)
        return min(max(self.low * (1 - share) + self.high * share, self.low), self.high)

    def grid(self, points: int) -> list[Value]:
        """All values of a stepped range; else `points` of them from low to high, evenly spaced on its own scale."""
        if self.step is not None:
            return [self.nth(i) for i in range(self.steps())]
        return list(dict.fromkeys(self.at(i / (points - 1)) for i in range(points)))


class IntRange(_Distribution):
    """A whole number from `low` to `high`, both included."""

    kind: Literal["INT"] = "INT"
    low: int = Field(ge=-(2**53), le=2**53)
    high: int = Field(ge=-(2**53), le=2**53)
    log: bool = False
    step: int = Field(1, ge=1)

    @model_validator(mode="after")
    def _sound(self) -> IntRange:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low}) must be below high ({self.high}); for one value give the value itself")
        if self.log and self.low < 1:
            raise ValueError(f"a log range needs low >= 1, not {self.low}")
        if self.log and self.step != 1:
            raise ValueError("log and step exclude each other: drop one of them")
        return self

    def contains(self, value: object) -> bool:
        """Whether a value lies in the range, and on its raster."""
        if not isinstance(value, int) or isinstance(value, bool):
            return False
        return self.low <= value <= self.high and (value - self.low) % self.step == 0

    def steps(self) -> int:
        """Number of values."""
        return (self.high - self.low) // self.step + 1

    def nth(self, i: int) -> int:
        """The i-th value."""
        return self.low + i * self.step

    def grid(self, points: int) -> list[Value]:
        """All values of a stepped or short range; else at most `points` of them, evenly spaced on its own scale."""
        count = self.steps()
        if count <= points or (self.step > 1 and count <= 10_000):
            return list(range(self.low, self.high + 1, self.step))
        if self.log:
            spread = FloatRange(low=self.low, high=self.high, log=True)
            return list(dict.fromkeys(round(spread.at(i / (points - 1))) for i in range(points)))
        return list(dict.fromkeys(self.nth(i * (count - 1) // (points - 1)) for i in range(points)))


class Categorical(_Distribution):
    """One of a list of values."""

    kind: Literal["CATEGORICAL"] = "CATEGORICAL"
    choices: list[Value] = Field(min_length=1, max_length=256)

    @model_validator(mode="after")
    def _sound(self) -> Categorical:
        if len({(type(c).__name__, c) for c in self.choices}) != len(self.choices):
            raise ValueError("the choices must differ from each other")
        return self

    def contains(self, value: object) -> bool:
        """Whether a value is one of the choices."""
        return any(type(c) is type(value) and c == value for c in self.choices)

    def grid(self, points: int) -> list[Value]:  # noqa: ARG002 - one interface for the three
        """All choices."""
        return list(self.choices)


Distribution = Annotated[FloatRange | IntRange | Categorical, Field(discriminator="kind")]
Params = dict[str, Any]
"""The values of one trial: a scalar each, or a list of ints (units, one a layer)."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One name of a space: a fixed value, or a distribution."""

    name: str
    fixed: Value | list[int | float] | None
    distribution: FloatRange | IntRange | Categorical | None
    structural: bool

    @property
    def when(self) -> When | None:
        """The condition under which it is active."""
        return self.distribution.when if self.distribution is not None else None


@dataclass(frozen=True, slots=True)
class SearchSpace:
    """All parameters of a sweep; parents of a condition stand before those that depend on them."""

    parameters: tuple[Parameter, ...]

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def searched(self) -> tuple[Parameter, ...]:
        """Those with a distribution."""
        return tuple(p for p in self.parameters if p.distribution is not None)

    def fixed(self) -> Params:
        """Name to value of those without one."""
        return {p.name: p.fixed for p in self.parameters if p.distribution is None}

    def structural_names(self) -> frozenset[str]:
        """Names that make the signature."""
        return frozenset(p.name for p in self.parameters if p.structural)

    def grid_size(self, points: int) -> int:
        """Number of points of the full grid, conditions counted as if always active."""
        return math.prod(len(p.distribution.grid(points)) for p in self.parameters if p.distribution is not None)


def is_active(when: When | None, values: Mapping[str, object]) -> bool:
    """Whether a condition holds for the values drawn so far."""
    return when is None or all(
        any(type(c) is type(values.get(n)) and c == values.get(n) for c in choices) for n, choices in when.items()
    )
