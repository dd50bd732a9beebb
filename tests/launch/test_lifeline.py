"""A process that dies with its parent, even where the parent can say nothing any more."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from live_service import alive, until

from sweep_service.launch.lifeline import PARENT_VARIABLE

CHILD = """
import os, pathlib, sys, time
from sweep_service.launch.lifeline import PARENT_VARIABLE, hold_lifeline
hold_lifeline()
assert PARENT_VARIABLE not in os.environ
pathlib.Path(sys.argv[1]).write_text(str(os.getpid()))
time.sleep(600)
"""
# The parent starts the child with its own id in the variable, as `up` does, and sleeps.
PARENT = f"""
import os, subprocess, sys, time
environ = {{**os.environ, "{PARENT_VARIABLE}": str(os.getpid())}}
subprocess.Popen([sys.executable, "-c", {CHILD!r}, sys.argv[1]], env=environ)
time.sleep(600)
"""


@pytest.mark.faults
def test_it_is_killed_when_its_parent_is_killed(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(note)])
    child = int(until(lambda: note.exists() and note.read_text(), "the child holds its lifeline"))
    assert alive(child)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    until(lambda: not alive(child), "the child has followed")


def test_it_leaves_at_once_where_the_parent_has_died_before_it_could_ask(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    environ = {**os.environ, PARENT_VARIABLE: "1"}  # not the process that starts it here
    ended = subprocess.run([sys.executable, "-c", CHILD, str(note)], env=environ, check=False, timeout=60)
    assert ended.returncode == 1
    assert not note.exists()


def test_a_process_that_was_started_by_hand_lives_on_its_own(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    environ = {name: value for name, value in os.environ.items() if name != PARENT_VARIABLE}
    process = subprocess.Popen([sys.executable, "-c", CHILD, str(note)], env=environ)
    try:
        until(lambda: note.exists() and note.read_text(), "the process runs")
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
