"""submit and watch: from a document to an answer, with progress bars on the way."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from sweep_service.cli.answers import show_best, show_sweep
from sweep_service.cli.failures import SWEEP_NOT_SUCCEEDED
from sweep_service.cli.output import console, print_json
from sweep_service.cli.service import DEFAULT_URL, AsJson, BusyError, Service, SweepId, Url, connect, sweep_path
from sweep_service.cli.spec_file import read_document

ENDED = frozenset({"SUCCEEDED", "FAILED", "CANCELLED"})
POLL_SECONDS = 0.5
PATIENCE_SECONDS = 30.0
"""How long a service that answers no more is waited for: `up` restarts a killed server well within it."""


def submit(
    spec: Annotated[
        str | None, typer.Argument(help="A JSON file; - reads standard input.", metavar="SPEC.json")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", "-d", help="Sweep this dataset; all else by default.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Set one field: path=value. Repeatable.", metavar="PATH=VALUE")
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Stay until it ends and print its best delta.")] = False,
    dry_run: Annotated[bool, typer.Option("--validate-only", help="Check it and store nothing.")] = False,
    url: Url = DEFAULT_URL,
    as_json: AsJson = False,
) -> None:
    """Post a sweep.

    For example:

      sweep-service submit --dataset diabetes --watch

      sweep-service submit sweep.json --set parameters.delta.high=5 --set budget.max_trials=64

      echo '{"dataset": "diabetes"}' | sweep-service submit - --json
    """
    document = read_document(spec, dataset, settings or [])
    with connect(url) as service:
        sweep = service.post("/sweeps", document, validate_only="true" if dry_run else None)
        if not as_json and dry_run:
            typer.echo("The sweep is sound; nothing was stored. --json shows every default filled in.")
        elif not as_json:
            typer.echo(f"{sweep['id']}  {sweep['name']}  {sweep['state']}")
            _hint(sweep, url, watch)
        if watch and not dry_run:
            _watch(service, sweep["id"], as_json)
        elif as_json:
            print_json(sweep)


def watch(sweep: SweepId, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Follow a sweep to its end and print its best delta and verdict.

    Exits with 0 when it succeeded and with 3 when it failed or was cancelled. Ctrl-C ends the watching, not the sweep.

    Example: sweep-service watch SWEEP
    """
    with connect(url) as service:
        _watch(service, sweep, as_json)


def _hint(sweep: dict[str, Any], url: str, watching: bool) -> None:
    dashboard = (sweep.get("links") or {}).get("dashboard")
    if dashboard:
        typer.echo(f"  dashboard  {httpx.URL(url).join(dashboard)}")
    if not watching:
        typer.echo(f"  follow it  sweep-service watch {sweep['id']}")


def _watch(service: Service, sweep_id: str, as_json: bool) -> None:
    out = Console(stderr=True)
    ended = follow(service, [sweep_id], out)[0]
    best = service.get(sweep_path(sweep_id, "best-delta"))
    if as_json:
        print_json(best)
    else:
        show_sweep(console(), ended)
        show_best(console(), best)
    if ended["state"] != "SUCCEEDED":
        raise typer.Exit(SWEEP_NOT_SUCCEEDED)


def follow(
    service: Service, sweep_ids: Sequence[str], out: Console, between: Callable[[], None] = lambda: None
) -> list[dict[str, Any]]:
    """Show one progress bar a sweep until all have ended; returns them as they ended.

    Args:
        service: where they run.
        sweep_ids: which.
        out: where the bars go (stderr, so that stdout holds the answer alone).
        between: called several times a second (the demo tends its processes in it).

    Raises:
        httpx.TransportError, BusyError: nothing has answered for half a minute.
    """
    bars = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=32),
        TextColumn("{task.percentage:>3.0f} %  {task.fields[phase]}"),
        TimeElapsedColumn(),
        console=out,
        transient=False,
    )
    seen: dict[str, dict[str, Any]] = {}
    tasks: dict[str, TaskID] = {}
    with bars:
        while any(seen.get(i, {}).get("state") not in ENDED for i in sweep_ids):
            for sweep_id in sweep_ids:
                if seen.get(sweep_id, {}).get("state") in ENDED:
                    continue
                sweep = _patiently(lambda i=sweep_id: service.get(sweep_path(i)), between)  # type: ignore[misc]
                seen[sweep_id] = sweep
                if sweep_id not in tasks:
                    tasks[sweep_id] = bars.add_task(str(sweep.get("name") or sweep_id), total=1.0, phase="")
                _move(bars, tasks[sweep_id], sweep)
            between()
            if any(seen[i]["state"] not in ENDED for i in sweep_ids):
                time.sleep(POLL_SECONDS)
    return [seen[i] for i in sweep_ids]


def _move(bars: Progress, task: TaskID, sweep: dict[str, Any]) -> None:
    progress = sweep.get("progress") or {}
    fraction = 1.0 if sweep["state"] == "SUCCEEDED" else float(progress.get("fraction", 0.0))
    runs = f"{progress.get('runs_done', 0)}/{progress.get('runs_expected', 0)} runs"
    phase = sweep["state"] if sweep["state"] in {*ENDED, "QUEUED", "PAUSED"} else progress.get("phase", sweep["state"])
    bars.update(task, completed=fraction, phase=f"{phase}, {runs}")
    if sweep["state"] in ENDED:
        bars.stop_task(task)


def _patiently(ask: Callable[[], dict[str, Any]], between: Callable[[], None]) -> dict[str, Any]:
    """Ask again while the server is being restarted, for half a minute at most."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return ask()
        except (httpx.TransportError, BusyError):
            if time.monotonic() > deadline:
                raise
            between()
            time.sleep(POLL_SECONDS)


def register(app: typer.Typer) -> None:
    """Add the group's commands."""
    app.command()(submit)
    app.command()(watch)
