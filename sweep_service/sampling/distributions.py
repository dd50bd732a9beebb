"""Core distributions as Optuna's, and as maps from the unit interval."""

from __future__ import annotations

import math

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from sweep_service.core.search_space import Categorical, FloatRange, IntRange, Value

AnyDistribution = FloatRange | IntRange | Categorical


def to_optuna(distribution: AnyDistribution) -> BaseDistribution:
    """The same distribution in Optuna's words.

    Choices and stepped reals are given by their places: Optuna finds a choice again by `==`, to which True, 1
    and 1.0 are one, and its own raster of reals can miss the last one by a round-off.
    """
    if isinstance(distribution, Categorical):
        return CategoricalDistribution(tuple(range(len(distribution.choices))))
    if isinstance(distribution, IntRange):
        high = distribution.nth(distribution.steps() - 1)
        return IntDistribution(distribution.low, high, log=distribution.log, step=distribution.step)
    if distribution.step is not None:
        return IntDistribution(0, distribution.steps() - 1)
    return FloatDistribution(distribution.low, distribution.high, log=distribution.log)


def encode(distribution: AnyDistribution, value: Value) -> Value:
    """A value as the Optuna distribution has it."""
    if isinstance(distribution, Categorical):
        return next(i for i, c in enumerate(distribution.choices) if type(c) is type(value) and c == value)
    if isinstance(distribution, FloatRange) and distribution.step is not None:
        return round((float(value) - distribution.low) / distribution.step)
    return value


def decode(distribution: AnyDistribution, drawn: Value) -> Value:
    """What Optuna drew as a value of the space."""
    if isinstance(distribution, Categorical):
        return distribution.choices[int(drawn)]
    if isinstance(distribution, FloatRange) and distribution.step is not None:
        return distribution.nth(int(drawn))
    return drawn


def at(distribution: AnyDistribution, u: float) -> Value:
    """The value at a point u of [0, 1): equal shares of the interval for equal shares of the distribution."""
    if isinstance(distribution, Categorical):
        return distribution.choices[min(int(u * len(distribution.choices)), len(distribution.choices) - 1)]
    if isinstance(distribution, IntRange) and distribution.log:
        low, high = math.log(distribution.low - 0.5), math.log(distribution.high + 0.5)
        return min(max(round(math.exp(low + u * (high - low))), distribution.low), distribution.high)
    if isinstance(distribution, IntRange) or distribution.step is not None:
        return distribution.nth(min(int(u * distribution.steps()), distribution.steps() - 1))
    return distribution.at(u)
