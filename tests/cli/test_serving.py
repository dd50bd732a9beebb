"""serve, up and worker: what they refuse, and a server that is started by hand."""

from __future__ import annotations

import re
import signal
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from served_app import ServedApp

from sweep_service.launch.family import own_command

Cli = Any


def test_a_server_started_by_hand_prints_its_address_and_ends_with_a_signal(cli: Cli, tmp_path: Path) -> None:
    cli("db", "upgrade", "--data-dir", "here")
    command = own_command("serve", "--port", "0", "--data-dir", "here")
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        said = server.stdout.readline()
        url = re.search(r"http://127\.0\.0\.1:\d+", said)
        assert url, said
        ended = cli("submit", "-d", "diabetes", "--url", url[0], "--json")
        assert ended.json()["state"] == "QUEUED"
        answer = httpx.get(f"{url[0]}/healthz", trust_env=False)
        assert "server" not in answer.headers
        server.send_signal(signal.SIGTERM)
        server.wait(60)
    assert cli("list", "--url", url[0]).code == 1


def test_a_port_in_use_is_one_sentence(service: ServedApp, cli: Cli) -> None:
    port = service.url.rsplit(":", 1)[1]
    cli("db", "upgrade", "--data-dir", "here")
    for command in ("serve", "up"):
        ended = cli(command, "--port", port, "--data-dir", "here")
        assert ended.code == 1
        assert f"Port {port} of 127.0.0.1 is in use" in ended.err
        assert f"--port {int(port) + 1}" in ended.err
        assert "Serving at" not in ended.out


@pytest.mark.parametrize("command", ["serve", "up", "worker"])
def test_a_data_folder_that_cannot_be_used_is_one_sentence(cli: Cli, tmp_path: Path, command: str) -> None:
    (tmp_path / "file").write_text("")
    ended = cli(command, "--data-dir", "file")
    assert ended.code == 1
    assert "a file stands in its way" in ended.err
    ended = cli(command, "--data-dir", "/proc/sweeps")
    assert ended.code == 1
    assert "--data-dir" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("command", ["serve", "up"])
@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
def test_a_host_that_other_machines_reach_is_refused(cli: Cli, command: str, host: str) -> None:
    ended = cli(command, "--host", host)
    assert ended.code == 1
    assert "no keys yet" in ended.err


@pytest.mark.parametrize(
    ("variable", "value", "code", "words"),
    [
        ("SWEEP_LOG_LEVEL", "LOUD", 1, "SWEEP_LOG_LEVEL='LOUD' cannot be used: it must be one of DEBUG"),
        ("SWEEP_MAX_UPLOAD_BYTES", "much", 1, "it must be a whole number"),
        ("SWEEP_LEASE_SECONDS", "0", 1, "from 0.5 to 3600"),
        ("SWEEP_ARTIFACTS", "cloud", 1, "folder, database"),
        ("SWEEP_PORT", "x", 2, "SWEEP_PORT"),
        ("SWEEP_PORT", "70000", 2, "SWEEP_PORT"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, code: int, words: str
) -> None:
    monkeypatch.setenv(variable, value)
    ended = cli("serve")
    assert ended.code == code
    assert words in ended.err
    assert "Traceback" not in ended.err
