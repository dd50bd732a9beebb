"""A member's numbers are its own, to the bit: whoever shares its pack, wherever it sits, however it is cut.

For one kind of device, one TensorFlow and one number of slots K. With another K the last bit may differ, since
XLA may lay out the sums in another way: K is decided once for a signature, and stored.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.engine

EPOCHS = 6


@pytest.fixture(scope="module")
def architecture(engine: Any) -> Any:
    return engine.architecture(dropout=True)


@pytest.fixture(scope="module")
def trainer(architecture: Any) -> Any:
    from sweep_service.training.trainer import PackTrainer

    return PackTrainer(architecture, 8)


@pytest.fixture(scope="module")
def members(engine: Any, losses: Any) -> list[Any]:
    """Eight that differ in all that may differ; the third is the one that is watched."""
    kinds = [("MSE", None), ("MAE", None), ("HUBER", 0.7), ("HUBER", 2.0)] * 2
    return [
        engine.member(
            losses(*kind),
            fold=i % 2,
            stream=7 + i % 2,
            learning_rate=0.01 * (1 + i),
            dropout=0.2 * (i % 3),
            l2=1e-4 * (i % 2),
        )
        for i, kind in enumerate(kinds)
    ]


@pytest.fixture(scope="module")
def expected(engine: Any, architecture: Any, trainer: Any, members: list[Any]) -> bytes:
    return bytes(engine.pack(architecture, members, EPOCHS, trainer=trainer).bits(2, 30))


def test_run_again(engine: Any, architecture: Any, trainer: Any, members: list[Any], expected: bytes) -> None:
    assert engine.pack(architecture, members, EPOCHS, trainer=trainer).bits(2, 30) == expected


def test_compiled_again(engine: Any, architecture: Any, members: list[Any], expected: bytes) -> None:
    assert engine.pack(architecture, members, EPOCHS).bits(2, 30) == expected


def test_in_another_slot(engine: Any, architecture: Any, trainer: Any, members: list[Any], expected: bytes) -> None:
    assert engine.pack(architecture, members[::-1], EPOCHS, trainer=trainer).bits(5, 30) == expected


def test_alone_in_the_pack(engine: Any, architecture: Any, trainer: Any, members: list[Any], expected: bytes) -> None:
    assert engine.pack(architecture, members[2:3], EPOCHS, trainer=trainer).bits(0, 30) == expected


@pytest.mark.parametrize("chunk_epochs", [1, 4])
def test_in_other_chunks(
    engine: Any, architecture: Any, trainer: Any, members: list[Any], expected: bytes, chunk_epochs: int
) -> None:
    got = engine.pack(architecture, members, EPOCHS, trainer=trainer, chunk_epochs=chunk_epochs)
    assert got.bits(2, 30) == expected


def test_after_its_neighbours_were_frozen_and_they_stand_still(
    engine: Any, architecture: Any, trainer: Any, members: list[Any], expected: bytes
) -> None:
    left = {0, 1, 3, 7}
    got = engine.pack(architecture, members, EPOCHS, trainer=trainer, chunk_epochs=1, leaves={1: left})
    assert got.bits(2, 30) == expected
    for i in left:
        assert np.array_equal(got.predictions[2, i], got.predictions[1, i])
        assert np.array_equal(got.predictions[-1, i], got.predictions[1, i])
        assert not got.losses[2:, i].any()
    assert not np.array_equal(got.predictions[-1, 4], got.predictions[1, 4])


def test_beside_a_neighbour_that_diverges(
    engine: Any, architecture: Any, trainer: Any, members: list[Any], losses: Any, expected: bytes
) -> None:
    wild = engine.member(losses("MSE"), fold=1, stream=8, learning_rate=1e30)
    got = engine.pack(architecture, [*members[:3], wild, *members[4:]], EPOCHS, trainer=trainer)
    assert got.bits(2, 30) == expected
    assert not np.isfinite(got.predictions[-1, 3]).all()
    assert all(np.isfinite(got.predictions[:, i]).all() for i in range(8) if i != 3)


def test_in_64_slots_the_numbers_agree_to_rounding(
    engine: Any, architecture: Any, trainer: Any, members: list[Any]
) -> None:
    few = engine.pack(architecture, members, EPOCHS, trainer=trainer)
    many = engine.pack(architecture, members, EPOCHS, slots=64)
    np.testing.assert_allclose(many.losses, few.losses, rtol=1e-5)
    np.testing.assert_allclose(many.predictions, few.predictions, atol=1e-5)


def test_members_of_one_stream_start_from_the_same_weights_whatever_their_settings(
    engine: Any, architecture: Any, trainer: Any, losses: Any
) -> None:
    still = {"learning_rate": 0.0}
    members = [
        engine.member(losses("MSE"), **still),
        engine.member(losses("HUBER", 0.1), l2=0.1, dropout=0.5, **still),
        engine.member(losses("HUBER", 0.1), stream=8, **still),
    ]
    got = engine.pack(architecture, members, 1, trainer=trainer)
    same, other = [np.array_equal(got.weights[0][0], got.weights[i][0]) for i in (1, 2)]
    assert same
    assert not other


def test_a_member_trains_on_the_rows_of_its_fold_alone(
    engine: Any, architecture: Any, trainer: Any, members: list[Any], expected: bytes
) -> None:
    from sweep_service.training.trainer import FoldData

    fold = engine.folds[0]
    y = fold.y.copy()
    y[fold.validation_rows] = 1e6
    changed = FoldData(fold.x, y, None, fold.train_rows, fold.validation_rows)
    got = engine.pack(architecture, members, EPOCHS, trainer=trainer, folds=[changed, engine.folds[1]])
    assert got.bits(2, 30) == expected


def test_more_members_than_slots_are_refused(engine: Any, trainer: Any, members: list[Any]) -> None:
    with pytest.raises(ValueError, match="9 members do not fit 8 slots"):
        trainer.train([*members, members[0]], engine.folds, 1, on_chunk=lambda _: set())


def test_training_ends_when_every_member_has_left(
    engine: Any, architecture: Any, trainer: Any, members: list[Any]
) -> None:
    got = engine.pack(architecture, members, 40, trainer=trainer, chunk_epochs=1, leaves={2: set(range(8))})
    assert len(got.losses) == 3


def test_the_cache_keeps_a_trainer_for_an_architecture_and_drops_the_one_used_longest_ago(engine: Any) -> None:
    from sweep_service.training.trainer import TrainerCache

    cache = TrainerCache(size=2)
    a, b, c = (engine.architecture(layers=1, units=[n]) for n in (2, 3, 4))
    first, second = cache.trainer(a, 8), cache.trainer(b, 8)
    assert cache.trainer(engine.architecture(layers=1, units=[2]), 8) is first
    assert cache.trainer(c, 8) is not first
    assert cache.trainer(a, 8) is first
    assert cache.trainer(b, 8) is not second
    assert cache.trainer(a, 16) is not first
