"""Posting, reading and controlling sweeps."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from sweep_service.analysis.answers import best_delta
from sweep_service.api.body import read_json
from sweep_service.api.errors import ProblemError
from sweep_service.api.paging import PageSize, make_token, read_token
from sweep_service.api.schemas import finite, finite_object, sweep_json
from sweep_service.api.service import Service, only_query, service_of
from sweep_service.core.errors import ConflictError
from sweep_service.core.parsing import dump_spec, parse_spec
from sweep_service.core.sweep import Sweep

router = APIRouter(prefix="/v1", tags=["sweeps"])
LISTED = "sweeps"
POST_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {"$ref": "#/components/schemas/SweepSpec"},
                "example": {"dataset": "diabetes"},
            }
        },
    },
    "parameters": [
        {
            "name": "Idempotency-Key",
            "in": "header",
            "required": False,
            "description": "The same key and body again give the first sweep instead of a second one.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 255},
        }
    ],
}


@router.post("/sweeps", status_code=202, openapi_extra=POST_BODY)
async def post_sweep(request: Request, validate_only: bool = False) -> JSONResponse:
    """Queue a sweep. `{"dataset": "diabetes"}` is a whole one; the answer shows every default filled in."""
    only_query(request, "validate_only")
    service = service_of(request)
    document = await read_json(request)
    key = request.headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= 255:
        raise ProblemError(400, "An Idempotency-Key has 1 to 255 characters.")
    with service.in_flight(key):
        return await run_in_threadpool(_post, service, document, key, validate_only)


def _post(service: Service, document: Any, key: str | None, validate_only: bool) -> JSONResponse:
    spec = dump_spec(service.pin_dataset(parse_spec(document, service.published)))
    if validate_only:
        return JSONResponse({"valid": True, "spec": spec})
    digest = hashlib.sha256(json.dumps(document, sort_keys=True).encode()).hexdigest()
    try:
        sweep, _ = service.store.create_sweep(spec, idempotency_key=key, body_digest=digest)
    except ConflictError as error:
        raise ProblemError(422, str(error)) from None
    return JSONResponse(sweep_json(sweep), 202, headers={"Location": f"/v1/sweeps/{sweep.id}"})


@router.get("/sweeps")
def list_sweeps(request: Request, page_size: PageSize = 50, page_token: str = "") -> dict[str, Any]:
    """Sweeps, newest first; an empty next_page_token alone ends the list."""
    only_query(request, "page_size", "page_token")
    service = service_of(request)
    sweeps, after = service.store.sweeps(limit=page_size, after=read_token(LISTED, page_token))
    return finite_object({"sweeps": [_item(service, s) for s in sweeps], "next_page_token": make_token(LISTED, after)})


def _item(service: Service, sweep: Sweep) -> dict[str, Any]:
    best = service.answer(sweep, "best-delta", best_delta) if sweep.counters.trials_complete else None
    short = None
    if best is not None and best["delta"] is not None:
        short = {
            "delta_target": best["delta"]["target"],
            "delta_sigma": best["delta"]["sigma"],
            "status": best["status"],
            "verdict_kind": best["verdict"]["kind"],
        }
    return sweep_json(sweep, whole=False) | {"best": short}


@router.get("/sweeps/{sweep_id}")
def get_sweep(request: Request, sweep_id: str) -> Response:
    """One sweep, with its whole spec; carries an ETag and answers If-None-Match with 304."""
    only_query(request)
    sweep = service_of(request).store.sweep(sweep_id)
    tag = f'"{sweep.revision}"'
    known = [t.strip().removeprefix("W/") for t in request.headers.get("if-none-match", "").split(",")]
    if tag in known or known == ["*"]:
        return Response(status_code=304, headers={"ETag": tag})
    return JSONResponse(finite(sweep_json(sweep)), headers={"ETag": tag})


@router.delete("/sweeps/{sweep_id}", status_code=204)
def delete_sweep(request: Request, sweep_id: str) -> Response:
    """Remove an ended sweep with all that belongs to it."""
    only_query(request)
    service_of(request).store.delete_sweep(sweep_id)
    return Response(status_code=204)


@router.post("/sweeps/{sweep_id}:{verb}")
def control_sweep(request: Request, sweep_id: str, verb: str) -> dict[str, Any]:
    """`pause`, `resume`, `stop` (what runs is finished and concluded) or `cancel` (what runs is killed)."""
    only_query(request)
    store = service_of(request).store
    verbs = {"pause": store.pause, "resume": store.resume, "stop": store.stop, "cancel": store.cancel}
    if verb not in verbs:
        raise ProblemError(404, f"A sweep has no method {verb!r}; it has {', '.join(verbs)}.")
    return finite_object(sweep_json(verbs[verb](sweep_id)))
