"""`sweep-service up` as a real process."""

from __future__ import annotations

import re
import signal
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from live_service import Process, until

from sweep_service.launch.family import own_command


class Up:
    """A running `up`, and the processes that belong to it."""

    def __init__(self, log: Path, arguments: list[str], environ: Mapping[str, str]) -> None:
        self.process = Process(log, own_command("up", *arguments), environ)
        self.seen: dict[int, psutil.Process] = {}

    def await_ready(self) -> str:
        """The address that it prints once it serves."""
        self.process.await_text("Ready in")
        found = re.search(r"dashboard +(http://\S+)/dashboard", until(self.process.text, "it has spoken"))
        assert found is not None, self.process.text()
        return found[1]

    def family(self) -> dict[str, psutil.Process]:
        """Server and workers by the command that they run."""
        found = {}
        for child in self.process.children():
            self.seen[child.pid] = child
            words = child.cmdline()
            for role in ("serve", "worker", "sweep_service.worker.child"):
                if role in words:
                    found[role] = child
        return found

    def await_member(self, role: str, other_than: int = 0) -> psutil.Process:
        """A member of the family, not that with the process id given."""

        def there() -> psutil.Process | None:
            try:
                found = self.family().get(role)
            except psutil.NoSuchProcess:  # it went while it was being looked at
                return None
            return found if found is not None and found.pid != other_than else None

        return until(there, f"there is a {role}")

    def interrupt(self) -> int:
        """Ctrl-C, as a terminal sends it; returns the exit code."""
        self.family()
        self.process.send(signal.SIGINT)
        return self.process.wait()

    def left(self) -> list[psutil.Process]:
        """Processes of the family that still run."""
        return [p for p in self.seen.values() if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]


StartUp = Callable[..., Up]


@pytest.fixture
def start_up(tmp_path: Path) -> Iterator[StartUp]:
    """Starts `up` on any free port in a folder of the test; ends it after the test."""
    started: list[Up] = []

    def start(*arguments: str, defaults: bool = True, **environ: str) -> Up:
        given = ["--port", "0", "--workers", "1", "--data-dir", str(tmp_path / "data")] if defaults else []
        started.append(Up(tmp_path / f"up-{len(started)}.log", [*given, *arguments], environ))
        return started[-1]

    yield start
    for one in started:
        one.process.end()
        for process in one.left():
            process.kill()


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=30, trust_env=False) as client:
        yield client
