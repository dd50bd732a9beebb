"""Comparisons over folds: against scikit-learn's published example, statsmodels, and their own promises."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_1samp
from sklearn.datasets import make_moons
from sklearn.model_selection import RepeatedStratifiedKFold, cross_val_score
from sklearn.svm import SVC
from statsmodels.stats.multitest import multipletests

from sweep_service.numerics.significance import corrected_interval, corrected_t, holm, two_way_bootstrap


def test_scikit_learns_example_of_comparing_models_with_grid_search_stats() -> None:
    # Its two best models of 100 moons, by AUC over 10 x 10 folds; figures as its page prints them.
    X, y = make_moons(noise=0.352, random_state=1, n_samples=100)
    folds = RepeatedStratifiedKFold(n_splits=10, n_repeats=10, random_state=0)
    scores = [
        cross_val_score(SVC(kernel=kernel, random_state=0), X, y, scoring="roc_auc", cv=folds)
        for kernel in ("rbf", "linear")
    ]
    difference = scores[0] - scores[1]
    corrected = corrected_t(difference, n_train=90, n_test=10)
    assert (round(corrected.t, 3), round(corrected.p_one_sided, 3)) == (0.750, 0.227)
    naive = corrected_t(difference, n_train=90, n_test=0)
    assert (round(naive.t, 3), round(naive.p_one_sided, 3)) == (2.611, 0.005)


@given(st.lists(st.floats(-100, 100), min_size=2, max_size=30).filter(lambda d: np.std(d) > 1e-3))
def test_without_test_rows_it_is_students_paired_t(differences: list[float]) -> None:
    ours = corrected_t(np.array(differences), n_train=80, n_test=0)
    theirs = ttest_1samp(differences, 0.0)
    assert ours.t == pytest.approx(theirs.statistic, rel=1e-9, abs=1e-12)
    assert ours.p_two_sided == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)
    assert ours.degrees_of_freedom == len(differences) - 1


def test_by_hand() -> None:
    # mean 2, sample variance 1, J = 3, a fifth held out: se = sqrt(1/3 + 1/4)
    test = corrected_t(np.array([1.0, 2.0, 3.0]), n_train=80, n_test=20)
    assert test.standard_error == pytest.approx(np.sqrt(7 / 12))
    assert test.t == pytest.approx(2 / np.sqrt(7 / 12))
    low, high = corrected_interval(np.array([1.0, 2.0, 3.0]), 80, 20)
    assert (low + high) / 2 == pytest.approx(2.0)
    assert (high - low) / 2 == pytest.approx(4.302653 * np.sqrt(7 / 12), rel=1e-6)  # t of 2 degrees at 97.5 %


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=20).filter(lambda d: np.std(d) > 1e-6))
def test_the_interval_leaves_out_zero_just_where_p_is_below_5_percent(differences: list[float]) -> None:
    d = np.array(differences)
    test = corrected_t(d, 80, 20)
    low, high = corrected_interval(d, 80, 20)
    if abs(test.p_two_sided - 0.05) > 1e-9:
        assert (test.p_two_sided < 0.05) == (low > 0 or high < 0)


@pytest.mark.parametrize("unit", [1e-30, 1e-16, 1.0, 1e16])
def test_the_units_of_the_target_change_nothing(unit: float) -> None:
    d = np.array([1.0, 2.0, -0.5, 0.7, 1.1])
    assert corrected_t(unit * d, 80, 20).t == pytest.approx(corrected_t(d, 80, 20).t, rel=1e-9)


def test_differences_that_are_all_equal_need_no_division() -> None:
    assert corrected_t(np.zeros(5), 80, 20).p_two_sided == 1.0
    assert corrected_t(np.full(5, 0.1), 80, 20).p_two_sided == 0.0
    worse = corrected_t(np.full(5, -0.1), 80, 20)
    assert (worse.p_two_sided, worse.p_one_sided) == (0.0, 1.0)
    assert worse.t < 0


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_is_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]), abs=1e-12)


def test_holm_of_none() -> None:
    assert holm([]) == []


def test_the_corrected_test_keeps_its_level_where_folds_overlap_and_the_naive_one_does_not() -> None:
    # Two equal learners (means of the training rows, with and without a coin): nothing is to be found.
    random = np.random.default_rng(7)
    rejected = np.zeros(2)
    sweeps, n = 300, 50
    for _ in range(sweeps):
        y = random.standard_normal(n)
        differences = []
        for _ in range(3):
            order = random.permutation(n)
            for held in np.array_split(order, 5):
                train = np.setdiff1d(order, held)
                a, b = (y[random.choice(train, train.size // 2, replace=False)].mean() for _ in range(2))
                differences.append(np.abs(y[held] - a).mean() - np.abs(y[held] - b).mean())
        d = np.array(differences)
        rejected += [corrected_t(d, 40, test).p_two_sided < 0.05 for test in (10, 0)]
    assert rejected[0] / sweeps <= 0.07
    assert rejected[1] > rejected[0]


def test_the_two_way_bootstrap_covers_the_true_mean_where_rows_and_seeds_both_vary() -> None:
    random = np.random.default_rng(3)
    covered, rows_alone = 0, 0
    sweeps, seeds, n = 200, 6, 40
    for sweep in range(sweeps):
        d = (
            0.3
            + random.standard_normal((seeds, 1)) * 0.5
            + random.standard_normal(n)
            + random.standard_normal((seeds, n))
        )
        found = two_way_bootstrap(d, draws=400, seed=sweep)
        covered += found.low <= 0.3 <= found.high
        naive = two_way_bootstrap(d.mean(axis=0, keepdims=True), draws=400, seed=sweep)
        rows_alone += naive.low <= 0.3 <= naive.high
        assert found.estimate == pytest.approx(d.mean())
    assert covered / sweeps >= 0.88
    assert rows_alone < covered


def test_the_bootstrap_gives_the_same_interval_for_the_same_seed() -> None:
    d = np.random.default_rng(0).standard_normal((3, 20))
    assert two_way_bootstrap(d, seed=5) == two_way_bootstrap(d, seed=5) != two_way_bootstrap(d, seed=6)
