"""The stream of events: in commit order, and whole however often a reader comes back."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import pytest
from served_app import ServedApp
from sqlalchemy import text

from sweep_service.api import events

Frame = tuple[int | None, str, Any]


def read(service: ServedApp, sweep: str, *, after: int | None = None, most: int | None = None) -> list[Frame]:
    """Frames (id, event, data) up to the stream's end, or the first `most` of them."""
    headers = {} if after is None else {"Last-Event-ID": str(after)}
    frames: list[Frame] = []
    fields: dict[str, str] = {}
    with service.http.stream("GET", f"/v1/sweeps/{sweep}/events", headers=headers) as stream:
        assert stream.status_code == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
                continue
            if "event" in fields:
                number = int(fields["id"]) if "id" in fields else None
                frames.append((number, fields["event"], json.loads(fields["data"])))
            fields = {}
            if most is not None and len(frames) >= most:
                break
    return frames


def test_an_ended_sweeps_events_come_in_order_and_then_the_end(service: ServedApp) -> None:
    sweep = service.post()
    service.work()
    frames = read(service, sweep)
    stored = service.store.events(sweep)
    assert [f[0] for f in frames[:-1]] == [e.seq for e in stored] == list(range(1, len(stored) + 1))
    assert [f[1] for f in frames[:-1]] == [e.kind for e in stored]
    assert frames[0][1] == "SWEEP_CREATED"
    assert frames[0][2]["seq"] == 1
    assert frames[0][2]["at"].endswith("Z")
    assert frames[-1] == (None, "end", {})


def test_a_reader_that_comes_back_has_missed_nothing_and_sees_nothing_twice(service: ServedApp) -> None:
    sweep = service.post()
    service.work()
    whole = read(service, sweep)
    seen: list[Frame] = []
    while not seen or seen[-1][1] != "end":
        last = next((n for n, _, _ in reversed(seen) if n is not None), None)
        seen += read(service, sweep, after=last, most=3)
    assert seen == whole


def test_events_are_seen_while_the_sweep_runs(service: ServedApp) -> None:
    sweep = service.post()
    created = threading.Event()
    frames: list[Frame] = []

    def listen() -> None:
        frames.extend(read(service, sweep, most=1))
        created.set()
        frames.extend(read(service, sweep, after=1))

    reader = threading.Thread(target=listen)
    reader.start()
    assert created.wait(30)
    service.work()
    reader.join(60)
    assert not reader.is_alive()
    assert [f[0] for f in frames[:-1]] == [e.seq for e in service.store.events(sweep)]
    assert frames[-1][1] == "end"


def test_more_events_than_are_read_at_once_all_come(service: ServedApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "BATCH", 3)
    sweep = service.post()
    service.work()
    stored = service.store.events(sweep)
    assert len(stored) > 9
    assert [f[0] for f in read(service, sweep)[:-1]] == [e.seq for e in stored]


def test_a_sweep_that_is_deleted_under_a_reader_ends_the_stream(service: ServedApp) -> None:
    sweep = service.post()
    with service.http.stream("GET", f"/v1/sweeps/{sweep}/events") as stream:
        lines = stream.iter_lines()
        while next(lines) != "event: SWEEP_CREATED":
            pass
        with service.store.engine.begin() as connection:  # at once, so that no reader sees it ended before it is gone
            for table in ("events", "tasks", "sweeps"):
                connection.execute(text(f"DELETE FROM {table}"))
        assert "event: end" in list(lines)


def test_a_number_beyond_the_last_waits_for_what_comes(service: ServedApp) -> None:
    sweep = service.post()
    service.work()
    assert read(service, sweep, after=10**14) == [(None, "end", {})]


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "9" * 20, "٣".encode()])
def test_a_last_event_id_that_is_no_number_is_refused(service: ServedApp, last: str | bytes) -> None:
    answer = service.http.get(f"/v1/sweeps/{service.post()}/events", headers={"Last-Event-ID": last})
    assert answer.status_code == 400
    assert "number" in answer.json()["detail"]


def test_an_unknown_sweep_has_no_stream(service: ServedApp) -> None:
    answer: httpx.Response = service.http.get("/v1/sweeps/swp_none/events")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
