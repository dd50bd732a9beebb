"""The Huber loss as a Keras class that keeps its delta."""

from __future__ import annotations

import math
from typing import Any

import keras


@keras.saving.register_keras_serializable(package="sweep_service")
class HuberLoss(keras.losses.Loss):  # type: ignore[misc]
    """0.5 e^2 for |e| <= delta, else delta (|e| - delta / 2), averaged over the last axis.

    `keras.losses.Huber` of Keras 3.15 leaves delta out of its config, so that a saved model comes back with
    delta = 1; this one is complete in its config. |e| = delta belongs to the quadratic part.

    Args:
        delta: positive and finite, in the units of the target.
        reduction: as of keras.losses.Loss.
        name: as of keras.losses.Loss.

    Raises:
        ValueError: delta is not a positive finite number, or targets and predictions differ in shape.
    """

    def __init__(
        self, delta: float = 1.0, reduction: str = "sum_over_batch_size", name: str = "huber_loss", **kwargs: Any
    ) -> None:
        if isinstance(delta, bool) or not math.isfinite(float(delta)) or float(delta) <= 0:
            raise ValueError(f"delta must be a positive finite number, not {delta!r}")
        super().__init__(reduction=reduction, name=name, **kwargs)
        self.delta = float(delta)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each sample, (batch,), of targets and predictions (batch, outputs) or (batch,)."""
        y_pred = keras.ops.convert_to_tensor(y_pred, dtype=self.dtype)
        y_true = keras.ops.convert_to_tensor(y_true, dtype=self.dtype)
        if len(y_true.shape) == len(y_pred.shape) - 1 and y_pred.shape[-1] == 1:
            y_true = keras.ops.expand_dims(y_true, -1)  # (n,) against (n, 1) must never become n x n
        elif len(y_pred.shape) == len(y_true.shape) - 1 and y_true.shape[-1] == 1:
            y_pred = keras.ops.expand_dims(y_pred, -1)
        known = [{a, b} - {None} for a, b in zip(y_true.shape, y_pred.shape, strict=False)]
        if len(y_true.shape) != len(y_pred.shape) or any(len(sizes) > 1 for sizes in known):
            raise ValueError(f"targets {y_true.shape} and predictions {y_pred.shape} do not match")
        error = keras.ops.abs(y_true - y_pred)
        inside = keras.ops.minimum(error, self.delta)
        loss = inside * (error - 0.5 * inside)
        return keras.ops.mean(loss, axis=-1) if len(loss.shape) > 1 else loss

    def get_config(self) -> dict[str, Any]:
        """All that `from_config` needs, delta among it."""
        return {**super().get_config(), "delta": self.delta}
