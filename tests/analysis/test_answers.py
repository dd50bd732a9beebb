"""The best delta and the response to delta, from trials and runs alone."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sweep_service.core.run import Purpose
from sweep_service.core.trial import TrialState


def test_before_anything_has_ended_there_is_nothing_to_say(world) -> None:
    empty = world()
    for answer in (empty.best(), empty.response()):
        assert answer["verdict"]["kind"] == "NOT_CONFIRMED"
        assert "nothing to say" in answer["verdict"]["sentence"]
    empty.data = None
    assert empty.best()["sigma"] is None
    assert empty.best()["delta"] is None
    assert empty.response()["points"]["number"] == []


def test_a_delta_is_told_in_three_units(world, folds) -> None:
    made = world()
    made.got(made.trial(1.5), folds(10.0)[0])
    assert made.best()["delta"] == {"target": 3.0, "standardised": 0.75, "sigma": 1.5}  # sigma 2, sd 4


def test_the_confirmed_mean_and_not_the_searchs_chooses_the_best(world, folds) -> None:
    made = world()
    lucky = made.both(made.trial(0.5), folds(8.0)[0], folds(10.4))
    solid = made.both(made.trial(0.9), folds(9.0)[0], folds(10.0))
    made.both(made.anchor("1.345 SIGMA"), folds(10.2)[0], folds(10.2))
    answer = made.best()
    assert answer["trial"] == solid != lucky
    assert answer["objective"]["value"] == pytest.approx(folds(10.0).mean())


def test_the_apparent_gain_stands_beside_the_confirmed_one(world, folds) -> None:
    made = world()
    made.both(made.trial(0.5), folds(8.0)[0], folds(10.1))
    made.both(made.anchor("1.345 SIGMA"), folds(10.2)[0], folds(10.2))
    made.both(made.anchor("MSE"), folds(11.0)[0], folds(11.0))
    answer = made.best()
    assert answer["apparent_gain"] == pytest.approx(2.2, abs=0.05)  # the winner's curse
    assert answer["confirmed_gain"] == pytest.approx(0.1)
    gains = {g["anchor"]: g["gain"] for g in answer["gains"]}
    assert gains["1.345 SIGMA"] == pytest.approx(answer["confirmed_gain"])


def test_each_anchor_is_represented_by_its_own_best_settings(world, folds) -> None:
    made = world()
    made.got(made.trial(0.5), folds(9.0)[0])
    made.got(made.anchor("MSE"), folds(12.0)[0])
    tuned = made.got(made.anchor("MSE"), folds(10.0)[0])
    (gain,) = made.best()["gains"]
    assert gain["trial"] == tuned
    assert gain["gain"] == pytest.approx(1.0, abs=0.05)


def test_excluded_failed_and_unfinished_trials_do_not_count(world, folds) -> None:
    made = world()
    made.got(made.trial(0.1, excluded=True), folds(1.0)[0])
    made.got(made.trial(0.2, state=TrialState.FAILED), [1.0, 1.0, np.nan, 1.0, 1.0])
    made.got(made.trial(0.3, state=TrialState.RUNNING), [1.0, 1.0, 1.0, None, None])
    good = made.got(made.trial(0.4), folds(9.0)[0])
    answer = made.best()
    assert answer["trial"] == good
    assert made.response()["points"]["number"] == [good]
    assert "1 of 4 trials failed" in answer["warnings"][0]


def test_a_finalist_with_a_failed_confirmation_run_is_compared_with_nobody(world, folds) -> None:
    made = world()
    broken = folds(5.0)
    broken[1, 2] = np.nan
    made.both(made.trial(0.5), folds(5.0)[0], broken)
    whole = made.both(made.trial(0.9), folds(9.0)[0], folds(9.0))
    assert made.best()["trial"] == whole


@pytest.mark.parametrize(
    ("delta", "bound", "wider"),
    [(0.021, "LOW", {"low": 0.002, "high": 10.0}), (9.9, "HIGH", {"low": 0.02, "high": 100.0}), (1.0, None, None)],
)
def test_a_best_on_the_bound_of_its_range_is_said_and_a_wider_range_offered(
    world, folds, delta: float, bound: str | None, wider: dict[str, float] | None
) -> None:
    made = world()
    made.got(made.trial(delta), folds(9.0)[0])
    answer = made.best()
    assert answer["at_bound"] == bound
    if wider is None:
        assert answer["suggested_range"] is None
        assert answer["warnings"] == []
    else:
        assert answer["suggested_range"] == wider | {"unit": "SIGMA"}
        assert f"search {wider['low']:g} to {wider['high']:g}" in answer["warnings"][0]


def test_a_fixed_delta_lies_on_no_bound(world, folds) -> None:
    made = world(parameters={"delta": 1.5})
    made.got(made.trial(1.5), folds(9.0)[0])
    assert made.best()["at_bound"] is None
    assert made.response()["range"] is None


def test_deltas_that_are_not_told_to_be_worse_make_the_interval(world, folds) -> None:
    made = world()
    for delta, level in ((0.1, 14.0), (0.6, 10.01), (0.9, 10.0), (2.0, 10.02), (8.0, 13.0)):
        made.got(made.trial(delta), folds(level, 0.05, int(delta * 10))[0])
    found = made.best()["equivalent"]
    assert (found["low"], found["high"]) == ({"target": 1.2, "sigma": 0.6}, {"target": 4.0, "sigma": 2.0})
    assert "Deltas from 1.2 to 4 (0.6 to 2 sigma) cannot be told from the best" in found["sentence"]
    assert made.response()["equivalent"] == {"low": 1.2, "high": 4.0}


def test_the_confirmation_has_the_last_word_on_the_trials_that_it_trained(world, folds) -> None:
    made = world()
    made.both(made.trial(0.9), folds(10.0, 0.05, 1)[0], folds(10.0, 0.05, 1))
    made.both(made.trial(4.0), folds(10.0, 0.05, 2)[0], folds(12.0, 0.05, 2))  # equal in the search, worse since
    made.got(made.trial(0.5), folds(10.0, 0.05, 3)[0])  # not confirmed: the search speaks
    found = made.best()["equivalent"]
    assert (found["low"]["sigma"], found["high"]["sigma"]) == (0.5, 0.9)


def test_a_delta_that_did_better_than_the_best_is_not_told_to_be_worse(world, folds) -> None:
    made = world()
    made.both(made.trial(0.9), folds(10.0, 0.05, 1)[0], folds(10.0, 0.05, 1))
    made.both(made.trial(3.0), folds(8.0, 0.05, 2)[0], np.full((3, 5), np.nan))  # its confirmation failed
    found = made.best()
    assert found["trial"] == 0
    assert found["equivalent"]["high"]["sigma"] == 3.0


def test_a_fixed_delta_among_the_anchors_counts_too(world, folds) -> None:
    made = world()
    made.got(made.trial(0.9), folds(10.0, 0.05, 1)[0])
    made.got(made.anchor("1.345 SIGMA"), folds(10.0, 0.05, 2)[0])
    assert made.best()["equivalent"]["high"]["sigma"] == pytest.approx(1.345)


def test_with_a_single_fold_no_delta_is_told_from_another(world) -> None:
    made = world(dataset={"name": "diabetes", "split": {"validation": {"kind": "HOLDOUT"}}})
    made.got(made.trial(0.1), [20.0])
    made.got(made.trial(5.0), [10.0])
    found = made.best()
    assert (found["equivalent"]["low"]["sigma"], found["equivalent"]["high"]["sigma"]) == (0.1, 5.0)
    assert found["objective"]["standard_error"] is None


def test_the_response_has_a_point_a_trial_in_target_units_and_the_anchors_beside(world, folds) -> None:
    made = world()
    made.got(made.trial(0.5), folds(10.0)[0])
    made.got(made.trial(2.0), folds(11.0)[0])
    made.got(made.anchor("MSE"), folds(12.0)[0])
    made.got(made.anchor("1 TARGET"), folds(10.5)[0])
    answer = made.response()
    assert answer["points"]["delta"] == [1.0, 4.0]
    assert answer["points"]["value"] == pytest.approx([folds(10.0)[0].mean(), folds(11.0)[0].mean()])
    assert all(lo < v < hi for lo, v, hi in zip(*(answer["points"][k] for k in ("low", "value", "high")), strict=True))
    assert {a["label"]: a["delta"] for a in answer["anchors"]} == {"MSE": None, "1 TARGET": 1.0}
    assert answer["range"] == {"low": 0.04, "high": 20.0}
    assert answer["best"]["trial"] == 0
    assert answer["best"]["delta"] == 1.0


def test_the_band_is_drawn_from_eight_trials_on_and_rises_where_the_trials_do(world, folds) -> None:
    made = world()
    for i, delta in enumerate(np.geomspace(0.05, 8, 40)):
        made.got(made.trial(float(delta)), folds(10 + np.log(delta) ** 2, 0.1, i)[0])
        assert (made.response()["band"]["delta"] == []) == (i < 7)
    band = made.response()["band"]
    assert band["delta"] == sorted(band["delta"])
    assert all(lo <= m <= hi for lo, m, hi in zip(band["low"], band["median"], band["high"], strict=True))
    assert min(band["median"]) < band["median"][0]
    assert min(band["median"]) < band["median"][-1]


def test_answers_are_json_without_nan_or_infinity_and_the_same_each_time(world, folds) -> None:
    made = world()
    made.both(made.trial(0.5), [10.0] * 5, [[10.0] * 5] * 3)  # no variance at all
    made.both(made.anchor("MSE"), [12.0] * 5, [[12.0] * 5] * 3)
    made.both(made.anchor("MAE"), [0.0] * 5, [[0.0] * 5] * 3)  # a share of 0 is no number
    for ask in (made.best, made.response):
        assert json.dumps(ask(), allow_nan=False) == json.dumps(ask(), allow_nan=False)
    assert {g["anchor"]: g["gain_percent"] for g in made.best()["gains"]}["MAE"] is None


def test_runs_of_the_confirmation_do_not_enter_the_search(world, folds) -> None:
    made = world()
    made.both(made.trial(0.5), folds(10.0)[0], folds(20.0))
    assert made.response()["points"]["value"] == pytest.approx([folds(10.0)[0].mean()])
    assert Purpose.CONFIRM in {r.key.purpose for r in made.runs}
