"""The entry point: help with examples, exit codes, and an import that loads next to nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.main import get_command

from sweep_service import __version__
from sweep_service.cli.main import app
from sweep_service.launch.family import own_command

Cli = Any


def commands(command: Any, *path: str) -> Iterator[tuple[str, ...]]:
    for name, inner in command.commands.items():
        if hasattr(inner, "commands"):
            yield from commands(inner, *path, name)
        else:
            yield (*path, name)


ALL = sorted(commands(get_command(app)))


def test_the_commands_are_those_that_are_promised() -> None:
    reading = {"list", "show", "best", "trials", "watch"}
    steering = {"submit", "pause", "resume", "stop", "cancel"}
    serving = {"up", "serve", "worker", "demo"}
    grouped = {("dataset", "add"), ("dataset", "list"), ("db", "upgrade"), ("db", "check")}
    assert set(ALL) == {(name,) for name in reading | steering | serving} | grouped


@pytest.mark.parametrize("command", ALL, ids=" ".join)
def test_every_help_has_an_example(cli: Cli, command: tuple[str, ...]) -> None:
    ended = cli(*command, "--help")
    assert ended.code == 0
    assert f"sweep-service {' '.join(command)}" in ended.out.split("Usage:")[1].split("\n", 1)[1]


def test_the_first_help_says_how_to_start_and_what_the_exit_codes_mean(cli: Cli) -> None:
    out = cli("--help").out
    assert "sweep-service demo" in out
    assert "0 ok, 1 error, 2 wrong usage, 3 the sweep failed or was cancelled" in out


def test_the_version_is_printed(cli: Cli) -> None:
    assert cli("--version").out.strip() == __version__


def test_an_unknown_command_is_wrong_usage(cli: Cli) -> None:
    ended = cli("frobnicate")
    assert ended.code == 2
    assert "frobnicate" in ended.err


def test_importing_the_command_line_loads_neither_a_server_nor_numpy() -> None:
    code = "import sys, json, sweep_service.cli.main; print(json.dumps(sorted({m.split('.')[0] for m in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert "httpx" in loaded
    heavy = {
        "numpy",
        "scipy",
        "tensorflow",
        "keras",
        "sqlalchemy",
        "alembic",
        "fastapi",
        "uvicorn",
        "optuna",
        "pyarrow",
    }
    assert not loaded & heavy


def test_a_reader_that_has_seen_enough_causes_no_trace() -> None:
    command = f"{' '.join(own_command('--help'))} | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert len(done.stdout) == 1
    assert done.stderr == ""


def test_the_app_is_made_once() -> None:
    assert isinstance(app, typer.Typer)
