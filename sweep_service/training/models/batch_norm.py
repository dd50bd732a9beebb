"""Batch normalization whose statistics leave the filling rows out."""

from __future__ import annotations

from typing import Any

import keras

REAL_ROWS = "real_rows"
"""Name of the weight that the program sets to 1 for a real row of the batch and to 0 for filling."""


@keras.saving.register_keras_serializable(package="sweep_service")
class RowBatchNormalization(keras.layers.BatchNormalization):  # type: ignore[misc]
    """`keras.layers.BatchNormalization` over the real rows of a batch.

    All members of a pack take batches of one size, so the last batch of an epoch is filled up with rows of weight 0.
    Such rows must not enter the batch's mean and variance, or the network would not be the one that `fit` trains.

    Args:
        batch_size: rows a batch.
        kwargs: as of keras.layers.BatchNormalization.
    """

    def __init__(self, batch_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.batch_size = batch_size

    def build(self, input_shape: Any) -> None:
        """Keras' weights, and the rows'."""
        super().build(input_shape)
        self.real_rows = self.add_weight(
            name=REAL_ROWS, shape=(self.batch_size,), initializer="ones", trainable=False, dtype="float32"
        )

    def _moments(self, inputs: Any, mask: Any) -> tuple[Any, Any]:
        """Mean and variance (biased, as Keras takes it) over all axes but the features'."""
        del mask  # sequence masks belong to recurrent models, which are not packed
        rows = keras.ops.reshape(self.real_rows.value, (self.batch_size, *([1] * (len(inputs.shape) - 1))))
        rows = keras.ops.cast(rows, inputs.dtype)
        # Axes beside the rows and the features (an image's height and width) are all real.
        cells = 1
        for axis in self._reduction_axes:
            cells *= 1 if axis == 0 else int(inputs.shape[axis])
        count = keras.ops.maximum(keras.ops.sum(rows), 1.0) * cells
        mean = keras.ops.sum(inputs * rows, axis=self._reduction_axes, keepdims=True) / count
        variance = keras.ops.sum(rows * (inputs - mean) ** 2, axis=self._reduction_axes, keepdims=True) / count
        return keras.ops.squeeze(mean, self._reduction_axes), keras.ops.squeeze(variance, self._reduction_axes)

    def get_config(self) -> dict[str, Any]:
        """All that `from_config` needs."""
        return {**super().get_config(), "batch_size": self.batch_size}
