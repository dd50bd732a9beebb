"""Sigma: the scale of the noise, from the residuals of a robust fit, never of the target itself (SCIENCE R1, R2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sweep_service.core.errors import DataError
from sweep_service.numerics.robust_fit import huber_irls, mad_sigma

Floats = NDArray[np.float64]
Method = Literal["HUBER_IRLS", "HUBER_IRLS_RIDGE", "MEDIAN_RESIDUALS"]
IQR_TO_SIGMA = 1.349
RIDGE_ROWS_PER_COLUMN = 5

_HOW = {
    "HUBER_IRLS": "a Huber linear fit (k = 1.345)",
    "HUBER_IRLS_RIDGE": "a Huber linear fit (k = 1.345) with a ridge, since there are few rows a column",
    "MEDIAN_RESIDUALS": "the median, since there are no columns to fit",
}


@dataclass(frozen=True, slots=True)
class Scale:
    """`sigma` in the units of y, how the residuals came about, and both in a sentence."""

    sigma: float
    method: Method
    statistic: Literal["MAD", "IQR", "SD"]
    sentence: str


def residual_sigma(X: Floats, y: Floats) -> Scale:
    """Sigma of y (n,) given standardised columns X (n, p), training rows only.

    Raises:
        DataError: the target is constant.
    """
    if y.size == 0 or np.ptp(y) == 0:
        raise DataError("The target is constant on the training rows: there is nothing to learn and no scale to take.")
    method: Method
    if X.shape[1] == 0:
        method, residuals = "MEDIAN_RESIDUALS", y - np.median(y)
    elif X.shape[1] > y.size / RIDGE_ROWS_PER_COLUMN:
        method, residuals = "HUBER_IRLS_RIDGE", huber_irls(X, y, ridge=0.1 * y.size).residuals
    else:
        method, residuals = "HUBER_IRLS", huber_irls(X, y).residuals
    sigma, statistic = _spread(residuals, float(np.ptp(y)))
    words = {"MAD": "MAD/0.6745", "IQR": "IQR/1.349 (the MAD is 0)", "SD": "the sd (MAD and IQR are 0)"}[statistic]
    return Scale(sigma, method, statistic, f"sigma = {sigma:.4g}: {words} of the residuals of {_HOW[method]}.")


def _spread(residuals: Floats, span: float) -> tuple[float, Literal["MAD", "IQR", "SD"]]:
    """The first of MAD, IQR and sd that is above round-off of the target's span."""
    floor = 1e-9 * span
    mad = mad_sigma(residuals)
    if mad > floor:
        return mad, "MAD"
    low, high = np.quantile(residuals, [0.25, 0.75])
    iqr = float(high - low) / IQR_TO_SIGMA
    if iqr > floor:
        return iqr, "IQR"
    sd = float(residuals.std())
    if sd > floor:
        return sd, "SD"
    raise DataError(
        "The target is an exact linear function of the features: there is no noise for a robust loss to resist."
    )
