"""What enters a comparison: the correction for overlapping folds in whole precision, and no pruned trial."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from sweep_service.analysis.evidence import Evidence
from sweep_service.core.run import Purpose, RunState
from sweep_service.core.spec import SweepSpec
from sweep_service.core.trial import TrialState
from sweep_service.numerics.folds import lock_test_rows, make_folds

SHAPE = np.array([-1.5, -0.5, 0.0, 0.5, 1.5]) / math.sqrt(1.25)  # five folds: mean 0, standard deviation 1


@pytest.fixture
def few_rows(world: Callable[..., Any]) -> Any:
    """Eleven rows, of which two are locked away: five folds of the other nine, 7 + 2 rows four times, and 8 + 1."""
    work, _ = lock_test_rows(11, 0.2, 0, "KFOLD")
    folds = make_folds("KFOLD", work, 5, 0.2, 0, 0)
    made = world(anchors=["MSE"])
    made.data["folds"] = [{"train": int(f.train.size), "validation": int(f.validation.size)} for f in folds]
    assert sorted((f["train"], f["validation"]) for f in made.data["folds"]) == [(7, 2)] * 4 + [(8, 1)]
    return made


def evidence(world: Any, purpose: Purpose = Purpose.SEARCH) -> Evidence:
    return Evidence(SweepSpec.model_validate(world.sweep.spec), world.trials, world.runs, world.data, purpose)


def test_a_standard_error_is_corrected_by_the_mean_rows_of_the_folds_which_are_not_rounded(few_rows: Any) -> None:
    few_rows.got(few_rows.trial(1.0), 10 + SHAPE)
    # Means of 1.8 and 7.2 rows: 1/4. Cut down to whole rows it would be 1/7, and the error too small.
    expected = math.sqrt(1 / 5 + 1 / 4)
    assert evidence(few_rows).standard_error(0) == pytest.approx(expected, rel=1e-12)
    assert few_rows.best()["objective"]["standard_error"] == pytest.approx(expected, rel=1e-12)
    points = few_rows.response()["points"]
    assert (points["low"][0], points["high"][0]) == pytest.approx((10 - expected, 10 + expected))


def test_a_comparison_has_the_same_correction(few_rows: Any) -> None:
    few_rows.got(few_rows.trial(1.0), np.full(5, 10.0))
    few_rows.got(few_rows.anchor("MSE"), 12 + SHAPE)
    found = evidence(few_rows).compare(0, 1)
    assert found.standard_error == pytest.approx(math.sqrt(1 / 5 + 1 / 4), rel=1e-12)
    assert found.t == pytest.approx(2 / math.sqrt(1 / 5 + 1 / 4), rel=1e-12)


def test_deltas_are_told_apart_with_the_same_correction(few_rows: Any) -> None:
    """At five folds a t of 2.776 tells: 1.75 standard deviations give 2.61 (with 1/7: 2.99), two of them give 2.98."""
    few_rows.got(few_rows.trial(1.0), np.full(5, 10.0))
    few_rows.got(few_rows.trial(2.0), 11.75 + SHAPE)
    few_rows.got(few_rows.trial(4.0), 12 + SHAPE)
    found = few_rows.best()["equivalent"]
    assert (found["low"]["sigma"], found["high"]["sigma"]) == (1.0, 2.0)


# --- pruned trials -----------------------------------------------------------------------------------------------


@pytest.fixture
def searched(world: Callable[..., Any]) -> Any:
    """Ten complete trials, the best at a delta of 3 sigma, and an anchor."""
    made = world(anchors=["MSE"])
    for n in range(10):
        made.got(made.trial(1.0 + 0.5 * n), 10 + abs(n - 4) + 0.1 * SHAPE)
    made.got(made.anchor("MSE"), 14 + 0.1 * SHAPE)
    return made


def add_pruned(world: Any, delta: float, value: float, state: RunState, anchor: str | None = None) -> int:
    """A trial that left at a rung with the best values of all."""
    number = int(world.anchor(anchor) if anchor else world.trial(delta))
    world.trials[number] = replace(world.trials[number], state=TrialState.PRUNED, values={world.metric: value})
    world.got(number, value + 0.01 * SHAPE)
    world.runs[-5:] = [replace(r, state=state) for r in world.runs[-5:]]
    return number


@pytest.mark.parametrize("state", [RunState.PRUNED, RunState.COMPLETE])
def test_a_pruned_trial_is_no_evidence_of_the_search_whatever_its_runs_are(searched: Any, state: RunState) -> None:
    answer = searched.best()
    number = add_pruned(searched, 7.0, 1.0, state)
    anchor = add_pruned(searched, 0.0, 1.0, state, anchor="MSE")
    found = evidence(searched)
    assert number not in found.values
    assert anchor not in found.values
    assert found.ranked(anchors=False)[0] == 4
    assert found.anchors() == {"MSE": 10}
    assert searched.best() == answer


@pytest.mark.parametrize("state", [RunState.PRUNED, RunState.COMPLETE])
def test_a_pruned_trial_is_shown_in_the_response_and_moves_nothing_in_it(searched: Any, state: RunState) -> None:
    before = searched.response()
    assert before["band"]["delta"], "there is a band to be moved"
    number = add_pruned(searched, 7.0, 1.0, state)
    add_pruned(searched, 0.0, 1.0, state, anchor="1.345 SIGMA")
    after = searched.response()
    shown = {name: column[-1] for name, column in after["points"].items()}
    assert shown == {"number": number, "delta": 14.0, "value": 1.0, "low": None, "high": None, "state": "PRUNED"}
    assert {name: column[:-1] for name, column in after["points"].items()} == before["points"]
    assert {k: v for k, v in after.items() if k != "points"} == {k: v for k, v in before.items() if k != "points"}
    assert after["points"]["state"] == ["COMPLETE"] * 10 + ["PRUNED"]
