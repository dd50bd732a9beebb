"""Pruners in whole sweeps: who leaves is the same whoever trains, and what is pruned counts nowhere as complete."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from live_service import LiveService, assert_books_balance, until

pytestmark = [pytest.mark.engine, pytest.mark.faults]

SPEC: dict[str, Any] = {
    "dataset": {
        "name": "friedman1",
        "options": {"rows": 160, "outlier_share": 0.1, "seed": 7},
        "split": {"validation": {"kind": "KFOLD", "folds": 3}},
    },
    "seed": 3,
    "parameters": {
        "learning_rate": {"kind": "FLOAT", "low": 0.0005, "high": 0.03, "log": True},
        "layers": 1,
        "units": {"kind": "CATEGORICAL", "choices": [8, 16]},
    },
    "anchors": ["MSE", "MAE"],
    # Two generations: the second has something to be compared with.
    "sampler": {"name": "RANDOM", "generation_size": 12, "trials_per_architecture": 4},
    "confirm": {"finalists": 2, "repeats": 2},
    "training": {"max_epochs": 12},
    "budget": {"max_trials": 24},
}


@pytest.mark.parametrize("name", ["HALVING", "MEDIAN"])
def test_one_worker_and_three_prune_the_same_trials(
    name: str, tmp_path: Path, open_service: Callable[..., LiveService]
) -> None:
    from sweep_service.storage.migrate import upgrade

    url = f"sqlite:///{tmp_path / 'sweeps.db'}"
    upgrade(url)
    service = open_service(url)
    service.start_server()
    service.start_worker()
    spec = {**SPEC, "pruner": {"name": name, "rungs": [3, 6]}}
    alone = service.post(spec)
    assert service.await_end(alone)["state"] == "SUCCEEDED"
    for _ in range(2):
        service.start_worker()
    until(lambda: len(service.get("/workers")["workers"]) == 3, "three workers are up")
    shared = service.post(spec)
    ended = service.await_end(shared)
    assert ended["state"] == "SUCCEEDED"
    assert service.numbers(shared) == service.numbers(alone)

    for sweep in (alone, shared):
        assert_books_balance(service.store, sweep)
    trials = service.get(f"/sweeps/{shared}/trials", page_size=1000)["trials"]
    pruned = {t["number"]: t for t in trials if t["state"] == "PRUNED"}
    assert pruned, "somebody left"
    assert {t["state"] for t in trials} == {"COMPLETE", "PRUNED"}
    assert all(t["anchor"] is None and t["values"] for t in pruned.values())
    whose = "of its pack" if name == "HALVING" else "median of the finished generations"
    assert all(whose in t["reason"] for t in pruned.values())
    if name == "MEDIAN":
        assert {t["generation"] for t in pruned.values()} == {1}, "the first generation has no median to meet"
    else:
        epochs = {r.epochs for r in service.store.runs(shared) if r.key.trial in pruned}
        assert epochs == {3, 6}

    confirmed = [r for r in service.store.runs(shared) if r.key.purpose == "CONFIRM"]
    assert {r.state for r in confirmed} == {"COMPLETE"}
    assert not pruned.keys() & {r.key.trial for r in confirmed}
    points = service.get(f"/sweeps/{shared}/delta-response")["points"]
    shown = dict(zip(points["number"], points["state"], strict=True))
    assert {n for n, state in shown.items() if state == "PRUNED"} == set(pruned)
    assert service.get(f"/sweeps/{shared}/best-delta")["trial"] not in pruned
