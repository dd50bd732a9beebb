"""up, serve, worker and demo: the processes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from sweep_service.cli.demo import demo

Host = Annotated[str, typer.Option("--host", envvar="SWEEP_HOST", help="Loopback only, until there are keys.")]
Port = Annotated[int, typer.Option("--port", envvar="SWEEP_PORT", min=0, max=65_535, help="0 takes any free port.")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", envvar="SWEEP_WORKERS", min=1, help="By default one a GPU, or one a core without GPUs."),
]
DataDir = Annotated[Path, typer.Option("--data-dir", envvar="SWEEP_DATA_DIR", help="Holds all that is kept.")]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        envvar="SWEEP_DATABASE_URL",
        help="SQLite in the data folder by default; postgresql://... for more machines.",
        show_default=False,
    ),
]


def up(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    workers: Workers = None,
    data_dir: DataDir = Path("sweep-data"),
    database_url: DatabaseUrl = None,
) -> None:
    """Start everything on this machine: database, server, dashboard, and a worker a GPU (or a core).

    Whatever dies is started again. Ctrl-C drains: running packs give back their leases, nothing that is
    finished is lost, and the next `up` goes on where this one stopped.

    For example:

      sweep-service up

      sweep-service up --port 8080 --workers 1 --data-dir /data/sweeps
    """
    from sweep_service.launch.local import LocalOptions
    from sweep_service.launch.local import up as run_up

    run_up(LocalOptions(host, port, workers, data_dir, database_url), typer.echo)


def serve(
    host: Host = "127.0.0.1",
    port: Port = 8000,
    data_dir: DataDir = Path("sweep-data"),
    database_url: DatabaseUrl = None,
    fd: Annotated[int | None, typer.Option("--fd", hidden=True)] = None,
) -> None:
    """Run the server alone, in the foreground; `up` does this for you.

    Example: sweep-service db upgrade && sweep-service serve
    """
    from sweep_service.launch.lifeline import hold_lifeline

    hold_lifeline()
    import socket

    from sweep_service.launch.address import Address, bound_address, listen, require_loopback

    require_loopback(host)
    settings = _settings(data_dir, database_url, host=host, port=port)
    from sweep_service.launch.server import run_server

    if fd is not None:
        run_server(settings, socket.socket(fileno=fd))
        return
    from sweep_service.storage.migrate import check as check_tables

    check_tables(settings.database_url)  # before an address is printed that will not answer
    listener = listen(Address(settings.host, settings.port))
    typer.echo(f"Serving at {bound_address(listener, settings.host).url} until Ctrl-C.")
    run_server(settings, listener)


def worker(
    gpu: Annotated[
        int | None, typer.Option("--gpu", min=0, help="Train on this GPU alone.", show_default="the CPU")
    ] = None,
    data_dir: DataDir = Path("sweep-data"),
    database_url: DatabaseUrl = None,
) -> None:
    """Run one worker, in the foreground; start as many as there are GPUs or cores.

    Example: sweep-service worker --gpu 0 --database-url postgresql://user@host/sweeps
    """
    from sweep_service.launch.lifeline import hold_lifeline

    hold_lifeline()
    from sweep_service.worker.process import run_worker

    run_worker(_settings(data_dir, database_url), gpu=gpu)


def _settings(data_dir: Path, database_url: str | None, **more: Any) -> Any:
    """The process's settings: its own options over the environment."""
    from sweep_service.launch.data_dir import open_data_dir, sqlite_url
    from sweep_service.settings import Settings

    folder = open_data_dir(data_dir)
    return Settings.load(os.environ, data_dir=folder, database_url=database_url or sqlite_url(folder), **more)


def register(app: typer.Typer) -> None:
    """Add the group's commands."""
    app.command()(up)
    app.command()(demo)
    app.command()(serve)
    app.command()(worker)
