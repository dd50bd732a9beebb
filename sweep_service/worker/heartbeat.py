"""Keeps a lease alive while the main thread works, and says when it must stop."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from sweep_service.core.errors import LeaseLostError, StoreError
from sweep_service.core.lease import Lease
from sweep_service.core.ports import TaskQueue

log = logging.getLogger(__name__)


class Heartbeat:
    """A context in which a thread renews the lease three times a lease period.

    `lost`: the lease is another worker's now. `cancelled`: the sweep is being cancelled. In both cases
    `on_end` is called once, from the thread.
    """

    def __init__(self, queue: TaskQueue, lease: Lease, lease_seconds: float, on_end: Callable[[], None]) -> None:
        self._queue = queue
        self._lease = lease
        self._seconds = lease_seconds
        self._on_end = on_end
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self.lost = False
        self.cancelled = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    def _beat(self) -> None:
        # Cancelling shall be heard within a second or so, whatever the length of the lease.
        while not self._stop.wait(min(1.0, self._seconds / 3)):
            try:
                if self._queue.renew(self._lease, self._seconds) == "CANCEL":
                    self.cancelled = True
            except LeaseLostError:
                self.lost = True
            except StoreError as error:
                # The database may come back before the lease ends; the fence decides, not this thread.
                log.warning("the lease could not be renewed: %s", error)
            if self.lost or self.cancelled:
                self._on_end()
                return
