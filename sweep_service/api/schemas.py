"""How values of `core` look in JSON. Numbers that are not finite become null."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from sweep_service.core.ports import StoredDataset, WorkerInfo
from sweep_service.core.run import Run
from sweep_service.core.sweep import ENDED, EndReason, Sweep, SweepState
from sweep_service.core.trial import Trial


def finite(value: Any) -> Any:
    """The same document without NaN and infinities."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return value


def finite_object(value: Mapping[str, Any]) -> dict[str, Any]:
    """An object without NaN and infinities."""
    return {name: finite(inner) for name, inner in value.items()}


def when(moment: datetime | None) -> str | None:
    """RFC 3339 in UTC."""
    return None if moment is None else moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sweep_json(sweep: Sweep, *, whole: bool = True) -> dict[str, Any]:
    """A sweep; a list's item carries no spec but the dataset's name."""
    base = f"/v1/sweeps/{sweep.id}"
    found: dict[str, Any] = {
        "id": sweep.id,
        "name": sweep.name,
        "description": sweep.spec.get("description", ""),
        "labels": dict(sweep.labels),
        "priority": sweep.priority,
        "state": sweep.state.value,
        "end_reason": sweep.end_reason.value if sweep.end_reason else None,
        "error": sweep.error or _too_many_failures(sweep),
        "dataset": sweep.spec["dataset"]["name"],
        "counters": asdict(sweep.counters),
        "generation": sweep.generation,
        "progress": progress(sweep),
        "created_at": when(sweep.created_at),
        "started_at": when(sweep.started_at),
        "ended_at": when(sweep.ended_at),
        "links": {
            "self": base,
            "best_delta": f"{base}/best-delta",
            "trials": f"{base}/trials",
            "delta_response": f"{base}/delta-response",
            "dashboard": f"/dashboard/sweeps/{sweep.id}",
        },
    }
    if whole:
        found["spec"] = dict(sweep.spec)
    return found


def _too_many_failures(sweep: Sweep) -> str | None:
    if sweep.end_reason is not EndReason.TOO_MANY_FAILURES:
        return None
    most = sweep.spec["budget"]["max_failed_trials"]
    failed = sweep.counters.trials_failed
    return f"{failed} trials failed, more than max_failed_trials = {most}: their reasons stand with them."


def progress(sweep: Sweep) -> dict[str, Any]:
    """How far a sweep is: runs done of the runs that its budget allows, what follows the search counted in."""
    counters = sweep.counters
    done = counters.runs_complete + counters.runs_failed + counters.runs_pruned
    ended, finishing = sweep.state in ENDED, sweep.state is SweepState.FINALIZING
    expected = done if ended else _expected_runs(sweep)
    phase = "DONE" if ended else "CONFIRM" if finishing else "SEARCH"
    share = 1.0 if ended else min(0.99, done / max(1.0, expected))
    return {"fraction": round(share, 4), "phase": phase, "runs_done": done, "runs_expected": max(done, round(expected))}


def _expected_runs(sweep: Sweep) -> float:
    """Never too few, so that the share only grows: what is not planned yet is counted at its most."""
    spec, counters = sweep.spec, sweep.counters
    validation = spec["dataset"]["split"]["validation"]
    folds = 1 if validation["kind"] == "HOLDOUT" else validation["folds"]
    each = folds * (validation["repeats"] if validation["kind"] == "REPEATED_KFOLD" else 1)
    confirm = spec.get("confirm") or None
    anchors = len(spec.get("anchors") or [])
    finalists = min(confirm["finalists"], spec["budget"]["max_trials"]) if confirm else 0
    # Each finalist, each anchor with its settings, and each anchor with its own best.
    confirming = (finalists + anchors * (finalists + 1)) * folds * confirm["repeats"] if confirm else 0
    matched = 0 if counters.anchors_matched else finalists * anchors * each
    if sweep.state is SweepState.FINALIZING:
        searched = (counters.trials_planned + counters.anchors) * each
        left = 0 if counters.runs_planned > searched else matched + confirming
        return float(counters.runs_planned + left)
    # The anchors of generations to come are estimated from those that were planned.
    ratio = counters.anchors / counters.trials_planned if counters.trials_planned else 0.5
    return float(spec["budget"]["max_trials"] * (1 + ratio) * each + matched + confirming)


def trial_json(trial: Trial, data: Mapping[str, Any] | None) -> dict[str, Any]:
    """A trial, its delta in three units."""
    value = trial.parameters.get("delta")
    delta = None
    if data is not None and value is not None and trial.loss == "HUBER":
        target = float(value) * data["sigma"] if trial.delta_unit == "SIGMA" else float(value)
        delta = {"target": target, "standardised": target / data["target_sd"], "sigma": target / data["sigma"]}
    return {
        "number": trial.number,
        "generation": trial.generation,
        "group": trial.group,
        "anchor": trial.anchor,
        "loss": trial.loss,
        "state": trial.state.value,
        "reason": trial.reason,
        "parameters": dict(trial.parameters),
        "delta": delta,
        "delta_unit": trial.delta_unit,
        "signature": trial.signature,
        "values": dict(trial.values),
        "engine": dict(trial.engine),
        "excluded": trial.excluded,
        "created_at": when(trial.created_at),
        "ended_at": when(trial.ended_at),
    }


def run_json(run: Run) -> dict[str, Any]:
    """A run without its curve."""
    key = run.key
    return {
        "trial": key.trial,
        "purpose": key.purpose.value,
        "fold": key.fold,
        "repeat": key.repeat,
        "seed": str(run.seed),  # 63 bits: a JSON reader that has doubles only would lose the last digits
        "state": run.state.value,
        "attempt": run.attempt,
        "best_epoch": run.best_epoch,
        "epochs": run.epochs,
        "metrics": dict(run.metrics),
        "details": dict(run.details),
        "reason": run.reason,
    }


def dataset_json(dataset: StoredDataset) -> dict[str, Any]:
    """An uploaded dataset's version."""
    return {
        "name": dataset.name,
        "version": dataset.version,
        "kind": "FILE",
        "digest": dataset.source_digest,
        "media_type": dataset.media_type,
        "size": dataset.size,
        **dict(dataset.summary),
        "created_at": when(dataset.created_at),
    }


def worker_json(worker: WorkerInfo) -> dict[str, Any]:
    """A worker."""
    found = asdict(worker)
    return {**found, "started_at": when(worker.started_at), "seen_at": when(worker.seen_at)}
