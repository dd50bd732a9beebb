"""One pack in training, on one rung of the ladder: epochs go in, predictions and losses come out.

All rungs take the same members, rows and batch orders and start from the same weights, so that the rung changes how
long a pack takes and, but for round-off and the random streams of layers, nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sweep_service.training.initial import InitialWeights
from sweep_service.training.losses.clip import ClipLoss
from sweep_service.training.order import epoch_order
from sweep_service.training.pack import Architecture, FoldData, Member, PackArrays, starts_of_others
from sweep_service.training.program import PackProgram

Floats = NDArray[np.float32]
Active = NDArray[np.bool_]


class Session(Protocol):
    """A pack between its first and its last epoch."""

    def run(self, first: int, count: int, active: Active) -> tuple[Floats, Floats]:
        """Train `count` epochs from `first` on, the active members only.

        Returns:
            Predictions (count, members, v, q), standardised, and training losses (count, members).
        """
        ...

    def weights(self) -> list[list[Floats]]:
        """The trainable weights as they stand, one list a member."""
        ...


class PackSession:
    """All members at once, in the slots of one program (rungs PACK and PACK_WHILE)."""

    def __init__(self, program: PackProgram, arrays: PackArrays, state: dict[str, Any], epochs: int) -> None:
        self._program = program
        self._arrays = arrays
        self._state = state
        self._epochs = epochs

    def run(self, first: int, count: int, active: Active) -> tuple[Floats, Floats]:
        """One call of the program."""
        go = np.zeros(self._arrays.slots, np.float32)
        go[: active.size] = active
        data = {**self._arrays.data, **self._arrays.orders(range(first, first + self._epochs))}
        self._state, predictions, losses = self._program.run(
            self._state, self._arrays.hyper, data, tf.constant(go), tf.constant(count)
        )
        return predictions.numpy()[:count, : active.size], losses.numpy()[:count, : active.size]

    @property
    def members(self) -> int:
        """How many train here."""
        return len(self._arrays.members)

    def weights(self) -> list[list[Floats]]:
        """Taken apart by slot."""
        stacked = [v.numpy() for v in self._state["variables"]]
        return [[v[i] for v in stacked] for i in range(len(self._arrays.members))]


class JoinedSession:
    """Parts of a pack one after the other: single members (rung FUSED), or halves where memory is small."""

    def __init__(self, parts: Sequence[PackSession]) -> None:
        """Args: `parts` hold the members in their order."""
        self._parts = parts

    def run(self, first: int, count: int, active: Active) -> tuple[Floats, Floats]:
        """One call of the program a part; a part that all members have left is not called again."""
        found: list[tuple[Floats, Floats] | None] = []
        start = 0
        for part in self._parts:
            mine = active[start : start + part.members]
            if mine.any():
                found.append(part.run(first, count, mine))
            else:
                found.append(None)
            start += part.members
        return _side_by_side(found, [part.members for part in self._parts])

    def weights(self) -> list[list[Floats]]:
        """Of all."""
        return [weights for part in self._parts for weights in part.weights()]


def joined(parts: Sequence[PackSession]) -> Session:
    """The parts as one session."""
    return parts[0] if len(parts) == 1 else JoinedSession(parts)


class FitSession:
    """One member after the other through Keras' own `model.fit` (rung FIT): slow, and it takes whatever Keras takes."""

    def __init__(
        self,
        build: Callable[[], Any],
        architecture: Architecture,
        members: Sequence[Member],
        folds: Sequence[FoldData],
    ) -> None:
        self._architecture = architecture
        self._members = members
        self._folds = [folds[m.fold] for m in members]
        self._models = []
        for member in members:
            own = member.build or build
            model = own()
            weights = InitialWeights(model, own).of(member.stream)
            weighted = folds[member.fold].weight is not None
            self._models.append(_compiled(model, weights, architecture, member, weighted=weighted))

    def run(self, first: int, count: int, active: Active) -> tuple[Floats, Floats]:
        """`fit`, an epoch a call, so that each epoch has its own order."""
        found = [self._one(i, range(first, first + count)) if active[i] else None for i in range(len(self._members))]
        return _side_by_side(found, [1] * len(found))

    def _one(self, index: int, epochs: range) -> tuple[Floats, Floats]:
        model, fold, member = self._models[index], self._folds[index], self._members[index]
        predictions, losses = [], []
        for epoch in epochs:
            rows = epoch_order(member.stream, epoch, fold.train_rows)
            weight = None if fold.weight is None else fold.weight[rows]
            batch = self._architecture.batch_size
            history = model.fit(
                fold.x[rows], fold.y[rows], sample_weight=weight, batch_size=batch, epochs=1, shuffle=False, verbose=0
            )
            # The loss alone where Keras tells it: what it calls loss holds the penalties too.
            shown = history.history.get("alone", history.history["loss"])
            losses.append(shown[-1] / member.step_scale)
            predictions.append(model.predict(fold.x[fold.validation_rows], batch_size=4096, verbose=0))
        return np.stack(predictions)[:, None], np.array(losses, np.float32)[:, None]

    def weights(self) -> list[list[Floats]]:
        """Of each."""
        return [[np.asarray(v.numpy()) for v in model.trainable_variables] for model in self._models]


def _compiled(
    model: Any, weights: Sequence[Floats], architecture: Architecture, member: Member, *, weighted: bool
) -> Any:
    """A model of one member's own: its weights, seeds, penalty, optimizer and loss."""
    for variable, value in zip(model.trainable_variables, weights, strict=True):
        variable.assign(value)
    for variable, start in zip(model.non_trainable_variables, starts_of_others(model), strict=True):
        variable.assign(start(member))
    if member.l2:
        for variable in model.trainable_variables:
            if len(variable.shape) >= 2:
                own, mine = variable.regularizer, keras.regularizers.L2(member.l2)
                variable.regularizer = mine if own is None else partial(_both, own, mine)
    kinds = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop", "nadam": "Nadam"}
    settings: dict[str, Any] = {"learning_rate": member.learning_rate, "weight_decay": member.weight_decay or None}
    if architecture.optimizer in {"sgd", "rmsprop"}:
        settings["momentum"] = member.momentum
    if architecture.optimizer == "sgd":
        settings["nesterov"] = architecture.nesterov
    if architecture.optimizer == "adamw":
        settings["weight_decay"] = member.weight_decay
    loss = ClipLoss(member.bound, member.scale * member.step_scale)
    # A metric of Keras divides by the weights' sum, and a pack's loss by the rows: with weights there is none.
    alone = [] if weighted else [keras.metrics.MeanMetricWrapper(loss.call, name="alone")]
    model.compile(getattr(keras.optimizers, kinds[architecture.optimizer])(**settings), loss, metrics=alone)
    return model


def _both(one: Callable[[Any], Any], other: Callable[[Any], Any], value: Any) -> Any:
    """Two penalties."""
    return one(value) + other(value)


def _side_by_side(found: Sequence[tuple[Floats, Floats] | None], sizes: Sequence[int]) -> tuple[Floats, Floats]:
    """(count, size, v, q) of each part beside each other, rows filled up; parts that have left are 0."""
    seen = [f for f in found if f is not None]
    count, outputs = len(seen[0][1]), seen[0][0].shape[-1]
    shape = (count, sum(sizes), max(f[0].shape[2] for f in seen), outputs)
    predictions, losses = np.zeros(shape, np.float32), np.zeros(shape[:2], np.float32)
    start = 0
    for part, size in zip(found, sizes, strict=True):
        if part is not None:
            predictions[:, start : start + size, : part[0].shape[2]] = part[0]
            losses[:, start : start + size] = part[1]
        start += size
    return predictions, losses
