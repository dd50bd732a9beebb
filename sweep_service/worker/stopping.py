"""A flag that ends a loop, and that a signal handler may set."""

from __future__ import annotations

import contextlib
from queue import Empty, SimpleQueue


class StopFlag:
    """Set once, by a signal handler or any thread; one thread waits for it.

    It is no `threading.Event`, whose lock cannot be taken twice by one thread: a handler that ran in the middle of
    the main thread's own `wait` would wait for that lock for ever. A SimpleQueue may be written from a handler.
    """

    def __init__(self) -> None:
        self._raised = False
        self._wake: SimpleQueue[None] = SimpleQueue()

    def set(self) -> None:
        """Raise the flag; once more changes nothing."""
        self._raised = True
        self._wake.put(None)

    def is_set(self) -> bool:
        """Whether it is up."""
        return self._raised

    def wait(self, seconds: float) -> bool:
        """Sleep so long, or until the flag goes up; tells whether it is up."""
        if not self._raised:
            with contextlib.suppress(Empty):
                self._wake.get(timeout=seconds)
        return self._raised
