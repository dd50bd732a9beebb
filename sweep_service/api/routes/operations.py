"""Is it alive, is it ready, who works."""

from __future__ import annotations

import logging
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from sweep_service import __version__
from sweep_service.api.errors import problem
from sweep_service.api.schemas import finite_object, worker_json
from sweep_service.api.service import only_query, service_of
from sweep_service.core.errors import StoreError

log = logging.getLogger(__name__)
router = APIRouter(tags=["operations"])
ALIVE_SECONDS = 90.0


@router.get("/healthz")
def healthz() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok", "version": __version__}


@router.get("/readyz")
def readyz(request: Request) -> Response:
    """The database answers too; else 503. Why not is in the log: this route will need no key."""
    try:
        service_of(request).store.queue_depth()
    except StoreError as error:
        log.warning("not ready: %s", error)
        return problem(503, "The database does not answer.")
    return JSONResponse({"status": "ready"})


@router.get("/v1/workers")
def list_workers(request: Request) -> dict[str, Any]:
    """Workers seen in the last 90 seconds, and what is queued."""
    only_query(request)
    store = service_of(request).store
    found = [worker_json(w) for w in store.workers(alive_within=ALIVE_SECONDS)]
    return finite_object({"workers": found, "queue": dict(store.queue_depth()), "next_page_token": ""})
