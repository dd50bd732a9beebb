"""Which rows are held out: a partition, in which neither groups nor equal rows straddle."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sweep_service.core.errors import DataError
from sweep_service.numerics.folds import duplicate_groups, lock_test_rows, make_folds
from sweep_service.numerics.table import NumberColumn, Table, TextColumn

group_ids = st.lists(st.integers(0, 12), min_size=12, max_size=80).map(lambda ids: np.array(ids, dtype=np.int64))


@settings(deadline=None)
@given(ids=group_ids, folds=st.integers(2, 6), kind=st.sampled_from(["KFOLD", "GROUP"]), seed=st.integers(0, 99))
def test_folds_are_a_partition_and_no_group_straddles(ids: np.ndarray, folds: int, kind: str, seed: int) -> None:
    assume(np.unique(ids).size >= folds)
    assume(ids.size - np.bincount(ids).max() >= 2)  # else a fold would train on one row: refused
    rows = np.arange(ids.size)
    made = make_folds(kind, rows, folds, 0.2, seed, 0, groups=ids)
    assert len(made) == folds
    held = np.concatenate([f.validation for f in made])
    assert sorted(held) == rows.tolist()
    for fold in made:
        assert sorted([*fold.train, *fold.validation]) == rows.tolist()
        assert fold.train.tolist() == sorted(fold.train)
        assert not set(ids[fold.train]) & set(ids[fold.validation])


@given(n=st.integers(10, 200), folds=st.integers(2, 10), seed=st.integers(0, 99))
def test_without_groups_fold_sizes_differ_by_one_row_at_most(n: int, folds: int, seed: int) -> None:
    sizes = [f.validation.size for f in make_folds("KFOLD", np.arange(n), folds, 0.2, seed, 0)]
    assert max(sizes) - min(sizes) <= 1


def test_groups_of_unequal_size_are_balanced_by_their_rows() -> None:
    ids = np.repeat(np.arange(104), [20, 20, 20, 20] + [1] * 100)
    sizes = sorted(f.validation.size for f in make_folds("GROUP", np.arange(180), 5, 0.2, 0, 0, groups=ids))
    assert sizes == [36] * 5


def test_single_rows_are_shared_out_even_where_one_group_is_larger_than_a_fold() -> None:
    ids = np.r_[np.zeros(10, np.int64), 1, 2, 3, 4]
    sizes = [f.validation.size for f in make_folds("KFOLD", np.arange(14), 3, 0.2, 0, 0, groups=ids)]
    assert sorted(sizes) == [2, 2, 10]


def test_rows_are_numbers_of_the_table_so_that_locked_rows_stay_out() -> None:
    rows = np.array([3, 5, 8, 13, 21, 34])
    made = make_folds("KFOLD", rows, 3, 0.2, 1, 0)
    assert sorted(np.concatenate([f.validation for f in made])) == rows.tolist()


def test_each_repeat_draws_another_partition_and_the_same_seed_the_same_one() -> None:
    def homes(seed: int, repeat: int) -> list[list[int]]:
        return [f.validation.tolist() for f in make_folds("KFOLD", np.arange(40), 4, 0.2, seed, repeat)]

    assert homes(1, 0) == homes(1, 0)
    assert homes(1, 0) != homes(1, 1)
    assert homes(1, 0) != homes(2, 0)


@given(
    moments=st.lists(st.integers(0, 30), min_size=8, max_size=80),
    folds=st.integers(2, 5),
    seed=st.integers(0, 9),
)
def test_time_folds_train_on_the_past_and_split_no_moment(moments: list[int], folds: int, seed: int) -> None:
    time = np.random.default_rng(seed).permutation(np.array(moments, dtype=np.float64))
    assume(np.unique(time).size > folds)
    made = make_folds("TIME", np.arange(time.size), folds, 0.2, 0, 0, time=time)
    assert len(made) == folds
    for fold in made:
        assert time[fold.train].max() < time[fold.validation].min()
    for before, after in itertools.pairwise(made):
        assert sorted([*before.train, *before.validation]) == after.train.tolist()
    assert time[made[-1].validation].max() == time.max()


def test_time_folds_have_about_equal_sizes_and_are_the_same_in_each_repeat() -> None:
    time = np.random.default_rng(0).permutation(120).astype(float)
    first = make_folds("TIME", np.arange(120), 5, 0.2, 0, 0, time=time)
    assert [f.validation.size for f in first] == [20] * 5
    again = make_folds("TIME", np.arange(120), 5, 0.2, 0, 3, time=time)
    assert [f.validation.tolist() for f in first] == [f.validation.tolist() for f in again]


@given(ids=group_ids, seed=st.integers(0, 99), repeat=st.integers(0, 3))
def test_holdout_is_one_fold_that_every_repeat_keeps(ids: np.ndarray, seed: int, repeat: int) -> None:
    assume(np.unique(ids).size > 1)
    rows = np.arange(ids.size)
    (fold,) = make_folds("HOLDOUT", rows, 5, 0.25, seed, repeat, groups=ids)
    (first,) = make_folds("HOLDOUT", rows, 5, 0.25, seed, 0, groups=ids)
    assert fold.validation.tolist() == first.validation.tolist()
    assert sorted([*fold.train, *fold.validation]) == rows.tolist()
    assert not set(ids[fold.train]) & set(ids[fold.validation])


@settings(deadline=None)
@given(ids=group_ids, fraction=st.floats(0.05, 0.5), seed=st.integers(0, 99))
def test_locked_test_rows_are_whole_groups_and_no_more_than_were_asked_for(
    ids: np.ndarray, fraction: float, seed: int
) -> None:
    assume(np.unique(ids).size > 1)
    work, test = lock_test_rows(ids.size, fraction, seed, "KFOLD", groups=ids)
    assert sorted([*work, *test]) == list(range(ids.size))
    assert not set(ids[work]) & set(ids[test])
    smallest = np.unique(ids, return_counts=True)[1].min()
    assert 0 < test.size <= max(round(ids.size * fraction), smallest)


def test_without_groups_just_the_share_is_locked() -> None:
    work, test = lock_test_rows(442, 0.2, 0, "KFOLD")
    assert (work.size, test.size) == (354, 88)


def test_one_large_group_does_not_become_the_test_set() -> None:
    ids = np.r_[np.zeros(90, np.int64), np.arange(1, 31)]
    for seed in range(20):
        assert lock_test_rows(120, 0.2, seed, "KFOLD", groups=ids)[1].size == 24


def test_under_time_the_last_rows_are_locked_and_a_moment_stays_together() -> None:
    time = np.array([5.0, 1, 2, 3, 4, 5, 5, 0, 2, 1])
    work, test = lock_test_rows(10, 0.1, 0, "TIME", time=time)
    assert test.tolist() == [0, 5, 6]
    assert sorted([*work, *test]) == list(range(10))


def test_a_published_split_is_taken_as_it_is() -> None:
    work, test = lock_test_rows(6, 0.5, 0, "KFOLD", published=np.array([4, 1]))
    assert (work.tolist(), test.tolist()) == ([0, 2, 3, 5], [1, 4])


def made_table(features: dict[str, list[float]], target: list[float], group: list[int] | None = None) -> Table:
    columns = tuple(NumberColumn(n, np.array(v, dtype=float)) for n, v in features.items())
    ids = None if group is None else np.array(group, dtype=np.int64)
    return Table(columns, np.array(target, dtype=float)[:, None], ("y",), group=ids)


def test_rows_equal_in_features_and_target_are_one_group() -> None:
    table = made_table({"a": [1, 1, 1, 2, np.nan, np.nan, 0.0], "b": [1, 1, 1, 1, 1, 1, 1]}, [5, 5, 6, 5, 5, 5, -0.0])
    groups = duplicate_groups(table)
    assert groups[0] == groups[1]
    assert groups[4] == groups[5]  # one missing value equals another
    assert len(set(groups.tolist())) == 5


def test_text_makes_rows_differ_too() -> None:
    text = TextColumn("c", np.array([0, 1, 0, -1], dtype=np.int32), ("x", "y"))
    groups = duplicate_groups(Table((text,), np.ones((4, 1)), ("y",)))
    assert groups[0] == groups[2]
    assert len(set(groups.tolist())) == 3


def test_minus_zero_is_zero() -> None:
    groups = duplicate_groups(made_table({"a": [0.0, -0.0]}, [1, 1]))
    assert groups[0] == groups[1]


@settings(deadline=None)
@given(
    values=st.lists(st.integers(0, 8), min_size=6, max_size=30),
    seed=st.integers(0, 99),
)
def test_equal_rows_join_the_users_groups_however_long_the_chain(values: list[int], seed: int) -> None:
    group = np.random.default_rng(seed).integers(0, 8, len(values)).tolist()
    found = duplicate_groups(made_table({"a": [float(v) for v in values]}, [0.0] * len(values), group))
    n = len(values)
    linked = np.array([[values[i] == values[j] or group[i] == group[j] for j in range(n)] for i in range(n)])
    for _ in range(n):  # the transitive closure, slowly
        linked = linked | ((linked.astype(int) @ linked.astype(int)) > 0)
    assert (np.equal.outer(found, found) == linked).all()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: make_folds("KFOLD", np.arange(4), 5, 0.2, 0, 0), "4 rows for 5 folds: use at most 4"),
        (lambda: make_folds("GROUP", np.arange(9), 5, 0.2, 0, 0, groups=np.arange(9) // 3), "3 groups of rows"),
        (lambda: make_folds("TIME", np.arange(9), 3, 0.2, 0, 0), "need a time column"),
        (lambda: make_folds("TIME", np.arange(9), 3, 0.2, 0, 0, time=np.arange(9.0) // 3), "use at most 2 folds"),
        (lambda: make_folds("HOLDOUT", np.arange(2), 3, 0.5, 0, 0), "too few"),
        (lambda: make_folds("HOLDOUT", np.arange(9), 3, 0.5, 0, 0, groups=np.zeros(9, np.int64)), "too few"),
        (lambda: lock_test_rows(2, 0.5, 0, "KFOLD"), "set test_fraction to 0"),
        (lambda: lock_test_rows(9, 0.5, 0, "KFOLD", groups=np.zeros(9, np.int64)), "too few groups"),
        (lambda: lock_test_rows(9, 0.5, 0, "TIME"), "need a time column"),
        (lambda: lock_test_rows(9, 0.5, 0, "TIME", time=np.zeros(9)), "set test_fraction to 0"),
    ],
)
def test_too_few_rows_or_groups_are_refused_with_what_would_do(call, says: str) -> None:
    with pytest.raises(DataError, match=says):
        call()
