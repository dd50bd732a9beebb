"""A child that dies with its parent, even where the parent is killed and can say nothing any more."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import time

PARENT_VARIABLE = "SWEEP_PARENT_PID"
_PR_SET_PDEATHSIG = 1


def hold_lifeline() -> None:
    """Called first thing by a process that `up` has started: from now on it is killed when `up` is gone.

    The parent's id comes through the environment and is taken out of it, so that grandchildren do not look
    for a parent that is not theirs. A process started by hand has none and lives on its own.
    """
    expected = os.environ.pop(PARENT_VARIABLE, None)
    if expected is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    else:
        threading.Thread(target=_watch, args=(int(expected),), name="lifeline", daemon=True).start()
    # The parent may have died before the request was made: then nobody will ever send the signal.
    if os.getppid() != int(expected):
        os._exit(1)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)
