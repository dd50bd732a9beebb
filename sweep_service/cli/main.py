"""`sweep-service`: the entry point. Importing this loads neither a server nor numpy, let alone TensorFlow."""

from __future__ import annotations

import sys
from typing import Annotated

import httpx
import typer

from sweep_service import __version__
from sweep_service.cli import database, datasets, failures, serving, sweeps, watching
from sweep_service.core.errors import SweepError

app = typer.Typer(
    name="sweep-service",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help=(
        "Tune the delta of the Huber loss, and say honestly how much it gains.\n\n"
        "Start here:\n\n"
        "  sweep-service demo                          two small sweeps, start to end\n\n"
        "  sweep-service up                            server, workers and dashboard on this machine\n\n"
        "  sweep-service submit --dataset diabetes --watch"
    ),
    epilog="Exit codes: 0 ok, 1 error, 2 wrong usage, 3 the sweep failed or was cancelled.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None: ...


for _group in (serving, sweeps, watching):
    _group.register(app)
app.add_typer(datasets.app, name="dataset")
app.add_typer(database.app, name="db")


def run() -> None:
    """Run the command line; every error that is ours, or the network's, ends as a sentence and an exit code."""
    try:
        app()
    except (SweepError, httpx.HTTPError, OSError, KeyboardInterrupt) as error:
        failures.show(error)
        sys.exit(failures.exit_code(error))


if __name__ == "__main__":
    run()
