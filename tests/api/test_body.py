"""Bodies: capped while they come in, and strict JSON. FastAPI's own defaults take, or stumble over, each of these."""

from __future__ import annotations

import pytest
from served_app import ServedApp

from sweep_service.api.body import MAX_JSON_BYTES

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"{", "line 1 column 2"),
        (b'{"dataset": "diabetes",}', "not JSON"),
        (b"\xff\xfe{}", "UTF-8"),
        (b'{"dataset": "diabetes", "dataset": "friedman1"}', "'dataset' stands twice"),
        (b'{"dataset": "diabetes", "labels": {"a": "1", "a": "2"}}', "'a' stands twice"),
        (b'{"dataset": "diabetes", "seed": NaN}', "NaN"),
        (b'{"dataset": "diabetes", "seed": -Infinity}', "-Infinity"),
        (b'{"dataset": "diabetes", "seed": 1e999}', "too large"),
        (b'{"dataset": "diabetes", "name": "\\ud800"}', "surrogate"),
        (b'{"dataset": "diabetes", "labels": {"\\udfff": "x"}}', "surrogate"),
        (b'{"dataset": "diabetes", "name": "a\\u0000b"}', "NUL"),
        (b'{"dataset": "diabetes", "seed": 9223372036854775808}', "64 bits"),
        (b'{"dataset": "diabetes", "seed": ' + b"9" * 5000 + b"}", "64 bits"),
        (b"[" * 40 + b"]" * 40, "nested"),
        (b"[" * 300_000 + b"]" * 300_000, "nested"),
        (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "nested"),
    ],
    ids=lambda value: value[:40].decode("latin-1") if isinstance(value, bytes) else "",
)
def test_what_is_not_strict_json_is_refused(shared: ServedApp, body: bytes, words: str) -> None:
    answer = shared.http.post("/v1/sweeps", content=body, headers=JSON)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
    assert shared.get("/sweeps")["sweeps"] == []


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_body_that_is_not_called_json_is_refused(shared: ServedApp, kind: str) -> None:
    answer = shared.http.post("/v1/sweeps", content=b'{"dataset": "diabetes"}', headers={"Content-Type": kind})
    assert answer.status_code == 415
    assert "application/json" in answer.json()["detail"]


def test_the_type_may_name_its_charset(service: ServedApp) -> None:
    headers = {"Content-Type": "application/json; charset=utf-8"}
    assert service.http.post("/v1/sweeps", content=b'{"dataset": "diabetes"}', headers=headers).status_code == 202


def test_a_body_of_60_megabytes_is_refused_while_it_comes_in(shared: ServedApp) -> None:
    answer = shared.send_part("POST /v1/sweeps", "application/json", claimed=60 * 2**20, sent=MAX_JSON_BYTES + 1)
    assert answer.startswith("HTTP/1.1 413 ")
    assert "1048576 bytes" in answer
    whole = shared.http.post("/v1/sweeps", content=b" " * 60 * 2**20, headers=JSON)
    assert whole.status_code == 413, "also for a client that sends all of it before it reads the answer"
    assert shared.http.get("/readyz").status_code == 200
