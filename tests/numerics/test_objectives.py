"""The objectives, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from sweep_service.core.errors import DataError
from sweep_service.core.objective import METRICS
from sweep_service.numerics.objectives import evaluate, evaluate_many

NEEDS = {"HUBER": {"delta": 1.5}, "PINBALL": {"tau": 0.8}}
THEIRS = {
    "MAE": metrics.mean_absolute_error,
    "RMSE": metrics.root_mean_squared_error,
    "R2": metrics.r2_score,
    "MAPE": metrics.mean_absolute_percentage_error,
    "PINBALL": lambda y, p, sample_weight=None: metrics.mean_pinball_loss(y, p, sample_weight=sample_weight, alpha=0.8),
    "MEDIAN_AE": metrics.median_absolute_error,
}


def sample(seed: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = random.standard_normal((n, 1)) + 5
    return y, y + random.standard_normal((n, 1)), random.uniform(0.1, 3, n)


@given(seed=st.integers(0, 1000), n=st.integers(3, 60), metric=st.sampled_from(sorted(THEIRS)))
def test_equal_to_scikit_learns(seed: int, n: int, metric: str) -> None:
    y, prediction, _ = sample(seed, n)
    ours = evaluate(metric, y, prediction, **NEEDS.get(metric, {}))
    assert ours == pytest.approx(float(THEIRS[metric](y[:, 0], prediction[:, 0])), rel=1e-12)


@given(seed=st.integers(0, 1000), n=st.integers(3, 60), metric=st.sampled_from(sorted(set(THEIRS) - {"MEDIAN_AE"})))
def test_weighted_equal_to_scikit_learns(seed: int, n: int, metric: str) -> None:
    y, prediction, w = sample(seed, n)
    if metric == "RMSE":  # scikit-learn takes the root before the mean over outputs; with one output it is the same
        theirs = np.sqrt(metrics.mean_squared_error(y, prediction, sample_weight=w))
    else:
        theirs = THEIRS[metric](y[:, 0], prediction[:, 0], sample_weight=w)
    assert evaluate(metric, y, prediction, w, **NEEDS.get(metric, {})) == pytest.approx(float(theirs), rel=1e-12)


@pytest.mark.parametrize(
    ("metric", "answer"),
    [
        ("MAE", 3.5),
        ("RMSE", np.sqrt((1 + 4 + 9 + 64) / 4)),
        ("MEDIAN_AE", 2.5),
        ("HUBER", (0.5 + 1.5 * (2 - 0.75) + 1.5 * (3 - 0.75) + 1.5 * (8 - 0.75)) / 4),
        ("PINBALL", (0.8 * 1 + 0.2 * 2 + 0.8 * 3 + 0.2 * 8) / 4),
        ("MAPE", (1 / 10 + 2 / 10 + 3 / 20 + 8 / 20) / 4),
        ("R2", 1 - (1 + 4 + 9 + 64) / 100),
        # the largest 10 % of four rows is 0.4 of the row of error 8: 0.6 of it stays
        ("TRIMMED_MAE", (1 + 2 + 3 + 0.6 * 8) / 3.6),
    ],
)
def test_by_hand(metric: str, answer: float) -> None:
    y = np.array([[10.0], [10.0], [20.0], [20.0]])
    prediction = y - np.array([[1.0], [-2.0], [3.0], [-8.0]])
    assert evaluate(metric, y, prediction, **NEEDS.get(metric, {})) == pytest.approx(answer, rel=1e-12)


@pytest.mark.parametrize("metric", METRICS)
@given(
    seed=st.integers(0, 200), counts=st.lists(st.integers(0, 4), min_size=6, max_size=30).filter(lambda c: sum(c) > 2)
)
def test_a_whole_weight_is_so_many_equal_rows(metric: str, seed: int, counts: list[int]) -> None:
    y, prediction, _ = sample(seed, len(counts))
    repeated = np.repeat(np.arange(len(counts)), counts)
    if metric == "R2" and len(set(repeated)) < 2:
        return
    once = evaluate(metric, y, prediction, np.array(counts, float), **NEEDS.get(metric, {}))
    assert once == pytest.approx(evaluate(metric, y[repeated], prediction[repeated], **NEEDS.get(metric, {})), rel=1e-9)


@pytest.mark.parametrize("metric", METRICS)
def test_many_predictions_at_once_are_each_by_itself(metric: str) -> None:
    random = np.random.default_rng(0)
    y = random.standard_normal((40, 2)) + 9
    predictions = y + random.standard_normal((5, 3, 40, 2))
    w = random.uniform(0, 1, 40)
    many = evaluate_many(metric, y, predictions, w, **NEEDS.get(metric, {}))
    assert many.shape == (5, 3)
    assert many[4, 2] == pytest.approx(evaluate(metric, y, predictions[4, 2], w, **NEEDS.get(metric, {})), rel=1e-12)


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("weighted", [False, True])
def test_a_prediction_that_is_not_finite_gives_nan_for_itself_alone(metric: str, bad: float, weighted: bool) -> None:
    y, prediction, w = sample(0, 20)
    both = np.stack([prediction, prediction])
    both[0, 3, 0] = bad
    answer = evaluate_many(metric, y, both, w if weighted else None, **NEEDS.get(metric, {}))
    assert np.isnan(answer[0])
    assert np.isfinite(answer[1])


def test_targets_of_any_size_keep_their_digits() -> None:
    y = np.array([[1e9], [1e9 + 1]])
    assert evaluate("MAE", y, y + 0.125) == 0.125


def test_what_cannot_be_measured_is_refused_in_a_sentence() -> None:
    y = np.array([[0.0], [1.0]])
    with pytest.raises(DataError, match="some targets are 0"):
        evaluate("MAPE", y, y)
    with pytest.raises(DataError, match="fixed delta"):
        evaluate("HUBER", y, y)
    with pytest.raises(DataError, match="tau"):
        evaluate("PINBALL", y, y)
    with pytest.raises(DataError, match="no metric 'VAL_LOSS'"):
        evaluate("VAL_LOSS", y, y)
    with pytest.raises(DataError, match="all 0"):
        evaluate("MAE", y, y, np.zeros(2))
