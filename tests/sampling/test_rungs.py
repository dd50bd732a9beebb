"""Who leaves at a rung."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweep_service.sampling.rungs import Halving, Median, Never, make_pruner, rung_medians

VALUES = st.dictionaries(st.integers(0, 50), st.floats(-1e6, 1e6), max_size=20)


def test_halving_keeps_the_best_share_rounded_up_and_says_why() -> None:
    losers = Halving([3], 0.5).losers(3, {0: 5.0, 1: 1.0, 2: 3.0})
    assert set(losers) == {0}
    assert losers[0] == "pruned at epoch 3: not among the best 2 of the 3 trials of its pack"


@given(values=VALUES, keep=st.floats(0.05, 0.95))
def test_halving_keeps_someone_and_nobody_worse_than_one_who_leaves(values: dict[int, float], keep: float) -> None:
    losers = Halving([1], keep).losers(1, values)
    stay = set(values) - set(losers)
    assert bool(stay) == bool(values)
    assert all(values[s] <= values[gone] for s in stay for gone in losers)
    assert losers == Halving([1], keep).losers(1, dict(reversed(values.items())))


def test_halving_of_equal_values_goes_by_number() -> None:
    assert set(Halving([1], 0.5).losers(1, {7: 1.0, 3: 1.0})) == {7}


def test_the_median_prunes_what_is_worse_and_nobody_where_nothing_is_known() -> None:
    assert set(Median([4], {4: 2.0}).losers(4, {0: 2.0, 1: 2.1})) == {1}
    assert Median([4], {}).losers(4, {0: 9.0}) == {}


def test_without_a_pruner_there_is_no_rung() -> None:
    assert list(Never().rungs) == []
    assert make_pruner("NONE", (5,), 0.5, {}).losers(5, {0: 1.0}) == {}


def test_medians_take_the_best_so_far_averaged_over_the_runs_of_a_trial() -> None:
    trials = [[[4.0, 2.0, 3.0], [2.0, 2.0, 1.0]], [[9.0], [9.0]], [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]]
    # A run that stopped after one epoch keeps its best at later rungs.
    assert rung_medians(trials, [1, 3], 1.0) == {1: 3.0, 3: 1.5}
    assert rung_medians(trials, [1], -1.0) == {1: -3.0}
    assert rung_medians([], [1], 1.0) == {}


@pytest.mark.parametrize(("name", "kind"), [("HALVING", Halving), ("MEDIAN", Median)])
def test_each_name_of_the_spec_has_its_rule(name: str, kind: type) -> None:
    assert isinstance(make_pruner(name, (1, 2), 0.5, {}), kind)
