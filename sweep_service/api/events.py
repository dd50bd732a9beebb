"""Server-sent events from the stored sequence: a reconnect with Last-Event-ID loses nothing.

The one asynchronous room: many idle streams must not hold threads.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from sweep_service.api.errors import ProblemError
from sweep_service.api.schemas import finite, when
from sweep_service.api.service import Service, only_query, service_of
from sweep_service.core.errors import NotFoundError, StoreError
from sweep_service.core.event import Event
from sweep_service.core.sweep import ENDED

router = APIRouter(prefix="/v1", tags=["events"])
POLL_SECONDS = 0.5
KEEP_ALIVE_SECONDS = 15.0
BATCH = 1000
END = "event: end\ndata: {}\n\n"


def _place(name: str, kind: str) -> dict[str, Any]:
    schema = {"type": "integer", "minimum": 0}
    about = "number of the last event that was seen"
    return {"name": name, "in": kind, "required": False, "description": about, "schema": schema}


@router.get(
    "/sweeps/{sweep_id}/events",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}}},
    openapi_extra={"parameters": [_place("Last-Event-ID", "header"), _place("after", "query")]},
)
async def stream_events(request: Request, sweep_id: str) -> StreamingResponse:
    """Events as they are committed; ends after the last event of an ended sweep."""
    only_query(request, "after")
    service = service_of(request)
    text = request.headers.get("last-event-id") or request.query_params.get("after") or "0"
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise ProblemError(400, "Last-Event-ID is the number of the last event that was seen.")
    await run_in_threadpool(service.store.sweep, sweep_id)
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(service, sweep_id, int(text)), media_type="text/event-stream", headers=headers)


async def _stream(service: Service, sweep_id: str, seen: int) -> AsyncIterator[str]:
    yield "retry: 2000\n\n"
    quiet = 0.0
    while True:
        try:
            # The state is read first: events of a sweep that has ended by then are all there.
            ended = (await run_in_threadpool(service.store.sweep, sweep_id)).state in ENDED
            events = await run_in_threadpool(_after, service, sweep_id, seen)
        except StoreError:
            return  # the client comes back with the last number that it saw
        except NotFoundError:  # deleted while it was watched
            yield END
            return
        for event in events:
            seen = event.seq
            yield _frame(event)
        if ended and not events:
            yield END
            return
        quiet = 0.0 if events else quiet + POLL_SECONDS
        if quiet >= KEEP_ALIVE_SECONDS:
            quiet = 0.0
            yield ": still here\n\n"
        await asyncio.sleep(0 if events else POLL_SECONDS)


def _after(service: Service, sweep_id: str, seen: int) -> list[Event]:
    return list(service.store.events(sweep_id, after=seen, limit=BATCH))


def _frame(event: Event) -> str:
    body = {"seq": event.seq, "kind": event.kind, "at": when(event.at), "body": dict(event.body)}
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {json.dumps(finite(body))}\n\n"
