"""The service as the commands see it: JSON in, JSON out, and every refusal as a sentence."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import typer

from sweep_service.core.errors import ConflictError, NotFoundError, Problem, SpecError, SweepError

DEFAULT_URL = "http://127.0.0.1:8000"
TIMEOUT = 60.0
PAGE = 500

Url = Annotated[str, typer.Option("--url", envvar="SWEEP_URL", help="Address of the service.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the service's own JSON instead of a table.")]
SweepId = Annotated[str, typer.Argument(help="The sweep's id, as `submit` and `list` print it.")]


class RefusedError(SweepError):
    """The service answered with an error that has no better name."""


class Service:
    """The REST API under one address."""

    def __init__(self, http: httpx.Client) -> None:
        self._http = http

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at `/v1` + path; query values that are None are left out."""
        return self._json(self._http.get(f"/v1{path}", params={k: v for k, v in query.items() if v is not None}))

    def pages(self, path: str, key: str, limit: int | None = None, **query: Any) -> dict[str, Any]:
        """All pages of a list (or its first `limit` items) as one, in the shape of a single page."""
        items: list[Any] = []
        token = ""
        while True:
            size = PAGE if limit is None else min(PAGE, limit - len(items))
            page = self.get(path, page_size=size, page_token=token or None, **query)
            items += page[key]
            token = page.get("next_page_token", "")
            if not token or (limit is not None and len(items) >= limit):
                return {**page, key: items}

    def post(self, path: str, document: object = None, **query: Any) -> Any:
        """POST once: the idempotency key makes a repetition by a proxy harmless."""
        answer = self._http.post(
            f"/v1{path}",
            json=document,
            params={k: v for k, v in query.items() if v is not None},
            headers={"Idempotency-Key": secrets.token_hex(16)},
        )
        return self._json(answer)

    def upload(self, path: str, content: Any, media_type: str, **query: Any) -> Any:
        """POST bytes, streamed."""
        answer = self._http.post(
            f"/v1{path}",
            content=content,
            params={k: v for k, v in query.items() if v is not None},
            headers={"Content-Type": media_type},
        )
        return self._json(answer)

    def _json(self, answer: httpx.Response) -> Any:
        if answer.is_success:
            return answer.json() if answer.content else {}
        raise _refusal(answer)


@contextmanager
def connect(url: str) -> Iterator[Service]:
    """The service at that address; nothing is sent yet."""
    with httpx.Client(base_url=url.rstrip("/"), timeout=TIMEOUT, headers={"Accept": "application/json"}) as http:
        yield Service(http)


def sweep_path(sweep_id: str, *rest: str) -> str:
    """Path of a sweep, with an id that cannot leave its place."""
    return "/".join(["/sweeps", quote(sweep_id, safe=""), *rest])


def _refusal(answer: httpx.Response) -> SweepError:
    problem = _problem(answer)
    listed = [Problem(str(e.get("pointer", "")), str(e.get("message", ""))) for e in problem.get("errors") or [] if e]
    if answer.status_code == 422 and listed:
        return SpecError(listed)
    text = str(problem.get("detail") or problem.get("title") or answer.reason_phrase)
    text += "".join(f"\n  {p.pointer or '/'}: {p.message}" for p in listed)
    if answer.status_code == 404:
        return NotFoundError(f"{text.rstrip('.')}. `sweep-service list` shows the sweeps there are.")
    if answer.status_code == 409:
        return ConflictError(text)
    return RefusedError(
        f"{text.rstrip('.')} (HTTP {answer.status_code} from {answer.request.url.copy_with(query=None)})."
    )


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        document = answer.json()
    except json.JSONDecodeError:
        return {}
    return document if isinstance(document, Mapping) else {}
