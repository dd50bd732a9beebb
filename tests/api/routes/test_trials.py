"""A sweep's trials, their runs and their curves over HTTP."""

from __future__ import annotations

import dataclasses

import pytest
from served_app import ServedApp

from sweep_service.core.run import Purpose, Run, RunOutcome, pack_curve
from sweep_service.core.task import TrainJob
from sweep_service.testing.fake_trainer import EPOCHS, FakeTrainer


def test_a_trial_shows_its_delta_in_three_units(either_service: ServedApp) -> None:
    service = either_service
    sweep = service.post()
    service.work()
    trial = service.get(f"/sweeps/{sweep}/trials/0")
    assert trial["number"] == 0
    assert trial["state"] == "COMPLETE"
    assert trial["values"].keys() == {"MAE", "RMSE", "MEDIAN_AE"}
    assert trial["delta"]["sigma"] == pytest.approx(trial["parameters"]["delta"])
    best = service.get(f"/sweeps/{sweep}/best-delta")
    assert trial["delta"]["target"] == pytest.approx(trial["delta"]["sigma"] * best["sigma"])
    assert trial["engine"]["rung"] == "FAKE"
    assert trial["created_at"].endswith("Z")
    trials = service.get(f"/sweeps/{sweep}/trials")["trials"]
    assert trials[0] == trial
    anchors = {t["anchor"]: t for t in trials if t["anchor"]}
    assert anchors.keys() == {"MSE", "MAE", "1.345 SIGMA", "1 TARGET"}
    assert anchors["MSE"]["delta"] is None
    assert anchors["1 TARGET"]["delta"]["target"] == pytest.approx(1.0)


def test_trials_are_paged_by_number(service: ServedApp) -> None:
    sweep = service.post()
    service.work()
    seen, token = [], ""
    while True:
        page = service.get(f"/sweeps/{sweep}/trials", page_size=7, page_token=token)
        assert len(page["trials"]) <= 7
        seen += [t["number"] for t in page["trials"]]
        token = page["next_page_token"]
        if not token:
            break
    assert seen == list(range(28))  # 12 sampled, 8 anchors, and 8 anchors with the finalists' settings


def test_states_filter_the_list(service: ServedApp) -> None:
    sweep = service.post()
    service.work(trainer=FakeTrainer(diverge={2}))
    failed = service.get(f"/sweeps/{sweep}/trials", state="FAILED")["trials"]
    assert [(t["number"], t["state"], t["values"]) for t in failed] == [(2, "FAILED", {})]
    assert failed[0]["reason"].startswith("diverged at epoch 1")
    both = service.get(f"/sweeps/{sweep}/trials", state=["FAILED", "COMPLETE"])["trials"]
    assert len(both) == 28
    wrong = service.http.get(f"/v1/sweeps/{sweep}/trials", params={"state": "DONE"})
    assert wrong.status_code == 422
    assert "COMPLETE" in wrong.json()["detail"]


def test_runs_stand_in_order_and_their_seeds_are_text(service: ServedApp) -> None:
    sweep = service.post()
    service.work()
    finalist = service.get(f"/sweeps/{sweep}/best-delta")["trial"]
    runs = service.get(f"/sweeps/{sweep}/trials/{finalist}/runs")["runs"]
    keys = [(r["purpose"], r["repeat"], r["fold"]) for r in runs]
    assert keys == [
        (p, r, f) for p, repeats in (("CONFIRM", 2), ("SEARCH", 1)) for r in range(repeats) for f in range(5)
    ]
    stored = service.store.runs(sweep, trial=finalist)
    assert [r["seed"] for r in runs] == [str(r.seed) for r in stored], "63 bits do not survive a double"
    assert all(r["metrics"]["MAE"] > 0 and r["attempt"] == 1 for r in runs)


def test_curves_hold_a_value_an_epoch(service: ServedApp) -> None:
    sweep = service.post()
    service.work(tasks=2)
    curves = service.get(f"/sweeps/{sweep}/trials/0/curves")["curves"]
    assert [c["fold"] for c in curves] == [0, 1, 2, 3, 4]
    assert all(len(c["objective"]) == len(c["train_loss"]) == EPOCHS for c in curves)


class _SpoilingTrainer(FakeTrainer):
    """Reports numbers of trial 1 that JSON has no words for."""

    def _outcome(self, job: TrainJob, run: Run) -> RunOutcome:
        outcome = super()._outcome(job, run)
        if run.key.trial == 1 and run.key.purpose is Purpose.SEARCH:
            details = {"sigma": float("inf"), "residual_quantiles": [float("-inf"), 0.0]}
            metrics = {"MAE": float("nan"), "RMSE": float("inf")}
            curve = pack_curve([[1.0, float("nan")], [float("inf"), 0.0]])
            return dataclasses.replace(outcome, metrics=metrics, details=details, curve=curve)
        return outcome


def test_a_number_that_is_not_finite_is_null(either_service: ServedApp) -> None:
    service = either_service
    sweep = service.post()
    service.work(trainer=_SpoilingTrainer())
    assert service.get(f"/sweeps/{sweep}")["state"] == "SUCCEEDED"
    trial = service.get(f"/sweeps/{sweep}/trials/1")
    assert trial["values"].get("MAE") is None
    for path in ("", "/trials", "/trials/1", "/trials/1/runs", "/trials/1/curves", "/best-delta", "/delta-response"):
        text = service.http.get(f"/v1/sweeps/{sweep}{path}").text
        assert "NaN" not in text
        assert "Infinity" not in text
    assert service.get(f"/sweeps/{sweep}/trials/1/curves")["curves"][0]["objective"] == [1.0, None]
    assert service.get(f"/sweeps/{sweep}/best-delta")["trial"] != 1


def test_a_trial_that_there_is_not_is_refused(either_service: ServedApp) -> None:
    service = either_service
    sweep = service.post()
    for number in ("20", "2147483647", "2147483648", "9" * 30, "-1", "x", "1.5", "%20", "%F0%9F%92%A9"):
        for rest in ("", "/runs", "/curves"):
            answer = service.http.get(f"/v1/sweeps/{sweep}/trials/{number}{rest}")
            assert answer.status_code in {404, 422}, (number, rest)
            assert answer.headers["content-type"] == "application/problem+json"
