"""A user's HyperModels from an installed package to a verdict: a real server, a real worker, HTTP."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from hypermodel_package import install
from live_service import LiveService, assert_books_balance, until

pytestmark = pytest.mark.engine

SMALL = {
    "dataset": {"name": "friedman1", "options": {"rows": 80}, "split": {"validation": {"kind": "KFOLD", "folds": 2}}},
    "anchors": ["MSE"],
    "confirm": None,
    "seed": 3,
    "training": {"max_epochs": 4, "early_stopping": None},
}


@pytest.fixture
def service(
    open_service: Callable[[str], LiveService], database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> LiveService:
    """A server, and a worker that has the package and has published it."""
    path = [str(install(tmp_path)), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))
    service = open_service(database)
    service.start_server()
    service.start_worker()
    until(lambda: len(service.get("/hypermodels")["hypermodels"]) == 6, "the worker has published")
    return service


def trials(service: LiveService, sweep: str) -> list[dict[str, Any]]:
    return list(service.get(f"/sweeps/{sweep}/trials", page_size=500)["trials"])


def test_a_hypermodel_is_listed_validated_sampled_trained_and_judged(service: LiveService) -> None:
    listed = {h["name"]: h for h in service.get("/hypermodels")["hypermodels"]}
    assert listed["windows"]["optimizer"] == "adam", listed["windows"]["problem"]
    assert listed["plain"]["optimizer"] is None
    assert "follows a schedule" in listed["scheduled"]["problem"]
    assert "cannot be loaded" in listed["missing"]["problem"]

    unknown = service.http.post("/v1/sweeps", json={**SMALL, "model": {"hypermodel": "window"}})
    assert unknown.status_code == 422
    assert "windows" in unknown.json()["errors"][0]["message"]
    wide = {
        **SMALL,
        "model": {"hypermodel": "windows"},
        "parameters": {"conv/filters": {"kind": "INT", "low": 2, "high": 8}},
    }
    beyond = service.http.post("/v1/sweeps", json=wide)
    assert [e["pointer"] for e in beyond.json()["errors"]] == ["/parameters/conv~1filters/high"]

    sampler = {"name": "RANDOM", "generation_size": 8, "trials_per_architecture": 2}
    windows = service.post(
        {**SMALL, "model": {"hypermodel": "windows"}, "sampler": sampler, "budget": {"max_trials": 8}}
    )
    plain = service.post(
        {
            **SMALL,
            "model": {"hypermodel": "plain"},
            "sampler": {"name": "TPE", "generation_size": 4, "trials_per_architecture": 4},
            "budget": {"max_trials": 4},
            "parameters": {"units": 8, "optimizer": "rmsprop"},
        }
    )
    fragile = service.post(
        {**SMALL, "model": {"hypermodel": "fragile"}, "sampler": {"name": "GRID", "grid_points": 2},
         "parameters": {"delta": 1.0, "learning_rate": 0.01}}
    )  # fmt: skip

    assert service.await_end(windows)["state"] == "SUCCEEDED"
    found = trials(service, windows)
    assert {t["state"] for t in found} == {"COMPLETE"}, [t["reason"] for t in found]
    assert {t["engine"]["rung"] for t in found} <= {"PACK", "PACK_WHILE"}
    assert all("groups" not in t["engine"] for t in found), "the trials of a pack shared one architecture"
    for trial in found:
        wanted = "dense/width" if trial["parameters"]["kind"] == "dense" else "conv/filters"
        assert {p for p in trial["parameters"] if "/" in p} == {wanted}
        assert "optimizer" not in trial["parameters"]
    assert service.get(f"/sweeps/{windows}/best-delta")["delta"] is not None
    assert_books_balance(service.store, windows)

    assert service.await_end(plain)["state"] == "SUCCEEDED"
    assert {t["parameters"]["optimizer"] for t in trials(service, plain)} == {"rmsprop"}

    assert service.await_end(fragile)["state"] == "SUCCEEDED"
    ends = {(t["parameters"]["way"], t["state"]) for t in trials(service, fragile)}
    assert ends == {("good", "COMPLETE"), ("bad", "FAILED")}
    reason = next(t["reason"] for t in trials(service, fragile) if t["state"] == "FAILED")
    assert reason == "fragile: its build failed: RuntimeError: the bad way leads nowhere"
    assert_books_balance(service.store, fragile)
