"""The built-in network: a multi-layer perceptron as a KerasTuner HyperModel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import keras_tuner

from sweep_service.core.mlp_space import ACTIVATIONS, MAX_LAYERS, MAX_UNITS
from sweep_service.training.models.dropout import InputDropout


class MLP(keras_tuner.HyperModel):  # type: ignore[misc]
    """Dense layers with a linear output; the same space as `core.mlp_space` declares to the server."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(name="mlp")
        self.inputs = inputs
        self.outputs = outputs

    def build(self, hp: Any) -> Any:
        """An uncompiled functional model (batch, inputs) -> (batch, outputs)."""
        layers = hp.Int("layers", 1, MAX_LAYERS)
        activation = hp.Choice("activation", list(ACTIVATIONS))
        dropout = hp.Boolean("dropout")
        x = entry = keras.Input((self.inputs,))
        for i in range(layers):
            width = hp.Int(f"units_{i + 1}", 1, MAX_UNITS, default=32)
            x = keras.layers.Dense(width, activation=activation)(x)
            if dropout:
                x = InputDropout()(x)
        return keras.Model(entry, keras.layers.Dense(self.outputs)(x))


def build_mlp(values: Mapping[str, Any], inputs: int, outputs: int) -> Any:
    """Build one architecture.

    Args:
        values: layers, units (a list, one a layer), activation, dropout (whether there are dropout layers).
        inputs: features.
        outputs: targets.
    """
    hp = keras_tuner.HyperParameters()
    hp.Fixed("layers", int(values["layers"]))
    hp.Fixed("activation", str(values["activation"]))
    hp.Fixed("dropout", bool(values["dropout"]))
    for i, width in enumerate(values["units"]):
        hp.Fixed(f"units_{i + 1}", int(width))
    return MLP(inputs, outputs).build(hp)
