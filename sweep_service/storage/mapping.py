"""Rows to the values of `core`, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweep_service.core.event import Event
from sweep_service.core.hypermodel import PublishedSpace, StoredHyperModel
from sweep_service.core.ports import StoredDataset, WorkerInfo
from sweep_service.core.run import Purpose, Run, RunKey, RunState
from sweep_service.core.sweep import Counters, EndReason, Standing, Sweep, SweepState
from sweep_service.core.task import Task, TaskKind
from sweep_service.core.trial import Trial, TrialState
from sweep_service.storage.database import moment, moment_of

Row = Mapping[Any, Any]


def sweep_of(row: Row) -> Sweep:
    """A row of `sweeps`."""
    return Sweep(
        id=row["id"],
        name=row["name"],
        state=SweepState(row["state"]),
        end_reason=EndReason(row["end_reason"]) if row["end_reason"] else None,
        error=row["error"],
        spec=row["spec"],
        priority=row["priority"],
        labels=row["labels"],
        counters=Counters(**row["counters"]),
        generation=row["generation"],
        revision=row["revision"],
        event_seq=row["event_seq"],
        created_at=moment_of(row["created_at"]),
        started_at=moment(row["started_at"]),
        ended_at=moment(row["ended_at"]),
    )


def standing_of(row: Row, open_runs: int, now: float) -> Standing:
    """What `next_step` looks at."""
    counters = row["counters"]
    return Standing(
        state=SweepState(row["state"]),
        open_runs=open_runs,
        planned=counters["trials_planned"],
        max_trials=row["max_trials"],
        failed=counters["trials_failed"],
        max_failed=row["max_failed"],
        exhausted=row["exhausted"],
        generation=row["generation"],
        elapsed_seconds=now - (row["started_at"] or now),
        max_seconds=row["max_seconds"],
    )


def trial_of(row: Row) -> Trial:
    """A row of `trials`."""
    return Trial(
        number=row["number"],
        generation=row["generation"],
        group=row["group"],
        anchor=row["anchor"],
        loss=row["loss"],
        parameters=row["parameters"],
        delta_unit=row["delta_unit"],
        signature=row["signature"],
        state=TrialState(row["state"]),
        reason=row["reason"],
        values=row["values"],
        engine=row["engine"],
        excluded=row["excluded"],
        created_at=moment_of(row["created_at"]),
        ended_at=moment(row["ended_at"]),
    )


def run_of(row: Row) -> Run:
    """A row of `runs`; without the column `curve` it is empty."""
    return Run(
        key=RunKey(row["trial"], Purpose(row["purpose"]), row["fold"], row["repeat"]),
        seed=row["seed"],
        state=RunState(row["state"]),
        attempt=row["attempt"],
        best_epoch=row["best_epoch"],
        epochs=row["epochs"],
        metrics=row["metrics"],
        details=row["details"],
        curve=bytes(row.get("curve", b"")),
        reason=row["reason"],
    )


def task_of(row: Row) -> Task:
    """A row of `tasks`."""
    purpose = Purpose(row["purpose"]) if row["purpose"] else None
    kind = TaskKind(row["kind"])
    return Task(str(row["id"]), row["sweep_id"], kind, purpose, row["payload"], row["attempt"])


def event_of(row: Row) -> Event:
    """A row of `events`."""
    return Event(row["seq"], row["kind"], moment_of(row["at"]), row["body"])


def dataset_of(row: Row) -> StoredDataset:
    """A row of `datasets`."""
    names = ("name", "version", "digest", "source_digest", "media_type", "size", "summary")
    return StoredDataset(**{n: row[n] for n in names}, created_at=moment_of(row["created_at"]))


def hypermodel_of(row: Row) -> StoredHyperModel:
    """A row of `hypermodels`."""
    space = PublishedSpace.model_validate(row["space"])
    return StoredHyperModel(space, row["worker_version"], moment_of(row["published_at"]))


def worker_of(row: Row) -> WorkerInfo:
    """A row of `workers`."""
    return WorkerInfo(
        id=row["id"],
        host=row["host"],
        pid=row["pid"],
        device=row["device"],
        version=row["version"],
        started_at=moment_of(row["started_at"]),
        seen_at=moment_of(row["seen_at"]),
        task_id=None if row["task_id"] is None else str(row["task_id"]),
        info=row["info"],
    )
