"""demo: the whole way from a POST to a verdict, on this machine, in about a minute."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from sweep_service.cli.answers import show_best
from sweep_service.cli.failures import SWEEP_NOT_SUCCEEDED
from sweep_service.cli.output import console, own_name
from sweep_service.cli.service import Service, connect, sweep_path
from sweep_service.cli.watching import follow
from sweep_service.worker.stopping import StopFlag


def demo(
    data_dir: Annotated[Path, typer.Option("--data-dir", help="Where the results are kept.", show_default=True)] = Path(
        "sweep-data"
    )
    / "demo",
    workers: Annotated[int | None, typer.Option("--workers", min=1, help="One a GPU or a core by default.")] = None,
    port: Annotated[int, typer.Option("--port", min=0, max=65_535, help="0 takes any free port.")] = 0,
    keep: Annotated[bool, typer.Option("--keep", help="Go on serving afterwards, until Ctrl-C.")] = False,
) -> None:
    """Run two small sweeps from start to end: about a minute on two cores.

    Starts a server and workers of its own, posts both sweeps over REST, shows their progress, and prints what each
    found. Exits with 0 when both succeeded.

    For example:

      sweep-service demo

      sweep-service demo --keep --port 8000
    """
    from sweep_service.launch.local import LocalOptions, LocalService, stop_signals, welcome

    out = Console(stderr=True)
    with stop_signals() as stopping:
        started = time.monotonic()
        options = LocalOptions(port=port, workers=workers, data_dir=data_dir)
        service = LocalService(options, lambda line: out.print(line, markup=False, highlight=False))
        try:
            service.start(stopping)
            out.print(f"Serving at {service.address.url} with {service.workers} workers.", highlight=False)
            with connect(service.address.url) as rest:
                succeeded = _run(rest, out, stopping, service)
                took = time.monotonic() - started
            typer.echo(f"Both sweeps took {took:.0f} s." if succeeded else f"Not all sweeps succeeded ({took:.0f} s).")
            if keep and not stopping.is_set():
                for line in welcome(service, took):
                    typer.echo(line)
                while not stopping.wait(0.1):
                    service.tend()
        finally:
            service.drain()
    typer.echo(f"Browse the results: {own_name()} up --data-dir {service.data_dir}")
    if not succeeded:
        raise typer.Exit(SWEEP_NOT_SUCCEEDED)


def _run(rest: Service, out: Console, stopping: StopFlag, service: Any) -> bool:
    from sweep_service.launch.demo import demo_sweeps

    def between() -> None:
        service.tend()
        if stopping.is_set():
            raise KeyboardInterrupt

    posted = [rest.post("/sweeps", document) for document in demo_sweeps()]
    ended = follow(rest, [sweep["id"] for sweep in posted], out, between)
    shown = console()
    for sweep in ended:
        shown.print()
        shown.rule(f"[bold]{escape(sweep['name'])}[/]  {sweep['state']}", align="left")
        description = (sweep.get("spec") or {}).get("description")
        shown.print(f"{escape(str(description))}. Sweep {sweep['id']}" if description else f"Sweep {sweep['id']}")
        if sweep.get("error"):
            shown.print(f"[red]{escape(str(sweep['error']))}[/]")
        show_best(shown, rest.get(sweep_path(sweep["id"], "best-delta")))
    shown.print()
    return all(sweep["state"] == "SUCCEEDED" for sweep in ended)
