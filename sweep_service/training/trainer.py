"""Trains packs: members in, what they predict after each epoch out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sweep_service.training.initial import InitialWeights, derived_seed
from sweep_service.training.models.dropout import InputDropout
from sweep_service.training.models.mlp import build_mlp
from sweep_service.training.order import batches, steps_of
from sweep_service.training.program import HYPER, PackProgram

Floats = NDArray[np.float32]
Rows = NDArray[np.int64]

CHUNK_EPOCHS = 10
CHUNK_BYTES = 32 * 2**20


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
    dropout: float = 0.0


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


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Some epochs of M members: predictions (R, M, v, q), standardised (rows beyond a fold's own are filling),
    and the training loss (R, M): Keras' running mean over an epoch of the loss alone, without the step normaliser
    and without penalties, so that it compares between members."""

    first_epoch: int
    predictions: Floats
    train_loss: Floats


@dataclass(frozen=True, slots=True, eq=False)
class PackOutcome:
    """How a pack was trained; `weights` (one list a member) on request."""

    rung: str
    compile_seconds: float
    train_seconds: float
    weights: list[list[Floats]] | None


class PackTrainer:
    """Packs of one architecture and one number of slots."""

    def __init__(self, architecture: Architecture, slots: int) -> None:
        self.architecture = architecture
        self.slots = slots
        self.model = build_mlp(architecture.values, architecture.inputs, architecture.outputs)
        self.initial = InitialWeights(self.model)
        self._programs: dict[tuple[Any, ...], tuple[PackProgram, str]] = {}

    def train(
        self,
        members: Sequence[Member],
        folds: Sequence[FoldData],
        max_epochs: int,
        *,
        on_chunk: Callable[[Chunk], set[int]],
        chunk_epochs: int | None = None,
        keep_weights: bool = False,
    ) -> PackOutcome:
        """Train until every member has left or `max_epochs` are done.

        Args:
            members: at most as many as there are slots.
            folds: all that the members of this pack or of another of its kind may name. The shapes of the program
                follow from them, and from the shapes its sums' last bits: where the rest of a pack is trained
                again after a crash, the same folds must be given.
            max_epochs: of the longest member.
            on_chunk: gets each chunk; answers which members (by index) train no more.
            chunk_epochs: epochs between two calls.
            keep_weights: return the members' final trainable weights.

        Raises:
            ValueError: more members than slots.
        """
        if len(members) > self.slots:
            raise ValueError(f"{len(members)} members do not fit {self.slots} slots")
        data, streams = self._data(members, folds)
        rows = int(data["validation"].shape[1]) * self.architecture.outputs
        epochs = chunk_epochs or max(1, min(CHUNK_EPOCHS, CHUNK_BYTES // max(1, 4 * self.slots * rows)))
        state = self._state(members)
        hyper = {n: tf.constant(self._padded([getattr(m, n) for m in members]), tf.float32) for n in HYPER}
        active = np.array([1.0] * len(members) + [0.0] * (self.slots - len(members)), dtype=np.float32)
        started = time.monotonic()
        program, rung, state = self._program(epochs, state, hyper, data, streams)
        compiled = time.monotonic()
        first, left = 0, set[int]()
        while first < max_epochs and len(left) < len(members):
            count = min(epochs, max_epochs - first)
            chunk_data = {**data, **self._orders(streams, range(first, first + epochs), data)}
            state, predictions, losses = program.run(state, hyper, chunk_data, tf.constant(active), tf.constant(count))
            size = len(members)
            chunk = Chunk(first, predictions.numpy()[:count, :size], losses.numpy()[:count, :size])
            left |= on_chunk(chunk)
            active[list(left)] = 0.0
            first += count
        weights = None
        if keep_weights:
            stacked = [v.numpy() for v in state["variables"]]
            weights = [[v[i] for v in stacked] for i in range(len(members))]
        return PackOutcome(rung, compiled - started, time.monotonic() - compiled, weights)

    def _padded(self, values: Sequence[Any]) -> Any:
        """One value a slot: empty slots repeat the first member and are never active."""
        return np.stack([np.asarray(v) for v in values] + [np.asarray(values[0])] * (self.slots - len(values)))

    def _data(
        self, members: Sequence[Member], folds: Sequence[FoldData]
    ) -> tuple[dict[str, Any], list[tuple[int, FoldData]]]:
        """Stacked arrays of the streams, and the streams."""
        index: dict[tuple[int, int], int] = {}
        for member in members:
            index.setdefault((member.fold, member.stream), len(index))
        named = {fold for fold, _ in index}
        for fold in range(len(folds)):
            if fold not in named:
                index[fold, 0] = len(index)
        streams = [(stream, folds[fold]) for fold, stream in index]
        longest = max(f.validation_rows.size for _, f in streams)
        held = [np.resize(f.validation_rows, longest) for _, f in streams]
        weights = [np.ones(len(f.x), np.float32) if f.weight is None else f.weight for _, f in streams]
        data = {
            "x": tf.constant(np.stack([f.x for _, f in streams])),
            "y": tf.constant(np.stack([f.y for _, f in streams])),
            "weight": tf.constant(np.stack(weights)),
            "validation": tf.constant(np.stack([f.x[r] for (_, f), r in zip(streams, held, strict=True)])),
            "stream": tf.constant(self._padded([index[m.fold, m.stream] for m in members]), tf.int32),
        }
        return data, streams

    def _orders(self, streams: Sequence[tuple[int, FoldData]], epochs: range, _data: Any) -> dict[str, Any]:
        size = self.architecture.batch_size
        steps = max(steps_of(f.train_rows.size, size) for _, f in streams)
        made = [batches(stream, epochs, fold.train_rows, steps, size) for stream, fold in streams]
        return {
            "rows": tf.constant(np.stack([rows for rows, _ in made], axis=1), tf.int32),
            "real": tf.constant(np.stack([real for _, real in made], axis=1), tf.float32),
        }

    def _state(self, members: Sequence[Member]) -> dict[str, Any]:
        weights = [self.initial.of(m.stream) for m in members]
        variables = [tf.constant(self._padded([w[i] for w in weights])) for i in range(len(weights[0]))]
        program = PackProgram(self.model, self.architecture.optimizer, nesterov=False, epochs=1, strict=True)
        return {
            "variables": variables,
            "others": self._others(members),
            "slots": program.initial_slots(variables),
            "step": tf.zeros(self.slots, tf.float32),
        }

    def _others(self, members: Sequence[Member]) -> list[Any]:
        """Non-trainable weights: the model's own, but for the dropout layers' rate and key."""
        special: dict[int, Callable[[Member], Any]] = {}
        for number, layer in enumerate(self.model.layers):
            if isinstance(layer, InputDropout):
                special[id(layer.rate)] = _dropout_rate
                special[id(layer.key)] = partial(_dropout_key, number)
        made = []
        for variable in self.model.non_trainable_variables:
            value = special.get(id(variable))
            own = np.asarray(variable.numpy())
            made.append(tf.constant(self._padded([own if value is None else value(m) for m in members])))
        return made

    def _program(
        self, epochs: int, state: Any, hyper: Any, data: dict[str, Any], streams: Sequence[tuple[int, FoldData]]
    ) -> tuple[PackProgram, str, Any]:
        """The compiled program for these shapes: strict first, a loop over members where a layer does not vectorise."""
        orders = self._orders(streams, range(epochs), data)
        everything = {**data, **orders}
        key = (epochs, *(tuple(v.shape) for v in everything.values()))
        none = tf.zeros(self.slots, tf.float32)
        if key not in self._programs:
            for strict, rung in ((True, "PACK"), (False, "PACK_WHILE")):
                a = self.architecture
                program = PackProgram(self.model, a.optimizer, nesterov=a.nesterov, epochs=epochs, strict=strict)
                try:
                    program.run(state, hyper, everything, none, tf.constant(0))  # compiles, trains nothing
                except (ValueError, NotImplementedError):
                    if strict:
                        continue
                    raise
                self._programs[key] = (program, rung)
                break
        program, rung = self._programs[key]
        return program, rung, state


def _dropout_rate(member: Member) -> np.float32:
    return np.float32(member.dropout)


def _dropout_key(layer: int, member: Member) -> np.uint32:
    """Common to all trials of a stream, another in each layer."""
    return np.uint32(derived_seed(member.stream, "dropout", layer))


class TrainerCache:
    """Keeps the trainers that were used last, with their compiled programs."""

    def __init__(self, size: int = 32) -> None:
        self._size = size
        self._trainers: dict[tuple[str, int], PackTrainer] = {}

    def trainer(self, architecture: Architecture, slots: int) -> PackTrainer:
        """The trainer of an architecture and a number of slots."""
        key = (architecture.key(), slots)
        trainer = self._trainers.pop(key, None) or PackTrainer(architecture, slots)
        self._trainers[key] = trainer
        while len(self._trainers) > self._size:
            self._trainers.pop(next(iter(self._trainers)))
        return trainer
