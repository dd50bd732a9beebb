"""Who may speak to the service: pages of other hosts may not, nor a foreign name that leads to this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from served_app import ServedApp, small

from sweep_service.storage.migrate import upgrade

METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]
PATHS = ["/", "/v1/sweeps", "/healthz", "/dashboard", "/dashboard/static/api.js", "/docs", "/openapi.json", "/nope"]


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedApp]:
    """One service for all: it refuses, and nothing is stored."""
    folder: Path = tmp_path_factory.mktemp("guarded")
    url = f"sqlite:///{folder / 'sweeps.db'}"
    upgrade(url)
    with ServedApp(url, folder, SWEEP_ALLOWED_HOSTS="sweeps.example.org, Lab:8443") as running:
        yield running


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", PATHS)
def test_a_foreign_host_is_refused_with_every_method_on_every_path(guarded: ServedApp, method: str, path: str) -> None:
    answer = guarded.http.request(method, path, headers={"Host": "rebound.example.com"})
    assert answer.status_code == 403
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("path", PATHS)
def test_a_foreign_page_is_refused_with_every_method_on_every_path(guarded: ServedApp, method: str, path: str) -> None:
    answer = guarded.http.request(method, path, headers={"Origin": "https://evil.example.com"})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    "host", ["", "evil", "127.0.0.1.evil.com", "localhost.evil.com", "127.0.0.2", "0.0.0.0", "[::2]", "a@localhost"]
)
def test_hosts_that_only_look_alike_are_refused(guarded: ServedApp, host: str) -> None:
    assert guarded.http.get("/healthz", headers={"Host": host}).status_code == 403


@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1:9999", "LOCALHOST:80", "[::1]:8000", "sweeps.example.org:443", "lab"]
)
def test_this_machines_names_and_the_allowed_hosts_are_served(guarded: ServedApp, host: str) -> None:
    assert guarded.http.get("/healthz", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["null", "", "http://[", "file://", "https://localhost.evil.com", "http://a@lab"])
def test_origins_that_are_no_page_of_ours_are_refused(guarded: ServedApp, origin: str) -> None:
    answer = guarded.http.post("/v1/sweeps", json=small(), headers={"Origin": origin})
    assert answer.status_code == 403
    assert guarded.get("/sweeps")["sweeps"] == []


@pytest.mark.parametrize("origin", ["http://localhost:8000", "https://sweeps.example.org", "http://[::1]:8000"])
def test_our_own_pages_may_call(guarded: ServedApp, origin: str) -> None:
    answer = guarded.http.post("/v1/sweeps?validate_only=true", json=small(), headers={"Origin": origin})
    assert answer.status_code == 200
    assert "access-control-allow-origin" not in answer.headers


def test_the_refusal_says_what_would_help(guarded: ServedApp) -> None:
    answer = guarded.http.get("/healthz", headers={"Host": "lab.example.net"})
    assert "SWEEP_ALLOWED_HOSTS" in answer.json()["detail"]
