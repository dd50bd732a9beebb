"""Trains packs: members in, what they predict after each epoch out."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from sweep_service.training.compile_cache import blames_cache
from sweep_service.training.initial import InitialWeights
from sweep_service.training.models.packable import packable
from sweep_service.training.models.registry import build_model
from sweep_service.training.pack import Architecture, FoldData, Member, PackArrays
from sweep_service.training.program import PackProgram, Rung
from sweep_service.training.sessions import FitSession, PackSession, Session, joined

Floats = NDArray[np.float32]
log = logging.getLogger(__name__)

CHUNK_EPOCHS = 10
CHUNK_BYTES = 32 * 2**20
LADDER: tuple[Rung, ...] = ("PACK", "PACK_WHILE", "FUSED")
"""Tried from the left; where none takes the model, `model.fit` does (FIT)."""
_CANNOT = (
    ValueError,
    NotImplementedError,
    tf.errors.InvalidArgumentError,
    tf.errors.UnimplementedError,
    tf.errors.NotFoundError,
)
"""How a layer or an operation says that it does not vectorise, or does not compile."""


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
    """How a pack was trained; `weights` (one list a member) on request.

    `rung_reason`: what stood in the way of the rung above, None on the highest.
    """

    rung: Literal["PACK", "PACK_WHILE", "FUSED", "FIT"]
    rung_reason: str | None
    compile_seconds: float
    train_seconds: float
    weights: list[list[Floats]] | None


class PackTrainer:
    """Packs of one architecture and one number of slots."""

    def __init__(
        self,
        architecture: Architecture,
        slots: int,
        *,
        build: Callable[[], Any] | None = None,
        ladder: Sequence[Rung] = LADDER,
    ) -> None:
        """Make the model once; nothing is compiled yet.

        Args:
            architecture: of all packs.
            slots: K.
            build: makes an uncompiled model (batch, inputs) -> (batch, outputs); by default the registry's.
            ladder: rungs to try before `model.fit`.
        """
        self.architecture = architecture
        self.slots = slots
        self._ladder = tuple(ladder)
        self._at_once = slots
        self._build = build or (lambda: build_model(architecture))
        self._model: tuple[Any, InitialWeights] | None = None
        self._programs: dict[tuple[Any, ...], PackProgram] = {}
        self._rung: Literal["PACK", "PACK_WHILE", "FUSED", "FIT"] | None = None
        self._rung_reason: str | None = None

    @property
    def slots_at_once(self) -> int:
        """Slots of the program in use: K, or less where the device's memory was too small for that."""
        return self._at_once

    def halve(self) -> bool:
        """Train half as many members at once from now on; False where it is one at a time already."""
        if self._at_once <= 1:
            return False
        self._at_once = -(-self._at_once // 2)
        self._programs.clear()
        return True

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
            chunk_epochs: epochs between two calls; no result depends on it.
            keep_weights: return the members' final trainable weights.

        Raises:
            ValueError: more members than slots.
            tf.errors.OpError: where `is_out_of_memory` says so, `halve` and train again from the start.
        """
        if len(members) > self.slots:
            raise ValueError(f"{len(members)} members do not fit {self.slots} slots")
        started = time.monotonic()
        epochs = chunk_epochs or self._chunk(folds)
        session = self._open(members, folds, epochs)
        compiled = time.monotonic()
        active = np.ones(len(members), dtype=np.bool_)
        first = 0
        while first < max_epochs and active.any():
            count = min(epochs, max_epochs - first)
            active[list(on_chunk(Chunk(first, *session.run(first, count, active))))] = False
            first += count
        weights = session.weights() if keep_weights else None
        took = (compiled - started, time.monotonic() - compiled)
        return PackOutcome(self._rung or "FIT", self._rung_reason, *took, weights)

    def _chunk(self, folds: Sequence[FoldData]) -> int:
        """Epochs that leave the program at once: few enough that their predictions stay small."""
        values = self.slots * max(f.validation_rows.size for f in folds) * self.architecture.outputs
        return max(1, min(CHUNK_EPOCHS, CHUNK_BYTES // max(1, 4 * values)))

    def _open(self, members: Sequence[Member], folds: Sequence[FoldData], epochs: int) -> Session:
        """A session on the highest rung that takes the model; what was found once is not tried again."""
        for rung in self._ladder:
            if self._rung not in {None, rung}:
                continue
            try:
                session = self._session(rung, members, folds, epochs)
            except _CANNOT as error:
                if self._rung is not None or blames_cache(error):
                    raise
                # Said on the trial and in the log: a fault of ours would look the same, and must not stay unseen.
                self._rung_reason = f"not {rung}: {_first_line(error)}"
                log.warning("%s is %s", self.architecture.hypermodel, self._rung_reason)
                continue
            self._rung = rung
            return session
        self._rung = "FIT"
        return FitSession(self._build, self.architecture, members, folds)

    def _session(self, rung: Rung, members: Sequence[Member], folds: Sequence[FoldData], epochs: int) -> Session:
        """The members in parts, each in a program for its shapes, which is compiled where it is new."""
        size = 1 if rung == "FUSED" else self._at_once
        parts = [members[i : i + size] for i in range(0, len(members), size)]
        arrays = [PackArrays(part, folds, size, self.architecture.batch_size) for part in parts]
        return joined([self._pack(rung, part, epochs) for part in arrays])

    def _pack(self, rung: Rung, arrays: PackArrays, epochs: int) -> PackSession:
        if self._model is None:
            model = packable(self._build(), self.architecture.batch_size)
            self._model = model, InitialWeights(model, self._build)
        model, initial = self._model
        state = arrays.initial_state(model, initial, self.architecture.optimizer)
        everything = {**arrays.data, **arrays.orders(range(epochs))}
        key = (rung, epochs, *(tuple(v.shape) for v in everything.values()))
        if key not in self._programs:
            a = self.architecture
            program = PackProgram(model, a.optimizer, nesterov=a.nesterov, epochs=epochs, rung=rung)
            # Compiles, trains nothing.
            nobody = tf.zeros(arrays.slots, tf.float32)
            program.run(state, arrays.hyper, everything, nobody, tf.constant(0))
            self._programs[key] = program
        return PackSession(self._programs[key], arrays, state, epochs)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device's memory was too small; XLA wraps it in errors of other kinds."""
    return isinstance(error, tf.errors.ResourceExhaustedError) or (
        isinstance(error, tf.errors.OpError) and "RESOURCE_EXHAUSTED" in str(error)
    )


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]


class TrainerCache:
    """Keeps the trainers that were used last, with their compiled programs."""

    def __init__(self, size: int = 32) -> None:
        self._size = size
        self._trainers: dict[tuple[str, int], PackTrainer] = {}

    def trainer(self, architecture: Architecture, slots: int, *, build: Callable[[], Any] | None = None) -> PackTrainer:
        """The trainer of an architecture and a number of slots; `build` makes its model where it is new."""
        key = (architecture.key(), slots)
        trainer = self._trainers.pop(key, None) or PackTrainer(architecture, slots, build=build)
        self._trainers[key] = trainer
        while len(self._trainers) > self._size:
            self._trainers.pop(next(iter(self._trainers)))
        return trainer
