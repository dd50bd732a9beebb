"""The app's OpenAPI description: FastAPI's own, with the sweep's spec and every problem in it."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from sweep_service.api.errors import PROBLEM_JSON
from sweep_service.core.spec import SweepSpec

SCHEMAS = "#/components/schemas/"
PROBLEM: dict[str, Any] = {
    "title": "Problem",
    "description": "RFC 9457: what is wrong, and for each bad field where, and what would be right.",
    "type": "object",
    "required": ["type", "title", "status", "detail", "errors"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "a sentence for a person"},
        "errors": {"type": "array", "items": {"$ref": f"{SCHEMAS}FieldProblem"}},
    },
}
FIELD_PROBLEM: dict[str, Any] = {
    "title": "FieldProblem",
    "type": "object",
    "required": ["pointer", "message"],
    "properties": {
        "pointer": {"type": "string", "description": "RFC 6901, into the body; or / and a parameter's name"},
        "message": {"type": "string", "description": "what would be right"},
    },
}
# 400: bad bytes, 403: Host or Origin, 414: the address; any route can meet them, a fault of ours or of the database.
ANYWHERE = (400, 403, 414, 500, 503)
HAS_BODY = (413, 415, 422)


def install(app: FastAPI) -> None:
    """Serve the description at /openapi.json."""

    def openapi() -> dict[str, Any]:
        if not app.openapi_schema:
            app.openapi_schema = describe(app)
        return app.openapi_schema

    # FastAPI's documented way to change what it describes.
    app.openapi = openapi  # type: ignore[method-assign]


def describe(app: FastAPI) -> dict[str, Any]:
    """The description, complete."""
    found = get_openapi(title=app.title, version=app.version, summary=app.summary, routes=app.routes)
    found["components"] = {"schemas": {"Problem": PROBLEM, "FieldProblem": FIELD_PROBLEM, **spec_schemas()}}
    for path, item in found["paths"].items():
        for method, operation in item.items():
            for status in _statuses(path, method, operation):
                operation["responses"][str(status)] = _response(status)
    return found


def spec_schemas() -> dict[str, Any]:
    """The schemas of a sweep's spec by name, the whole first."""
    schema = SweepSpec.model_json_schema(ref_template=SCHEMAS + "{model}")
    parts = schema.pop("$defs", {})
    return {"SweepSpec": schema, **parts}


def _statuses(path: str, method: str, operation: dict[str, Any]) -> list[int]:
    found = set(ANYWHERE)
    if "{" in path:
        found.add(404)
    if operation.get("parameters") or path.startswith("/v1"):
        found.add(422)
    if "requestBody" in operation:
        found |= set(HAS_BODY)
    if method == "delete" or (method == "post" and path.startswith("/v1/sweeps")):
        found.add(409)
    return sorted(found)


def _response(status: int) -> dict[str, Any]:
    return {
        "description": HTTPStatus(status).phrase,
        "content": {PROBLEM_JSON: {"schema": {"$ref": f"{SCHEMAS}Problem"}}},
    }
