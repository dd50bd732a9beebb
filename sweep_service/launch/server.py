"""The server process: settings in, ports made, the API run until a signal."""

from __future__ import annotations

import signal
import socket
import sys
from types import FrameType

import uvicorn

from sweep_service.api.app import create_app
from sweep_service.launch.address import Address, listen
from sweep_service.logs import configure_logs
from sweep_service.settings import Settings
from sweep_service.storage.artifacts import open_artifacts
from sweep_service.storage.migrate import check
from sweep_service.storage.store import SqlStore

DRAIN_SECONDS = 5
"""Long polls and event streams would keep a server alive for ever: they are cut after that."""


def run_server(settings: Settings, listener: socket.socket | None = None) -> None:
    """Serve until SIGTERM or SIGINT, then let open requests end.

    Args:
        settings: of the service; `host` and `port` are bound here unless a socket is given.
        listener: a listening socket that the parent has bound.

    Raises:
        AddressError: it cannot listen there.
        SchemaVersionError: the database does not have this version's tables.
    """
    configure_logs(settings.log_level, settings.log_format)
    check(settings.database_url)
    sock = listener or listen(Address(settings.host, settings.port))
    store = SqlStore(settings.database_url)
    app = create_app(store, open_artifacts(settings.artifacts, settings.data_dir, store.engine), settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=DRAIN_SECONDS,
    )
    server = uvicorn.Server(config)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        # uvicorn raises the signal again once it has drained: then there is nothing left to do but to return.
        if not server.should_exit:
            sys.exit(0)

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    try:
        server.run(sockets=[sock])
    finally:
        store.close()
