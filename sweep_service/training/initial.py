"""Initial weights by re-running a model's own initialisers, with a seed for each stream and variable."""

from __future__ import annotations

import hashlib
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

_INITIALIZERS = {
    "kernel": "kernel_initializer",
    "bias": "bias_initializer",
    "gamma": "gamma_initializer",
    "beta": "beta_initializer",
    "embeddings": "embeddings_initializer",
}


def derived_seed(stream: int, *what: int | str) -> int:
    """A 31-bit seed from a stream and what it is for."""
    text = "\x1f".join(str(part) for part in (stream, *what))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1


class InitialWeights:
    """Makes the trainable weights of a member; equal streams and shapes give equal weights."""

    def __init__(self, model: Any) -> None:
        initializers: dict[int, Any] = {}
        for layer in model._flatten_layers(include_self=False, recursive=True):
            for attribute, initializer in _INITIALIZERS.items():
                variable = getattr(layer, attribute, None)
                if variable is not None and getattr(layer, initializer, None) is not None:
                    initializers[id(variable)] = getattr(layer, initializer)
        self._variables = [(v.shape, v.dtype, initializers.get(id(v)), v) for v in model.trainable_variables]
        self._made: dict[int, list[NDArray[Any]]] = {}

    def of(self, stream: int) -> list[NDArray[Any]]:
        """One array a trainable variable."""
        if stream not in self._made:
            self._made[stream] = [self._one(stream, i) for i in range(len(self._variables))]
        return self._made[stream]

    def _one(self, stream: int, index: int) -> NDArray[Any]:
        shape, dtype, initializer, variable = self._variables[index]
        if initializer is None:
            return np.asarray(variable.numpy())
        config = initializer.get_config()
        if "seed" in config:
            config = {**config, "seed": derived_seed(stream, "weights", index)}
        fresh = initializer.__class__.from_config(config)
        return np.asarray(keras.ops.convert_to_numpy(fresh(shape, dtype=dtype)))
