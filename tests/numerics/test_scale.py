"""Sigma: from the residuals of a robust fit, and what it falls back on."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import numpy as np
import pytest
import statsmodels.api as sm

from sweep_service.core.errors import DataError
from sweep_service.numerics.robust_fit import huber_irls
from sweep_service.numerics.scale import residual_sigma


def noise(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(n)


def test_sigma_is_that_of_the_noise_and_not_of_the_target() -> None:
    X = noise(4000, 1).reshape(1000, 4)
    y = 100 * X[:, 0] + 2 * noise(1000)
    scale = residual_sigma(X, y)
    assert scale.sigma == pytest.approx(2.0, rel=0.1)
    assert y.std() > 90
    assert (scale.method, scale.statistic) == ("HUBER_IRLS", "MAD")
    assert "MAD/0.6745" in scale.sentence
    assert "Huber linear fit" in scale.sentence


def test_it_is_statsmodels_answer_to_the_last_digits() -> None:
    X = noise(900, 2).reshape(300, 3)
    y = X @ [1.0, 2.0, 3.0] + np.random.default_rng(3).standard_t(2, 300)
    theirs = sm.RLM(y, sm.add_constant(X), M=sm.robust.norms.HuberT(1.345)).fit(tol=1e-10, maxiter=200)
    assert residual_sigma(X, y).sigma == pytest.approx(theirs.scale, rel=1e-6)


def test_without_columns_the_median_is_the_fit() -> None:
    scale = residual_sigma(np.empty((9, 0)), np.array([1.0, 2, 3, 4, 5, 6, 7, 8, 100]))
    assert scale.method == "MEDIAN_RESIDUALS"
    assert scale.sigma == pytest.approx(2 / 0.67449, rel=1e-5)
    assert "median" in scale.sentence


@pytest.mark.parametrize(
    ("columns", "method"), [(10, "HUBER_IRLS"), (11, "HUBER_IRLS_RIDGE"), (80, "HUBER_IRLS_RIDGE")]
)
def test_few_rows_a_column_take_a_ridge(columns: int, method: str) -> None:
    X = noise(50 * columns, 4).reshape(50, columns)
    assert residual_sigma(X, X[:, 0] + noise(50, 5)).method == method


@pytest.mark.parametrize("columns", [11, 25, 49, 50, 80, 200])
def test_the_noise_that_a_ridge_fits_is_given_back_even_with_more_columns_than_rows(columns: int) -> None:
    found, uncorrected = [], []
    for seed in range(8):
        X = noise(50 * columns, 100 + seed).reshape(50, columns)
        X = (X - X.mean(axis=0)) / X.std(axis=0)
        y = noise(50, seed)
        found.append(residual_sigma(X, y).sigma)
        uncorrected.append(huber_irls(X, y, ridge=5.0).scale)
    assert 0.5 < np.mean(found) < 1.5
    assert np.mean(uncorrected) < np.mean(found)


def test_a_target_with_many_equal_values_keeps_a_scale() -> None:
    """Rain or claims: the robust fit follows the zeros, and its scale shrinks at each step without settling."""
    random = np.random.default_rng(0)
    X = random.standard_normal((500, 3))
    for zeros, statistic in ((0.3, "MAD"), (0.75, "IQR"), (0.9, "SD")):
        y = np.where(random.uniform(size=500) < zeros, 0.0, random.gamma(2.0, 40.0, 500))
        scale = residual_sigma(X, y)
        assert scale.statistic == statistic
        assert 0.1 * y.std() < scale.sigma < 2 * y.std()


def test_the_chain_goes_from_mad_to_iqr_to_sd_and_says_which() -> None:
    none = np.empty((100, 0))
    # 70 % are 0: no MAD; the upper 30 % hold the third quartile.
    quarter = np.r_[np.zeros(70), np.full(30, 4.0)]
    scale = residual_sigma(none, quarter)
    assert (scale.statistic, scale.sigma) == ("IQR", pytest.approx(4 / 1.349))
    assert "the MAD vanishes" in scale.sentence
    few = np.r_[np.zeros(90), np.full(10, 4.0)]
    scale = residual_sigma(none, few)
    assert (scale.statistic, scale.sigma) == ("SD", pytest.approx(few.std()))
    assert "MAD and IQR vanish" in scale.sentence


def test_a_constant_target_is_refused() -> None:
    with pytest.raises(DataError, match="constant"):
        residual_sigma(noise(30).reshape(10, 3), np.full(10, 7.0))


def test_an_exact_linear_target_is_refused_since_there_is_no_noise() -> None:
    X = noise(300).reshape(100, 3)
    with pytest.raises(DataError, match="exact linear function"):
        residual_sigma(X, 5 + X @ [1.0, 2.0, -1.0])


@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_sigma_follows_the_units_of_the_target(factor: float) -> None:
    X = noise(300).reshape(100, 3)
    y = X[:, 0] + noise(100, 9)
    assert residual_sigma(X, factor * y).sigma == pytest.approx(factor * residual_sigma(X, y).sigma, rel=1e-6)


def boston() -> np.ndarray:
    """The table, or a skip: it is no part of the project."""
    beside = Path(__file__).parents[3] / "shared" / "data" / "boston_housing.csv"
    path = Path(os.environ.get("SWEEP_TEST_BOSTON_CSV", beside))
    if not path.exists():
        pytest.skip("Boston's table is not here: name a copy of it in SWEEP_TEST_BOSTON_CSV")
    with path.open(newline="") as file:
        return np.array(list(csv.reader(file))[1:], dtype=np.float64)


def test_boston_with_keras_split_has_a_sigma_of_2_94_so_that_1_345_sigma_is_3_95() -> None:
    table = boston()
    assert table[:, -1].mean() == pytest.approx(22.5328, abs=1e-4)
    order = np.arange(506)
    np.random.RandomState(113).shuffle(order)
    train = table[order[:404]]
    assert train[:4, -1].tolist() == [15.2, 42.3, 50.0, 21.1]
    X = (train[:, :-1] - train[:, :-1].mean(axis=0)) / train[:, :-1].std(axis=0)
    scale = residual_sigma(X, train[:, -1])
    assert round(scale.sigma, 2) == 2.94
    assert round(1.345 * scale.sigma, 2) == 3.95
