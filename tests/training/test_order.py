"""Which row goes into which batch: a matter of the stream, the fold and the epoch, and of nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sweep_service.training.order import batches, epoch_order, steps_of

TRAIN = np.array([3, 4, 8, 9, 11, 20, 21])


@given(stream=st.integers(0, 2**63 - 1), rows=st.integers(1, 60), size=st.integers(1, 40), extra=st.integers(0, 3))
def test_an_epoch_visits_each_training_row_once_and_no_other(stream: int, rows: int, size: int, extra: int) -> None:
    train = np.arange(100, 100 + rows)
    steps = steps_of(rows, size) + extra
    index, real = batches(stream, range(2), train, steps, size)
    assert index.shape == real.shape == (2, steps, size)
    for epoch in range(2):
        assert sorted(index[epoch][real[epoch] > 0]) == list(train)
    # Every batch but the last is full, as in `fit`.
    filled = real[0].sum(axis=1)
    assert list(filled[: rows // size]) == [size] * (rows // size)
    assert filled.sum() == rows


def test_another_epoch_and_another_stream_have_another_order() -> None:
    stream = 2**62 + 5
    orders = [epoch_order(s, e, TRAIN).tolist() for s in (stream, stream + 1, stream + 2**32) for e in range(4)]
    assert len({tuple(o) for o in orders}) == len(orders)


def test_the_order_does_not_depend_on_the_batch_size_or_on_where_a_chunk_begins() -> None:
    together, _ = batches(9, range(4), TRAIN, 7, 1)
    later, _ = batches(9, range(2, 4), TRAIN, 2, 4)
    assert together[2:].reshape(2, 7).tolist() == later.reshape(2, 8)[:, :7].tolist()


def test_the_order_is_the_same_on_every_machine_and_in_every_version() -> None:
    """Stored results are compared with new ones: a change here must be a choice."""
    assert epoch_order(2**62 + 5, 3, TRAIN).tolist() == [8, 20, 11, 4, 9, 3, 21]
