"""Which rung each layer reaches, and that the rung changes the time alone: each trains what `model.fit` trains."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.engine
ROWS, INPUTS, EPOCHS = 40, 12, 2

Build = Callable[[Any], Any]
"""From Keras and an input tensor (batch, INPUTS) to a tensor (batch, anything)."""


def image(keras: Any, x: Any) -> Any:
    x = keras.layers.Reshape((4, 3, 1))(x)
    return keras.layers.Flatten()(keras.layers.Conv2D(4, 2, activation="tanh")(x))


def series(keras: Any, x: Any) -> Any:
    x = keras.layers.Reshape((INPUTS, 1))(x)
    return keras.layers.Flatten()(keras.layers.Conv1D(4, 3, activation="tanh")(x))


def recurrent(kind: str) -> Callable[[Any, Any], Any]:
    def build(keras: Any, x: Any) -> Any:
        return getattr(keras.layers, kind)(4)(keras.layers.Reshape((4, 3))(x))

    return build


def attention(keras: Any, x: Any) -> Any:
    x = keras.layers.Reshape((4, 3))(x)
    return keras.layers.Flatten()(keras.layers.MultiHeadAttention(2, 3)(x, x))


def embedding(keras: Any, x: Any) -> Any:
    # Tables hold float columns: the codes are the first column's sign, as an integer.
    code = keras.layers.Lambda(lambda t: keras.ops.cast(t[:, :2] > 0, "int32"), output_shape=(2,))(x)
    return keras.layers.Concatenate()([keras.layers.Flatten()(keras.layers.Embedding(2, 3)(code)), x])


def skip(keras: Any, x: Any) -> Any:
    return keras.layers.Add()([x, keras.layers.Dense(INPUTS, "tanh")(x)])


def penalised(keras: Any, x: Any) -> Any:
    return keras.layers.Dense(6, "tanh", kernel_regularizer=keras.regularizers.L2(0.01))(x)


def simple(name: str, *arguments: Any, **named: Any) -> Callable[[Any, Any], Any]:
    def build(keras: Any, x: Any) -> Any:
        return getattr(keras.layers, name)(*arguments, **named)(keras.layers.Dense(6, "tanh")(x))

    return build


# The table: a layer that slips to a lower rung fails here.
LAYERS: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "Dense": (simple("Dense", 4, "relu"), "PACK"),
    "BatchNormalization": (simple("BatchNormalization"), "PACK"),
    "LayerNormalization": (simple("LayerNormalization"), "PACK"),
    "Embedding": (embedding, "PACK"),
    "Add (skip connection)": (skip, "PACK"),
    "L2": (penalised, "PACK"),
    "MultiHeadAttention": (attention, "PACK"),
    "Conv1D": (series, "PACK_WHILE"),
    "Conv2D": (image, "PACK_WHILE"),
    "LSTM": (recurrent("LSTM"), "PACK"),
    "GRU": (recurrent("GRU"), "PACK"),
}
RANDOM = {"Dropout": (simple("Dropout", 0.3), "PACK"), "GaussianNoise": (simple("GaussianNoise", 0.1), "PACK_WHILE")}
# Keras squares an embedding's gradients row by row before it sums those of one code, in every optimizer that squares;
# a pack squares the sum, as the optimizers' papers do. With sgd there is nothing to square.
OPTIMIZER = {"Embedding": "sgd"}
# The keys' bias moves every score of a softmax alike: its gradient is round-off, which adam turns into steps.
WEIGHTS_WITHOUT_MEANING = {"MultiHeadAttention"}


REASONS: list[str | None] = []


def trained(
    layer: Callable[[Any, Any], Any], ladder: tuple[str, ...] | None, optimizer: str = "adam", epochs: int = EPOCHS
) -> tuple[str, Any]:
    """Train two members, of two folds of different sizes, and return the rung and (weights, predictions)."""
    import keras

    from sweep_service.training.pack import Architecture, FoldData, Member
    from sweep_service.training.trainer import LADDER, PackTrainer

    def build() -> Any:
        entry = keras.Input((INPUTS,))
        return keras.Model(entry, keras.layers.Dense(1)(layer(keras, entry)))

    random = np.random.default_rng(0)
    x = random.normal(size=(ROWS, INPUTS)).astype(np.float32)
    y = (x[:, :1] - x[:, 1:2] ** 2 + random.normal(size=(ROWS, 1))).astype(np.float32)
    rows = np.arange(ROWS)
    folds = [FoldData(x, y, None, rows[8:], rows[:8]), FoldData(x, y, None, rows[:-13], rows[-13:])]
    members = [
        Member(0, 5, bound=0.5, scale=1.0, step_scale=2.0, learning_rate=0.01, dropout=None),
        Member(1, 6, bound=3e38, scale=2.0, step_scale=1.0, learning_rate=0.003, dropout=None),
    ]
    architecture = Architecture("test", {}, optimizer, nesterov=False, batch_size=8, inputs=INPUTS, outputs=1)
    trainer = PackTrainer(architecture, 4, build=build, ladder=LADDER if ladder is None else ladder)
    seen: list[Any] = []

    def keep(chunk: Any) -> set[int]:
        seen.append(chunk.predictions[:, :, :8])
        return set()

    outcome = trainer.train(members, folds, epochs, on_chunk=keep, keep_weights=True)
    REASONS.append(outcome.rung_reason)
    return outcome.rung, (outcome.weights, np.concatenate(seen))


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_reaches_its_rung_and_trains_there_as_fit_does(name: str) -> None:
    layer, wanted = LAYERS[name]
    optimizer = OPTIMIZER.get(name, "adam")
    rung, (weights, predictions) = trained(layer, None, optimizer)
    fit, (fit_weights, fit_predictions) = trained(layer, (), optimizer)
    assert (rung, fit) == (wanted, "FIT")
    assert (REASONS[-2] is None) == (wanted == "PACK")
    np.testing.assert_allclose(predictions, fit_predictions, rtol=1e-5, atol=1e-6)
    if name in WEIGHTS_WITHOUT_MEANING:
        return
    for ours, theirs in zip(weights, fit_weights, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", RANDOM)
def test_a_layer_with_a_random_stream_reaches_its_rung_and_draws_from_the_members_own(name: str) -> None:
    layer, wanted = RANDOM[name]
    rung, (weights, _) = trained(layer, None)
    again, (same, _) = trained(layer, None)
    assert rung == again == wanted
    assert all(np.array_equal(a, b) for x, y in zip(weights, same, strict=True) for a, b in zip(x, y, strict=True))


def test_where_no_rung_takes_a_model_fit_does_and_the_answer_says_so() -> None:
    def own_loop(keras: Any, x: Any) -> Any:
        class PlainPython(keras.layers.Layer):  # type: ignore[misc]
            def call(self, inputs: Any) -> Any:
                import tensorflow as tf

                return tf.ensure_shape(tf.numpy_function(lambda t: t * 1.0, [inputs], tf.float32), inputs.shape)

            def compute_output_shape(self, shape: Any) -> Any:
                return shape

        return PlainPython()(x)

    rung, (_, predictions) = trained(own_loop, None, epochs=1)
    assert rung == "FIT"
    assert REASONS[-1] is not None
    assert REASONS[-1].startswith("not FUSED: ")
    assert np.isfinite(predictions).all()
