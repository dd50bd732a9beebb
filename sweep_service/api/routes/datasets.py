"""Datasets: the built-in ones, and files that users upload."""

from __future__ import annotations

import hashlib
import re
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from sweep_service.api.errors import ProblemError
from sweep_service.api.paging import PageSize, make_token, read_token
from sweep_service.api.schemas import dataset_json, finite, finite_object
from sweep_service.api.service import Service, only_query, service_of
from sweep_service.datasets.catalog import CatalogEntry, catalog
from sweep_service.datasets.files import MEDIA_TYPES, Limits, normalise_upload

router = APIRouter(prefix="/v1/datasets", tags=["datasets"])
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
Version = Annotated[int | None, Query(ge=1, lt=2**31)]
LISTED, PLACE = "datasets", re.compile(r"[01] [A-Za-z0-9._-]{1,128} \d{10}", re.ASCII)
UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {kind: {"schema": {"type": "string", "format": "binary"}} for kind in MEDIA_TYPES},
    }
}


@router.post("", status_code=201, openapi_extra=UPLOAD_BODY)
async def upload_dataset(request: Request, name: str) -> JSONResponse:
    """Upload a CSV or Parquet file as the raw body; the same bytes again are the same version."""
    only_query(request, "name")
    service = service_of(request)
    if not NAME.fullmatch(name):
        raise ProblemError(422, "A dataset's name has 1 to 128 letters, digits, dots, dashes or underscores.")
    if name in {e.name for e in catalog()}:
        raise ProblemError(422, f"{name} is a built-in dataset: choose another name.")
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind not in MEDIA_TYPES:
        raise ProblemError(415, f"Send the file with Content-Type {' or '.join(MEDIA_TYPES)}, not {kind or 'none'!r}.")
    limit = service.settings.max_upload_bytes
    hasher, size = hashlib.sha256(), 0
    with tempfile.TemporaryDirectory(prefix="upload-") as folder:
        source = Path(folder) / "upload"
        with source.open("wb") as copy:
            async for part in request.stream():
                size += len(part)
                if size > limit:
                    raise ProblemError(413, f"A dataset is at most {limit} bytes.")
                hasher.update(part)
                copy.write(part)
        return await run_in_threadpool(_store, service, name, kind, source, hasher.hexdigest(), size)


def _store(service: Service, name: str, kind: str, source: Path, source_digest: str, size: int) -> JSONResponse:
    normalised = source.with_name("normalised.npz")
    summary = normalise_upload(source, normalised, kind, Limits(max_bytes=service.settings.max_upload_bytes))
    with normalised.open("rb") as content:
        digest, _ = service.artifacts.put(content)
    stored = service.store.add_dataset(name, digest, source_digest, kind, size, summary.to_dict())
    headers = {"Location": f"/v1/datasets/{name}?version={stored.version}"}
    return JSONResponse(finite(dataset_json(stored)), 201, headers=headers)


@router.get("")
def list_datasets(request: Request, page_size: PageSize = 1000, page_token: str = "") -> dict[str, Any]:
    """The built-in datasets, then all versions of the uploaded ones, by name."""
    only_query(request, "page_size", "page_token")
    after = read_token(LISTED, page_token, PLACE) or ""
    found = {f"0 {e.name} {0:010}": _builtin_json(e) for e in catalog()}
    found |= {f"1 {d.name} {d.version:010}": dataset_json(d) for d in service_of(request).store.datasets()}
    places = sorted(place for place in found if place > after)
    shown = places[:page_size]
    following = shown[-1] if len(places) > page_size else None
    token = make_token(LISTED, following)
    return finite_object({"datasets": [found[p] for p in shown], "next_page_token": token})


@router.get("/{name}")
def get_dataset(request: Request, name: str, version: Version = None) -> dict[str, Any]:
    """One dataset; the newest version unless one is named."""
    only_query(request, "version")
    entry = next((e for e in catalog() if e.name == name), None)
    if entry is not None:
        return _builtin_json(entry)
    return finite_object(dataset_json(service_of(request).store.dataset(name, version)))


def _builtin_json(entry: CatalogEntry) -> dict[str, Any]:
    options = {n: asdict(o) for n, o in entry.options.items()}
    return {
        "name": entry.name,
        "version": None,
        "kind": "BUILT_IN",
        "description": entry.description,
        "default_target": entry.default_target,
        "options": options,
    }
