"""A family of processes, with small programs in place of servers and workers."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from sweep_service.launch import family as family_module
from sweep_service.launch.family import Family, Member, own_command, pause_after

FOREVER = "import time; print('here I am', flush=True); time.sleep(600)"
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('no', flush=True); time.sleep(600)"
)
PARENT_OF_ONE = (
    "import subprocess, sys, time; p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    "print(p.pid, flush=True); time.sleep(600)"
)


class Watched:
    """A family, and what it said."""

    def __init__(self, logs: Path) -> None:
        self.said: list[str] = []
        self.logs = logs
        self.family = Family(logs, self.said.append)

    def add(self, name: str, code: str, **environ: str) -> None:
        self.family.add(Member(name, [sys.executable, "-c", code], environ))

    def log(self, name: str) -> str:
        path = self.logs / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def tend_until(self, condition: Callable[[], object]) -> None:
        end = time.monotonic() + 60
        while not condition():
            assert time.monotonic() < end, f"waited in vain; it said {self.said}"
            self.family.tend()
            time.sleep(0.01)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    made = Watched(tmp_path)
    yield made
    made.family.drain(0.0)


def test_a_member_runs_with_its_own_environment_and_its_own_log(watched: Watched) -> None:
    watched.add(
        "talker", "import os; print(os.environ['WORD'], flush=True); import time; time.sleep(600)", WORD="hello"
    )
    watched.tend_until(lambda: "hello" in watched.log("talker"))
    assert watched.family.alive("talker")
    assert watched.family.last_words("talker") == "hello"
    assert set(watched.family.pids()) == {"talker"}


def test_a_member_that_is_killed_is_started_again(watched: Watched) -> None:
    watched.add("worker", FOREVER)
    first = watched.family.pids()["worker"]
    os.kill(first, signal.SIGKILL)
    watched.tend_until(lambda: watched.family.pids().get("worker", first) != first)
    (line,) = watched.said
    assert line.startswith("worker was killed by SIGKILL; starting it again in 0.5 s")
    assert str(watched.logs / "worker.log") in line
    assert watched.family.deaths("worker") == 1


def test_a_member_that_dies_again_and_again_is_started_later_each_time_and_its_last_words_are_told(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(family_module, "FIRST_PAUSE", 0.01)
    watched.add("server", "import sys; print('I cannot go on', file=sys.stderr); sys.exit(3)")
    watched.tend_until(lambda: watched.family.deaths("server") >= 3)
    pauses = [line.split(" again in ")[1].split(" s")[0] for line in watched.said[:3]]
    assert pauses == ["0.01", "0.02", "0.04"]
    assert "ended with exit code 3" in watched.said[0]
    assert "Its last words: I cannot go on" in watched.said[1]


def test_the_pause_doubles_up_to_half_a_minute() -> None:
    assert [pause_after(n) for n in (1, 2, 3, 4, 7, 8, 1000)] == [0.5, 1.0, 2.0, 4.0, 30.0, 30.0, 30.0]


def test_a_member_that_lived_long_is_not_held_responsible_for_its_earlier_deaths(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(family_module, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(family_module, "HEALTHY_SECONDS", 0.0)
    watched.add("server", "pass")
    watched.tend_until(lambda: len(watched.said) >= 3)
    assert watched.family.deaths("server") == 1


def test_what_a_dead_member_had_started_dies_with_it(watched: Watched) -> None:
    watched.add("parent", PARENT_OF_ONE)
    watched.tend_until(lambda: watched.log("parent").strip())
    orphan = psutil.Process(int(watched.log("parent").split()[0]))
    os.kill(watched.family.pids()["parent"], signal.SIGKILL)
    watched.tend_until(lambda: watched.said)
    watched.tend_until(lambda: not orphan.is_running() or orphan.status() == psutil.STATUS_ZOMBIE)


def test_draining_asks_first(watched: Watched) -> None:
    watched.add(
        "polite",
        "import signal, sys, time\n"
        "def bye(*_):\n    print('bye', flush=True); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, bye)\nprint('up', flush=True)\ntime.sleep(600)",
    )
    watched.tend_until(lambda: "up" in watched.log("polite"))
    watched.family.drain(60)
    assert watched.log("polite").split() == ["up", "bye"]
    assert watched.family.pids() == {}
    assert watched.said == []  # who was asked to go is not mourned


def test_draining_kills_who_does_not_go_in_time(watched: Watched) -> None:
    watched.add("stubborn", STUBBORN)
    watched.tend_until(lambda: "no" in watched.log("stubborn"))
    process = psutil.Process(watched.family.pids()["stubborn"])
    watched.family.drain(0.1)
    assert not process.is_running()


def test_a_log_that_has_grown_large_is_put_aside_when_its_member_starts_again(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(family_module, "LOG_LIMIT", 10)
    (watched.logs / "worker.log").write_text("more than ten bytes\n")
    watched.add("worker", FOREVER)
    watched.tend_until(lambda: "here I am" in watched.log("worker"))
    assert (watched.logs / "worker.log.1").read_text() == "more than ten bytes\n"
    assert "more than" not in watched.log("worker")


def test_a_member_inherits_the_files_that_are_named_and_no_others(watched: Watched, tmp_path: Path) -> None:
    with (tmp_path / "given").open("w") as given, (tmp_path / "kept").open("w") as kept:
        os.set_inheritable(kept.fileno(), True)
        code = (
            "import os, time\n"
            f"os.write({given.fileno()}, b'written')\n"
            f"try:\n    os.fstat({kept.fileno()}); print('open', flush=True)\n"
            "except OSError:\n    print('closed', flush=True)\n"
            "time.sleep(600)"
        )
        watched.family.add(Member("heir", [sys.executable, "-c", code], {}, (given.fileno(),)))
        watched.tend_until(lambda: watched.log("heir"))
    assert (tmp_path / "given").read_text() == "written"
    assert watched.log("heir").strip() == "closed"


def test_the_own_command_line_runs_under_the_same_python() -> None:
    assert own_command("serve", "--port", "1") == [
        sys.executable,
        "-m",
        "sweep_service.cli.main",
        "serve",
        "--port",
        "1",
    ]
