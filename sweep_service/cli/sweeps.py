"""Reading sweeps and steering them: list, show, best, trials, pause, resume, stop, cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import typer

from sweep_service.cli.answers import show_best, show_sweep
from sweep_service.cli.output import MISSING, console, moment, number, parameter, print_json, row, table
from sweep_service.cli.service import DEFAULT_URL, AsJson, SweepId, Url, connect, sweep_path

Limit = Annotated[int, typer.Option("--limit", "-n", min=1, help="At most so many.")]


def list_sweeps(url: Url = DEFAULT_URL, limit: Limit = 50, as_json: AsJson = False) -> None:
    """List the sweeps, newest first.

    Example: sweep-service list --json | jq '.sweeps[0].id'
    """
    with connect(url) as service:
        page = service.pages("/sweeps", "sweeps", limit)
    if as_json:
        print_json(page)
        return
    if not page["sweeps"]:
        typer.echo("No sweeps yet: `sweep-service submit --dataset diabetes` makes the first.")
        return
    right = ("done", "delta", "sigmas")
    made = table("", "id", "name", "dataset", "state", *right, "verdict", "created", right=right)
    for sweep in page["sweeps"]:
        best = sweep.get("best") or {}
        row(
            made,
            sweep["id"],
            sweep.get("name"),
            sweep.get("dataset"),
            sweep.get("state"),
            f"{(sweep.get('progress') or {}).get('fraction', 0):.0%}",
            number(best.get("delta_target")),
            number(best.get("delta_sigma"), 3),
            best.get("verdict_kind") or best.get("status"),
            moment(sweep.get("created_at")),
        )
    console().print(made)


def show(sweep: SweepId, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Show where one sweep stands; --json prints its whole spec too.

    Example: sweep-service show SWEEP --json | jq .spec.parameters
    """
    with connect(url) as service:
        document = service.get(sweep_path(sweep))
    if as_json:
        print_json(document)
    else:
        show_sweep(console(), document)


def best(sweep: SweepId, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
    """Print the best delta, its gain over the anchors, and the verdict.

    Example: sweep-service best SWEEP --json | jq .delta.target
    """
    with connect(url) as service:
        document = service.get(sweep_path(sweep, "best-delta"))
    if as_json:
        print_json(document)
    else:
        show_best(console(), document)


def trials(
    sweep: SweepId,
    url: Url = DEFAULT_URL,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=1, help="At most so many.")] = None,
    as_json: AsJson = False,
) -> None:
    """List a sweep's trials with their deltas and values.

    Example: sweep-service trials SWEEP --json | jq '.trials[] | [.number, .delta.sigma, .values.MAE]'
    """
    with connect(url) as service:
        page = service.pages(sweep_path(sweep, "trials"), "trials", limit)
    if as_json:
        print_json(page)
        return
    if not page["trials"]:
        typer.echo("No trials yet: a worker samples the first ones when it takes the sweep.")
        return
    _trial_table(page["trials"])


def _trial_table(found: list[dict[str, Any]]) -> None:
    metrics = list(dict.fromkeys(m for t in found for m in t.get("values") or {}))
    varied = [n for n in _names(found) if len({repr(t["parameters"].get(n)) for t in found}) > 1]
    right = ("#", "delta", "standardised", "sigmas", *metrics, *varied)
    made = table("", "#", "state", "kind", "delta", "standardised", "sigmas", *metrics, *varied, right=right)
    for trial in found:
        units = trial.get("delta") or {}
        values = trial.get("values") or {}
        row(
            made,
            trial["number"],
            trial["state"],
            trial.get("anchor") or trial.get("loss"),
            *(number(units.get(unit)) for unit in ("target", "standardised", "sigma")),
            *(number(values.get(metric)) for metric in metrics),
            *(parameter(trial["parameters"].get(name)) for name in varied),
        )
    console().print(made)
    failed = [t for t in found if t.get("reason")]
    for trial in failed[:5]:
        typer.echo(f"trial {trial['number']} {trial['state']}: {trial['reason']}")
    if len(failed) > 5:
        typer.echo(f"... and {len(failed) - 5} more with a reason: see --json")


def _names(found: list[dict[str, Any]]) -> list[str]:
    return [n for n in dict.fromkeys(n for t in found for n in t.get("parameters") or {}) if n != "delta"]


def _steering(verb: str, effect: str) -> Callable[..., None]:
    def command(sweep: SweepId, url: Url = DEFAULT_URL, as_json: AsJson = False) -> None:
        with connect(url) as service:
            document = service.post(f"{sweep_path(sweep)}:{verb}")
        if as_json:
            print_json(document)
        else:
            typer.echo(f"{sweep} is {document.get('state', MISSING)}.")

    command.__doc__ = f"{effect}\n\nExample: sweep-service {verb} SWEEP"
    return command


EFFECTS = {
    "pause": "Pause a sweep: packs in flight finish, nothing new starts.",
    "resume": "Let a paused sweep go on.",
    "stop": "Stop searching and conclude from what there is: finalists are still confirmed.",
    "cancel": "Cancel a sweep: what is training is killed, what is complete stays readable.",
}


def register(app: typer.Typer) -> None:
    """Add the group's commands."""
    app.command("list")(list_sweeps)
    app.command("show")(show)
    app.command("best")(best)
    app.command("trials")(trials)
    for verb, effect in EFFECTS.items():
        app.command(verb)(_steering(verb, effect))
