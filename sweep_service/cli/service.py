"""The service as the commands see it: JSON in, JSON out, and every refusal as a sentence."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any
from urllib.parse import quote

import httpx
import typer

from sweep_service.cli.failures import UsageError
from sweep_service.core.errors import ConflictError, NotFoundError, Problem, SpecError, SweepError

DEFAULT_URL = "http://127.0.0.1:8000"
EXAMPLE = "write it such as --url http://127.0.0.1:8000."
TIMEOUT = 60.0
PAGE = 500
PAUSES = (0.2, 0.5, 1.0, 2.0)
"""Seconds between the attempts of one request, where the service does not say itself when to come back."""
LONGEST_PAUSE = 10.0
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})

Url = Annotated[str, typer.Option("--url", envvar="SWEEP_URL", help="Address of the service.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the service's own JSON instead of a table.")]
SweepId = Annotated[str, typer.Argument(help="The sweep's id, as `submit` and `list` print it.")]


class RefusedError(SweepError):
    """The service answered with an error that has no better name."""


class BusyError(RefusedError):
    """The service asks to be asked again later, and was asked often enough."""


class Service:
    """The REST API under one address."""

    def __init__(self, http: httpx.Client, sleep: Callable[[float], None] = time.sleep) -> None:
        self._http = http
        self._sleep = sleep

    def get(self, path: str, **query: Any) -> Any:
        """The JSON at `/v1` + path; query values that are None are left out."""
        return self._json(self._again(lambda: self._http.get(f"/v1{path}", params=_given(query))))

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
        """POST, and again where the answer was lost or the service is busy: all with one key, so it is done once."""
        headers = {"Idempotency-Key": secrets.token_hex(16)}
        params = _given(query)
        send = lambda: self._http.post(f"/v1{path}", json=document, params=params, headers=headers)  # noqa: E731
        return self._json(self._again(send))

    def upload(self, path: str, content: Any, media_type: str, **query: Any) -> Any:
        """POST bytes, streamed."""
        answer = self._http.post(
            f"/v1{path}",
            content=content,
            params=_given(query),
            headers={"Content-Type": media_type},
        )
        return self._json(answer)

    def _again(self, send: Callable[[], httpx.Response]) -> httpx.Response:
        """Send until there is an answer, a few times at most. Where nobody listens at first, nobody will."""
        for attempt, pause in enumerate((*PAUSES, None)):
            wait = pause
            try:
                answer = send()
            except httpx.TransportError as error:
                never_sent = attempt == 0 and isinstance(error, httpx.ConnectError | httpx.UnsupportedProtocol)
                if wait is None or never_sent:
                    raise
            else:
                if wait is None or not _comes_back(answer):
                    return answer
                wait = min(LONGEST_PAUSE, _retry_after(answer) or wait)
            self._sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _json(self, answer: httpx.Response) -> Any:
        if answer.is_success:
            return answer.json() if answer.content else {}
        raise _refusal(answer)


@contextmanager
def connect(url: str) -> Iterator[Service]:
    """The service at that address; nothing is sent yet.

    Raises:
        UsageError: it is no address.
    """
    try:
        address = httpx.URL(url.strip().rstrip("/"))
    except httpx.InvalidURL as error:
        raise UsageError(f"{url!r} is not an address ({error}): {EXAMPLE}") from None
    if address.scheme not in {"http", "https"} or not address.host:
        raise UsageError(f"{url!r} is not an address: {EXAMPLE}")
    if address.port is not None and not 0 < address.port < 65_536:
        raise UsageError(f"There is no port {address.port}: {EXAMPLE}")
    # A proxy from the environment is for other machines: it does not lead back to this one.
    outside = address.host not in LOOPBACK
    headers = {"Accept": "application/json"}
    with httpx.Client(base_url=address, timeout=TIMEOUT, headers=headers, trust_env=outside) as http:
        yield Service(http)


def sweep_path(sweep_id: str, *rest: str) -> str:
    """Path of a sweep, with an id that cannot leave its place."""
    return "/".join(["/sweeps", quote(sweep_id, safe=""), *rest])


def _given(query: Mapping[str, Any]) -> dict[str, Any]:
    return {k: v for k, v in query.items() if v is not None}


def _comes_back(answer: httpx.Response) -> bool:
    """Whether the service asks for the same request again: it is busy, or still at work on the first one."""
    return answer.status_code in {429, 503} or (answer.status_code == 409 and "retry-after" in answer.headers)


def _retry_after(answer: httpx.Response) -> float | None:
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() else None


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
    kind = BusyError if _comes_back(answer) else RefusedError
    return kind(f"{text.rstrip('.')} (HTTP {answer.status_code} from {answer.request.url.copy_with(query=None)}).")


def _problem(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        document = answer.json()
    except json.JSONDecodeError:
        return {}
    return document if isinstance(document, Mapping) else {}
