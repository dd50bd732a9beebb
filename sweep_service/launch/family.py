"""A family of child processes: started, watched, restarted when one dies, and drained at the end.

Nothing runs in the background: the owner calls `tend` several times a second from the main thread. That is on
purpose: Linux ties a child's death signal to the thread that started it, so all are started from the main one.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from sweep_service.launch.lifeline import PARENT_VARIABLE

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 30.0
HEALTHY_SECONDS = 60.0
"""A child that lived that long is no longer held responsible for its earlier deaths."""
LOG_LIMIT = 16 * 2**20

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Member:
    """One process of the family: what to run, what its environment adds, which open files it inherits."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    inherits: tuple[int, ...] = ()


@dataclass(slots=True)
class _Child:
    member: Member
    log: Path
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    next_start: float = 0.0


def pause_after(deaths: int) -> float:
    """Seconds until a child that died so many times in a row is started again: doubling, up to half a minute."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** max(0, deaths - 1))


class Family:
    """The processes that belong to one `up`."""

    def __init__(self, logs: Path, say: Say) -> None:
        """Args: `logs` is the folder of one log file a member; `say` tells a person what happens."""
        self._logs = logs
        self._say = say
        self._children: dict[str, _Child] = {}

    def add(self, member: Member) -> None:
        """Start a member now, and from now on again whenever it dies."""
        child = _Child(member, self._logs / f"{member.name}.log")
        self._children[member.name] = child
        self._start(child)

    def tend(self) -> None:
        """Notice who has died and start again whoever has waited long enough. Call it often; it never blocks."""
        now = time.monotonic()
        for child in self._children.values():
            if child.process is None:
                if now >= child.next_start:
                    self._start(child)
            elif child.process.poll() is not None:
                self._mourn(child, now)

    def deaths(self, name: str) -> int:
        """How often a member has died in a row."""
        return self._children[name].deaths

    def alive(self, name: str) -> bool:
        """Whether it runs at this moment."""
        process = self._children[name].process
        return process is not None and process.poll() is None

    def pids(self) -> dict[str, int]:
        """Process ids by name, of those that run."""
        return {n: c.process.pid for n, c in self._children.items() if c.process is not None and self.alive(n)}

    def last_words(self, name: str) -> str:
        """The last line that a member wrote, or an empty text."""
        return _last_line(self._children[name].log)

    def drain(self, grace: float) -> None:
        """SIGTERM to all, wait up to `grace` seconds, then SIGKILL to the process groups of those that are left."""
        running = [c.process for c in self._children.values() if c.process is not None]
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        deadline = time.monotonic() + grace
        try:
            for process in running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(max(0.0, deadline - time.monotonic()))
        finally:  # also when an impatient second Ctrl-C ends the waiting
            for process in running:
                _kill_group(process)
            for child in self._children.values():
                child.process = None

    def _start(self, child: _Child) -> None:
        environment = {**os.environ, **child.member.environment, PARENT_VARIABLE: str(os.getpid())}
        with _open_log(child.log) as log:
            # A session of its own: Ctrl-C in the terminal reaches `up` alone, which then drains in order; and
            # whatever the child starts can be killed with it, as a group.
            child.process = subprocess.Popen(  # noqa: S603 - our own command line
                list(child.member.command),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                pass_fds=child.member.inherits,
                start_new_session=True,
            )
        child.started = time.monotonic()

    def _mourn(self, child: _Child, now: float) -> None:
        if child.process is None:
            return
        ended = _ending(child.process.returncode)
        _kill_group(child.process)  # what it had started must not outlive it and hold a GPU or a file
        child.process = None
        child.deaths = 1 if now - child.started >= HEALTHY_SECONDS else child.deaths + 1
        pause = pause_after(child.deaths)
        child.next_start = now + pause
        words = _last_line(child.log)
        because = f" Its last words: {words}" if words and child.deaths > 1 else ""
        self._say(f"{child.member.name} {ended}; starting it again in {pause:g} s.{because} (log: {child.log})")


def own_command(*arguments: str) -> list[str]:
    """This package's command line under the same Python, whatever PATH says."""
    return [sys.executable, "-m", "sweep_service.cli.main", *arguments]


def _ending(code: int) -> str:
    if code >= 0:
        return f"ended with exit code {code}"
    with contextlib.suppress(ValueError):
        return f"was killed by {signal.Signals(-code).name}"
    return f"was killed by signal {-code}"


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    # A group outlives its leader as long as any of its processes lives; the id cannot be taken meanwhile.
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5)


def _open_log(path: Path) -> BinaryIO:
    if path.exists() and path.stat().st_size > LOG_LIMIT:
        path.replace(path.with_suffix(".log.1"))
    return path.open("ab")


def _last_line(path: Path) -> str:
    try:
        with path.open("rb") as log:
            log.seek(max(0, path.stat().st_size - 4096))
            lines = log.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")
