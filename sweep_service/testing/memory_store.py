"""SweepStore and TaskQueue in memory: the same rules as the databases', a clock that one can set, no waiting."""

from __future__ import annotations

from sweep_service.testing.clock import ManualClock
from sweep_service.testing.memory import Memory
from sweep_service.testing.memory_queue import MemoryTaskQueue
from sweep_service.testing.memory_sweeps import MemorySweepStore


class MemoryStore(MemorySweepStore, MemoryTaskQueue):
    """Both ports on one `Memory`; `clock` is the store's own clock."""

    def __init__(self, clock: ManualClock | None = None) -> None:
        self.clock = clock or ManualClock()
        memory = Memory(self.clock.now)
        MemorySweepStore.__init__(self, memory)
        MemoryTaskQueue.__init__(self, memory)

    def close(self) -> None:
        """Nothing to close."""
