"""The typical objective over delta: a running median with a bootstrap band."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

DRAWS = 200
POINTS = 32


def band(delta: NDArray[np.float64], value: NDArray[np.float64]) -> dict[str, list[float]]:
    """Median of the trials nearest in log delta, and its 5-95 % bootstrap band.

    Args:
        delta: (n,) positive.
        value: (n,) objective.

    Returns:
        Columns delta, median, low, high of at most 32 points; empty below 8 trials.
    """
    if delta.size < 8:
        return {"delta": [], "median": [], "low": [], "high": []}
    order = np.argsort(delta, kind="stable")
    logs, values = np.log(delta[order]), value[order]
    window = min(delta.size, max(5, min(200, delta.size // 8)))
    starts = np.unique(np.linspace(0, delta.size - window, POINTS).astype(int))
    inside = starts[:, None] + np.arange(window)
    local = values[inside]
    draws = np.random.default_rng(0).integers(0, window, size=(DRAWS, window))
    medians = np.median(local[:, draws], axis=2)
    low, high = np.quantile(medians, [0.05, 0.95], axis=1)
    return {
        "delta": np.exp(np.median(logs[inside], axis=1)).tolist(),
        "median": np.median(local, axis=1).tolist(),
        "low": low.tolist(),
        "high": high.tolist(),
    }
