"""Which row goes into which batch, the same for every trial of a stream."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]


def steps_of(train_rows: int, batch_size: int) -> int:
    """Batches an epoch."""
    return math.ceil(train_rows / batch_size)


def epoch_order(stream: int, epoch: int, train: Rows) -> Rows:
    """The training rows in the order of an epoch (counted from 0)."""
    return np.random.Generator(np.random.PCG64([stream & 0xFFFFFFFF, stream >> 32, epoch])).permutation(train)


def batches(
    stream: int, epochs: range, train: Rows, steps: int, batch_size: int
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """Row indices (epochs, steps, batch) and 1 where a row is real, 0 where a batch is filled up."""
    rows = np.zeros((len(epochs), steps * batch_size), dtype=np.int32)
    real = np.zeros((len(epochs), steps * batch_size), dtype=np.float32)
    for i, epoch in enumerate(epochs):
        rows[i, : train.size] = epoch_order(stream, epoch, train)
    real[:, : train.size] = 1.0
    shape = (len(epochs), steps, batch_size)
    return rows.reshape(shape), real.reshape(shape)
