"""Posting, reading, steering and deleting sweeps over HTTP."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from served_app import ServedApp, small

from sweep_service.storage.migrate import upgrade
from sweep_service.storage.store import SqlStore
from sweep_service.testing.fake_trainer import FakeTrainer


def refused(answer: httpx.Response, status: int = 422) -> dict[str, str]:
    """The problems of a refusal: pointer to sentence."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["detail"]
    return {e["pointer"]: e["message"] for e in body["errors"]}


# --- posting ---------------------------------------------------------------------------------------------------


def test_a_datasets_name_is_a_whole_sweep(service: ServedApp) -> None:
    answer = service.http.post("/v1/sweeps", json={"dataset": "diabetes"})
    assert answer.status_code == 202
    sweep = answer.json()
    assert answer.headers["location"] == f"/v1/sweeps/{sweep['id']}" == sweep["links"]["self"]
    assert sweep["state"] == "QUEUED"
    assert sweep["name"] == "diabetes-huber"
    assert service.get(f"/sweeps/{sweep['id']}") == sweep, "it can be read at once"


def test_the_answer_shows_every_default_filled_in(service: ServedApp) -> None:
    spec = service.http.post("/v1/sweeps", json={"dataset": "diabetes"}).json()["spec"]
    assert spec["objective"] == {
        "metric": "MAE",
        "delta": None,
        "tau": None,
        "additional_metrics": ["RMSE", "MEDIAN_AE"],
        "epoch": "BEST",
    }
    assert spec["parameters"]["delta"] == {
        "when": None,
        "kind": "FLOAT",
        "low": 0.02,
        "high": 10.0,
        "log": True,
        "step": None,
        "unit": "SIGMA",
    }
    assert spec["parameters"]["optimizer"] == "adam"
    assert spec["anchors"] == ["MSE", "MAE", {"delta": 1.345, "unit": "SIGMA"}, {"delta": 1.0, "unit": "TARGET"}]
    assert spec["dataset"]["split"]["validation"]["folds"] == 5
    assert spec["budget"]["max_trials"] == 128
    assert spec["seed"] == 0
    again = service.http.post("/v1/sweeps", json=spec)
    assert again.status_code == 202, "what it shows can be posted"
    assert again.json()["spec"] == spec


def test_validate_only_checks_and_stores_nothing(shared: ServedApp) -> None:
    answer = shared.http.post("/v1/sweeps", params={"validate_only": "true"}, json={"dataset": "diabetes"})
    assert answer.status_code == 200
    assert answer.json()["valid"] is True
    assert answer.json()["spec"]["budget"]["max_trials"] == 128
    wrong = shared.http.post("/v1/sweeps", params={"validate_only": "true"}, json={"dataset": "diabets"})
    assert "diabetes" in refused(wrong)["/dataset/name"]
    assert shared.get("/sweeps")["sweeps"] == []


@pytest.mark.parametrize(
    ("document", "pointer", "words"),
    [
        ({"dataset": "diabetes", "objective": "val_loss"}, "/objective/metric", "picks the smallest delta"),
        ({"dataset": "diabetes", "objective": {"metric": "loss"}}, "/objective/metric", "MAE"),
        ({"dataset": "diabetes", "parameters": {"delta": 0}}, "/parameters/delta", "above 0"),
        ({"dataset": "diabetes", "parameters": {"delta": -1.5}}, "/parameters/delta", "above 0"),
        (
            {"dataset": "diabetes", "parameters": {"delta": {"kind": "FLOAT", "low": -1, "high": 2}}},
            "/parameters/delta/low",
            "above 0",
        ),
        ({"dataset": "diabetes", "budgets": {}}, "/budgets", "did you mean 'budget'"),
        ({"dataset": "diabetes", "budget": {"max_trails": 3}}, "/budget/max_trails", "did you mean 'max_trials'"),
        ({"dataset": "diabetes", "budget": {"max_trials": 0}}, "/budget/max_trials", "greater than or equal to 1"),
        ({"dataset": "diabetes", "labels": {"a/b": 3}}, "/labels/a~1b", "string"),
        ({"dataset": "diabetes", "parameters": {"layers": 99}}, "/parameters/layers", "at most 8"),
        ({"dataset": {"name": "diabetes", "target": "bmii"}}, "/dataset", "did you mean 'bmi'"),
        ({"dataset": {"name": "prices", "version": 2**40}}, "/dataset/version", "less than"),
        ({"dataset": "prices"}, "/dataset/name", "diabetes, boston_housing"),
        ({"dataset": "friedman1", "seed": 2**53}, "/seed", "less than"),
        ({}, "/dataset", "required"),
        ({"dataset": {"name": "diabetes", "split": 3}}, "/dataset/split", "fields test_fraction, seed, validation"),
        ({"dataset": "diabetes", "budget": {"max_duration": "PT0S"}}, "/budget/max_duration", "PT0S is no time"),
        ([], "", '{"dataset": "diabetes"}'),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_spec_that_cannot_be_run_is_refused_with_what_would_be_right(
    shared: ServedApp, document: Any, pointer: str, words: str
) -> None:
    problems = refused(shared.http.post("/v1/sweeps", json=document))
    assert list(problems) == [pointer]
    assert words in problems[pointer]


def test_all_problems_of_a_spec_are_told_at_once(shared: ServedApp) -> None:
    document = {"dataset": "diabetes", "objective": "val_loss", "seed": -1, "nam": "x"}
    assert set(refused(shared.http.post("/v1/sweeps", json=document))) == {"/objective/metric", "/seed", "/nam"}


NOT_YET = {
    "/dataset/task": ("dataset", {"name": "diabetes", "task": "BINARY"}),
    "/dataset/target": ("dataset", {"name": "diabetes", "target": ["bmi", "progression"]}),
    "/loss/kind": ("loss", {"kind": "LOG_COSH"}),
    "/loss/reduction": ("loss", {"reduction": "SUM"}),
    "/final": ("final", {"seeds": 3, "export": True, "baselines": True}),
    "/anchors": ("anchors", "FULL"),
    "/sampler/synchronous": ("sampler", {"synchronous": False}),
    "/budget/max_trial_duration": ("budget", {"max_trial_duration": "PT10M"}),
    "/budget/stop_after_no_improvement": ("budget", {"stop_after_no_improvement": 20}),
    "/budget/target_value": ("budget", {"target_value": 40.0}),
    "/warm_start/from": ("warm_start", {"from": ["swp_1"]}),
    "/enqueue": ("enqueue", [{"delta": 1.345}]),
    "/webhooks": ("webhooks", [{"url": "https://example.org"}]),
}


@pytest.mark.parametrize("pointer", NOT_YET)
def test_what_is_not_run_yet_is_refused_by_name(shared: ServedApp, pointer: str) -> None:
    field, value = NOT_YET[pointer]
    problems = refused(shared.http.post("/v1/sweeps", json={"dataset": "diabetes", field: value}))
    assert list(problems) == [pointer]
    assert "not supported yet" in problems[pointer]


FULL: dict[str, Any] = {
    "name": "ca-housing-delta-01",
    "description": "",
    "labels": {"team": "pricing"},
    "priority": 50,
    "seed": 42,
    "dataset": {
        "name": "prices",
        "target": "price",
        "task": "REGRESSION",
        "weight": None,
        "time": None,
        "group": None,
        "features": {"exclude": ["id"], "categorical": ["near"]},
        "missing": "MEDIAN_AND_FLAG",
        "split": {"test_fraction": 0.2, "validation": {"kind": "KFOLD", "folds": 5}},
    },
    "model": {"hypermodel": "mlp"},
    "loss": {"kind": "HUBER", "normalise": True, "reduction": "SUM_OVER_BATCH_SIZE"},
    "objective": {"metric": "MAE", "additional_metrics": ["RMSE", "MEDIAN_AE"], "epoch": "BEST"},
    "parameters": {
        "delta": {"kind": "FLOAT", "low": 0.02, "high": 10, "log": True, "unit": "SIGMA"},
        "learning_rate": {"kind": "FLOAT", "low": 0.0001, "high": 0.03, "log": True},
        "layers": {"kind": "INT", "low": 1, "high": 3},
        "units": {"kind": "CATEGORICAL", "choices": [16, 32, 64]},
        "dropout": {"kind": "FLOAT", "low": 0.0, "high": 0.5},
        "momentum": {"kind": "FLOAT", "low": 0.0, "high": 0.99, "when": {"optimizer": ["sgd"]}},
        "optimizer": {"kind": "CATEGORICAL", "choices": ["adam", "sgd"]},
        "activation": "relu",
        "batch_size": 32,
        "weight_decay": 0.0,
    },
    "anchors": ["MSE", "MAE", {"delta": 1.345, "unit": "SIGMA"}, {"delta": 1.0, "unit": "TARGET"}],
    "sampler": {"name": "TPE", "generation_size": 32, "trials_per_architecture": 8, "synchronous": True},
    "confirm": {"finalists": 5, "repeats": 3},
    "training": {"max_epochs": 100, "early_stopping": {"patience": 10}},
    "budget": {"max_trials": 128, "max_failed_trials": 12, "max_duration": "PT1H"},
    "pruner": {"name": "HALVING", "rungs": [10, 30], "keep": 0.5},
}
LATER: dict[str, Any] = {
    "final": {"seeds": 3, "export": True, "baselines": True},
    "enqueue": [{"delta": 1.345}],
}
TABLE = "id,near,rooms,price\n" + "".join(f"{i},{'bay' if i % 3 else 'sea'},{i % 7},{i * i % 101}\n" for i in range(60))


def test_the_whole_schema_is_understood(service: ServedApp) -> None:
    uploaded = service.http.post("/v1/datasets?name=prices", content=TABLE, headers={"Content-Type": "text/csv"})
    assert uploaded.status_code == 201, uploaded.text
    answer = service.http.post("/v1/sweeps", json=FULL)
    assert answer.status_code == 202, answer.text
    spec = answer.json()["spec"]
    assert spec["dataset"]["version"] == 1, "the version is pinned"
    assert spec["parameters"]["momentum"]["when"] == {"optimizer": ["sgd"]}
    problems = refused(service.http.post("/v1/sweeps", json={**FULL, **LATER}))
    assert set(problems) == {"/final", "/enqueue"}
    assert all("not supported yet" in message for message in problems.values())


def test_a_condition_that_can_never_hold_is_refused(shared: ServedApp) -> None:
    momentum = {"kind": "FLOAT", "low": 0.0, "high": 0.99, "when": {"optimizer": ["sgd"]}}
    document = {"dataset": "diabetes", "parameters": {"momentum": momentum, "optimizer": "adam"}}
    problems = refused(shared.http.post("/v1/sweeps", json=document))
    assert "can never hold" in problems["/parameters/momentum/when/optimizer"]


# --- once and only once ----------------------------------------------------------------------------------------


def test_the_same_key_and_body_give_the_first_sweep(either_service: ServedApp) -> None:
    service = either_service
    first = service.http.post("/v1/sweeps", json=small(), headers={"Idempotency-Key": "k"})
    again = service.http.post("/v1/sweeps", json=small(), headers={"Idempotency-Key": "k"})
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.json() == first.json()
    assert again.headers["location"] == first.headers["location"]
    other = service.http.post("/v1/sweeps", json=small(), headers={"Idempotency-Key": "other"})
    assert other.json()["id"] != first.json()["id"]
    assert len(service.get("/sweeps")["sweeps"]) == 2


def test_the_same_key_with_another_body_is_refused(service: ServedApp) -> None:
    service.post(**{"Idempotency-Key": "k"})
    answer = service.http.post("/v1/sweeps", json=small(seed=4), headers={"Idempotency-Key": "k"})
    refused(answer, 422)
    assert "another body" in answer.json()["detail"]
    assert len(service.get("/sweeps")["sweeps"]) == 1


@pytest.mark.parametrize("key", ["", "k" * 256])
def test_a_key_has_1_to_255_characters(shared: ServedApp, key: str) -> None:
    refused(shared.http.post("/v1/sweeps", json=small(), headers={"Idempotency-Key": key}), 400)


class _SlowStore(SqlStore):
    """Waits before it stores, so that a test can act meanwhile."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.entered, self.go_on = threading.Event(), threading.Event()

    def create_sweep(self, *args: Any, **kwargs: Any) -> Any:
        self.entered.set()
        assert self.go_on.wait(30)
        return super().create_sweep(*args, **kwargs)


def test_a_key_whose_first_post_has_no_answer_yet_is_told_to_come_back(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'sweeps.db'}"
    upgrade(url)
    store = _SlowStore(url)
    with ServedApp(url, tmp_path, store) as service, ThreadPoolExecutor(1) as pool:
        headers = {"Idempotency-Key": "k"}
        first = pool.submit(service.http.post, "/v1/sweeps", json=small(), headers=headers)
        assert store.entered.wait(30)
        meanwhile = service.http.post("/v1/sweeps", json=small(), headers=headers)
        store.go_on.set()
        refused(meanwhile, 409)
        assert int(meanwhile.headers["retry-after"]) > 0
        stored = first.result().json()
        after = service.http.post("/v1/sweeps", json=small(), headers=headers)
        assert after.json() == stored


def test_posts_at_the_same_moment_are_all_stored_and_one_key_only_once(either_service: ServedApp) -> None:
    service = either_service

    def post(number: int) -> httpx.Response:
        with httpx.Client(base_url=service.url, trust_env=False, timeout=60) as http:
            key = "same" if number % 2 else f"own-{number}"
            return http.post("/v1/sweeps", json=small(), headers={"Idempotency-Key": key})

    with ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(post, range(24)))
    assert {a.status_code for a in answers} <= {202, 409}, [a.text for a in answers if a.status_code >= 500]
    assert all(a.status_code == 202 for a in answers[::2])
    assert len({a.json()["id"] for a in answers[1::2] if a.status_code == 202}) == 1
    assert len(service.get("/sweeps")["sweeps"]) == 13


# --- reading ---------------------------------------------------------------------------------------------------


def test_an_unchanged_sweep_is_answered_304(service: ServedApp) -> None:
    sweep = service.post()
    first = service.http.get(f"/v1/sweeps/{sweep}")
    tag = first.headers["etag"]
    for known in (tag, f'"other", W/{tag}', "*"):
        again = service.http.get(f"/v1/sweeps/{sweep}", headers={"If-None-Match": known})
        assert again.status_code == 304, known
        assert again.content == b""
        assert again.headers["etag"] == tag
    service.http.post(f"/v1/sweeps/{sweep}:pause")
    changed = service.http.get(f"/v1/sweeps/{sweep}", headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


def test_the_list_is_paged_newest_first(service: ServedApp) -> None:
    posted = [service.post(small(name=f"sweep {i}")) for i in range(5)]
    seen, token, pages = [], "", 0
    while True:
        page = service.get("/sweeps", page_size=2, page_token=token)
        seen += [s["id"] for s in page["sweeps"]]
        pages += 1
        token = page["next_page_token"]
        if not token:
            break
    assert seen == posted[::-1]
    assert pages == 3


def test_an_item_of_the_list_carries_the_best_delta_and_no_spec(service: ServedApp) -> None:
    sweep = service.post()
    assert service.get("/sweeps")["sweeps"][0]["best"] is None
    service.work()
    (item,) = service.get("/sweeps")["sweeps"]
    assert "spec" not in item
    assert item["dataset"] == "diabetes"
    best = service.get(f"/sweeps/{sweep}/best-delta")
    assert item["best"] == {
        "delta_target": best["delta"]["target"],
        "delta_sigma": best["delta"]["sigma"],
        "status": "CONFIRMED",
        "verdict_kind": best["verdict"]["kind"],
    }


def test_progress_grows_with_the_runs_and_ends_at_one(service: ServedApp) -> None:
    sweep = service.post()
    shares = [service.get(f"/sweeps/{sweep}")["progress"]["fraction"]]
    while service.work(tasks=1):
        shares.append(service.get(f"/sweeps/{sweep}")["progress"]["fraction"])
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert shares[-1] == 1
    end = service.get(f"/sweeps/{sweep}")
    assert (end["state"], end["end_reason"], end["progress"]["phase"]) == ("SUCCEEDED", "BUDGET", "DONE")
    assert end["progress"]["runs_done"] == end["progress"]["runs_expected"] == end["counters"]["runs_planned"]


def test_a_sweep_with_too_many_failures_says_so_and_expects_no_more(service: ServedApp) -> None:
    sweep = service.post(small(budget={"max_trials": 12, "max_failed_trials": 2}))
    service.work(trainer=FakeTrainer(diverge=range(20)))
    end = service.get(f"/sweeps/{sweep}")
    assert (end["state"], end["end_reason"]) == ("FAILED", "TOO_MANY_FAILURES")
    assert end["error"].startswith(f"{end['counters']['trials_failed']} trials failed, more than max_failed_trials = 2")
    assert end["progress"]["runs_done"] == end["progress"]["runs_expected"] == 50
    verdict = service.get(f"/sweeps/{sweep}/best-delta")["verdict"]["sentence"]
    assert verdict == "No trial is complete: there is nothing to say."


# --- steering --------------------------------------------------------------------------------------------------


def test_a_sweep_is_paused_resumed_and_stopped(either_service: ServedApp) -> None:
    service = either_service
    sweep = service.post()

    def tell(verb: str) -> str:
        answer = service.http.post(f"/v1/sweeps/{sweep}:{verb}")
        assert answer.status_code == 200, answer.text
        return str(answer.json()["state"])

    service.work(tasks=1)
    assert tell("pause") == "PAUSED"
    assert tell("pause") == "PAUSED", "twice is as once"
    assert service.work() == 0, "nothing of a paused sweep is claimed"
    assert tell("resume") == "RUNNING"
    service.work(tasks=1)
    assert tell("stop") in {"STOPPING", "FINALIZING"}
    service.work()
    end = service.get(f"/sweeps/{sweep}")
    assert (end["state"], end["end_reason"]) == ("SUCCEEDED", "STOPPED")
    refused(service.http.post(f"/v1/sweeps/{sweep}:pause"), 409)


def test_a_sweep_is_cancelled(service: ServedApp) -> None:
    sweep = service.post()
    assert service.http.post(f"/v1/sweeps/{sweep}:cancel").json()["state"] == "CANCELLED"
    assert service.http.post(f"/v1/sweeps/{sweep}:cancel").status_code == 200
    answer = service.http.post(f"/v1/sweeps/{sweep}:resume")
    refused(answer, 409)
    assert "CANCELLED" in answer.json()["detail"]


def test_a_verb_that_there_is_not_is_refused_with_those_that_there_are(service: ServedApp) -> None:
    answer = service.http.post(f"/v1/sweeps/{service.post()}:halt")
    refused(answer, 404)
    assert "pause, resume, stop, cancel" in answer.json()["detail"]


def test_only_an_ended_sweep_is_deleted_and_then_with_all_of_it(either_service: ServedApp) -> None:
    service = either_service
    sweep = service.post(**{"Idempotency-Key": "k"})
    answer = service.http.delete(f"/v1/sweeps/{sweep}")
    refused(answer, 409)
    assert "cancel it" in answer.json()["detail"]
    service.work()
    assert service.http.delete(f"/v1/sweeps/{sweep}").status_code == 204
    for rest in ("", "/trials", "/trials/0", "/best-delta", "/delta-response", "/events"):
        refused(service.http.get(f"/v1/sweeps/{sweep}{rest}"), 404)
    refused(service.http.delete(f"/v1/sweeps/{sweep}"), 404)
    assert service.get("/sweeps")["sweeps"] == []
