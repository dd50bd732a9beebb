"""The best delta and the response to delta."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from sweep_service.analysis.answers import best_delta, delta_response
from sweep_service.api.schemas import finite_object
from sweep_service.api.service import only_query, service_of
from sweep_service.core.sweep import ENDED

router = APIRouter(prefix="/v1", tags=["answers"])
POLL_SECONDS = 0.5


@router.get("/sweeps/{sweep_id}/best-delta")
async def get_best_delta(
    request: Request, sweep_id: str, wait: Annotated[float, Query(ge=0, le=60)] = 0
) -> dict[str, Any]:
    """The best delta in three units, what it gains over each anchor, what to use, and what may be claimed.

    `wait`: answer when the sweep has changed or ended, after so many seconds at the latest.
    """
    only_query(request, "wait")
    service = service_of(request)
    sweep = await run_in_threadpool(service.store.sweep, sweep_id)
    first, until = sweep.revision, time.monotonic() + wait
    while sweep.revision == first and sweep.state not in ENDED and time.monotonic() < until:
        await asyncio.sleep(POLL_SECONDS)
        sweep = await run_in_threadpool(service.store.sweep, sweep_id)
    return finite_object(await run_in_threadpool(service.answer, sweep, "best-delta", best_delta))


@router.get("/sweeps/{sweep_id}/delta-response")
def get_delta_response(request: Request, sweep_id: str) -> dict[str, Any]:
    """The objective over delta, column by column, in target units."""
    only_query(request)
    service = service_of(request)
    return finite_object(service.answer(service.store.sweep(sweep_id), "delta-response", delta_response))
