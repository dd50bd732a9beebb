"""What may be said of the best delta, and what to do: two separate answers."""

from __future__ import annotations

import numpy as np
import pytest

from sweep_service.core.run import Purpose
from sweep_service.numerics.significance import corrected_t, holm

ANCHORS = ("MSE", "MAE", "1.345 SIGMA", "1 TARGET")


def confirmed(world, folds, finalists: dict[float, float], anchors: dict[str, float], noise: float = 0.02, **changes):
    """A whole sweep: levels of the finalists by delta, and of the anchors by label."""
    made = world(**changes)
    for i, (delta, level) in enumerate(finalists.items()):
        made.both(made.trial(delta), folds(level, noise, i)[0], folds(level, noise, i))
    for i, (label, level) in enumerate(anchors.items()):
        made.both(made.anchor(label), folds(level, noise, 50 + i)[0], folds(level, noise, 50 + i))
    return made


def test_a_delta_that_beats_the_default_and_both_limits_is_called_better(world, folds) -> None:
    anchors = {"MSE": 12.0, "MAE": 11.0, "1.345 SIGMA": 10.5, "1 TARGET": 10.8}
    answer = confirmed(world, folds, {0.7: 10.0, 0.8: 10.1}, anchors).best()
    assert answer["verdict"]["kind"] == "TUNED_DELTA_BETTER"
    sentence = answer["verdict"]["sentence"]
    for words in ("4.8 % over 1.345 sigma", "16.7 % over MSE", "9.1 % over MAE", "after Holm", "cannot be told"):
        assert words in sentence
    assert answer["status"] == "CONFIRMED"
    assert answer["recommended"]["default"] is False
    assert answer["recommended"]["delta"] == answer["delta"]
    assert "not a claim" in answer["recommended"]["sentence"]


def test_a_delta_that_beats_mse_and_no_more_makes_the_robust_loss_better(world, folds) -> None:
    anchors = {"MSE": 12.0, "MAE": 10.0, "1.345 SIGMA": 10.0}
    answer = confirmed(world, folds, {0.7: 10.0}, anchors).best()
    assert answer["verdict"]["kind"] == "ROBUST_LOSS_BETTER"
    assert "is not told to be better than 1.345 sigma or MAE" in answer["verdict"]["sentence"]
    assert "16.7 % in MAE" in answer["verdict"]["sentence"]


@pytest.mark.parametrize("missed", ["1.345 SIGMA", "MAE"])
def test_it_must_beat_both_limits_and_the_default(world, folds, missed: str) -> None:
    anchors = {"MSE": 12.0, "MAE": 11.0, "1.345 SIGMA": 11.0} | {missed: 10.0}
    answer = confirmed(world, folds, {0.7: 10.0}, anchors).best()
    assert answer["verdict"]["kind"] == "ROBUST_LOSS_BETTER"
    other = {"MAE": "1.345 sigma", "1.345 SIGMA": "MAE"}[missed]
    assert f"better than {missed.replace('SIGMA', 'sigma')}:" in answer["verdict"]["sentence"]
    assert f"better than {other}" not in answer["verdict"]["sentence"]


def test_the_gain_that_is_told_is_that_of_the_delta_that_has_it(world, folds) -> None:
    # The tuned trials are no better than MSE; the fixed delta of the default is.
    answer = confirmed(world, folds, {9.0: 12.0}, {"MSE": 12.0, "MAE": 12.0, "1.345 SIGMA": 9.0}).best()
    assert answer["verdict"]["kind"] == "ROBUST_LOSS_BETTER"
    assert "delta 2.69, 25.0 % in MAE" in answer["verdict"]["sentence"]  # 1.345 x sigma of 2


def test_no_difference_from_mse_is_no_detectable_effect_with_the_resolution(world, folds) -> None:
    made = confirmed(world, folds, {0.7: 10.0}, dict.fromkeys(ANCHORS, 10.0), noise=0.3)
    answer = made.best()
    assert answer["verdict"]["kind"] == "NO_DETECTABLE_EFFECT"
    mse = next(g for g in answer["gains"] if g["anchor"] == "MSE")
    half = (mse["interval"][1] - mse["interval"][0]) / 2
    assert f"\u00b1{100 * half / mse['value']:.1f} % of MAE" in answer["verdict"]["sentence"]


def test_deltas_that_are_worse_than_mse_are_no_effect_to_gain_from_and_the_sentence_does_not_deny_them(
    world, folds
) -> None:
    answer = confirmed(
        world, folds, {9.0: 10.0}, {"MSE": 10.0, "MAE": 14.0, "1.345 SIGMA": 12.0, "1 TARGET": 13.0}
    ).best()
    assert answer["verdict"]["kind"] == "NO_DETECTABLE_EFFECT"
    assert "no delta can be told to be better than plain MSE" in answer["verdict"]["sentence"]


def test_a_delta_that_is_told_to_be_worse_is_not_called_better(world, folds) -> None:
    answer = confirmed(world, folds, {0.05: 15.0}, dict.fromkeys(ANCHORS, 10.0)).best()
    assert all(g["p_holm"] < 0.001 for g in answer["gains"])
    assert answer["verdict"]["kind"] == "NO_DETECTABLE_EFFECT"
    assert answer["recommended"]["default"] is True


def test_the_claim_is_asked_of_all_finalists_and_not_of_the_best_mean_alone(world, folds) -> None:
    made = world()
    wild = folds(9.9, 0.0) + np.where(np.arange(15).reshape(3, 5) == 0, -40.0, 40 / 14)  # best mean, by one lucky run
    made.both(made.trial(0.5), wild[0] - (wild.mean() - 9.9), wild - (wild.mean() - 9.9))
    steady = made.both(made.trial(0.9), folds(10.0, 0.02, 1)[0], folds(10.0, 0.02, 1))
    for i, label in enumerate(("MSE", "MAE", "1.345 SIGMA")):
        made.both(made.anchor(label), folds(11.0, 0.02, 9 + i)[0], folds(11.0, 0.02, 9 + i))
    answer = made.best()
    assert answer["trial"] == 0
    assert answer["verdict"]["kind"] == "TUNED_DELTA_BETTER"
    assert f"A tuned delta, 1.8 of trial {steady}, is better" in answer["verdict"]["sentence"]


def test_p_values_are_adjusted_over_all_finalists(world, folds) -> None:
    made = confirmed(world, folds, {0.5: 10.0, 0.7: 10.3, 0.9: 10.2}, {"MSE": 10.5}, noise=0.5)
    values = {n: folds(level, 0.5, n).ravel() for n, level in enumerate((10.0, 10.3, 10.2))}
    mse = folds(10.5, 0.5, 50).ravel()
    tests = [corrected_t(mse - values[n], 80, 20) for n in range(3)]
    gain = made.best()["gains"][0]
    assert gain["t"] == pytest.approx(tests[0].t)
    assert gain["p_value"] == pytest.approx(tests[0].p_two_sided)
    assert gain["p_holm"] == pytest.approx(holm([t.p_two_sided for t in tests])[0])
    assert gain["p_holm"] > gain["p_value"]


def test_an_effect_that_holm_over_many_finalists_does_not_leave_is_not_claimed(world, folds) -> None:
    def kind(others: int) -> str:
        noise = 0.15
        finalists = {0.7: 10.0} | {2.0 + i: 10.5 for i in range(others)}
        return confirmed(world, folds, finalists, {"MSE": 10.5, "MAE": 10.5, "1.345 SIGMA": 10.5}, noise).best()[
            "verdict"
        ]["kind"]

    assert kind(0) == "TUNED_DELTA_BETTER"
    assert kind(30) != "TUNED_DELTA_BETTER"


def test_without_a_confirmation_nothing_is_claimed_and_the_default_is_kept(world, folds) -> None:
    for changes, words in (({"confirm": None}, "confirm is switched off"), ({}, "provisional")):
        made = world(**changes)
        made.got(made.trial(0.7), folds(1.0)[0])
        made.got(made.anchor("MSE"), folds(10.0)[0])
        made.got(made.anchor("1.345 SIGMA"), folds(10.0)[0])
        answer = made.best()
        assert answer["status"] == "PROVISIONAL"
        assert answer["verdict"]["kind"] == "NOT_CONFIRMED"
        assert words in answer["verdict"]["sentence"]
        assert answer["recommended"]["default"] is True
        assert answer["recommended"]["delta"]["sigma"] == pytest.approx(1.345)
        assert answer["confirmed_gain"] is None


def test_a_confirmation_that_still_runs_claims_nothing_yet(world, folds) -> None:
    made = confirmed(world, folds, {0.7: 10.0}, {"MSE": 12.0, "MAE": 12.0, "1.345 SIGMA": 12.0})
    made.got(made.trial(0.8), [1.0] * 5)
    made.got(4, [None] * 5, Purpose.CONFIRM)
    answer = made.best()
    assert (answer["status"], answer["verdict"]["kind"]) == ("PROVISIONAL", "NOT_CONFIRMED")
    assert answer["trial"] == 4


def holdout(world, levels: dict[str, float], tuned: float, repeats: int = 3):
    made = world(dataset={"name": "diabetes", "split": {"validation": {"kind": "HOLDOUT"}}})
    made.data["folds"] = [{"train": 80, "validation": 20}]
    noise = np.random.default_rng(0).normal(0, 0.001, (9, repeats, 1))
    made.both(made.trial(0.7), noise[0, :1] + tuned, noise[0] + tuned)
    for i, (label, level) in enumerate(levels.items()):
        made.both(made.anchor(label), noise[i + 1, :1] + level, noise[i + 1] + level)
    return made


def test_one_held_out_set_is_one_pair_however_many_seeds_so_that_neither_effect_nor_its_absence_is_claimed(
    world,
) -> None:
    for tuned in (1.0, 10.0):
        answer = holdout(world, {"MSE": 10.0, "MAE": 10.0, "1.345 SIGMA": 10.0}, tuned).best()
        assert answer["verdict"]["kind"] == "NOT_CONFIRMED"
        assert "at least two folds" in answer["verdict"]["sentence"]
        assert answer["recommended"]["default"] is True  # no t, so none above 1
        assert "one set of held-out rows" in answer["recommended"]["sentence"]


def test_its_gains_are_shown_without_an_interval_or_a_p(world) -> None:
    (gain,) = holdout(world, {"MSE": 10.0}, 9.0).best()["gains"]
    assert gain["gain"] == pytest.approx(1.0, abs=0.01)
    assert gain["gain_percent"] == pytest.approx(10.0, abs=0.1)
    assert [gain[k] for k in ("interval", "t", "p_value", "p_holm")] == [None] * 4


def test_seeds_on_the_same_rows_are_averaged_within_a_fold_under_time(world, folds) -> None:
    made = world(dataset={"name": "diabetes", "time": "x", "split": {"validation": {"kind": "TIME"}}})
    a, b = folds(10.0, 0.3, 1), folds(10.5, 0.3, 2)
    made.both(made.trial(0.7), a[0], a)
    made.both(made.anchor("MSE"), b[0], b)
    gain = made.best()["gains"][0]
    wanted = corrected_t((b - a).mean(axis=0), 80, 20)  # five pairs, not fifteen
    assert gain["t"] == pytest.approx(wanted.t)
    assert gain["p_value"] == pytest.approx(wanted.p_two_sided)


def test_under_kfold_every_repeat_is_another_partition_and_counts(world, folds) -> None:
    a, b = folds(10.0, 0.3, 1), folds(10.5, 0.3, 2)
    made = world()
    made.both(made.trial(0.7), a[0], a)
    made.both(made.anchor("MSE"), b[0], b)
    wanted = corrected_t((b - a).ravel(), 80, 20)
    assert made.best()["gains"][0]["p_value"] == pytest.approx(wanted.p_two_sided)


def test_without_an_mse_anchor_there_is_nothing_to_claim(world, folds) -> None:
    answer = confirmed(world, folds, {0.7: 10.0}, {"1.345 SIGMA": 12.0}).best()
    assert answer["verdict"]["kind"] == "NOT_CONFIRMED"
    assert "no MSE anchor" in answer["verdict"]["sentence"]
    assert answer["recommended"]["default"] is False


def test_an_anchor_that_was_not_trained_is_not_said_to_be_equal(world, folds) -> None:
    answer = confirmed(world, folds, {0.7: 10.0}, {"MSE": 12.0, "1.345 SIGMA": 12.0}).best()
    assert answer["verdict"]["kind"] == "ROBUST_LOSS_BETTER"
    assert "was not compared with MAE" in answer["verdict"]["sentence"]


def test_without_the_default_as_an_anchor_nothing_speaks_for_leaving_it(world, folds) -> None:
    answer = confirmed(world, folds, {0.7: 10.0}, {"MSE": 12.0, "MAE": 12.0}).best()
    assert answer["recommended"]["default"] is True
    assert "was not trained as an anchor" in answer["recommended"]["sentence"]


@pytest.mark.parametrize(("shift", "leaves"), [(0.0, False), (0.9, False), (1.1, True), (5.0, True)])
def test_the_default_is_left_just_where_the_corrected_t_exceeds_1(world, folds, shift: float, leaves: bool) -> None:
    noise = folds(0.0, 0.3, 3) - folds(0.0, 0.0)
    unit = noise.std(ddof=1) * np.sqrt(1 / 15 + 20 / 80)
    made = world()
    made.both(made.trial(0.7), folds(10.0, 0.0)[0], folds(10.0, 0.0) - shift * unit)
    made.both(made.anchor("1.345 SIGMA"), folds(10.0, 0.0)[0], folds(10.0, 0.0) + noise)
    answer = made.best()
    assert answer["gains"][0]["t"] == pytest.approx(shift, abs=1e-6)
    assert answer["recommended"]["default"] is not leaves
    assert f"{shift:.2f}" in answer["recommended"]["sentence"]


def test_where_more_is_better_gains_point_upwards_and_are_no_percentage_of_a_share(world, folds) -> None:
    made = confirmed(world, folds, {0.7: 0.8}, {"MSE": 0.5, "MAE": 0.6, "1.345 SIGMA": 0.7}, objective={"metric": "R2"})
    answer = made.best()
    assert answer["objective"]["direction"] == "MAXIMIZE"
    assert answer["verdict"]["kind"] == "TUNED_DELTA_BETTER"
    assert "0.3 over MSE" in answer["verdict"]["sentence"]
    assert all(g["gain"] > 0 for g in answer["gains"])
    worse = confirmed(
        world, folds, {0.7: 0.4}, {"MSE": 0.5, "MAE": 0.6, "1.345 SIGMA": 0.7}, objective={"metric": "R2"}
    )
    assert all(g["gain"] < 0 for g in worse.best()["gains"])


def test_every_verdict_tells_the_interval_and_never_a_bare_best(world, folds) -> None:
    for levels in ({"MSE": 12.0}, {"MSE": 10.0}, {}):
        answer = confirmed(world, folds, {0.7: 10.0, 0.9: 10.0}, levels).best()
        assert "cannot be told from the best" in answer["verdict"]["sentence"]


def test_where_nothing_differs_a_better_delta_is_claimed_in_5_percent_of_sweeps_at_most(world) -> None:
    random = np.random.default_rng(1)
    kinds, left, sweeps = [], 0, 120
    for _ in range(sweeps):
        made = world()
        difficulty = random.normal(0, 1, (3, 5))
        for i in range(5):
            made.both(made.trial(0.5 + i), random.normal(10, 1, 5), 10 + difficulty + random.normal(0, 1, (3, 5)))
        for label in ANCHORS:
            made.both(made.anchor(label), random.normal(10, 1, 5), 10 + difficulty + random.normal(0, 1, (3, 5)))
        answer = made.best()
        kinds.append(answer["verdict"]["kind"])
        left += not answer["recommended"]["default"]
    assert kinds.count("TUNED_DELTA_BETTER") <= 0.05 * sweeps
    assert kinds.count("ROBUST_LOSS_BETTER") <= 0.05 * sweeps
    assert left < 0.6 * sweeps  # the decision alone is laxer, which is why it is no claim


def test_a_real_gain_is_found_in_most_sweeps(world) -> None:
    random = np.random.default_rng(2)
    found = 0
    for _ in range(40):
        made = world()
        difficulty = random.normal(0, 1, (3, 5))
        for i in range(5):
            made.both(made.trial(0.5 + i), random.normal(8, 1, 5), 8 + difficulty + random.normal(0, 0.7, (3, 5)))
        for label in ANCHORS:
            made.both(made.anchor(label), random.normal(10, 1, 5), 10 + difficulty + random.normal(0, 0.7, (3, 5)))
        found += made.best()["verdict"]["kind"] == "TUNED_DELTA_BETTER"
    assert found >= 30
