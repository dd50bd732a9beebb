"""A delta held against itself wins nothing, however well the learning rate beside it was tuned."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from live_service import LiveService, assert_books_balance

pytestmark = [pytest.mark.engine, pytest.mark.faults]

# Nothing is tuned but what is not delta, over ranges in which a bad learning rate costs a fifth of the error.
SPEC: dict[str, Any] = {
    "dataset": {"name": "friedman1", "options": {"rows": 200, "seed": 1}},
    "parameters": {
        "delta": 1.345,
        "layers": 1,
        "units": 16,
        "learning_rate": {"kind": "FLOAT", "low": 0.0001, "high": 0.03, "log": True},
        "dropout": {"kind": "FLOAT", "low": 0.0, "high": 0.5},
    },
    "confirm": {"finalists": 3, "repeats": 2},
    "training": {"max_epochs": 40},
    "budget": {"max_trials": 16},
}


@pytest.mark.parametrize("seed", [0, 1])
def test_the_default_delta_does_not_beat_itself(
    seed: int, tmp_path: Path, open_service: Callable[..., LiveService]
) -> None:
    from sweep_service.storage.migrate import upgrade

    url = f"sqlite:///{tmp_path / 'sweeps.db'}"
    upgrade(url)
    service = open_service(url)
    service.start_server()
    service.start_worker()
    sweep = service.post({**SPEC, "seed": seed})
    assert service.await_end(sweep)["state"] == "SUCCEEDED"
    assert_books_balance(service.store, sweep)
    best = service.get(f"/sweeps/{sweep}/best-delta")
    assert best["status"] == "CONFIRMED"
    assert best["recommended"]["default"]
    assert best["verdict"]["kind"] != "TUNED_DELTA_BETTER"
    itself = next(g for g in best["gains"] if g["anchor"] == "1.345 SIGMA")
    assert itself["t"] <= 1
    # The anchors met the finalists' settings in a generation of their own, after the search.
    trials = service.get(f"/sweeps/{sweep}/trials", page_size=1000)["trials"]
    last = max(t["generation"] for t in trials if t["anchor"] is None)
    matched = [t for t in trials if t["generation"] > last]
    assert matched
    assert all(t["anchor"] for t in matched)
