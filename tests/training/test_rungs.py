"""The rung that each part of the built-in network must reach: all of it the strict pack.

A layer or a rule that does not vectorise still trains, one member at a time and many times slower: that slip is
silent but for the rung that the trial shows, and for these tests. `test_program` holds the optimizers to theirs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sweep_service.core.mlp_space import ACTIVATIONS

pytestmark = pytest.mark.engine


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation_with_dropout_reaches_the_strict_pack(engine: Any, losses: Any, activation: str) -> None:
    architecture = engine.architecture(layers=1, units=[4], activation=activation, dropout=True, optimizer="sgd")
    got = engine.pack(architecture, [engine.member(losses("HUBER", 1.0), dropout=0.3)], 1)
    assert got.rung == "PACK"
    assert np.isfinite(got.losses).all()


def test_a_layer_that_does_not_vectorise_falls_to_the_loop_and_says_so(engine: Any, losses: Any) -> None:
    import keras

    from sweep_service.training.trainer import PackTrainer

    def build() -> Any:
        entry = keras.Input((engine.inputs,))
        x = keras.layers.Dense(4, activation="relu")(entry)
        x = keras.layers.Dropout(0.3, seed=1)(
            x
        )  # a seed of the user's own keeps Keras' layer, whose stream has a state
        return keras.Model(entry, keras.layers.Dense(1)(x))

    architecture = engine.architecture(layers=1, units=[4])
    trainer = PackTrainer(architecture, 8, build=build)
    got = engine.pack(architecture, [engine.member(losses("MSE"), learning_rate=0.03)], 10, trainer=trainer)
    assert got.rung == "PACK_WHILE"
    assert got.losses[-1, 0] < got.losses[0, 0]
