"""One TensorFlow for all tests of this folder, small data, and plain Keras to compare with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

Floats = NDArray[np.float32]

MSE = {"bound": float(np.finfo(np.float32).max), "scale": 2.0}
MAE = {"bound": 1e-6, "scale": 1e6}


def huber(delta: float) -> dict[str, float]:
    return {"bound": delta, "scale": 1.0}


@dataclass
class Trained:
    """What became of some members: losses (epochs, M), predictions (epochs, M, v, q), weights a member."""

    losses: Floats
    predictions: Floats
    weights: list[list[Floats]]
    rung: str = ""

    def bits(self, member: int, rows: int) -> bytes:
        """All of a member's numbers, to the bit; `rows` of its own validation fold."""
        parts = [self.losses[:, member], self.predictions[:, member, :rows], *self.weights[member]]
        return b"".join(np.ascontiguousarray(p).tobytes() for p in parts)


@dataclass
class Engine:
    """The training room, imported once TensorFlow is configured."""

    inputs: int = 5
    folds: list[Any] = field(default_factory=list)

    def architecture(self, **changes: Any) -> Any:
        from sweep_service.training.pack import Architecture

        values = {"layers": 2, "units": [16, 8], "activation": "relu", "dropout": False}
        values |= {k: changes.pop(k) for k in list(changes) if k in values}
        given = {"optimizer": "adam", "nesterov": False, "batch_size": 32, "inputs": self.inputs, "outputs": 1}
        return Architecture("mlp", values, **(given | changes))

    def member(self, loss: Mapping[str, float], *, fold: int = 0, stream: int = 7, **changes: float) -> Any:
        from sweep_service.training.pack import Member

        return Member(**({"fold": fold, "stream": stream, "step_scale": 1.0, "learning_rate": 0.01, **loss} | changes))

    def pack(
        self,
        architecture: Any,
        members: Sequence[Any],
        epochs: int,
        *,
        folds: Sequence[Any] | None = None,
        slots: int = 8,
        chunk_epochs: int | None = None,
        leaves: Mapping[int, set[int]] | None = None,
        trainer: Any = None,
    ) -> Trained:
        """Train members in one pack. `leaves`: which members leave at the chunk that begins with an epoch."""
        from sweep_service.training.trainer import PackTrainer

        chunks: list[Any] = []

        def on_chunk(chunk: Any) -> set[int]:
            chunks.append(chunk)
            return (leaves or {}).get(chunk.first_epoch, set())

        trainer = trainer or PackTrainer(architecture, slots)
        outcome = trainer.train(
            members,
            self.folds if folds is None else folds,
            epochs,
            on_chunk=on_chunk,
            chunk_epochs=chunk_epochs,
            keep_weights=True,
        )
        losses = np.concatenate([c.train_loss for c in chunks])
        return Trained(losses, np.concatenate([c.predictions for c in chunks]), outcome.weights, outcome.rung)

    def keras_optimizer(self, name: str, member: Any, *, nesterov: bool = False) -> Any:
        """Keras' own optimizer with a member's settings."""
        import keras

        given: dict[str, Any] = {"learning_rate": member.learning_rate, "weight_decay": member.weight_decay or None}
        if name == "sgd":
            given |= {"momentum": member.momentum, "nesterov": nesterov}
        if name == "rmsprop":
            given["momentum"] = member.momentum
        if name == "adamw":
            given["weight_decay"] = member.weight_decay
        kinds = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop", "nadam": "Nadam"}
        return getattr(keras.optimizers, kinds[name])(**given)

    def keras_loss(self, member: Any) -> Any:
        import keras

        from sweep_service.training.losses.huber import HuberLoss

        if member.bound == MSE["bound"]:
            return keras.losses.MeanSquaredError()
        return keras.losses.MeanAbsoluteError() if member.bound == MAE["bound"] else HuberLoss(member.bound)

    def fit(self, architecture: Any, member: Any, epochs: int, *, folds: Sequence[Any] | None = None, model: Any = None
            ) -> Trained:  # fmt: skip
        """The same member by plain `model.fit`: same initial weights, same batches, the last one as short as it is."""
        import keras
        import tensorflow as tf

        from sweep_service.training.initial import InitialWeights
        from sweep_service.training.models.mlp import build_mlp
        from sweep_service.training.order import epoch_order, steps_of

        fold = (self.folds if folds is None else folds)[member.fold]
        model = model or build_mlp(architecture.values, architecture.inputs, architecture.outputs)
        for variable, value in zip(model.trainable_variables, InitialWeights(model).of(member.stream), strict=True):
            variable.assign(value)
        size = architecture.batch_size
        weight = np.ones(len(fold.x), np.float32) if fold.weight is None else fold.weight

        def all_batches() -> Any:
            for epoch in range(epochs):
                order = epoch_order(member.stream, epoch, fold.train_rows)
                for start in range(0, order.size, size):
                    rows = order[start : start + size]
                    yield fold.x[rows], fold.y[rows], weight[rows]

        signature = tuple(
            tf.TensorSpec(shape) for shape in ((None, architecture.inputs), (None, architecture.outputs), (None,))
        )
        seen: list[Floats] = []
        after = keras.callbacks.LambdaCallback(
            on_epoch_end=lambda *_: seen.append(model(fold.x[fold.validation_rows], training=False).numpy())
        )
        # The loss alone, as a metric too: what `fit` calls loss holds the penalties of the layers.
        measured = keras.metrics.MeanMetricWrapper(self._of_each_row(member), name="alone")
        model.compile(
            optimizer=self.keras_optimizer(architecture.optimizer, member, nesterov=architecture.nesterov),
            loss=self.keras_loss(member),
            loss_weights=member.step_scale,
            metrics=[] if fold.weight is not None else [measured],
            jit_compile=False,
        )
        history = model.fit(
            tf.data.Dataset.from_generator(all_batches, output_signature=signature),
            epochs=epochs,
            steps_per_epoch=steps_of(fold.train_rows.size, size),
            shuffle=False,
            verbose=0,
            callbacks=[after],
        ).history
        shown = history["alone"] if "alone" in history else np.array(history["loss"]) / member.step_scale
        weights = [v.numpy() for v in model.trainable_variables]
        return Trained(np.array(shown)[:, None], np.stack(seen)[:, None], [weights])

    def _of_each_row(self, member: Any) -> Any:
        return self.keras_loss(member).call


@pytest.fixture(scope="session")
def engine() -> Engine:
    """The engine on a noisy table of 120 rows with two folds of different sizes."""
    from sweep_service.training.device import configure_process

    configure_process(threads=1)
    from sweep_service.training.pack import FoldData

    x, y = noisy_table(120, 5)
    rows = np.arange(120)
    return Engine(5, [FoldData(x, y, None, rows[30:], rows[:30]), FoldData(x, y, None, rows[:83], rows[83:])])


def noisy_table(rows: int, columns: int, outputs: int = 1, seed: int = 0) -> tuple[Floats, Floats]:
    """Standardised rows: linear in the columns, with heavy-tailed noise."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(rows, columns))
    y = x @ random.normal(size=(columns, outputs)) + 0.3 * random.standard_t(2, size=(rows, outputs))
    return x.astype(np.float32), ((y - y.mean(axis=0)) / y.std(axis=0)).astype(np.float32)


@pytest.fixture(scope="session")
def table() -> Any:
    """Makes noisy tables."""
    return noisy_table


@pytest.fixture(scope="session")
def losses() -> Any:
    """The clip form of MSE, MAE and Huber in standardised units, by name and delta."""
    return lambda kind, delta=None: {"MSE": MSE, "MAE": MAE}.get(kind) or huber(delta)
