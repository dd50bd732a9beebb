"""Every 4xx and 5xx is an RFC 9457 problem with a sentence, and no trace ever leaves the server."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import httpx
import pytest
from served_app import ServedApp

from sweep_service.storage.migrate import upgrade
from sweep_service.storage.store import SqlStore


def assert_problem(answer: httpx.Response, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body.keys() == {"type", "title", "status", "detail", "errors"}
    assert body["status"] == status
    assert body["title"]
    assert body["detail"].endswith((".", ":", "errors."))
    return body


@pytest.mark.parametrize(
    "path", ["/nope", "/v1", "/v1/nope", "/v1/sweeps/x/y", "/dashboard/static/nope.js", "/v1/sweeps/x/trials/1/nope"]
)
def test_an_address_that_leads_nowhere_is_a_problem(shared: ServedApp, path: str) -> None:
    assert path in assert_problem(shared.http.get(path), 404)["detail"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/v1/sweeps", "GET, POST"),
        ("DELETE", "/v1/sweeps", "GET, POST"),
        ("PATCH", "/v1/sweeps/x", "GET, DELETE"),
        ("POST", "/v1/sweeps/x/best-delta", "GET"),
        ("POST", "/healthz", "GET"),
        ("TRACE", "/v1/datasets", "GET, POST"),
        ("OPTIONS", "/v1/sweeps", "GET, POST"),
    ],
)
def test_a_method_that_is_not_possible_names_all_that_are(
    shared: ServedApp, method: str, path: str, allowed: str
) -> None:
    answer = shared.http.request(method, path)
    assert allowed in assert_problem(answer, 405)["detail"]
    assert answer.headers["allow"] == allowed


def test_no_state_is_changed_by_get(service: ServedApp) -> None:
    sweep = service.post()
    for verb in ("pause", "cancel"):
        assert service.http.get(f"/v1/sweeps/{sweep}:{verb}").status_code == 404
    assert service.get(f"/sweeps/{sweep}")["state"] == "QUEUED"


IDS = ["nope", "%2e%2e", "swp_%F0%9F%92%A9", "x" * 3000, "'; DROP TABLE sweeps; --", "%ED%A0%80%01"]


def test_an_id_that_can_be_none_is_not_found(either_service: ServedApp) -> None:
    service = either_service
    for sweep in IDS:
        for rest in ("", "/best-delta", "/delta-response", "/trials", "/trials/0", "/trials/0/runs", "/events"):
            assert_problem(service.http.get(f"/v1/sweeps/{sweep}{rest}"), 404)
        for verb in ("pause", "resume", "stop", "cancel"):
            assert_problem(service.http.post(f"/v1/sweeps/{sweep}:{verb}"), 404)
        assert_problem(service.http.delete(f"/v1/sweeps/{sweep}"), 404)


def test_a_nul_or_an_endless_address_is_refused_before_any_route(either_service: ServedApp) -> None:
    service = either_service
    nul = ["/v1/sweeps/%00", "/v1/datasets/a%00", "/v1/sweeps?page_token=%00", "/v1/sweeps/x/trials?state=%00", "/%00"]
    for path in nul:
        assert "NUL" in assert_problem(service.http.get(path), 400)["detail"]
    assert_problem(service.http.post("/v1/datasets?name=a%00", content="a\n1\n"), 400)
    assert_problem(service.http.get("/v1/sweeps/" + "x" * 5000), 414)
    assert_problem(service.http.get("/v1/sweeps?page_token=" + "x" * 5000), 414)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ("page_size=0", "/page_size"),
        ("page_size=1001", "/page_size"),
        ("page_size=" + "9" * 4000, "/page_size"),
        ("page_size=x", "/page_size"),
    ],
)
def test_a_parameter_beyond_its_range_is_named(shared: ServedApp, query: str, pointer: str) -> None:
    (found,) = assert_problem(shared.http.get(f"/v1/sweeps?{query}"), 422)["errors"]
    assert found["pointer"] == pointer
    assert found["message"]


def test_an_unknown_parameter_is_refused_with_those_that_there_are(shared: ServedApp) -> None:
    problem = assert_problem(shared.http.get("/v1/sweeps?pagesize=3"), 422)
    assert "'pagesize'" in problem["detail"]
    assert "page_size, page_token" in problem["detail"]


class _BrokenStore(SqlStore):
    def queue_depth(self) -> Any:
        raise RuntimeError("the password is hunter2")


def test_a_fault_of_our_own_shows_no_trace(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    url = f"sqlite:///{tmp_path / 'sweeps.db'}"
    upgrade(url)
    with ServedApp(url, tmp_path, _BrokenStore(url)) as service, caplog.at_level(logging.ERROR):
        answer = service.http.get("/v1/workers")
        assert_problem(answer, 500)
        assert "hunter2" not in answer.text
        assert "Traceback" not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert service.http.get("/v1/sweeps").status_code == 200, "the server goes on"
    ours = [r for r in caplog.records if r.name == "sweep_service.api.errors"]
    assert [r.getMessage() for r in ours] == ["GET /v1/workers failed"]
    assert ours[0].exc_info is not None
    assert "hunter2" in str(ours[0].exc_info[1]), "the log says more"
