"""The commands in this process, against the real app; a few tests start a process of their own."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
from served_app import ServedApp

from sweep_service.cli import main
from sweep_service.storage.migrate import upgrade


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """Standard output as JSON, from a command that ended well."""
        assert self.code == 0, self.err
        return json.loads(self.out)


Cli = Callable[..., Ended]


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Cli:
    """Runs the command line as a terminal would, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, stdin: str = "") -> Ended:
        monkeypatch.setattr(sys, "argv", ["sweep-service", *arguments])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main.run()
        said = capsys.readouterr()
        return Ended(int(exit_.value.code or 0), said.out, said.err)

    return run


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedApp]:
    """A running service that the commands find through SWEEP_URL."""
    url = f"sqlite:///{tmp_path / 'served.db'}"
    upgrade(url)
    with ServedApp(url, tmp_path / "served") as running:
        monkeypatch.setenv("SWEEP_URL", running.url)
        yield running
