"""The built-in network declares to KerasTuner the space that `core.mlp_space` declares to the server."""

from __future__ import annotations

from typing import Any

import pytest

from sweep_service.core.mlp_space import ACTIVATIONS, MAX_LAYERS, MAX_UNITS, MLP_PARAMETERS

pytestmark = pytest.mark.engine


def declared(engine: Any, **values: Any) -> tuple[dict[str, Any], Any]:
    """The hyperparameters by name, and the model, of a build with some values chosen."""
    import keras_tuner

    from sweep_service.training.models.mlp import MLP

    hp = keras_tuner.HyperParameters()
    hp.values.update(values)
    model = MLP(3, 1).build(hp)
    return {p.name: p for p in hp.space}, model


def test_layers_activation_and_dropout_are_those_of_the_core(engine: Any) -> None:
    space, _ = declared(engine)
    assert set(space) == {"layers", "activation", "dropout", "units_1"}
    assert {name.removesuffix("_1") for name in space} <= set(MLP_PARAMETERS)
    layers, known = space["layers"], MLP_PARAMETERS["layers"]
    assert (layers.min_value, layers.max_value) == (known.low, known.high) == (1, MAX_LAYERS)
    assert tuple(space["activation"].values) == MLP_PARAMETERS["activation"].choices == ACTIVATIONS
    assert space["activation"].default == MLP_PARAMETERS["activation"].default


def test_each_layer_has_a_width_of_its_own_in_the_range_of_the_core(engine: Any) -> None:
    space, _ = declared(engine, layers=MAX_LAYERS)
    widths = [name for name in space if name.startswith("units")]
    assert widths == [f"units_{i + 1}" for i in range(MAX_LAYERS)]
    known = MLP_PARAMETERS["units"]
    for name in widths:
        assert (space[name].min_value, space[name].max_value) == (known.low, known.high) == (1, MAX_UNITS)


def test_what_is_chosen_is_what_is_built(engine: Any) -> None:
    _, model = declared(engine, layers=3, units_1=5, units_2=1, units_3=MAX_UNITS, activation="tanh", dropout=True)
    kinds = [type(layer).__name__ for layer in model.layers[1:]]
    assert kinds == ["Dense", "InputDropout"] * 3 + ["Dense"]
    dense = [layer for layer in model.layers if type(layer).__name__ == "Dense"]
    assert [layer.units for layer in dense] == [5, 1, MAX_UNITS, 1]
    assert [layer.activation.__name__ for layer in dense] == ["tanh"] * 3 + ["linear"]


def test_the_values_of_a_signature_build_the_same_network(engine: Any) -> None:
    from sweep_service.training.models.mlp import build_mlp

    values = {"layers": 2, "units": [7, 4], "activation": "selu", "dropout": False}
    model = build_mlp(values, 3, 2)
    assert [tuple(v.shape) for v in model.trainable_variables] == [(3, 7), (7,), (7, 4), (4,), (4, 2), (2,)]
    assert model.layers[1].activation.__name__ == "selu"


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_of_the_core_is_known_to_keras(engine: Any, activation: str) -> None:
    import keras

    assert keras.activations.get(activation).__name__ == activation
