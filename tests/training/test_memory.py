"""Too little memory: half as many members at once, and the same answers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.engine


def trained(halvings: int, seen: list[Any]) -> Any:
    from sweep_service.training.pack import Architecture, FoldData, Member
    from sweep_service.training.trainer import PackTrainer

    random = np.random.default_rng(0)
    x = random.normal(size=(30, 4)).astype(np.float32)
    y = (x[:, :1] + random.normal(size=(30, 1))).astype(np.float32)
    rows = np.arange(30)
    folds = [FoldData(x, y, None, rows[6:], rows[:6]), FoldData(x, y, None, rows[:-7], rows[-7:])]
    members = [
        Member(i % 2, 5 + i % 2, bound=0.2 + i, scale=1.0, step_scale=1.0, learning_rate=0.01 * (1 + i))
        for i in range(7)
    ]
    values = {"layers": 1, "units": [8], "activation": "tanh", "dropout": False}
    trainer = PackTrainer(Architecture("mlp", values, "adam", nesterov=False, batch_size=8, inputs=4, outputs=1), 8)
    for _ in range(halvings):
        assert trainer.halve()

    def keep(chunk: Any) -> set[int]:
        seen.append(chunk)
        return {3} if chunk.first_epoch + len(chunk.train_loss) >= 4 else set()

    return trainer, trainer.train(members, folds, 8, on_chunk=keep, chunk_epochs=4, keep_weights=True)


@pytest.mark.parametrize(("halvings", "tolerance"), [(1, 0.0), (3, 1e-5)])
def test_a_halved_pack_gives_the_same_answers(halvings: int, tolerance: float) -> None:
    whole, parts = [], []
    _, reference = trained(0, whole)
    trainer, outcome = trained(halvings, parts)
    assert trainer.slots_at_once == 8 >> halvings
    for a, b in zip(reference.weights, outcome.weights, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance)
    for a, b in zip(whole, parts, strict=True):
        # A member that has left (number 3 after the first chunk) has nothing more to say.
        stays = [i for i in range(7) if i != 3 or a.first_epoch == 0]
        # The same bits from 4 slots; one slot multiplies matrices in another order.
        mine, theirs = a.predictions[:, stays, :6], b.predictions[:, stays, :6]
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=tolerance)


def test_one_member_at_a_time_cannot_be_halved() -> None:
    trainer, _ = trained(3, [])
    assert not trainer.halve()


def test_xla_wraps_the_lack_of_memory_in_other_errors() -> None:
    import tensorflow as tf

    from sweep_service.training.trainer import is_out_of_memory

    assert is_out_of_memory(tf.errors.ResourceExhaustedError(None, None, "no room"))
    assert is_out_of_memory(tf.errors.InternalError(None, None, "RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes"))
    assert not is_out_of_memory(tf.errors.InternalError(None, None, "a bug"))
    assert not is_out_of_memory(ValueError("RESOURCE_EXHAUSTED"))
