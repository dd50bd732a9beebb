"""The app of these tests: served for real, over SQLite unless a test asks for both databases."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from served_app import ServedApp

from sweep_service.storage.migrate import upgrade


@pytest.fixture
def service(tmp_path: Path) -> Iterator[ServedApp]:
    """On SQLite."""
    url = f"sqlite:///{tmp_path / 'sweeps.db'}"
    upgrade(url)
    with ServedApp(url, tmp_path / "data") as running:
        yield running


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedApp]:
    """On SQLite, one for all tests of a file that only read or are refused: none may leave anything behind."""
    folder = tmp_path_factory.mktemp("shared")
    url = f"sqlite:///{folder / 'sweeps.db'}"
    upgrade(url)
    with ServedApp(url, folder / "data") as running:
        yield running
        assert running.get("/sweeps")["sweeps"] == []
        assert len(running.get("/datasets")["datasets"]) == 4


@pytest.fixture
def either_service(database: str, tmp_path: Path) -> Iterator[ServedApp]:
    """On SQLite and on PostgreSQL."""
    with ServedApp(database, tmp_path / "data") as running:
        yield running
