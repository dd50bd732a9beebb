"""Dropout with its rate as an input: the distribution of Keras' own, by a stream that belongs to the member."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.engine

ROWS, WIDTH = 64, 256


@pytest.fixture(scope="module")
def layer(engine: Any) -> Any:
    from sweep_service.training.models.dropout import InputDropout

    made = InputDropout()
    made.build((ROWS, WIDTH))
    return made


def masks(layer: Any, rate: float, key: int, steps: int) -> Any:
    """What becomes of a table of ones: (steps, ROWS, WIDTH)."""
    layer.rate.assign(rate)
    layer.key.assign(np.uint32(key))
    layer.counter.assign(np.uint32(0))
    ones = np.ones((ROWS, WIDTH), np.float32)
    return np.stack([np.asarray(layer(ones, training=True)) for _ in range(steps)])


@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5, 0.95])
def test_a_unit_is_dropped_at_the_rate_and_the_rest_is_scaled(layer: Any, rate: float) -> None:
    got = masks(layer, rate, 12345, 20)
    assert set(np.unique(got)) == {np.float32(0), np.float32(1) / (np.float32(1) - np.float32(rate))}
    kept = got > 0
    # Five standard errors of a share among all, a step's, a row's and a unit's draws.
    for share in (kept.mean(), kept.mean(axis=(1, 2)), kept.mean(axis=(0, 2)), kept.mean(axis=(0, 1))):
        draws = kept.size / np.size(share)
        assert np.all(np.abs(share - (1 - rate)) < 5 * np.sqrt(rate * (1 - rate) / draws))


def test_neighbours_in_a_row_in_a_unit_and_in_time_are_independent(layer: Any) -> None:
    kept = masks(layer, 0.5, 99, 40) > 0
    pairs = ((kept[:, :, 1:], kept[:, :, :-1]), (kept[:, 1:], kept[:, :-1]), (kept[1:], kept[:-1]))
    for one, other in pairs:
        both = (one & other).mean()
        assert abs(both - 0.25) < 5 * np.sqrt(0.25 * 0.75 / one.size)


def test_at_rate_0_nothing_changes_to_the_bit(layer: Any) -> None:
    layer.rate.assign(0.0)
    x = np.random.default_rng(0).normal(size=(ROWS, WIDTH)).astype(np.float32)
    assert np.array_equal(layer(x, training=True), x)


def test_nothing_is_dropped_where_nothing_is_trained(layer: Any) -> None:
    layer.rate.assign(0.9)
    x = np.ones((ROWS, WIDTH), np.float32)
    before = int(layer.counter.numpy())
    assert np.array_equal(layer(x, training=False), x)
    assert int(layer.counter.numpy()) == before


def test_the_same_key_and_step_drop_the_same_units_and_any_other_do_not(layer: Any) -> None:
    first, again, other = masks(layer, 0.5, 7, 3), masks(layer, 0.5, 7, 3), masks(layer, 0.5, 8, 3)
    assert np.array_equal(first, again)
    assert len({m.tobytes() for m in (*first, *other)}) == 6
    # 16,384 fair draws: two independent masks agree in half of them.
    for one, two in ((first[0], first[1]), (first[0], other[0])):
        assert abs((one == two).mean() - 0.5) < 0.03


def test_a_higher_rate_drops_all_that_a_lower_one_drops(layer: Any) -> None:
    """Common random numbers for trials that differ in the rate alone."""
    low, high = masks(layer, 0.2, 7, 2) > 0, masks(layer, 0.6, 7, 2) > 0
    assert np.all(low | ~high)


def test_in_a_pack_each_layer_and_stream_has_a_mask_of_its_own_and_trials_share_theirs(
    engine: Any, losses: Any
) -> None:
    from sweep_service.training.models.registry import build_model
    from sweep_service.training.pack import starts_of_others

    model = build_model(engine.architecture(dropout=True, units=[8, 8]))
    members = [
        engine.member(losses("MSE"), stream=7, dropout=0.3),
        engine.member(losses("HUBER", 0.5), stream=7, dropout=0.6, learning_rate=0.1),
        engine.member(losses("MSE"), stream=8, dropout=0.3),
    ]
    names = [v.path for v in model.non_trainable_variables]
    starts = starts_of_others(model)
    others = {n: np.asarray([start(m) for m in members]) for n, start in zip(names, starts, strict=True)}
    keys = [others[n] for n in names if n.endswith("key")]
    assert len(keys) == 2
    for key in keys:
        assert key[0] == key[1] != key[2]
    assert keys[0][0] != keys[1][0]
    for rate in (others[n] for n in names if n.endswith("rate")):
        np.testing.assert_array_equal(rate[:3], np.float32([0.3, 0.6, 0.3]))


def test_a_member_without_dropout_beside_one_with_it_trains_as_if_there_were_no_such_layers(
    engine: Any, losses: Any
) -> None:
    members = [engine.member(losses("MSE")), engine.member(losses("MSE"), dropout=0.5)]
    with_layers = engine.pack(engine.architecture(dropout=True), members, 10)
    without = engine.pack(engine.architecture(), members[:1], 10)
    np.testing.assert_allclose(with_layers.losses[:, 0], without.losses[:, 0], rtol=1e-6)
    assert with_layers.losses[-1, 1] > 1.2 * with_layers.losses[-1, 0]
