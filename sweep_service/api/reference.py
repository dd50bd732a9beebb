"""/docs: the interface as one page, made from the app's own OpenAPI description.

FastAPI's page loads its scripts from another origin; this one needs none and works offline.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from html import escape
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse

from sweep_service.api.described import spec_schemas
from sweep_service.dashboard.pages import SECURITY_HEADERS

CODE = re.compile(r"`([^`]+)`")
METHODS = ("get", "post", "patch", "put", "delete")


def install(app: FastAPI) -> None:
    """Serve the page at /docs."""

    @app.get("/docs", include_in_schema=False)
    def docs(_request: Request) -> HTMLResponse:
        return HTMLResponse(page(app.openapi()), headers=SECURITY_HEADERS)


def page(described: dict[str, Any]) -> str:
    """The description as HTML: one section a route, then the fields of a sweep's spec."""
    routes = "".join(
        _route(path, method, item[method])
        for path, item in described["paths"].items()
        for method in METHODS
        if method in item
    )
    spec = _spec(described)
    title = escape(described["info"]["title"])
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>API · {title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        '<link rel="icon" href="dashboard/static/icon.svg" type="image/svg+xml">'
        '<link rel="stylesheet" href="dashboard/static/tokens.css">'
        '<link rel="stylesheet" href="dashboard/static/pages.css"></head><body>'
        '<header class="top"><a class="brand" href="dashboard">Sweep service</a>'
        '<nav aria-label="Service"><a href="dashboard">Sweeps</a> <a href="openapi.json">OpenAPI</a></nav></header>'
        f"<main><h1>The REST interface, version {escape(described['info']['version'])}</h1>"
        "<p>Every error is <code>application/problem+json</code> with <code>detail</code> and, for each bad field, a "
        "JSON pointer and a sentence that says what would be right.</p>"
        f"{routes}<h2>The fields of a sweep</h2>{spec}</main></body></html>"
    )


def _route(path: str, method: str, operation: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(p['name'])}</code></td><td>{escape(p['in'])}</td>"
        f"<td>{escape(_kind(p.get('schema', {})))}</td></tr>"
        for p in operation.get("parameters", [])
    )
    table = _table(f"Parameters of {method.upper()} {path}", ("Parameter", "In", "Type"), rows) if rows else ""
    text = CODE.sub(r"<code>\1</code>", escape(operation.get("description", operation.get("summary", "")), quote=False))
    return f'<section class="card"><h2><code>{method.upper()} {escape(path)}</code></h2><p>{text}</p>{table}</section>'


def _spec(described: dict[str, Any]) -> str:
    schemas = described["components"]["schemas"]
    return "".join(_fields(n, schemas[n]) for n in spec_schemas() if schemas[n].get("properties"))


def _fields(name: str, schema: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(field)}</code></td><td>{escape(_kind(inner))}</td>"
        f"<td>{escape(_default(inner))}</td><td>{escape(inner.get('description', ''))}</td></tr>"
        for field, inner in schema["properties"].items()
    )
    table = _table(f"Fields of {name}", ("Field", "Type", "Default", "Meaning"), rows)
    return f'<section class="card"><h3>{escape(name)}</h3>{table}</section>'


def _table(name: str, heads: Sequence[str], rows: str) -> str:
    """A table that scrolls by itself where the screen is narrow."""
    head = "".join(f'<th scope="col">{h}</th>' for h in heads)
    box = f'<div class="scroll" tabindex="0" role="region" aria-label="{escape(name)}">'
    return f"{box}<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>"


def _default(schema: dict[str, Any]) -> str:
    """As JSON, which is how it is sent."""
    return json.dumps(schema["default"]) if "default" in schema else ""


def _kind(schema: dict[str, Any]) -> str:
    if "anyOf" in schema or "oneOf" in schema:
        return " or ".join(_kind(s) for s in schema.get("anyOf", schema.get("oneOf", [])))
    if "$ref" in schema:
        return str(schema["$ref"]).rsplit("/", 1)[-1]
    if "enum" in schema or "const" in schema:
        return ", ".join(str(v) for v in schema.get("enum", [schema.get("const")]))
    kind = str(schema.get("type", "any"))
    limits = [f"{word} {schema[key]}" for key, word in (("minimum", "from"), ("maximum", "to")) if key in schema]
    return " ".join([kind, *limits])
