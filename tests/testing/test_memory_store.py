"""The store in memory under the contract of all stores."""

from __future__ import annotations

import pytest

from sweep_service.testing.memory_store import MemoryStore
from sweep_service.testing.store_contract import StoreContract


class TestMemoryStore(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore()

    def pass_time(self, store: MemoryStore, seconds: float) -> None:
        store.clock.advance(seconds)
