"""A user's own file, end to end, and files that cannot be used."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from live_service import LiveService, assert_books_balance, assert_no_trial_failed

pytestmark = [pytest.mark.engine, pytest.mark.faults]
Open = Callable[..., LiveService]

SMALL: dict[str, Any] = {
    "parameters": {"layers": 1, "units": 8},
    "anchors": ["MSE"],
    "sampler": {"name": "RANDOM", "generation_size": 4, "trials_per_architecture": 4},
    "confirm": {"finalists": 1, "repeats": 2},
    "training": {"max_epochs": 15},
    "budget": {"max_trials": 4},
}


def flats(rows: int = 120, *, all_but_one_equal: bool = False) -> str:
    """A table with a text column, missing numbers and missing texts."""
    draw = random.Random(5)
    lines = ["area,rooms,quarter,price"]
    for n in range(rows):
        area, rooms = round(draw.uniform(20, 150), 1), draw.randint(1, 6)
        quarter = draw.choice(["north", "south", "old town", ""])
        price = round(3 * area + 20 * rooms + (80 if quarter == "old town" else 0), 2)
        if all_but_one_equal:
            price = float(n == 0)
        lines.append(f"{'' if n % 10 == 3 else area},{rooms},{quarter},{price}")
    return "\n".join(lines) + "\n"


def upload(service: LiveService, name: str, table: str) -> None:
    answer = service.http.post(f"/v1/datasets?name={name}", content=table, headers={"Content-Type": "text/csv"})
    assert answer.status_code == 201, answer.text


def test_a_file_with_text_and_missing_values_is_learned_from(database: str, open_service: Open, tmp_path: Path) -> None:
    """On PostgreSQL server and worker share nothing but the database's address."""
    shared = database.startswith("sqlite")
    service = open_service(database)
    service.start_server(tmp_path / "here")
    service.start_worker(tmp_path / ("here" if shared else "far-away"))
    upload(service, "flats", flats())
    assert (tmp_path / "here" / "artifacts").exists() == shared

    sweep = service.post({**SMALL, "dataset": {"name": "flats", "target": "price"}})
    ended = service.await_end(sweep)
    assert ended["state"] == "SUCCEEDED", ended["error"]
    assert_books_balance(service.store, sweep)
    assert_no_trial_failed(service.store, sweep)
    assert service.get(f"/sweeps/{sweep}/best-delta")["status"] == "CONFIRMED"

    data = service.store.report(sweep, "data")
    assert data is not None
    assert data["target_name"] == "price"
    assert data["feature_names"] == ["area", "rooms", "quarter"]
    assert data["inputs"] > 3 + 1, "the text became columns, and a flag says where the area was missing"
    assert service.get(f"/sweeps/{sweep}")["spec"]["dataset"]["version"] == 1


def test_data_that_nothing_can_be_learned_from_ends_the_sweep_with_a_sentence(
    database: str, open_service: Open
) -> None:
    """The table is sound and its target not constant, so the POST is accepted; in some fold it is constant."""
    service = open_service(database)
    service.start_server()
    worker = service.start_worker()
    upload(service, "flat-prices", flats(all_but_one_equal=True))
    sweep = service.post({**SMALL, "dataset": {"name": "flat-prices", "target": "price"}})
    ended = service.await_end(sweep)
    assert (ended["state"], ended["end_reason"]) == ("FAILED", "ERROR")
    assert ended["error"].startswith("The target is constant")
    assert ended["error"].endswith(".")
    assert service.get(f"/sweeps/{sweep}/best-delta")["status"] == "NONE"
    assert worker.popen.poll() is None


@pytest.mark.postgres
def test_a_dataset_whose_bytes_are_gone_ends_the_sweep_with_a_sentence(
    new_postgres_database: Callable[[], str], open_service: Open, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Server and worker with folders of their own, told to keep artifacts in folders: the worker has no such file."""
    from sweep_service.storage.migrate import upgrade

    database = new_postgres_database()
    upgrade(database)
    monkeypatch.setenv("SWEEP_ARTIFACTS", "folder")
    service = open_service(database)
    service.start_server(tmp_path / "here")
    service.start_worker(tmp_path / "far-away")
    upload(service, "flats", flats())
    sweep = service.post({**SMALL, "dataset": {"name": "flats", "target": "price"}})
    ended = service.await_end(sweep)
    assert ended["state"] == "FAILED"
    assert "There is no artifact" in ended["error"]
