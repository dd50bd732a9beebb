"""Real processes to be killed, on SQLite and on PostgreSQL; and what the same sweep gives when nobody is killed."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from live_service import LiveService

from sweep_service.storage.migrate import upgrade

# Two generations of one pack each: 8 trials on 2 folds. A pack trains for some seconds and says every tenth epoch
# where it stands, so that a test can see that it is in the middle of one.
SLOW_SWEEP: dict[str, Any] = {
    "name": "slow",
    "dataset": {"name": "diabetes", "split": {"validation": {"kind": "KFOLD", "folds": 2}}},
    "seed": 3,
    "parameters": {
        "layers": 1,
        "units": 8,
        "batch_size": 1,
        "learning_rate": {"kind": "FLOAT", "low": 0.0005, "high": 0.005, "log": True},
    },
    "anchors": ["MSE", "MAE"],
    "sampler": {"name": "RANDOM", "generation_size": 6, "trials_per_architecture": 6},
    "confirm": None,
    "training": {"max_epochs": 1200, "early_stopping": None},
    "budget": {"max_trials": 12},
}
QUICK_SWEEP = {**SLOW_SWEEP, "name": "quick", "training": {"max_epochs": 20, "early_stopping": None}}
MIDDLE = "epoch 100,"
"""What a worker's log says when a slow pack has begun in earnest and is far from its end."""

Open = Callable[..., LiveService]


@pytest.fixture
def slow_sweep() -> dict[str, Any]:
    return SLOW_SWEEP


@pytest.fixture
def quick_sweep() -> dict[str, Any]:
    return QUICK_SWEEP


@pytest.fixture
def middle() -> str:
    return MIDDLE


@pytest.fixture
def open_service(tmp_path: Path) -> Iterator[Open]:
    """Opens a LiveService on a migrated database; ends it after the test."""
    opened: list[LiveService] = []

    def make(database_url: str, lease: float) -> LiveService:
        opened.append(LiveService(database_url, tmp_path, lease))
        return opened[-1]

    yield make
    for service in opened:
        service.close()


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """All numbers of the slow sweep when one worker trains it in peace."""
    folder = tmp_path_factory.mktemp("undisturbed")
    url = f"sqlite:///{folder / 'sweeps.db'}"
    upgrade(url)
    service = LiveService(url, folder)
    try:
        service.start_server()
        service.start_worker()
        sweep = service.post(SLOW_SWEEP)
        assert service.await_end(sweep)["state"] == "SUCCEEDED"
        return service.numbers(sweep)
    finally:
        service.close()
