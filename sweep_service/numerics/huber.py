"""The Huber loss itself, and what follows from its delta."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import ndtr

from sweep_service.core.errors import DataError

Floats = NDArray[np.float64]
MAE_BOUND = 1e-6
"""Standardised units within which MAE's sign is replaced by a slope (ENGINE, design 2)."""
TINY = 1e-30
"""Deltas below this, in standardised units, are taken as this: far below what float32 errors can be told apart by."""
FLOAT32_MAX = float(np.finfo(np.float32).max)


def huber(e: Floats, delta: float) -> Floats:
    """0.5 e^2 for |e| <= delta, else delta (|e| - delta / 2) (Huber, Annals of Math. Statistics 35, 1964)."""
    inside = np.minimum(np.abs(e), delta)
    return np.asarray(inside * (np.abs(e) - 0.5 * inside))


def huber_gradient(e: Floats, delta: float) -> Floats:
    """Derivative of the loss in e: e clipped to [-delta, delta]."""
    return np.asarray(np.clip(e, -delta, delta))


def step_normaliser(delta_standardised: float) -> float:
    """max(1, 1 / delta~): keeps the best step size flat over delta (SCIENCE R8); delta~ = delta / sd(y)."""
    return max(1.0, 1.0 / max(delta_standardised, TINY))


@dataclass(frozen=True, slots=True)
class ClipForm:
    """MSE, MAE and Huber as one loss: gradient = scale * clip(e, -bound, bound), e = prediction - y, standardised."""

    bound: float
    scale: float


def clip_form(kind: str, delta_standardised: float | None) -> ClipForm:
    """The clip form of a loss.

    Raises:
        DataError: another kind, or a delta that is not a positive number.
    """
    if kind == "MSE":
        return ClipForm(FLOAT32_MAX, 2.0)
    if kind == "MAE":
        return ClipForm(MAE_BOUND, 1.0 / MAE_BOUND)
    if kind == "HUBER":
        if delta_standardised is None or not math.isfinite(delta_standardised) or delta_standardised <= 0:
            raise DataError(f"delta must be a positive number, not {delta_standardised}.")
        return ClipForm(min(max(delta_standardised, TINY), FLOAT32_MAX), 1.0)
    raise DataError(f"{kind!r} has no clip form: it is one of MSE, MAE and HUBER.")


def share_beyond(residuals: Floats, delta: float) -> float:
    """Share of residuals larger than delta in size: those that act as in MAE."""
    return float(np.mean(np.abs(residuals) > delta))


def behaves_as(share: float) -> Literal["MSE", "MAE"] | None:
    """MSE where 99 % or more lie inside delta, MAE where 95 % or more lie outside (SCIENCE R15)."""
    if share <= 0.01:
        return "MSE"
    return "MAE" if share >= 0.95 else None


def minimax_k(contamination: float) -> float:
    """The k that is minimax for a share e of contamination: 2 phi(k) / k - 2 Phi(-k) = e / (1 - e) (Huber 1964)."""
    if not 0 < contamination < 1:
        raise DataError(f"contamination is a share between 0 and 1, not {contamination}.")
    wanted = contamination / (1 - contamination)
    lowest = 0.5 / (1 + wanted)  # there the left side, about 0.8 / k - 1, is above what is wanted
    return float(brentq(lambda k: 2 * _phi(k) / k - 2 * float(ndtr(-k)) - wanted, lowest, 40.0, xtol=1e-15))


def gaussian_efficiency(k: float) -> float:
    """Efficiency of the Huber location estimate at the normal: (2 Phi(k) - 1)^2 / E[clip(Z, -k, k)^2]."""
    inside = 2 * float(ndtr(k)) - 1
    second = inside - 2 * k * _phi(k) + 2 * k * k * float(ndtr(-k))
    return inside**2 / second


def _phi(x: float) -> float:
    return math.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
