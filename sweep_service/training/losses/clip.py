"""MSE, MAE and Huber as one Keras loss, for the rung that trains with `model.fit`."""

from __future__ import annotations

from typing import Any

import keras


@keras.saving.register_keras_serializable(package="sweep_service")
class ClipLoss(keras.losses.Loss):  # type: ignore[misc]
    """scale * c (e - c / 2) with c = e clipped to [-bound, bound], averaged over the last axis.

    Its gradient is scale * c: Huber for scale 1, MSE for a boundless clip and scale 2, MAE in the limit of a small
    bound and scale 1 / bound (see `numerics.huber.clip_form`).

    Args:
        bound: positive, in the units of the target.
        scale: factor.
        reduction: as of keras.losses.Loss.
        name: as of keras.losses.Loss.
    """

    def __init__(
        self, bound: float, scale: float, reduction: str = "sum_over_batch_size", name: str = "clip", **kwargs: Any
    ) -> None:
        super().__init__(reduction=reduction, name=name, **kwargs)
        self.bound = float(bound)
        self.scale = float(scale)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Loss of each sample (batch,), of targets and predictions (batch, outputs)."""
        error = y_pred - keras.ops.cast(y_true, y_pred.dtype)
        clipped = keras.ops.clip(error, -self.bound, self.bound)
        return keras.ops.mean(self.scale * clipped * (error - 0.5 * clipped), axis=-1)

    def get_config(self) -> dict[str, Any]:
        """All that `from_config` needs."""
        return {**super().get_config(), "bound": self.bound, "scale": self.scale}
