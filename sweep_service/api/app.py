"""The wiring of the server."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.responses import RedirectResponse

from sweep_service import __version__
from sweep_service.api import described, errors, events, reference
from sweep_service.api.guard import HostGuard
from sweep_service.api.headers import SecurityHeaders
from sweep_service.api.routes import answers, datasets, hypermodels, operations, sweeps, trials
from sweep_service.api.service import Service
from sweep_service.core.ports import ArtifactStore, SweepStore
from sweep_service.dashboard.pages import mount
from sweep_service.settings import Settings


def create_app(store: SweepStore, artifacts: ArtifactStore, settings: Settings) -> FastAPI:
    """The app over two stores; it opens nothing and closes nothing."""
    app = FastAPI(
        title="sweep-service",
        version=__version__,
        summary="Sweeps that tune the delta of the Huber loss.",
        docs_url=None,  # its page would load scripts from elsewhere: reference serves our own
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
    )
    app.state.service = Service(store, artifacts, settings)
    errors.install(app)
    app.add_middleware(HostGuard, hosts=settings.allowed_hosts)
    app.add_middleware(SecurityHeaders)
    for router in (
        operations.router,
        events.router,
        answers.router,
        trials.router,
        datasets.router,
        hypermodels.router,
        sweeps.router,
    ):
        app.include_router(router)
    described.install(app)
    reference.install(app)
    mount(app)

    @app.get("/", include_in_schema=False)
    def root() -> RedirectResponse:
        return RedirectResponse("dashboard")

    return app
