"""How a sweep and its best delta are told to a person."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from sweep_service.cli.output import MISSING, delta, interval, moment, number, parameter, row, signed, table

_STATE_COLOURS = {"SUCCEEDED": "green", "FAILED": "red", "CANCELLED": "red", "PAUSED": "yellow"}


def show_sweep(out: Console, sweep: Mapping[str, Any]) -> None:
    """Where a sweep stands."""
    counters = sweep.get("counters") or {}
    progress = sweep.get("progress") or {}
    state = str(sweep.get("state"))
    colour = _STATE_COLOURS.get(state, "cyan")
    reason = f" ({sweep['end_reason']})" if sweep.get("end_reason") else ""
    out.print(
        f"[bold]{escape(str(sweep.get('name')))}[/]  {escape(str(sweep.get('id')))}  [{colour}]{state}{reason}[/]"
    )
    if sweep.get("error"):
        out.print(f"  error     {escape(str(sweep['error']))}")
    out.print(
        f"  progress  {progress.get('fraction', 0):.0%} {progress.get('phase', '')}, "
        f"{progress.get('runs_done', 0)} of {progress.get('runs_expected', 0)} runs"
    )
    out.print(
        f"  trials    {counters.get('trials_planned', 0)} sampled and {counters.get('anchors', 0)} anchors: "
        f"{counters.get('trials_complete', 0)} complete, {counters.get('trials_failed', 0)} failed"
    )
    out.print(
        f"  created   {moment(sweep.get('created_at'))}   started {moment(sweep.get('started_at'))}   "
        f"ended {moment(sweep.get('ended_at'))}"
    )


def show_best(out: Console, best: Mapping[str, Any]) -> None:
    """The best delta in its units, what it gains over the anchors, and what the evidence allows to say."""
    if not best.get("delta"):
        ended = best.get("state") in {"SUCCEEDED", "FAILED", "CANCELLED"}
        then = "its trials tell why" if ended else "try again when a trial is complete"
        out.print(f"No best delta{'' if ended else ' yet'}: the sweep is {best.get('state')}; {then}.")
        _sentence(out, "verdict", best.get("verdict"))
        return
    objective = best.get("objective") or {}
    out.print(f"[bold]best delta[/]   {delta(best['delta'])}   [dim]{best.get('status')}[/]")
    error = objective.get("standard_error")
    spread = f" (standard error {number(error, 3)})" if error is not None else ""
    out.print(
        f"objective    {objective.get('metric')} {number(objective.get('value'))}{spread}, trial {best.get('trial')}"
    )
    settings = {k: v for k, v in (best.get("parameters") or {}).items() if k != "delta"}
    out.print(f"with         {escape(', '.join(f'{k} {parameter(v)}' for k, v in settings.items())) or MISSING}")
    out.print(f"sigma        {number(best.get('sigma'))} target units ({best.get('sigma_method')})")
    if best.get("equivalent"):
        _sentence(out, "as good", best["equivalent"])
    _show_gains(out, best, str(objective.get("metric")))
    _sentence(out, "recommended", best.get("recommended"))
    _sentence(out, "verdict", best.get("verdict"))
    for warning in best.get("warnings") or []:
        out.print(f"[yellow]note[/]         {escape(str(warning))}")


def _show_gains(out: Console, best: Mapping[str, Any], metric: str) -> None:
    gains = best.get("gains") or []
    if not gains:
        return
    numbers = (f"its {metric}", "gain", "%", "95 % interval of the gain", "p (Holm)")
    made = table(
        "Gain over the anchors, same folds (positive: better than the anchor)", "anchor", *numbers, right=numbers
    )
    for gain in gains:
        percent = gain.get("gain_percent")
        row(
            made,
            gain.get("anchor"),
            number(gain.get("value")),
            signed(gain.get("gain")),
            MISSING if percent is None else f"{percent:+.2f}",
            interval(gain.get("interval")),
            number(gain.get("p_holm"), 2),
        )
    out.print(made)


def _sentence(out: Console, label: str, part: Mapping[str, Any] | None) -> None:
    if part and part.get("sentence"):
        # In a pipe a sentence stays on one line, so that `grep` finds it whole.
        out.print(f"[bold]{label:<12}[/] {escape(str(part['sentence']))}", soft_wrap=not out.is_terminal)
