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
VANISHED = 1e-2
"""Of the sd: a MAD below that, of a fit that has not settled, is no scale."""
RIDGE = 0.1
"""In rows: the ridge is this times n."""

_HOW = {
    "HUBER_IRLS": "a Huber linear fit (k = 1.345)",
    "HUBER_IRLS_RIDGE": "a Huber linear fit (k = 1.345) with a ridge, since there are few rows a column, corrected "
    "for the noise that the ridge fits",
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
    settled = True
    if X.shape[1] == 0:
        method, residuals = "MEDIAN_RESIDUALS", y - np.median(y)
    elif X.shape[1] > y.size / RIDGE_ROWS_PER_COLUMN:
        method = "HUBER_IRLS_RIDGE"
        fit = huber_irls(X, y, ridge=RIDGE * y.size)
        residuals, settled = fit.residuals * _ridge_correction(X), fit.converged
    else:
        fit = huber_irls(X, y)
        method, residuals, settled = "HUBER_IRLS", fit.residuals, fit.converged
    sigma, statistic = _spread(residuals, float(np.ptp(y)), settled=settled)
    words = {
        "MAD": "MAD/0.6745",
        "IQR": "IQR/1.349 (the MAD vanishes)",
        "SD": "the sd (MAD and IQR vanish)",
    }[statistic]
    return Scale(sigma, method, statistic, f"sigma = {sigma:.4g}: {words} of the residuals of {_HOW[method]}.")


def _ridge_correction(X: Floats) -> float:
    """sqrt(n / tr((I - H)^2)), H the ridge's hat matrix: how much smaller than the noise its residuals are.

    With more columns than rows they are smaller by an order of magnitude, and sigma with them.
    """
    n = X.shape[0]
    centred = X - X.mean(axis=0)
    small = centred @ centred.T if X.shape[1] > n else centred.T @ centred
    squares = np.maximum(np.linalg.eigvalsh(small), 0.0)
    kept = np.sum((RIDGE * n / (RIDGE * n + squares)) ** 2)
    # The intercept fits one dimension whole; those that no column reaches are not fitted at all.
    untouched = n - 1 - squares.size
    return float(np.sqrt(n / (kept + untouched)))


def _spread(residuals: Floats, span: float, *, settled: bool) -> tuple[float, Literal["MAD", "IQR", "SD"]]:
    """The first of MAD, IQR and sd that is above round-off of the target's span.

    Where more than half of the rows share a value (rain, claims: many zeros), the fit follows them and its scale
    shrinks at each step, towards 0: it has not settled, and its MAD is what was left when the steps ran out.
    """
    floor = 1e-9 * span
    mad = mad_sigma(residuals)
    sd = float(residuals.std())
    low, high = np.quantile(residuals, [0.25, 0.75])
    iqr = float(high - low) / IQR_TO_SIGMA
    if not settled and mad < VANISHED * sd:
        floor = VANISHED * sd
    if mad > floor:
        return mad, "MAD"
    if iqr > floor:
        return iqr, "IQR"
    if sd > floor:
        return sd, "SD"
    raise DataError(
        "The target is an exact linear function of the features: there is no noise for a robust loss to resist."
    )
