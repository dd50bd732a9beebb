"""The compiled program: all members of a pack through some epochs, in one XLA computation.

Everything that differs between members is an input: hyperparameters, initial weights, fold, batch order. Only
the structure of the network, the kind of optimizer, the number of slots and the shapes of the data are baked in.
"""

from __future__ import annotations

from typing import Any, Literal

import tensorflow as tf

from sweep_service.training.models.batch_norm import REAL_ROWS
from sweep_service.training.optimizers import update

Tensor = Any
Rung = Literal["PACK", "PACK_WHILE", "FUSED"]
"""PACK: all members vectorised. PACK_WHILE: what does not vectorise loops over the members, inside the program.
FUSED: one member at a time, all its batches in one program."""
HYPER = ("bound", "scale", "step_scale", "learning_rate", "momentum", "weight_decay", "l2")


class PackProgram:
    """One program; call it chunk after chunk.

    Shapes: K slots (1 on the rung FUSED), S streams (a fold with its batch order), R epochs a chunk, T batches an
    epoch of B rows, n working rows, v validation rows, p inputs, q outputs.
    """

    def __init__(self, model: Any, optimizer: str, *, nesterov: bool, epochs: int, rung: Rung) -> None:
        self._model = model
        self._optimizer = optimizer
        self._nesterov = nesterov
        self._epochs = epochs
        self._rung = rung
        # Weights that are told anew at each step which rows of the batch are real.
        self._row_weights = [v.name == REAL_ROWS for v in model.non_trainable_variables]
        self._kernels = [len(v.shape) >= 2 for v in model.trainable_variables]
        self.run = tf.function(self._run, jit_compile=True)

    def _run(
        self, state: dict[str, Any], hyper: dict[str, Tensor], data: dict[str, Tensor], active: Tensor, epochs: Tensor
    ) -> tuple[dict[str, Any], Tensor, Tensor]:
        """Train `epochs` (at most R) epochs.

        Args:
            state: variables, others (non-trainable), slots, step (K,).
            hyper: HYPER, each (K,).
            data: x (S, n, p), y (S, n, q), weight (S, n), validation (S, v, p), rows and real (R, S, T, B),
                stream (K,) int32.
            active: (K,) 1.0 where the member trains; a frozen member keeps weights, optimizer state and step.
            epochs: scalar int32.

        Returns:
            The new state, predictions (R, K, v, q) and training loss (R, K) of each epoch.
        """
        steps = data["rows"].shape[2]
        predictions = tf.TensorArray(tf.float32, size=self._epochs, element_shape=self._prediction_shape(data))
        losses = tf.TensorArray(tf.float32, size=self._epochs, element_shape=active.shape)
        validation = tf.gather(data["validation"], data["stream"])

        def epoch(r: Tensor, state: dict[str, Any], predictions: Any, losses: Any) -> tuple[Any, ...]:
            rows, real = data["rows"][r], data["real"][r]

            def step(t: Tensor, state: dict[str, Any], total: Tensor, count: Tensor) -> tuple[Any, ...]:
                state, loss, seen = self._step(state, hyper, data, rows[:, t], real[:, t], active)
                return t + 1, state, total + loss, count + seen

            zero = tf.zeros_like(active)
            _, state, total, count = tf.while_loop(lambda t, *_: t < steps, step, (0, state, zero, zero))
            predictions = predictions.write(r, self._predict(state, validation))
            losses = losses.write(r, total / tf.maximum(count, 1.0))
            return r + 1, state, predictions, losses

        _, state, predictions, losses = tf.while_loop(lambda r, *_: r < epochs, epoch, (0, state, predictions, losses))
        return state, predictions.stack(), losses.stack()

    def _prediction_shape(self, data: dict[str, Tensor]) -> tuple[int, ...]:
        return (data["stream"].shape[0], data["validation"].shape[1], data["y"].shape[2])

    def _map(self, function: Any, elements: Any) -> Any:
        """The function over members: vectorised, or, where there is only one, called on it."""
        if self._rung == "FUSED":
            alone = function(tf.nest.map_structure(lambda t: t[0], elements))
            return tf.nest.map_structure(lambda t: t[None], alone)
        return tf.vectorized_map(function, elements, fallback_to_while_loop=self._rung == "PACK_WHILE")

    def _step(
        self,
        state: dict[str, Any],
        hyper: dict[str, Tensor],
        data: dict[str, Tensor],
        rows: Tensor,
        real: Tensor,
        active: Tensor,
    ) -> tuple[dict[str, Any], Tensor, Tensor]:
        """One batch of every member: rows and real are (S, B)."""

        def take(table: Tensor) -> Tensor:
            return tf.gather(tf.gather(table, rows, batch_dims=1), data["stream"])

        real = tf.gather(real, data["stream"])
        elements = {
            "state": state,
            "hyper": hyper,
            "x": take(data["x"]),
            "y": take(data["y"]),
            "weight": take(data["weight"]) * real,
            "real": real,
            "count": tf.reduce_sum(real, axis=1),
        }
        new, loss = self._map(self._member_step, elements)
        go = tf.logical_and(active > 0, elements["count"] > 0)
        kept = tf.nest.map_structure(lambda a, b: tf.where(_like(go, a), a, b), new, state)
        counted = tf.where(go, elements["count"], 0.0)
        return kept, tf.where(go, loss * counted, 0.0), counted

    def _member_step(self, element: dict[str, Any]) -> tuple[dict[str, Any], Tensor]:
        state, hyper = element["state"], element["hyper"]
        variables = list(state["variables"])
        others = [element["real"] if told else v for v, told in zip(state["others"], self._row_weights, strict=True)]
        rows = tf.maximum(element["count"], 1.0)
        with tf.GradientTape() as tape:
            tape.watch(variables)
            prediction, others, extra = self._model.stateless_call(
                variables, others, element["x"], training=True, return_losses=True
            )
            error = prediction - element["y"]
            clipped = tf.clip_by_value(error, -hyper["bound"], hyper["bound"])
            outputs = tf.cast(tf.shape(error)[-1], tf.float32)
            pull = tf.stop_gradient(clipped) * (hyper["scale"] * hyper["step_scale"])
            # The gradient of this surrogate is the loss' own, whichever of MSE, MAE and Huber it is.
            surrogate = tf.reduce_sum(element["weight"][:, None] * pull * prediction) / (rows * outputs)
            if extra:  # layers' own penalties: without them L2 would be silently lost
                surrogate += tf.add_n(extra)
        gradients = tape.gradient(surrogate, variables)
        gradients = [
            g + 2.0 * hyper["l2"] * v if kernel else g
            for g, v, kernel in zip(gradients, variables, self._kernels, strict=True)
        ]
        value = hyper["scale"] * clipped * (error - 0.5 * clipped)
        loss = tf.reduce_sum(element["weight"] * tf.reduce_mean(value, axis=-1)) / rows
        step = state["step"] + 1.0
        moved, slots = update(
            self._optimizer, gradients, variables, list(state["slots"]), step, hyper, nesterov=self._nesterov
        )
        return {"variables": moved, "others": others, "slots": slots, "step": step}, loss

    def _predict(self, state: dict[str, Any], x: Tensor) -> Tensor:
        def one(element: tuple[Any, ...]) -> Tensor:
            variables, others, rows = element
            return self._model.stateless_call(list(variables), list(others), rows, training=False)[0]

        return self._map(one, (state["variables"], state["others"], x))


def _like(mask: Tensor, value: Tensor) -> Tensor:
    """(K,) made to broadcast against (K, ...)."""
    return tf.reshape(mask, [-1, *([1] * (len(value.shape) - 1))])
