"""Keeps a lease alive while the main thread works, and gives up the pack when there is no use in going on."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from sweep_service.core.errors import LeaseLostError, StoreError
from sweep_service.core.lease import Lease
from sweep_service.core.ports import TaskQueue

log = logging.getLogger(__name__)


class Heartbeat:
    """A context in which a thread renews the lease at least three times a lease period.

    `lost`: the lease is another worker's now. `cancelled`: the sweep is being cancelled.
    """

    def __init__(
        self, queue: TaskQueue, lease: Lease, lease_seconds: float, leaving: Callable[[], bool] = lambda: False
    ) -> None:
        """Args: `leaving` tells whether the worker itself is about to go (it drains)."""
        self._queue = queue
        self._lease = lease
        self._seconds = lease_seconds
        self._leaving = leaving
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._lock = threading.Lock()
        self._interrupt: Callable[[], None] | None = None
        self.lost = False
        self.cancelled = False

    @property
    def must_stop(self) -> bool:
        """What is being done for the lease will not be wanted."""
        return self.lost or self.cancelled or self._leaving()

    @contextmanager
    def guarding(self, interrupt: Callable[[], None]) -> Iterator[None]:
        """While the body runs, `interrupt` is called from the thread at each beat that finds `must_stop`.

        At each, not once: the first call may come before there is anything to interrupt. And never after the
        body: a task that has just ended looks like a lost lease, and must not cost the trainer its child.
        """
        with self._lock:
            self._interrupt = interrupt
        try:
            yield
        finally:
            with self._lock:
                self._interrupt = None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._done.set()
        self._thread.join()

    def _beat(self) -> None:
        # Cancelling shall be heard within a second or so, whatever the length of the lease.
        while not self._done.wait(min(1.0, self._seconds / 3)):
            if not self.lost:
                self._renew()
            with self._lock:
                if self._interrupt is not None and self.must_stop:
                    self._interrupt()

    def _renew(self) -> None:
        try:
            if self._queue.renew(self._lease, self._seconds) == "CANCEL":
                self.cancelled = True
        except LeaseLostError:
            self.lost = True
        except StoreError as error:
            # The database may come back before the lease ends; the fence decides, not this thread.
            log.warning("the lease could not be renewed: %s", error)
