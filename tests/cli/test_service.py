"""The service as the commands see it: lost answers, busy moments and refusals, over a real connection."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

import httpx
import pytest
from served_app import ServedApp, small

from sweep_service.cli.failures import UsageError
from sweep_service.cli.service import PAUSES, BusyError, Service, connect
from sweep_service.core.errors import ConflictError, NotFoundError, SpecError

Cli = Any


class Between:
    """A proxy before the app that does to each request, in order, what its script says, and then only forwards.

    `lose`: forwards and hangs up without an answer. `drop`: hangs up at once. A number: answers with that status.
    """

    def __init__(self, target: str, script: list[str | int]) -> None:
        self.script, self.keys = script, list[str | None]()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def handle_one_request(self) -> None:
                self.raw_requestline = self.rfile.readline(65_537)
                if not self.raw_requestline or not self.parse_request():
                    return
                self.close_connection = True
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                outer.keys.append(self.headers.get("idempotency-key"))
                step = outer.script.pop(0) if outer.script else "forward"
                if isinstance(step, int):
                    self.send_response(step)
                    self.send_header("Retry-After", "3")
                    self.end_headers()
                elif step != "drop":
                    headers = {k: v for k, v in self.headers.items() if k.lower() != "host"}
                    answer = httpx.request(
                        self.command, target + self.path, content=body, headers=headers, trust_env=False
                    )
                    if step == "forward":
                        self.send_response(answer.status_code)
                        self.send_header("Content-Type", answer.headers["content-type"])
                        self.end_headers()
                        self.wfile.write(answer.content)

            def log_message(self, *_: object) -> None: ...

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def slept() -> list[float]:
    """The pauses that were made."""
    return []


def speak(url: str, slept: list[float]) -> Iterator[Service]:
    with httpx.Client(base_url=url, trust_env=False, timeout=30) as http:
        yield Service(http, slept.append)


@pytest.mark.parametrize("script", [["lose"], ["drop"], ["drop", "lose", "lose"], ["lose", 503, "lose"]])
def test_a_lost_answer_does_not_submit_twice(service: ServedApp, slept: list[float], script: list[Any]) -> None:
    tries = len(script) + 1
    with Between(service.url, script) as between:
        for rest in speak(between.url, slept):
            sweep = rest.post("/sweeps", small())
    assert [s["id"] for s in service.get("/sweeps")["sweeps"]] == [sweep["id"]]
    assert len(between.keys) == tries
    assert len(set(between.keys)) == 1, "every attempt has the same key"
    assert between.keys[0]


def test_two_posts_have_two_keys(service: ServedApp, slept: list[float]) -> None:
    for rest in speak(service.url, slept):
        assert rest.post("/sweeps", small())["id"] != rest.post("/sweeps", small())["id"]


@pytest.mark.parametrize("status", [503, 429, 409])
def test_a_busy_service_is_asked_again_when_it_says(service: ServedApp, slept: list[float], status: int) -> None:
    with Between(service.url, [status, status]) as between:
        for rest in speak(between.url, slept):
            assert rest.get("/sweeps")["sweeps"] == []
    assert slept == [3.0, 3.0]


def test_a_service_that_stays_busy_is_left_alone_in_the_end(service: ServedApp, slept: list[float]) -> None:
    with Between(service.url, [503] * 20) as between:
        for rest in speak(between.url, slept):
            with pytest.raises(BusyError):
                rest.post("/sweeps", small())
    assert len(between.keys) == len(PAUSES) + 1
    assert len(slept) == len(PAUSES)


def test_a_connection_that_always_breaks_is_an_error_in_the_end(service: ServedApp, slept: list[float]) -> None:
    with Between(service.url, ["drop"] * 20) as between:
        for rest in speak(between.url, slept):
            with pytest.raises(httpx.TransportError):
                rest.get("/sweeps")
    assert slept == list(PAUSES)


def test_where_nobody_listens_nothing_is_tried_again(slept: list[float]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody else can take it
        for rest in speak(f"http://127.0.0.1:{taken.getsockname()[1]}", slept):
            with pytest.raises(httpx.ConnectError):
                rest.get("/sweeps")
    assert slept == []


def test_a_refusal_is_not_tried_again(service: ServedApp, slept: list[float]) -> None:
    for rest in speak(service.url, slept):
        with pytest.raises(SpecError, match="training loss"):
            rest.post("/sweeps", small(objective="val_loss"))
        with pytest.raises(NotFoundError, match="sweep-service list"):
            rest.get("/sweeps/none")
        sweep = rest.post("/sweeps", small())["id"]
        with pytest.raises(ConflictError, match="QUEUED"):
            rest.post(f"/sweeps/{sweep}:resume")
    assert slept == []


def test_a_service_that_is_none_is_one_sentence(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        ended = cli("list", "--url", url)
        assert ended.code == 1
        assert ended.err.startswith(f"Error: Nothing answers at {url}")
        assert "`sweep-service up`" in ended.err
        monkeypatch.setenv("SWEEP_URL", url)
        assert cli("submit", "-d", "diabetes").code == 1


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "http://", "http://127.0.0.1:99999", "http://a:b:c", ""])
def test_an_address_that_is_none_is_wrong_usage(cli: Cli, url: str) -> None:
    with pytest.raises(UsageError, match="--url http"), connect(url):
        pass
    ended = cli("list", "--url", url)
    assert ended.code == 2
    assert "--url http://127.0.0.1:8000" in ended.err


def test_a_proxy_of_the_environment_is_not_asked_for_this_machine(
    service: ServedApp, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    assert cli("list").code == 0


def test_an_answer_that_is_not_the_services_is_one_sentence(service: ServedApp, cli: Cli) -> None:
    ended = cli("list", "--url", f"{service.url}/dashboard")
    assert ended.code == 1
    assert "Traceback" not in ended.err
