"""The dashboard's page routes and static files, to be added to any Starlette (or FastAPI) application.

The pages hold no data of their own: their modules read the public REST of the same application, so that what
the dashboard can show, any client can. Every address in them is relative, so that they work behind any prefix,
whether a proxy strips it or an outer application mounts it.
"""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HERE = Path(__file__).parent

# Scripts and styles come from files of this origin only: neither inline code nor eval, and nothing to fetch from
# elsewhere. `data:` and `blob:` images are the chart's own saved pictures.
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
}
# The pages and modules change with the installed version under the same names, so a browser asks each time and is
# answered 304 by the ETag.
ALWAYS_ASK = {"Cache-Control": "no-cache"}


def mount(app: Starlette, prefix: str = "/dashboard") -> None:
    """Add the pages and their static files to `app` below `prefix`.

    Args:
        app: a Starlette or FastAPI application that also serves the REST below `/v1`.
        prefix: where the pages live, with a leading and without a trailing slash.

    Raises:
        ValueError: if `prefix` is empty, or its slashes are not as said.
    """
    if not prefix.startswith("/") or prefix.endswith("/"):
        raise ValueError(f"the dashboard's prefix {prefix!r} must start with a slash and must not end with one")
    pages = _Pages(prefix)
    static = GZipMiddleware(_WithHeaders(StaticFiles(directory=HERE / "static")), compresslevel=6)
    app.router.routes.extend(
        [
            Mount(f"{prefix}/static", app=static, name="dashboard_static"),
            Route(prefix, pages.sweeps, name="dashboard_sweeps", include_in_schema=False),
            # Served, not redirected: a redirect would name a host and a path that a proxy in front may not know.
            Route(f"{prefix}/", pages.sweeps, include_in_schema=False),
            Route(f"{prefix}/sweeps/{{sweep}}", pages.sweep, name="dashboard_sweep", include_in_schema=False),
        ]
    )


class _Pages:
    """Renders the templates; knows nothing of any sweep but the id in the address."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined
        )

    def sweeps(self, request: Request) -> HTMLResponse:
        return self._page("sweeps.html", request)

    def sweep(self, request: Request) -> HTMLResponse:
        return self._page("sweep.html", request, depth=2, sweep=request.path_params["sweep"])

    def _page(self, template: str, request: Request, depth: int = 0, **values: str) -> HTMLResponse:
        # `root` leads from this page to the application's root, `home` to the list of sweeps; both are relative.
        if depth == 0 and request.scope["path"].endswith("/"):
            depth = 1
        root = "../" * (self._prefix.count("/") - 1 + depth) or "./"
        home = root + self._prefix.lstrip("/")
        text = self._templates.get_template(template).render(root=root, home=home, **values)
        return HTMLResponse(text, headers=SECURITY_HEADERS | ALWAYS_ASK)


class _WithHeaders:
    """Adds the security and cache headers to what the static files answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                added = [(k.lower().encode(), v.encode()) for k, v in (SECURITY_HEADERS | ALWAYS_ASK).items()]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, send_with_headers)
