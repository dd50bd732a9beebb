"""A model made fit for packs: layers that would break one are replaced by ones of ours that do the same.

Dropout gives its rate and its random stream as inputs (`InputDropout`), so that it vectorises and trials of unlike
rates share a program; batch normalization leaves out the rows that only fill a batch (`RowBatchNormalization`); a
recurrent layer over a short known number of steps is unrolled, since its loop does not vectorise.
"""

from __future__ import annotations

from typing import Any

import keras

from sweep_service.training.models.batch_norm import RowBatchNormalization
from sweep_service.training.models.dropout import InputDropout

UNROLLED_STEPS = 32
"""Longer sequences take too long to compile unrolled: they train on the rung FUSED."""
_RECURRENT = (keras.layers.LSTM, keras.layers.GRU, keras.layers.SimpleRNN)


def packable(model: Any, batch_size: int) -> Any:
    """The model itself, or a copy (with fresh weights, in the same order) where a layer must be replaced.

    Raises:
        ValueError: a layer must be replaced, and the model is a class of its own, which Keras cannot copy.
    """
    if not any(_must_go(layer) for layer in model._flatten_layers(include_self=False, recursive=True)):
        return model

    def copy(layer: Any) -> Any:
        config = layer.get_config()
        if type(layer) is keras.layers.BatchNormalization:
            return RowBatchNormalization(batch_size, **config)
        if type(layer) in _RECURRENT:
            return layer.__class__.from_config({**config, "unroll": True} if _short(layer) else config)
        if _must_go(layer):
            return InputDropout(rate=layer.rate, name=layer.name)
        return layer.__class__.from_config(config)

    return keras.models.clone_model(model, clone_function=copy, recursive=True)


def _must_go(layer: Any) -> bool:
    if type(layer) is keras.layers.BatchNormalization or (type(layer) in _RECURRENT and _short(layer)):
        return True
    return type(layer) is keras.layers.Dropout and layer.noise_shape is None and layer.seed is None


def _short(layer: Any) -> bool:
    steps = layer.input.shape[1]
    return steps is not None and steps <= UNROLLED_STEPS
