"""Every error as RFC 9457 problem+json; a stack trace never leaves the server."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match

from sweep_service.api.headers import SECURITY_HEADERS
from sweep_service.core.errors import (
    ConflictError,
    DataError,
    NotFoundError,
    SchemaVersionError,
    SpecError,
    StoreError,
    SweepError,
)

log = logging.getLogger(__name__)
PROBLEM_JSON = "application/problem+json"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_STATUS: tuple[tuple[type[SweepError], int], ...] = (
    (SpecError, 422),
    (DataError, 422),
    (NotFoundError, 404),
    (ConflictError, 409),
    (SchemaVersionError, 503),
    (StoreError, 503),
)


class ProblemError(Exception):
    """An error of the protocol itself (a bad header, a body too large)."""

    def __init__(
        self, status: int, detail: str, errors: list[dict[str, str]] | None = None, *, retry_after: int | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = errors or []
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}


def problem(status: int, detail: str, errors: list[dict[str, str]] | None = None, **headers: str) -> JSONResponse:
    """A problem as a response."""
    body: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "errors": errors or [],
    }
    if status in {429, 503}:
        headers.setdefault("Retry-After", "2")
    # A fault of our own is answered outside all middleware, so the headers are put on here.
    return JSONResponse(body, status, headers={**SECURITY_HEADERS, **headers}, media_type=PROBLEM_JSON)


def install(app: FastAPI) -> None:
    """Answer every error of the app as a problem."""

    @app.exception_handler(SweepError)
    def on_sweep_error(_request: Request, error: SweepError) -> JSONResponse:
        status = next((s for kind, s in _STATUS if isinstance(error, kind)), 500)
        if isinstance(error, SpecError):
            errors = [{"pointer": p.pointer, "message": p.message} for p in error.problems]
            return problem(status, "The sweep cannot be run as it stands: see errors.", errors)
        return problem(status, str(error))

    @app.exception_handler(ProblemError)
    def on_problem(_request: Request, error: ProblemError) -> JSONResponse:
        return problem(error.status, error.detail, error.errors, **error.headers)

    @app.exception_handler(RequestValidationError)
    def on_validation(_request: Request, error: RequestValidationError) -> JSONResponse:
        errors = [
            {"pointer": "/" + "/".join(str(p) for p in item["loc"][1:]), "message": f"{item['loc'][-1]}: {item['msg']}"}
            for item in error.errors()
        ]
        return problem(422, "A parameter of the request cannot be used: see errors.", errors)

    @app.exception_handler(HTTPException)
    def on_http(request: Request, error: HTTPException) -> JSONResponse:
        detail, headers = str(error.detail), dict(error.headers or {})
        if error.status_code == 404:
            detail = f"There is nothing at {request.url.path}."
        elif error.status_code == 405:
            headers = {"Allow": _allowed(app, request)}
            detail = f"{request.method} is not possible at {request.url.path}: it answers {headers['Allow']}."
        return problem(error.status_code, detail, None, **headers)

    @app.exception_handler(Exception)
    def on_bug(request: Request, error: Exception) -> JSONResponse:
        log.error("%s %s failed", request.method, request.url.path, exc_info=error)
        return problem(500, "The server met a fault of its own; its log says more.")


def _allowed(app: FastAPI, request: Request) -> str:
    """All methods of an address: its routes are found one by one, and each names its own method alone."""

    def possible(method: str) -> bool:
        scope = {**request.scope, "method": method}
        return any(route.matches(scope)[0] is Match.FULL for route in app.router.routes)

    return ", ".join(method for method in METHODS if possible(method))
