"""Who may speak to the server at all, and with which addresses: before any route sees a request.

Allow-lists of Host and Origin stand against DNS rebinding and foreign pages.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from sweep_service.api.errors import problem

LOOPBACK = ("localhost", "127.0.0.1", "[::1]", "::1")
MAX_ADDRESS = 4096


class HostGuard:
    """Refuses requests whose Host or Origin is not on the list, and addresses that no database can look up."""

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app = app
        self._hosts = {*LOOPBACK, *(_name(h) for h in hosts)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] == "http":
            headers = {k.decode("latin-1").lower(): v.decode("latin-1") for k, v in scope["headers"]}
            refused = self._refusal(headers)
            if refused is not None:
                await problem(403, refused)(scope, receive, send)
                return
            path, query = str(scope["path"]), bytes(scope["query_string"])
            if len(path) + len(query) > MAX_ADDRESS:
                await problem(414, f"An address is at most {MAX_ADDRESS} characters.")(scope, receive, send)
                return
            if "\x00" in path or b"%00" in query:
                await problem(400, "The address holds a NUL character.")(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refusal(self, headers: dict[str, str]) -> str | None:
        host = _name(headers.get("host", ""))
        if host not in self._hosts:
            return f"The host {host[:100]!r} is not served here: add it to SWEEP_ALLOWED_HOSTS."
        origin = headers.get("origin")
        if origin is not None and _host_of(origin) not in self._hosts:
            return f"Pages of {origin[:100]!r} may not call this service: add its host to SWEEP_ALLOWED_HOSTS."
        return None


def _host_of(origin: str) -> str:
    try:
        return _name(urlsplit(origin).netloc)
    except ValueError:  # such as http://[
        return ""


def _name(netloc: str) -> str:
    """The host without its port."""
    netloc = netloc.lower()
    if netloc.startswith("["):
        return netloc[: netloc.find("]") + 1]
    return netloc.rsplit(":", 1)[0] if netloc.count(":") == 1 else netloc
