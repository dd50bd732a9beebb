"""From a POST to a confirmed verdict over HTTP, and the same numbers whatever the database and the workers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from live_service import LiveService, assert_books_balance, assert_no_trial_failed, until

pytestmark = [pytest.mark.engine, pytest.mark.faults]
Open = Callable[..., LiveService]

# Three architectures in each of two generations: several packs at once for several workers to share.
SPEC: dict[str, Any] = {
    "dataset": {
        "name": "friedman1",
        "options": {"rows": 200, "outlier_share": 0.1, "noise": 1.0, "seed": 7},
        "split": {"validation": {"kind": "KFOLD", "folds": 3}},
    },
    "seed": 11,
    "parameters": {
        "learning_rate": {"kind": "FLOAT", "low": 0.003, "high": 0.03, "log": True},
        "layers": 1,
        "units": {"kind": "CATEGORICAL", "choices": [8, 16]},
    },
    "anchors": ["MSE", "MAE"],
    "sampler": {"name": "TPE", "generation_size": 9, "trials_per_architecture": 3},
    "confirm": {"finalists": 2, "repeats": 2},
    "training": {"max_epochs": 30, "early_stopping": {"patience": 5}},
    "budget": {"max_trials": 18},
}


@pytest.fixture(scope="session")
def told() -> dict[str, Any]:
    """The numbers of the first run of SPEC in this session, which all others must repeat."""
    return {}


def must_repeat(told: dict[str, Any], numbers: dict[str, Any]) -> None:
    """The same trials and the same numbers, bit for bit, as whoever ran first."""
    first = told.setdefault("numbers", numbers)
    assert [t[:7] for t in numbers["trials"]] == [t[:7] for t in first["trials"]]
    assert numbers == first


def test_a_posted_sweep_ends_in_a_confirmed_verdict(database: str, open_service: Open, told: dict[str, Any]) -> None:
    service = open_service(database)
    service.start_server()
    service.start_worker()
    sweep = service.post(SPEC)
    seen = watch(service, sweep)

    best = service.get(f"/sweeps/{sweep}/best-delta")
    assert best["state"] == "SUCCEEDED"
    assert seen[-1] == best["status"] == "CONFIRMED"
    assert set(seen) <= {"NONE", "PROVISIONAL", "CONFIRMED"}
    assert best["verdict"]["kind"] != "NOT_CONFIRMED"
    assert best["verdict"]["sentence"]

    delta, sigma = best["delta"], best["sigma"]
    assert delta["target"] == pytest.approx(delta["sigma"] * sigma)
    data = service.store.report(sweep, "data")
    assert data is not None
    assert delta["standardised"] == pytest.approx(delta["target"] / data["target_sd"])
    assert delta["sigma"] == pytest.approx(best["parameters"]["delta"])

    gains = {g["anchor"]: g for g in best["gains"]}
    assert set(gains) == {"MSE", "MAE"}
    for gain in gains.values():
        assert math.isfinite(gain["gain"])
        assert gain["interval"][0] <= gain["gain"] <= gain["interval"][1]
        assert gain["gain"] == pytest.approx(gain["value"] - best["objective"]["value"])

    trial = service.get(f"/sweeps/{sweep}/trials/{best['trial']}")
    assert trial["engine"]["rung"] == "PACK"
    assert trial["engine"]["tensorflow"]
    assert trial["delta"] == delta
    assert trial["state"] == "COMPLETE"

    assert_books_balance(service.store, sweep)
    assert_no_trial_failed(service.store, sweep)
    must_repeat(told, service.numbers(sweep))


def watch(service: LiveService, sweep: str) -> list[str]:
    """Long-poll the best delta until the sweep has ended; returns the statuses on the way."""
    seen: list[str] = []

    def ended() -> bool:
        best = service.get(f"/sweeps/{sweep}/best-delta", wait=20)
        seen.append(best["status"])
        return best["state"] not in {"QUEUED", "RUNNING", "FINALIZING"}

    until(ended, "the sweep has ended")
    return seen


def test_three_workers_give_the_same_trials_and_the_same_numbers_as_one(
    database: str, open_service: Open, told: dict[str, Any]
) -> None:
    service = open_service(database)
    service.start_server()
    workers = [service.start_worker() for _ in range(3)]
    until(lambda: len(service.get("/workers")["workers"]) == 3, "three workers are up")
    sweep = service.post(SPEC)
    assert service.await_end(sweep)["state"] == "SUCCEEDED"
    assert_books_balance(service.store, sweep)
    must_repeat(told, service.numbers(sweep))
    names = {body["worker"] for body in service.event_bodies(sweep, "PACK_STARTED")}
    assert len(names) > 1, "several workers took part"
    assert all(worker.popen.poll() is None for worker in workers)
