"""How tasks end: a generation is stored, outcomes are counted once, a task that was not done goes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import bindparam, func, insert, select, update

from sweep_service.core.plain import finite_only, plain_text
from sweep_service.core.run import Purpose, RunOutcome, RunState
from sweep_service.core.sweep import SweepState
from sweep_service.core.task import Generation, PackResult, TaskKind, TaskState
from sweep_service.core.trial import TrialState
from sweep_service.storage.ledger import OPEN_RUNS, OPEN_TRIALS, Ledger
from sweep_service.storage.tables import runs, tasks, trials

MAX_ATTEMPTS = 3
_RAN_OUT = "the lease ran out: its worker was killed, stopped or cut off"
Row = Mapping[Any, Any]


def write_generation(ledger: Ledger, made: Generation) -> None:
    """Trials, their packs, reports and counters."""
    rows = [
        {
            "sweep_id": ledger.id,
            "number": t.number,
            "generation": t.generation,
            "group": t.group,
            "anchor": t.anchor,
            "loss": t.loss,
            "parameters": dict(t.parameters),
            "delta_unit": t.delta_unit,
            "signature": t.signature,
            "state": TrialState.WAITING.value,
            "values": {},
            "engine": {},
            "excluded": False,
            "created_at": ledger.now,
        }
        for t in made.trials
    ]
    if rows:
        ledger.connection.execute(insert(trials), rows)
    anchors = sum(1 for t in made.trials if t.anchor is not None)
    ledger.count("anchors", anchors)
    ledger.count("trials_planned", len(rows) - anchors)
    ledger.queue_packs(made.packs)
    for kind, body in made.reports.items():
        ledger.report(kind, body)
    # A generation without a trial would ask for the next for ever: the space has nothing more to give.
    ledger.row["exhausted"] = bool(ledger.row["exhausted"] or made.exhausted or len(rows) == anchors)
    body = {"generation": ledger.row["generation"], "trials": len(rows), "packs": len(made.packs)}
    ledger.event("GENERATION_PLANNED", body)
    ledger.row["generation"] += 1


def write_outcomes(ledger: Ledger, task_id: int, result: PackResult) -> None:
    """Outcomes of runs that are still open; those that are terminal already are left alone."""
    open_rows = _open_runs(ledger, task_id)
    known = {(r["trial"], r["purpose"], r["fold"], r["repeat"]) for r in open_rows}
    fresh = {o.key: o for o in result.outcomes if _key(o) in known}
    if fresh:
        ledger.connection.execute(_RUN_ENDS, [_end_row(ledger, o) for o in fresh.values()])
    complete = sum(1 for o in fresh.values() if o.state is RunState.COMPLETE)
    failed = sum(1 for o in fresh.values() if o.state in {RunState.FAILED, RunState.TIMED_OUT})
    ledger.count("runs_complete", complete)
    ledger.count("runs_failed", failed)
    ledger.count("runs_pruned", sum(1 for o in fresh.values() if o.state is RunState.PRUNED))
    touched = sorted({o.key.trial for o in fresh.values() if o.key.purpose is Purpose.SEARCH})
    ended = end_trials(ledger, touched, result.engine)
    ledger.event("PACK_ENDED", {"task": str(task_id), "complete": complete, "failed": failed})
    if ended:
        ledger.event("TRIALS_ENDED", {"numbers": ended})
    if len(fresh) < len(known):
        row = ledger.connection.execute(select(tasks).where(tasks.c.id == task_id)).mappings().one()
        reason = f"the pack ended without a word on {len(known) - len(fresh)} of its runs"
        # Without any progress it counts, lest it comes back for ever.
        give_back(ledger, row, reason=reason, counts=not fresh)


_RUN_ENDS = (
    update(runs)
    .where(
        runs.c.sweep_id == bindparam("k_sweep"),
        runs.c.trial == bindparam("k_trial"),
        runs.c.purpose == bindparam("k_purpose"),
        runs.c.fold == bindparam("k_fold"),
        runs.c.repeat == bindparam("k_repeat"),
    )
    .values(
        {
            name: bindparam(f"v_{name}")
            for name in ("state", "best_epoch", "epochs", "metrics", "details", "curve", "reason", "ended_at")
        }
    )
)


_WITH_VALUES = {TrialState.COMPLETE, TrialState.PRUNED}


def _key(outcome: RunOutcome) -> tuple[int, str, int, int]:
    return (outcome.key.trial, outcome.key.purpose.value, outcome.key.fold, outcome.key.repeat)


def _end_row(ledger: Ledger, outcome: RunOutcome) -> dict[str, Any]:
    trial, purpose, fold, repeat = _key(outcome)
    return {
        "k_sweep": ledger.id,
        "k_trial": trial,
        "k_purpose": purpose,
        "k_fold": fold,
        "k_repeat": repeat,
        "v_state": outcome.state.value,
        "v_best_epoch": outcome.best_epoch,
        "v_epochs": outcome.epochs,
        "v_metrics": finite_only(outcome.metrics),
        "v_details": dict(outcome.details),
        "v_curve": outcome.curve,
        "v_reason": None if outcome.reason is None else plain_text(outcome.reason),
        "v_ended_at": ledger.now,
    }


def _open_runs(ledger: Ledger, task_id: int) -> Sequence[Row]:
    mine = (runs.c.sweep_id == ledger.id, runs.c.task_id == task_id, runs.c.state.in_(OPEN_RUNS))
    columns = (runs.c.trial, runs.c.purpose, runs.c.fold, runs.c.repeat)
    query = select(*columns).where(*mine).order_by(*columns)
    return ledger.connection.execute(query).mappings().all()


def end_trials(ledger: Ledger, numbers: Sequence[int], engine: Mapping[str, Any]) -> list[int]:
    """Trials whose last SEARCH run has ended get their state and the means of their runs' metrics."""
    if not numbers:
        return []
    mine = (runs.c.sweep_id == ledger.id, runs.c.trial.in_(numbers), runs.c.purpose == Purpose.SEARCH.value)
    still = select(trials.c.number).where(trials.c.sweep_id == ledger.id, trials.c.state.in_(OPEN_TRIALS))
    live = set(ledger.connection.execute(still).scalars())
    numbers = [n for n in numbers if n in live]
    found: dict[int, list[Row]] = {}
    columns = (runs.c.trial, runs.c.state, runs.c.metrics, runs.c.reason)
    # In one order, whatever the database's: a mean's last bit depends on it, and the sampler learns the mean.
    ordered = select(*columns).where(*mine).order_by(runs.c.trial, runs.c.repeat, runs.c.fold)
    for row in ledger.connection.execute(ordered).mappings():
        found.setdefault(row["trial"], []).append(row)
    ends = []
    for number in numbers:
        states = {row["state"] for row in found[number]}
        if states & set(OPEN_RUNS):
            continue
        state = _state_of(states)
        reason = next((r["reason"] for r in found[number] if r["state"] == state.value and r["reason"]), None)
        ends.append(
            {
                "k_number": number,
                "k_sweep": ledger.id,
                "v_state": state.value,
                "v_reason": reason,
                "v_values": _means([r["metrics"] for r in found[number]]) if state in _WITH_VALUES else {},
                "v_engine": dict(engine),
                "v_ended": ledger.now,
            }
        )
        _count_trial(ledger, state)
    if ends:
        ledger.connection.execute(_TRIAL_ENDS, ends)
    return [int(str(e["k_number"])) for e in ends]


_TRIAL_ENDS = (
    update(trials)
    .where(
        trials.c.sweep_id == bindparam("k_sweep"),
        trials.c.number == bindparam("k_number"),
    )
    .values(
        {
            "state": bindparam("v_state"),
            "reason": bindparam("v_reason"),
            "values": bindparam("v_values"),
            "engine": bindparam("v_engine"),
            "ended_at": bindparam("v_ended"),
        }
    )
)


def _state_of(states: set[str]) -> TrialState:
    for state in (TrialState.FAILED, TrialState.TIMED_OUT, TrialState.CANCELLED, TrialState.PRUNED):
        if state.value in states:
            return state
    return TrialState.COMPLETE


def _means(metrics: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = [n for n in metrics[0] if all(n in m for m in metrics)]
    return {n: sum(m[n] for m in metrics) / len(metrics) for n in names}


def _count_trial(ledger: Ledger, state: TrialState) -> None:
    name = {TrialState.COMPLETE: "trials_complete", TrialState.PRUNED: "trials_pruned"}.get(state, "trials_failed")
    if state is not TrialState.CANCELLED:
        ledger.count(name)


def _requeue(ledger: Ledger, task_id: int, attempt: int) -> None:
    """The task waits again, its open runs too."""
    waits = {"state": TaskState.QUEUED.value, "attempt": attempt, "worker_id": None, "expires_at": None}
    ledger.connection.execute(update(tasks).where(tasks.c.id == task_id).values(waits | {"ended_at": None}))
    mine = (runs.c.task_id == task_id, runs.c.state == RunState.RUNNING.value)
    ledger.connection.execute(update(runs).where(*mine).values(state=RunState.WAITING.value))


def give_back(ledger: Ledger, row: Row, *, reason: str | None, counts: bool) -> None:
    """A task that was not done: back to the queue; past its attempts a pack is halved, a single trial FAILED."""
    attempt = row["attempt"] + (1 if counts else 0)
    if reason is not None:
        ledger.event("TASK_REQUEUED", {"task": str(row["id"]), "reason": reason, "attempt": attempt})
    if ledger.state is SweepState.CANCELLING:
        _close_task(ledger, row["id"])
        _end_runs(ledger, row["id"], RunState.CANCELLED, "the sweep was cancelled")
        ledger.cancel_open(waiting_only=True)
        ledger.step()
    elif attempt < MAX_ATTEMPTS:
        _requeue(ledger, row["id"], attempt)
    elif row["kind"] == TaskKind.TRAIN.value:
        _halve_or_fail(ledger, row, reason or "it failed without a word")
    else:
        ledger.fail(f"{row['kind']} failed {attempt} times: {reason}")


def give_back_late(ledger: Ledger) -> None:
    """Leases of the sweep that ran out go back to the queue; no attempt counts: nobody knows what the pack did."""
    late = (tasks.c.sweep_id == ledger.id, tasks.c.state == TaskState.LEASED.value, tasks.c.expires_at < ledger.now)
    query = select(tasks).where(*late).order_by(tasks.c.id).with_for_update()
    for row in ledger.connection.execute(query).mappings().all():
        give_back(ledger, row, reason=_RAN_OUT, counts=False)


def _halve_or_fail(ledger: Ledger, row: Row, reason: str) -> None:
    numbers = sorted({r["trial"] for r in _open_runs(ledger, row["id"])})
    _close_task(ledger, row["id"])
    if len(numbers) <= 1:
        _end_runs(ledger, row["id"], RunState.FAILED, reason)
        ended = end_trials(ledger, numbers, {}) if row["purpose"] == Purpose.SEARCH.value else []
        if ended:
            ledger.event("TRIALS_ENDED", {"numbers": ended})
        ledger.step()
        return
    middle = len(numbers) // 2
    for half in (numbers[:middle], numbers[middle:]):
        task = ledger.queue(TaskKind.TRAIN, {**row["payload"], "halved": True}, row["purpose"])
        mine = (runs.c.task_id == row["id"], runs.c.state.in_(OPEN_RUNS), runs.c.trial.in_(half))
        values = {"task_id": task, "state": RunState.WAITING.value}
        ledger.connection.execute(update(runs).where(*mine).values(values))


def _close_task(ledger: Ledger, task_id: int) -> None:
    values = {"state": TaskState.DONE.value, "ended_at": ledger.now}
    ledger.connection.execute(update(tasks).where(tasks.c.id == task_id).values(values))


def _end_runs(ledger: Ledger, task_id: int, state: RunState, reason: str) -> None:
    mine = (runs.c.task_id == task_id, runs.c.state.in_(OPEN_RUNS))
    count = ledger.connection.execute(select(func.count()).select_from(runs).where(*mine)).scalar_one()
    values = {"state": state.value, "reason": plain_text(reason), "ended_at": ledger.now}
    ledger.connection.execute(update(runs).where(*mine).values(values))
    if state is RunState.FAILED:
        ledger.count("runs_failed", int(count))
