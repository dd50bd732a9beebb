"""The flag that a signal handler may set at any moment."""

from __future__ import annotations

import subprocess
import sys
import threading

from sweep_service.worker.stopping import StopFlag

# The main thread waits and waits while a timer's handler sets the same flag, thousands of times in the middle of
# `wait` itself. A flag whose lock the handler would need hangs here at once: try threading.Event.
STORM = """
import signal
from sweep_service.worker.stopping import StopFlag

flag, signals = StopFlag(), 0

def handler(number, frame):
    global signals
    signals += 1
    flag.set()

signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0001, 0.0001)
while signals < 5000:
    flag.wait(0.0002)
    flag._raised = False
signal.setitimer(signal.ITIMER_REAL, 0)
"""


def test_it_is_down_until_it_is_set_and_then_up_for_good() -> None:
    flag = StopFlag()
    assert not flag.is_set()
    assert not flag.wait(0.001)
    flag.set()
    flag.set()
    assert flag.is_set()
    assert flag.wait(60)
    assert flag.wait(60)


def test_a_thread_that_waits_wakes_up_when_it_is_set() -> None:
    flag = StopFlag()
    waiter = threading.Thread(target=flag.wait, args=(3600,))
    waiter.start()
    flag.set()
    waiter.join(60)
    assert not waiter.is_alive()


def test_a_signal_handler_may_set_it_in_the_middle_of_the_main_threads_wait() -> None:
    subprocess.run([sys.executable, "-c", STORM], check=True, timeout=60)
