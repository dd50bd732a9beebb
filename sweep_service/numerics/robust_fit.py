"""A linear fit by Huber's M-estimator (iteratively reweighted least squares)."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve

Floats = NDArray[np.float64]
MAD_TO_SIGMA = 0.6744897501960817
"""Upper quartile of the standard normal: MAD / this estimates sigma for Gaussian errors."""


@dataclass(frozen=True, slots=True, eq=False)
class RobustFit:
    """`coefficients` (p + 1,), the intercept first; `scale` is the final MAD / 0.6745 of the residuals."""

    coefficients: Floats
    scale: float
    residuals: Floats
    iterations: int
    converged: bool


def mad_sigma(residuals: Floats) -> float:
    """Median absolute residual / 0.6745, uncentred (the residuals' own zero is the centre)."""
    return float(np.median(np.abs(residuals)) / MAD_TO_SIGMA)


def huber_irls(
    X: Floats,
    y: Floats,
    k: float = 1.345,
    ridge: float = 0.0,
    max_iterations: int = 50,
    tolerance: float = 1e-8,
) -> RobustFit:
    """Fit y on X and an intercept, the scale re-estimated at each step.

    Agrees with statsmodels' RLM with HuberT (Huber, Robust Statistics, 1981, section 7.8).

    Args:
        X: (n, p), standardised where a ridge is given.
        y: (n,).
        k: in multiples of the scale.
        ridge: added to the diagonal of the normal equations, in rows; the intercept is not shrunk.
        max_iterations: at most so many reweightings.
        tolerance: on the largest change of a coefficient, relative to the scale.
    """
    n, p = X.shape
    if ridge and p > n:  # the ridge's solution lies in the span of the rows: n coordinates are enough
        u, size, v = np.linalg.svd(X, full_matrices=False)
        fit = huber_irls(u * size, y, k, ridge, max_iterations, tolerance)
        return replace(fit, coefficients=np.concatenate([fit.coefficients[:1], fit.coefficients[1:] @ v]))
    A = np.column_stack([np.ones(n), X])
    penalty = np.diag([0.0, *([ridge] * p)])
    beta = _solve(A, y, np.ones(n), penalty)
    scale = mad_sigma(y - A @ beta)
    for step in range(1, max_iterations + 1):
        residuals = y - A @ beta
        scale = mad_sigma(residuals)
        if scale == 0.0:  # more than half of the rows are fitted exactly
            return RobustFit(beta, 0.0, residuals, step, converged=True)
        standard = np.abs(residuals) / scale
        weights = np.where(standard <= k, 1.0, k / np.maximum(standard, k))
        new = _solve(A, y, weights, penalty)
        change = float(np.max(np.abs(new - beta)))
        beta = new
        if change <= tolerance * max(scale, 1e-300):
            residuals = y - A @ beta
            return RobustFit(beta, mad_sigma(residuals), residuals, step, converged=True)
    residuals = y - A @ beta
    return RobustFit(beta, mad_sigma(residuals), residuals, max_iterations, converged=False)


def _solve(A: Floats, y: Floats, weights: Floats, penalty: Floats) -> Floats:
    """Weighted least squares; without a penalty by a factorisation of A itself, which loses fewer digits."""
    if penalty.any():  # positive definite, also where there are more columns than rows
        normal = A.T @ (weights[:, None] * A) + penalty
        return np.asarray(solve(normal, A.T @ (weights * y), assume_a="pos"), dtype=np.float64)
    root = np.sqrt(weights)
    return np.asarray(np.linalg.lstsq(root[:, None] * A, root * y, rcond=None)[0], dtype=np.float64)
