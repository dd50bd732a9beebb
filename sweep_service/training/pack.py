"""What a pack is made of, and its arrays: members, folds, batch orders and the state that training starts from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sweep_service.training.initial import InitialWeights, derived_seed
from sweep_service.training.models.dropout import InputDropout
from sweep_service.training.optimizers import initial_slots
from sweep_service.training.order import batches, steps_of
from sweep_service.training.program import HYPER

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]
Tensors = dict[str, Any]


@dataclass(frozen=True, slots=True, eq=False)
class FoldData:
    """One fold: x (n, p) and y (n, q) of all working rows, standardised; weight (n,) or None; row indices."""

    x: Floats
    y: Floats
    weight: Floats | None
    train_rows: Rows
    validation_rows: Rows


@dataclass(frozen=True, slots=True)
class Member:
    """One run. `bound` and `scale` are the loss' clip form in standardised units; `stream` seeds weights and order."""

    fold: int
    stream: int
    bound: float
    scale: float
    step_scale: float
    learning_rate: float
    momentum: float = 0.0
    weight_decay: float = 0.0
    l2: float = 0.0
    dropout: float | tuple[float, ...] | None = 0.0
    """Of every InputDropout layer, or of each in their order; None leaves each its own."""
    build: Callable[[], Any] | None = None
    """Makes this member's own model where `model.fit` trains it (the rates of Keras' own layers are no inputs)."""


@dataclass(frozen=True, slots=True)
class Architecture:
    """What the compiled program is made for."""

    hypermodel: str
    values: Mapping[str, Any]
    optimizer: str
    nesterov: bool
    batch_size: int
    inputs: int
    outputs: int

    def key(self) -> str:
        """Equal for equal architectures."""
        return repr((self.hypermodel, sorted(self.values.items()), self.optimizer, self.nesterov, self.batch_size,
                     self.inputs, self.outputs))  # fmt: skip


class PackArrays:
    """The arrays of some members: what the program takes, filled up to the number of slots.

    Members of one fold and one stream share rows and batch order: these are stored once a stream, not once a member.
    """

    def __init__(self, members: Sequence[Member], folds: Sequence[FoldData], slots: int, batch_size: int) -> None:
        """Args: `folds` are all that such a pack may name, also those that these members do not (see `train`)."""
        self.members = tuple(members)
        self.slots = slots
        self._batch = batch_size
        index: dict[tuple[int, int], int] = {}
        for member in members:
            index.setdefault((member.fold, member.stream), len(index))
        named = {fold for fold, _ in index}
        for fold in range(len(folds)):
            if fold not in named:
                index[fold, 0] = len(index)
        self._streams = [(stream, folds[fold]) for fold, stream in index]
        self._steps = max(steps_of(f.train_rows.size, batch_size) for _, f in self._streams)
        self.data = self._data([index[m.fold, m.stream] for m in members])
        self.hyper = {n: tf.constant(self.padded([getattr(m, n) for m in members]), tf.float32) for n in HYPER}

    def padded(self, values: Sequence[Any]) -> Any:
        """One value a slot: empty slots repeat the first member and are never active."""
        return np.stack([np.asarray(v) for v in values] + [np.asarray(values[0])] * (self.slots - len(values)))

    def orders(self, epochs: range) -> Tensors:
        """Batches of some epochs: rows and real (R, S, T, B)."""
        made = [batches(stream, epochs, fold.train_rows, self._steps, self._batch) for stream, fold in self._streams]
        return {
            "rows": tf.constant(np.stack([rows for rows, _ in made], axis=1), tf.int32),
            "real": tf.constant(np.stack([real for _, real in made], axis=1), tf.float32),
        }

    def initial_state(self, model: Any, initial: InitialWeights, optimizer: str) -> Tensors:
        """Weights from each member's own stream, optimizer state at its start."""
        weights = [initial.of(m.stream) for m in self.members]
        variables = [tf.constant(self.padded([w[i] for w in weights])) for i in range(len(weights[0]))]
        return {
            "variables": variables,
            "others": [tf.constant(self.padded([f(m) for m in self.members])) for f in starts_of_others(model)],
            "slots": initial_slots(optimizer, variables),
            "step": tf.zeros(self.slots, tf.float32),
        }

    def _data(self, places: Sequence[int]) -> Tensors:
        folds = [f for _, f in self._streams]
        held_rows = max(f.validation_rows.size for f in folds)
        held = [np.resize(f.validation_rows, held_rows) for f in folds]
        weights = [np.ones(len(f.x), np.float32) if f.weight is None else f.weight for f in folds]
        return {
            "x": tf.constant(np.stack([f.x for f in folds])),
            "y": tf.constant(np.stack([f.y for f in folds])),
            "weight": tf.constant(np.stack(weights)),
            "validation": tf.constant(np.stack([f.x[r] for f, r in zip(folds, held, strict=True)])),
            "stream": tf.constant(self.padded(places), tf.int32),
        }


def starts_of_others(model: Any) -> list[Callable[[Member], Any]]:
    """What each non-trainable variable starts from, by member: its own value, but for rates, keys and seeds.

    A layer's random stream must follow the member's stream, or two members that share a fold and a seed would not
    meet the same masks while two folds would.
    """
    special: dict[int, Callable[[Member], Any]] = {}
    rates = 0
    for number, layer in enumerate(model._flatten_layers(include_self=False, recursive=True)):
        if isinstance(layer, InputDropout):
            special[id(layer.rate)] = partial(_dropout_rate, np.float32(layer.rate.numpy()), rates)
            rates += 1
            special[id(layer.key)] = partial(_dropout_key, number)
    found = []
    for number, variable in enumerate(model.non_trainable_variables):
        start = special.get(id(variable))
        if start is None and "seed_generator_state" in variable.path:
            start = partial(_seed_state, number, np.asarray(variable.numpy()))
        found.append(start or partial(_own, np.asarray(variable.numpy())))
    return found


def _own(value: Any, _member: Member) -> Any:
    return value


def _dropout_rate(own: np.float32, place: int, member: Member) -> np.float32:
    if isinstance(member.dropout, tuple):
        return np.float32(member.dropout[place])
    return own if member.dropout is None else np.float32(member.dropout)


def _dropout_key(layer: int, member: Member) -> np.uint32:
    """Common to all trials of a stream, another in each layer."""
    return np.uint32(derived_seed(member.stream, "dropout", layer))


def _seed_state(number: int, like: NDArray[Any], member: Member) -> NDArray[Any]:
    """A Keras SeedGenerator's state: (seed, counter)."""
    return np.array([derived_seed(member.stream, "seed", number), 0], dtype=like.dtype)
