"""Which networks a sweep can name, and what of them it may vary."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request

from sweep_service.api.schemas import finite_object, when
from sweep_service.api.service import only_query, service_of
from sweep_service.core.hypermodel import (
    BUILT_IN,
    OWN_ALWAYS,
    OWN_OF_UNCOMPILED,
    PublishedParameter,
    PublishedSpace,
    StoredHyperModel,
)
from sweep_service.core.parameters import KNOWN

router = APIRouter(prefix="/v1", tags=["hypermodels"])


@router.get("/hypermodels")
def list_hypermodels(request: Request) -> dict[str, Any]:
    """The built-in network, and what workers have published; TensorFlow is not asked."""
    only_query(request)
    found = [_built_in(), *(_stored(s) for s in service_of(request).store.hypermodels())]
    return finite_object({"hypermodels": found, "next_page_token": ""})


def _built_in() -> dict[str, Any]:
    own = {*OWN_ALWAYS, *OWN_OF_UNCOMPILED}
    parameters = [_known(name) for name in KNOWN if name not in own]
    space = PublishedSpace(hypermodel=BUILT_IN, parameters=parameters)
    return _json(space) | {"source": "BUILT_IN", "worker_version": None, "published_at": None}


def _stored(stored: StoredHyperModel) -> dict[str, Any]:
    told = {"worker_version": stored.worker_version, "published_at": when(stored.published_at)}
    return _json(stored.space) | {"source": "ENTRY_POINT", **told}


def _json(space: PublishedSpace) -> dict[str, Any]:
    found = space.model_dump(mode="json")
    name = found.pop("hypermodel")
    own = [_known(n).model_dump(mode="json") for n in space.own_parameters()]
    return {"name": name, **found, "service_parameters": own}


def _known(name: str) -> PublishedParameter:
    """A parameter of the service's own with its default."""
    return PublishedParameter(name=name, value=KNOWN[name].default, structural=KNOWN[name].structural)
