"""Following a member epoch by epoch: its objective, its best epoch, when it leaves, and what is written of it.

No TensorFlow: the predictions come from here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from sweep_service.core.run import Purpose, Run, RunKey, RunOutcome, RunState, unpack_curve
from sweep_service.core.spec import Objective
from sweep_service.numerics.scale import Scale
from sweep_service.worker.data import FoldArrays
from sweep_service.worker.members import MemberPlan
from sweep_service.worker.scoring import MemberScore

TARGET = np.array([[100.0], [110.0], [120.0], [130.0], [90.0], [80.0]])
"""Training rows 0-1, validation rows 2-5."""
MEAN, SD = 105.0, 5.0
HELD = TARGET[2:]


def fold(weight: Sequence[float] | None = None) -> FoldArrays:
    return FoldArrays(
        x=np.zeros((6, 1), np.float32),
        y=((TARGET - MEAN) / SD).astype(np.float32),
        target=TARGET,
        weight=None if weight is None else np.array(weight, np.float32),
        train=np.array([0, 1]),
        validation=np.array([2, 3, 4, 5]),
        mean=np.array([MEAN]),
        sd=np.array([SD]),
        scale=Scale(2.0, "HUBER_IRLS", "MAD", "sigma = 2"),
    )


def score(
    *,
    epochs: int = 10,
    patience: int | None = None,
    purpose: Purpose = Purpose.SEARCH,
    loss: str = "HUBER",
    weight: Sequence[float] | None = None,
    **objective: Any,
) -> MemberScore:
    run = Run(RunKey(3, purpose, 0, 0), 7, RunState.RUNNING, 1, None, 0, {}, {}, b"", None)
    delta = 4.0 if loss == "HUBER" else None
    plan = MemberPlan(run, 0, loss, delta, delta and delta / SD, 0.8, 1.0, 1.0, {}, epochs)
    return MemberScore(plan, fold(weight), Objective(**objective), purpose, patience)


def off_by(*errors: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    """Predictions of some epochs, each too high by one error in target units on every row: MAE = |error|."""
    inside = HELD[None] + np.array(errors)[:, None, None]
    return ((inside - MEAN) / SD).astype(np.float32)


def seen(member: MemberScore, *errors: float, at_once: int = 100) -> RunOutcome:
    """The outcome after these epochs, handed over so many at once."""
    for start in range(0, len(errors), at_once):
        part = errors[start : start + at_once]
        losses = np.array([0.5 + 0.1 * (start + i) for i in range(len(part))], np.float32)
        member.see(off_by(*part), losses)
    return member.outcome()


def test_the_best_epoch_is_that_of_the_lowest_objective_and_its_predictions_are_measured() -> None:
    outcome = seen(score(epochs=5), 5, 3, 2, 4, 6)
    assert outcome.state is RunState.COMPLETE
    assert (outcome.best_epoch, outcome.epochs) == (3, 5)
    assert outcome.metrics == pytest.approx({"MAE": 2, "RMSE": 2, "MEDIAN_AE": 2}, rel=1e-6)


def test_of_equal_epochs_the_first_is_the_best() -> None:
    assert seen(score(epochs=4), 2, 1, 1, 1).best_epoch == 2


def test_with_epoch_last_the_last_is_measured_whatever_was_before() -> None:
    outcome = seen(score(epochs=3, epoch="LAST"), 1, 2, 3)
    assert (outcome.best_epoch, outcome.epochs) == (3, 3)
    assert outcome.metrics["MAE"] == pytest.approx(3, rel=1e-6)


@pytest.mark.parametrize("epoch", ["BEST", "LAST"])
def test_a_member_leaves_when_patience_epochs_have_brought_nothing_better(epoch: str) -> None:
    member = score(epochs=100, patience=3, epoch=epoch)
    outcome = seen(member, 9, 8, 7, 8, 8, 6, 7, 7, 7, 1, 1)
    assert member.done
    assert outcome.epochs == 9
    assert outcome.best_epoch == (6 if epoch == "BEST" else 9)


def test_without_patience_a_member_trains_all_its_epochs_and_not_one_more() -> None:
    member = score(epochs=6)
    outcome = seen(member, 1, 2, 3, 4, 5, 6, 0, 0)
    assert member.done
    assert (outcome.best_epoch, outcome.epochs) == (1, 6)


@pytest.mark.parametrize("at_once", [1, 2, 4, 7])
def test_how_many_epochs_come_at_once_changes_nothing(at_once: int) -> None:
    errors = (9, 8, 7, 8, 8, 6, 7, 7, 7, 1, 1)
    one, other = (seen(score(epochs=100, patience=3), *errors, at_once=n) for n in (100, at_once))
    assert (one.best_epoch, one.epochs, one.metrics, one.details) == (
        other.best_epoch,
        other.epochs,
        other.metrics,
        other.details,
    )
    assert unpack_curve(one.curve)["objective"] == unpack_curve(other.curve)["objective"]


@pytest.mark.parametrize("purpose", [Purpose.CONFIRM, Purpose.FINAL])
def test_confirmation_and_refit_measure_the_last_epoch_so_that_held_out_rows_choose_nothing(purpose: Purpose) -> None:
    outcome = seen(score(epochs=4, purpose=purpose, epoch="BEST"), 4, 1, 2, 3)
    assert (outcome.best_epoch, outcome.epochs) == (4, 4)
    assert outcome.metrics["MAE"] == pytest.approx(3, rel=1e-6)


def test_an_objective_that_is_maximised_has_its_best_at_the_highest() -> None:
    outcome = seen(score(epochs=4, metric="R2", additional_metrics=[]), 9, 3, 5, 40)
    assert outcome.best_epoch == 2
    assert outcome.metrics["R2"] == pytest.approx(1 - 4 * 9 / ((HELD - HELD.mean()) ** 2).sum(), rel=1e-5)


def test_patience_counts_by_a_maximised_objective_too() -> None:
    assert seen(score(epochs=50, patience=2, metric="R2", additional_metrics=[]), 9, 3, 5, 6, 1).epochs == 4


def test_the_objective_is_weighted_by_the_validation_rows_own_weights() -> None:
    member = score(epochs=1, weight=[9, 9, 1, 0, 0, 3])
    prediction = HELD.copy()
    prediction[:, 0] += [2, 1e6, 1e6, 6]
    member.see(((prediction - MEAN) / SD).astype(np.float32)[None], np.zeros(1, np.float32))
    assert member.outcome().metrics["MAE"] == pytest.approx((1 * 2 + 3 * 6) / 4, rel=1e-5)


def test_a_member_whose_output_is_not_finite_fails_at_that_epoch_and_keeps_its_curve() -> None:
    member = score(epochs=10)
    outcome = seen(member, 3, 2, math.nan, 1)
    assert member.done
    assert outcome.state is RunState.FAILED
    assert outcome.reason == "diverged at epoch 3: its output or its loss is not finite"
    assert (outcome.epochs, outcome.best_epoch, outcome.metrics) == (2, None, {})
    assert unpack_curve(outcome.curve)["objective"] == pytest.approx([3, 2], rel=1e-6)


def test_a_member_whose_loss_is_infinite_fails_though_its_output_is_finite() -> None:
    member = score(epochs=10)
    member.see(off_by(3), np.array([math.inf], np.float32))
    assert member.outcome().state is RunState.FAILED


def test_an_objective_that_the_fold_cannot_have_fails_the_run_with_the_reason() -> None:
    member = score(epochs=10, metric="R2", additional_metrics=[])
    member._fold.target[2:] = 50.0
    try:
        outcome = seen(member, 1)
    finally:
        member._fold.target[2:] = [[120.0], [130.0], [90.0], [80.0]]
    assert outcome.state is RunState.FAILED
    assert outcome.reason == "R2 is not defined on the 4 held-out rows of its fold"


def test_a_member_that_never_trained_has_failed() -> None:
    outcome = score().outcome()
    assert (outcome.state, outcome.reason, outcome.curve) == (RunState.FAILED, "no epoch was trained", b"")


@pytest.mark.parametrize(("loss", "unit"), [("MSE", SD**2), ("HUBER", SD**2), ("MAE", SD)])
def test_the_curve_holds_the_objective_and_the_loss_both_in_target_units(loss: str, unit: float) -> None:
    curve = unpack_curve(seen(score(epochs=3, loss=loss), 3, 2, 1).curve)
    assert curve["objective"] == pytest.approx([3, 2, 1], rel=1e-6)
    assert curve["train_loss"] == pytest.approx([0.5 * unit, 0.6 * unit, 0.7 * unit], rel=1e-6)


def test_a_value_beyond_float32_is_kept_as_infinite_in_the_curve_and_fails_nothing() -> None:
    outcome = seen(score(epochs=2, metric="RMSE", additional_metrics=[]), 1e30, 1)
    assert outcome.state is RunState.COMPLETE
    assert outcome.best_epoch == 2


def test_the_residuals_of_the_measured_epoch_tell_what_delta_did() -> None:
    details = seen(score(epochs=3), 9, 3, 5).details
    assert details["residual_quantiles"] == pytest.approx([-3] * 7, rel=1e-5)
    assert (details["share_beyond"], details["behaves_as"]) == (0.0, "MSE")
    assert (details["delta_target"], details["delta_standardised"]) == (4.0, 0.8)
    assert (details["sigma"], details["target_sd"]) == (2.0, SD)
    assert (details["train_rows"], details["validation_rows"]) == (2, 4)


def test_anchors_without_a_delta_say_nothing_of_one() -> None:
    assert "delta_target" not in seen(score(epochs=1, loss="MSE"), 1).details
