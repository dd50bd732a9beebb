"""Comparisons over resampled folds, whose training sets overlap."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtr, stdtrit

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TTest:
    """A paired t test; `p_one_sided` is of a mean above 0."""

    t: float
    p_two_sided: float
    p_one_sided: float
    degrees_of_freedom: int
    mean: float
    standard_error: float


def corrected_t(differences: Floats, n_train: float, n_test: float) -> TTest:
    """Nadeau and Bengio's corrected resampled t (Machine Learning 52, 2003): variance x (1/J + n_test / n_train).

    Differences that are all equal have no variance: t is 0 where they are 0, else an infinity stands in as
    1e9 with p 0 (two-sided), since nothing but the same answer was seen on every fold.

    Args:
        differences: (J,) of one pair, J >= 2.
        n_train: rows a training set (their mean, where the folds differ).
        n_test: rows a test set, likewise; 0 gives the uncorrected test.
    """
    count = differences.size
    mean = float(differences.mean())
    error = math.sqrt(float(differences.var(ddof=1)) * (1 / count + n_test / n_train))
    degrees = count - 1
    if error <= 1e-12 * abs(mean):  # relative: a target in tiny units has tiny differences that are differences still
        if mean == 0:
            return TTest(0.0, 1.0, 0.5, degrees, mean, 0.0)
        sign = math.copysign(1.0, mean)
        return TTest(1e9 * sign, 0.0, 0.0 if sign > 0 else 1.0, degrees, mean, 0.0)
    t = mean / error
    return TTest(t, float(2 * stdtr(degrees, -abs(t))), float(stdtr(degrees, -t)), degrees, mean, error)


def corrected_interval(differences: Floats, n_train: float, n_test: float, level: float = 0.95) -> tuple[float, float]:
    """The interval of the mean difference that belongs to `corrected_t`."""
    test = corrected_t(differences, n_train, n_test)
    half = float(stdtrit(test.degrees_of_freedom, 0.5 + level / 2)) * test.standard_error
    return test.mean - half, test.mean + half


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment (Scandinavian J. of Statistics 6, 1979), in the order given."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, i in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = running
    return adjusted


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its interval."""

    estimate: float
    low: float
    high: float


def two_way_bootstrap(differences: Floats, draws: int = 2000, seed: int = 0, level: float = 0.95) -> Interval:
    """Percentile interval of the mean of (seeds, rows) differences, both drawn anew each time.

    Rows carry the noise of the sample, seeds that of the training: resampling one alone gives intervals that
    are too short (SCIENCE).
    """
    seeds, rows = differences.shape
    random = np.random.default_rng(seed)
    means = np.empty(draws)
    for i in range(draws):
        chosen = random.integers(0, seeds, seeds)
        weights = np.bincount(random.integers(0, rows, rows), minlength=rows)
        means[i] = (differences[chosen].mean(axis=0) @ weights) / rows
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(float(differences.mean()), float(low), float(high))
