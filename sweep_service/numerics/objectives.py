"""Validation metrics in target units and float64 (SCIENCE R6)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from sweep_service.core.errors import DataError
from sweep_service.numerics.huber import huber

Floats = NDArray[np.float64]
TRIM = 0.1
"""TRIMMED_MAE leaves out this share of the largest absolute errors."""


def evaluate(
    metric: str,
    y: Floats,
    prediction: Floats,
    weights: Floats | None = None,
    *,
    delta: float | None = None,
    tau: float | None = None,
) -> float:
    """One metric of y (n, q) and its prediction (n, q); see `evaluate_many`."""
    return float(evaluate_many(metric, y, prediction, weights, delta=delta, tau=tau))


def evaluate_many(
    metric: str,
    y: Floats,
    prediction: Floats,
    weights: Floats | None = None,
    *,
    delta: float | None = None,
    tau: float | None = None,
) -> Floats:
    """A metric of many predictions of the same rows.

    Args:
        metric: a name of core.objective.METRICS.
        y: (n, q).
        prediction: (..., n, q); where it is not finite the answer is nan.
        weights: (n,) or None.
        delta: of HUBER, in target units.
        tau: of PINBALL.

    Returns:
        (...,): means over outputs and (weighted) rows.

    Raises:
        DataError: MAPE where some y is 0; HUBER without delta, PINBALL without tau; an unknown metric; weights
            that are all 0.
    """
    error = np.where(np.isfinite(prediction), y - prediction, np.nan)
    w = np.ones(y.shape[0]) if weights is None else np.asarray(weights, dtype=np.float64)
    if not w.sum() > 0:
        raise DataError("The weights of the held-out rows are all 0: nothing can be measured on them.")
    if metric in {"MAE", "RMSE", "HUBER", "PINBALL", "MAPE"}:
        rows = _loss_of_rows(metric, y, error, delta, tau).mean(axis=-1)
        mean = rows @ w / w.sum()
        return np.asarray(np.sqrt(mean) if metric == "RMSE" else mean)
    absolute = np.abs(error)
    if metric == "MEDIAN_AE":
        return np.asarray(_weighted_quantile(absolute, w, 0.5).mean(axis=-1))
    if metric == "TRIMMED_MAE":
        return np.asarray(_trimmed_mean(absolute, w).mean(axis=-1))
    if metric == "R2":
        centre = w @ y / w.sum()
        total = w @ (y - centre) ** 2
        rest = np.einsum("n,...nq->...q", w, error**2)
        return np.asarray((1 - rest / np.where(total > 0, total, np.nan)).mean(axis=-1))
    raise DataError(f"There is no metric {metric!r}.")


def _loss_of_rows(metric: str, y: Floats, error: Floats, delta: float | None, tau: float | None) -> Floats:
    if metric == "MAE":
        return np.asarray(np.abs(error))
    if metric == "RMSE":
        return np.asarray(error**2)
    if metric == "HUBER":
        if delta is None:
            raise DataError("The metric HUBER needs a fixed delta, in target units.")
        return huber(error, delta)
    if metric == "PINBALL":
        if tau is None:
            raise DataError("The metric PINBALL needs tau, the quantile.")
        return np.asarray(np.maximum(tau * error, (tau - 1) * error))
    if np.any(y == 0):
        raise DataError("MAPE divides by the target, and some targets are 0: use MAE, or another metric.")
    return np.asarray(np.abs(error / y))


def _weighted_quantile(values: Floats, w: Floats, q: float) -> Floats:
    """Quantile over the rows axis (-2); with equal weights the usual median (the mean of the middle two)."""
    if np.all(w == w[0]):
        # np.median answers nan for nan rows, as asked
        return np.asarray(np.quantile(values, q, axis=-2))
    order = np.argsort(values, axis=-2, kind="stable")
    ordered = np.take_along_axis(values, order, axis=-2)
    shares = np.cumsum(w[order], axis=-2)
    half = q * w.sum()
    # Rows of weight 0 are as if they were not there; a cumulative weight of just half averages two neighbours.
    first = np.argmax(shares >= half * (1 - 1e-12), axis=-2)[..., None, :]
    after = np.argmax(shares > half * (1 + 1e-12), axis=-2)[..., None, :]
    middle = (np.take_along_axis(ordered, first, axis=-2) + np.take_along_axis(ordered, after, axis=-2)) / 2
    return np.asarray(np.where(np.isnan(values).any(axis=-2), np.nan, middle[..., 0, :]))


def _trimmed_mean(values: Floats, w: Floats) -> Floats:
    """Weighted mean over the rows (-2) without the largest 10 % of the weight."""
    order = np.argsort(values, axis=-2, kind="stable")
    ordered = np.take_along_axis(values, order, axis=-2)
    weights = w[order]
    before = np.cumsum(weights, axis=-2) - weights
    kept = np.clip((1 - TRIM) * w.sum() - before, 0.0, weights)
    with np.errstate(invalid="ignore"):
        part = np.where(kept > 0, ordered * kept, 0.0).sum(axis=-2) / kept.sum(axis=-2)
    return np.asarray(np.where(np.isnan(values).any(axis=-2), np.nan, part))
