"""Objectives: validation metrics in target units that no tuned parameter can move (SCIENCE R5, R6)."""

from __future__ import annotations

from typing import Literal, get_args

Metric = Literal["MAE", "RMSE", "MEDIAN_AE", "TRIMMED_MAE", "HUBER", "PINBALL", "R2", "MAPE"]
METRICS: tuple[str, ...] = get_args(Metric)
CLASSIFICATION_METRICS = ("ACCURACY", "AUC", "LOG_LOSS")
MAXIMIZED = frozenset({"R2", "ACCURACY", "AUC"})

MOVES_WITH_DELTA = frozenset({"loss", "val_loss"})
LOSS_REFUSED = (
    "the training loss cannot be the objective: the Huber loss changes with delta itself, so minimising it "
    "picks the smallest delta of the range whatever the data; use MAE, RMSE, MEDIAN_AE, TRIMMED_MAE, R2, MAPE, "
    'PINBALL with a fixed tau, or {"metric": "HUBER", "delta": ...} at one stated delta'
)


def direction(metric: str) -> Literal["MINIMIZE", "MAXIMIZE"]:
    """Which way is better."""
    return "MAXIMIZE" if metric in MAXIMIZED else "MINIMIZE"


def gain(metric: str, value: float, reference: float) -> float:
    """How much better `value` is than `reference`, in the metric's own units; positive is better."""
    return value - reference if metric in MAXIMIZED else reference - value
