"""What both halves of the store in memory look at."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from sweep_service.core.errors import NotFoundError
from sweep_service.core.hypermodel import StoredHyperModel
from sweep_service.core.ports import StoredDataset, WorkerInfo
from sweep_service.testing.memory_record import Record, counter


class Memory:
    """Records under one lock: a writer changes a copy, which takes the record's place once it is whole."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self.now = now
        self.lock = threading.RLock()
        self.records: dict[str, Record] = {}
        self.keys: dict[str, tuple[str, str]] = {}
        self.workers: dict[str, WorkerInfo] = {}
        self.datasets: dict[tuple[str, int], StoredDataset] = {}
        self.hypermodels: dict[tuple[str, str], StoredHyperModel] = {}
        self.next_task = counter()
        self.next_place = counter()

    def record(self, sweep_id: str) -> Record:
        """As it stands; not to be changed. Raises: NotFoundError."""
        with self.lock:
            found = self.records.get(sweep_id)
        if found is None:
            raise NotFoundError(f"There is no sweep {sweep_id!r}.")
        return found

    @contextmanager
    def write(self, sweep_id: str) -> Iterator[Record]:
        """A copy to be changed; it stands if the block ends without an error. Raises: NotFoundError."""
        with self.lock:
            changed = self.record(sweep_id).copy(self.now())
            yield changed
            changed.sweep = replace(changed.sweep, revision=changed.sweep.revision + 1)
            self.records[sweep_id] = changed
