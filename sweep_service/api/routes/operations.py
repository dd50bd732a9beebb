"""Is it alive, is it ready, who works."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from sweep_service import __version__
from sweep_service.api.schemas import finite_object, worker_json
from sweep_service.api.service import only_query, service_of
from sweep_service.core.errors import StoreError

router = APIRouter(tags=["operations"])
ALIVE_SECONDS = 90.0


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok", "version": __version__}


@router.get("/readyz")
def readyz(request: Request) -> Response:
    """The database answers too; else 503 and what is wrong."""
    store = service_of(request).store
    try:
        store.queue_depth()
    except StoreError as error:
        return JSONResponse({"status": "unavailable", "reason": str(error)}, 503, headers={"Retry-After": "2"})
    return JSONResponse({"status": "ready"})


@router.get("/v1/workers")
def list_workers(request: Request) -> dict[str, Any]:
    """Workers seen in the last 90 seconds, and what is queued."""
    only_query(request)
    store = service_of(request).store
    found = [worker_json(w) for w in store.workers(alive_within=ALIVE_SECONDS)]
    return finite_object({"workers": found, "queue": dict(store.queue_depth()), "next_page_token": ""})
