"""The Huber loss: its laws, its limits, and what follows from its delta."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.stats import norm

from sweep_service.core.errors import DataError
from sweep_service.numerics.huber import (
    behaves_as,
    clip_form,
    gaussian_efficiency,
    huber,
    huber_gradient,
    minimax_k,
    share_beyond,
    step_normaliser,
)

errors = st.floats(-1e6, 1e6)
deltas = st.floats(1e-3, 1e3)


def loss(e: float, delta: float) -> float:
    return float(huber(np.array(e), delta))


@pytest.mark.parametrize(
    ("e", "delta", "answer"),
    [(0.0, 1.0, 0.0), (2.0, 2.0, 2.0), (-2.0, 2.0, 2.0), (5.0, 2.0, 8.0), (-10.0, 1.5, 13.875)],
)
def test_by_hand(e: float, delta: float, answer: float) -> None:
    assert loss(e, delta) == answer


@given(a=errors, b=errors, t=st.floats(0, 1), delta=deltas)
def test_it_is_convex(a: float, b: float, t: float, delta: float) -> None:
    chord = t * loss(a, delta) + (1 - t) * loss(b, delta)
    assert loss(t * a + (1 - t) * b, delta) <= chord * (1 + 1e-9) + 1e-9


@given(delta=deltas, sign=st.sampled_from([-1.0, 1.0]))
def test_loss_and_slope_are_continuous_at_delta_where_it_is_still_quadratic(delta: float, sign: float) -> None:
    at = loss(sign * delta, delta)
    assert at == 0.5 * delta * delta
    beyond = sign * np.nextafter(delta, np.inf)
    assert loss(beyond, delta) == pytest.approx(at, rel=1e-12)
    slopes = huber_gradient(np.array([sign * delta, beyond]), delta)
    assert slopes[0] == slopes[1] == sign * delta


@given(e=errors.filter(lambda e: abs(e) > 1e-3))
def test_it_tends_to_half_the_square_and_to_delta_times_the_absolute_value(e: float) -> None:
    assert loss(e, 1e9) == 0.5 * e * e
    small = 1e-9
    assert loss(e, small) / small == pytest.approx(abs(e), rel=1e-5)


@given(e=errors, delta=deltas)
def test_the_gradient_is_the_derivative(e: float, delta: float) -> None:
    step = 1e-4 * max(1.0, abs(e))
    slope = (loss(e + step, delta) - loss(e - step, delta)) / (2 * step)
    assert slope == pytest.approx(float(huber_gradient(np.array(e), delta)), abs=step + 1e-6 * delta)


@pytest.mark.parametrize(
    ("contamination", "k"), [(0.01, 1.945), (0.02, 1.717), (0.05, 1.398), (0.10, 1.140), (0.20, 0.862), (0.30, 0.684)]
)
def test_minimax_k_is_the_table_of_huber_1964(contamination: float, k: float) -> None:
    assert minimax_k(contamination) == pytest.approx(k, abs=6e-4)


@given(contamination=st.floats(1e-9, 1 - 1e-9))
def test_minimax_k_solves_its_equation_over_the_whole_range(contamination: float) -> None:
    k = minimax_k(contamination)
    left = 2 * norm.pdf(k) / k - 2 * norm.cdf(-k)
    assert left == pytest.approx(contamination / (1 - contamination), rel=1e-4)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, math.nan])
def test_contamination_is_a_share(share: float) -> None:
    with pytest.raises(DataError, match="between 0 and 1"):
        minimax_k(share)


@pytest.mark.parametrize(("k", "efficiency"), [(0.5, 0.792), (1.0, 0.903), (1.345, 0.950), (2.0, 0.990)])
def test_efficiency_at_the_normal(k: float, efficiency: float) -> None:
    assert gaussian_efficiency(k) == pytest.approx(efficiency, abs=6e-4)
    inside = 2 * norm.cdf(k) - 1
    second = quad(lambda z: np.clip(z, -k, k) ** 2 * norm.pdf(z), -12, 12, points=[-k, k])[0]
    assert gaussian_efficiency(k) == pytest.approx(inside**2 / second, rel=1e-8)


@given(e=st.floats(-100, 100), delta=st.floats(0.01, 10))
def test_one_clipped_gradient_serves_mse_mae_and_huber(e: float, delta: float) -> None:
    def gradient(kind: str) -> float:
        form = clip_form(kind, delta if kind == "HUBER" else None)
        return float(form.scale * np.clip(e, -form.bound, form.bound))

    assert gradient("MSE") == 2 * e
    assert gradient("HUBER") == float(huber_gradient(np.array(e), delta))
    if abs(e) > 1e-6:
        assert gradient("MAE") == pytest.approx(math.copysign(1.0, e), rel=1e-12)


@pytest.mark.parametrize("delta", [None, 0.0, -1.0, math.inf, math.nan])
def test_a_delta_that_is_no_positive_number_has_no_clip_form(delta: float | None) -> None:
    with pytest.raises(DataError, match="positive"):
        clip_form("HUBER", delta)


def test_another_loss_has_no_clip_form() -> None:
    with pytest.raises(DataError, match="MSE, MAE and HUBER"):
        clip_form("TUKEY", 1.0)


def test_the_step_is_normalised_for_small_deltas_alone() -> None:
    assert [step_normaliser(d) for d in (0.1, 0.5, 1.0, 7.0)] == [10.0, 2.0, 1.0, 1.0]


def test_a_loss_behaves_as_its_limit_where_nearly_all_residuals_lie_on_one_side() -> None:
    residuals = np.arange(1.0, 101.0) * np.where(np.arange(100) % 2, 1, -1)
    assert share_beyond(residuals, 99.0) == 0.01
    assert share_beyond(residuals, 100.0) == 0.0  # just at delta is inside
    assert [behaves_as(share_beyond(residuals, d)) for d in (99.0, 98.0, 5.0, 6.0)] == ["MSE", None, "MAE", None]
