"""The whole service as a user runs it: a real server, real workers with their TensorFlow children, HTTP."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from live_service import LiveService

Open = Callable[..., LiveService]


@pytest.fixture
def open_service(tmp_path: Path) -> Iterator[Open]:
    """Opens a LiveService on a migrated database, with a server; ends it after the test."""
    opened: list[LiveService] = []

    def make(database_url: str) -> LiveService:
        opened.append(LiveService(database_url, tmp_path))
        return opened[-1]

    yield make
    for service in opened:
        service.close()
