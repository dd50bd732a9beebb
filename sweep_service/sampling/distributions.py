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
    """The same distribution in Optuna's words; a high end off the step's raster is lowered to it, as Optuna does."""
    if isinstance(distribution, FloatRange):
        high = distribution.high
        if distribution.step is not None:
            steps = math.floor((high - distribution.low) / distribution.step + 1e-9)
            high = distribution.low + steps * distribution.step
        return FloatDistribution(distribution.low, high, log=distribution.log, step=distribution.step)
    if isinstance(distribution, IntRange):
        high = distribution.high - (distribution.high - distribution.low) % distribution.step
        return IntDistribution(distribution.low, high, log=distribution.log, step=distribution.step)
    return CategoricalDistribution(tuple(distribution.choices))


def at(distribution: AnyDistribution, u: float) -> Value:
    """The value at a point u of [0, 1): equal shares of the interval for equal shares of the distribution."""
    if isinstance(distribution, Categorical):
        return distribution.choices[min(int(u * len(distribution.choices)), len(distribution.choices) - 1)]
    if isinstance(distribution, IntRange):
        if distribution.log:
            low, high = math.log(distribution.low - 0.5), math.log(distribution.high + 0.5)
            value = round(math.exp(low + u * (high - low)))
            return min(max(value, distribution.low), distribution.high)
        count = (distribution.high - distribution.low) // distribution.step + 1
        return distribution.low + min(int(u * count), count - 1) * distribution.step
    if distribution.step is not None:
        count = math.floor((distribution.high - distribution.low) / distribution.step + 1e-9) + 1
        return distribution.low + min(int(u * count), count - 1) * distribution.step
    if distribution.log:
        low, high = math.log(distribution.low), math.log(distribution.high)
        return min(max(math.exp(low + u * (high - low)), distribution.low), distribution.high)
    return distribution.low + u * (distribution.high - distribution.low)
