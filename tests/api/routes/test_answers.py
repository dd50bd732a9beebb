"""The best delta and the response to delta over HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from served_app import ServedApp

from sweep_service.testing.fake_trainer import FakeTrainer


def test_before_the_first_trial_there_is_nothing_to_say(service: ServedApp) -> None:
    sweep = service.post()
    best = service.get(f"/sweeps/{sweep}/best-delta")
    assert (best["state"], best["status"], best["delta"], best["trial"]) == ("QUEUED", "NONE", None, None)
    assert best["verdict"]["kind"] == "NOT_CONFIRMED"
    response = service.get(f"/sweeps/{sweep}/delta-response")
    assert response["points"]["number"] == []


def test_the_best_delta_is_provisional_and_then_confirmed(either_service: ServedApp) -> None:
    service = either_service
    sweep = service.post()
    noisy = FakeTrainer(noise=0.3)
    service.work(3, noisy)
    assert service.get(f"/sweeps/{sweep}/best-delta")["status"] == "PROVISIONAL"
    service.work(trainer=noisy)
    best = service.get(f"/sweeps/{sweep}/best-delta")
    assert best["status"] == "CONFIRMED"
    assert best["delta"]["target"] == pytest.approx(best["delta"]["sigma"] * best["sigma"])
    assert best["objective"]["metric"] == "MAE"
    assert best["objective"]["standard_error"] > 0
    low, high = best["equivalent"]["low"]["sigma"], best["equivalent"]["high"]["sigma"]
    assert low <= best["delta"]["sigma"] <= high
    assert low < high
    gains = {g["anchor"]: g for g in best["gains"]}
    assert gains.keys() == {"MSE", "MAE", "1.345 SIGMA", "1 TARGET"}
    assert gains["MSE"]["interval"][0] < gains["MSE"]["gain"] < gains["MSE"]["interval"][1]
    assert gains["MSE"]["gain"] > 0
    assert best["verdict"]["sentence"]
    assert best["recommended"]["sentence"]


def test_the_response_is_column_by_column(service: ServedApp) -> None:
    sweep = service.post()
    service.work()
    response = service.get(f"/sweeps/{sweep}/delta-response")
    points = response["points"]
    assert len(points["number"]) == 12
    assert {len(column) for column in points.values()} == {12}
    assert response["metric"] == "MAE"
    assert response["target_name"] == "progression"
    assert {a["label"] for a in response["anchors"]} == {"MSE", "MAE", "1.345 SIGMA", "1 TARGET"}


def test_wait_answers_as_soon_as_the_sweep_has_moved(service: ServedApp) -> None:
    sweep = service.post()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(service.get, f"/sweeps/{sweep}/best-delta", wait=25)
        assert not waiting.done()
        service.work(tasks=2)
        assert waiting.result(timeout=20)["state"] == "RUNNING"


def test_wait_does_not_wait_for_a_sweep_that_has_ended(service: ServedApp) -> None:
    sweep = service.post()
    service.work()
    assert service.http.get(f"/v1/sweeps/{sweep}/best-delta?wait=60", timeout=25).json()["status"] == "CONFIRMED"


def test_wait_ends_with_what_there_is(service: ServedApp) -> None:
    assert service.get(f"/sweeps/{service.post()}/best-delta", wait=0.1)["status"] == "NONE"


@pytest.mark.parametrize("wait", ["-1", "61", "nan", "inf", "1e999", "soon"])
def test_a_wait_that_is_no_wait_is_refused(shared: ServedApp, wait: str) -> None:
    answer = shared.http.get("/v1/sweeps/any/best-delta", params={"wait": wait})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"] == "/wait"


def test_an_answer_follows_the_sweep(service: ServedApp) -> None:
    sweep = service.post()
    seen = []
    while service.work(tasks=1):
        answer = service.get(f"/sweeps/{sweep}/best-delta")
        assert answer["state"] == service.get(f"/sweeps/{sweep}")["state"]
        seen.append(answer["status"])
    assert list(dict.fromkeys(seen)) == ["NONE", "PROVISIONAL", "CONFIRMED"]
