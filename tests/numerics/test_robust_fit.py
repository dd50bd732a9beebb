"""Our Huber fit against statsmodels' RLM and scikit-learn's HuberRegressor's kind of data."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep_service.numerics.robust_fit import huber_irls, mad_sigma

# Brownlee's stack loss data by RLM with HuberT: the example of statsmodels' documentation of robust linear models.
PUBLISHED = (-41.0265, 0.8294, 0.9261, -0.1278)


def test_stackloss_as_statsmodels_publishes_it() -> None:
    data = sm.datasets.stackloss.load_pandas()
    fit = huber_irls(data.exog.to_numpy(), data.endog.to_numpy())
    assert fit.converged
    assert fit.coefficients == pytest.approx(PUBLISHED, abs=6e-5)
    assert 1.345 * fit.scale == pytest.approx(3.28252, abs=1e-5)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 10_000), n=st.integers(30, 200), p=st.integers(1, 5), bad=st.floats(0, 0.3))
def test_agrees_with_statsmodels_rlm(seed: int, n: int, p: int, bad: float) -> None:
    random = np.random.default_rng(seed)
    X = random.standard_normal((n, p))
    y = 3.0 + X @ random.standard_normal(p) + random.standard_normal(n)
    y += np.where(random.uniform(size=n) < bad, 25 * random.standard_normal(n), 0.0)
    ours = huber_irls(X, y, max_iterations=500)
    theirs = sm.RLM(y, sm.add_constant(X), M=sm.robust.norms.HuberT(1.345)).fit(maxiter=500, tol=1e-10)
    assert ours.converged
    assert ours.coefficients == pytest.approx(theirs.params, abs=1e-5)
    assert ours.scale == pytest.approx(theirs.scale, rel=1e-5)
    assert ours.residuals == pytest.approx(y - sm.add_constant(X) @ ours.coefficients)


def test_gross_errors_do_not_move_it_as_they_move_least_squares() -> None:
    random = np.random.default_rng(0)
    X = random.standard_normal((400, 2))
    y = 1.0 + X @ [2.0, -3.0] + random.standard_normal(400)
    y[:40] += 100.0
    robust = huber_irls(X, y)
    squares = np.linalg.lstsq(np.column_stack([np.ones(400), X]), y, rcond=None)[0]
    assert np.abs(robust.coefficients - [1, 2, -3]).max() < 0.4
    assert np.abs(squares - [1, 2, -3]).max() > 5
    assert 0.9 < robust.scale < 1.4


def test_a_ridge_shrinks_the_slopes_and_not_the_intercept() -> None:
    random = np.random.default_rng(1)
    X = random.standard_normal((60, 30))
    X -= X.mean(axis=0)
    y = 50.0 + X @ np.ones(30) + random.standard_normal(60)
    plain, heavy = huber_irls(X, y), huber_irls(X, y, ridge=1e6)
    assert np.abs(heavy.coefficients[1:]).max() < 0.01 < np.abs(plain.coefficients[1:]).max()
    assert abs(heavy.coefficients[0] - np.median(y)) < 3


def test_more_columns_than_rows_give_the_ridges_own_solution() -> None:
    random = np.random.default_rng(2)
    X, y = random.standard_normal((20, 35)), random.standard_normal(20)
    wide = huber_irls(X, y, k=1e9, ridge=3.0)  # so large a k weighs nothing down: plain ridge, by hand
    A = np.column_stack([np.ones(20), X])
    penalty = np.diag([0.0] + [3.0] * 35)
    assert wide.coefficients == pytest.approx(np.linalg.solve(A.T @ A + penalty, A.T @ y), abs=1e-9)
    assert wide.residuals == pytest.approx(y - A @ wide.coefficients)


def test_rows_that_are_fitted_exactly_give_a_scale_of_zero_and_no_nan() -> None:
    X = np.arange(20.0)[:, None]
    fit = huber_irls(X, 2 * X[:, 0] + 1)
    assert fit.scale == pytest.approx(0.0, abs=1e-12)
    assert fit.coefficients == pytest.approx([1, 2])


def test_the_mad_is_not_centred() -> None:
    assert mad_sigma(np.array([5.0, 5.0, 5.0])) == pytest.approx(5 / 0.67449, rel=1e-5)
    gauss = np.random.default_rng(0).standard_normal(200_000)
    assert mad_sigma(3 * gauss) == pytest.approx(3.0, rel=0.01)
