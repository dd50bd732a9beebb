"""A small application that serves invented sweeps in the API's shapes, for the dashboard to show.

It is no copy of the service: it answers what the pages ask and no more, so that a page can be looked at in every
state. `python -m uvicorn --factory --app-dir tests/dashboard fixture_app:make_app` serves it by hand.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from sweep_service.dashboard import pages

sys.path.insert(0, str(Path(__file__).parent))
from fixture_sweeps import FixtureSweep, invented

VERBS = {"pause": "PAUSED", "resume": "RUNNING", "stop": "STOPPING", "cancel": "CANCELLED"}


def problem(status: int, title: str, detail: str) -> JSONResponse:
    """RFC 9457."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "errors": []}
    return JSONResponse(body, status, media_type="application/problem+json")


class FixtureApi:
    """The few REST routes that the pages read."""

    def __init__(self, sweeps: list[FixtureSweep]) -> None:
        self.sweeps = {s.id: s for s in sweeps}
        self.closing = False
        self.broken: set[str] = set()  # parts of a sweep that answer 503

    async def listed(self, request: Request) -> Response:
        return JSONResponse({"sweeps": [s.item() for s in self.sweeps.values()], "next_page_token": ""})

    async def one(self, request: Request) -> Response:
        sweep = self.sweeps.get(request.path_params["id"])
        if sweep is None:
            return problem(404, "Not found", f"There is no sweep {request.path_params['id']!r}.")
        part = request.path_params.get("part")
        if part in self.broken:
            return problem(503, "Unavailable", f"The {part} cannot be read just now.")
        if part is None:
            return JSONResponse(sweep.sweep())
        if part == "best-delta":
            return JSONResponse(sweep.best_delta())
        if part == "delta-response":
            return JSONResponse(sweep.response())
        if part == "events":
            return StreamingResponse(self.stream(sweep, request), media_type="text/event-stream")
        start, size = (
            int(request.query_params.get("page_token") or 0),
            int(request.query_params.get("page_size") or 100),
        )
        end = start + min(size, 500)
        token = str(end) if end < len(sweep.trials) else ""
        return JSONResponse({"trials": sweep.trials[start:end], "next_page_token": token})

    async def stream(self, sweep: FixtureSweep, request: Request) -> AsyncIterator[str]:
        seen = int(request.headers.get("last-event-id") or len(sweep.events))
        yield ": open\n\n"
        while not self.closing and not await request.is_disconnected():
            for seq, kind in sweep.events[seen:]:
                yield f"id: {seq}\nevent: {kind}\ndata: {json.dumps({'seq': seq, 'kind': kind})}\n\n"
            seen = len(sweep.events)
            await asyncio.sleep(0.1)

    async def act(self, request: Request) -> Response:
        sweep, verb = self.sweeps[request.path_params["id"]], request.path_params["verb"]
        sweep.state = VERBS[verb]
        sweep.posted.append(verb)
        sweep.emit("SWEEP_STATE")
        return JSONResponse(sweep.sweep())

    async def advance(self, request: Request) -> Response:
        self.sweeps[request.path_params["id"]].add()
        return Response(status_code=204)


def make_app(sweeps: list[FixtureSweep] | None = None, prefix: str = "") -> Starlette:
    """The fixture application; under `prefix`, as an outer application would mount it."""
    api = FixtureApi(invented() if sweeps is None else sweeps)
    app = Starlette(
        routes=[
            Route("/v1/sweeps", api.listed),
            Route("/v1/sweeps/{id}:{verb}", api.act, methods=["POST"]),
            Route("/v1/sweeps/{id}", api.one),
            Route("/v1/sweeps/{id}/{part}", api.one),
            Route("/fixture/{id}/advance", api.advance, methods=["POST"]),
        ]
    )
    app.state.api = api
    pages.mount(app)
    if not prefix:
        return app
    outer = Starlette(routes=[Mount(prefix, app=app)])
    outer.state.api = api
    return outer
