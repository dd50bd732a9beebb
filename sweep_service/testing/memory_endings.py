"""How tasks end in memory: a generation is stored, outcomes are counted once, what was not done goes back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sweep_service.core.plain import finite_only, plain_text
from sweep_service.core.run import OPEN_RUN_STATES, Purpose, Run, RunOutcome, RunState
from sweep_service.core.sweep import ENDED, SweepState
from sweep_service.core.task import Generation, Pack, PackResult, TaskKind, TaskState
from sweep_service.core.trial import OPEN_TRIAL_STATES, NewTrial, Trial, TrialState
from sweep_service.testing.memory_record import Record, TaskRow, frozen

MAX_ATTEMPTS = 3
_WITH_VALUES = frozenset({TrialState.COMPLETE, TrialState.PRUNED})
RAN_OUT = "the lease ran out: its worker was killed, stopped or cut off"


def write_generation(record: Record, made: Generation) -> None:
    """Trials, their packs, reports and counters."""
    for new in made.trials:
        if new.number in record.trials:
            raise ValueError(f"trial {new.number} is there already")
        record.trials[new.number] = _trial(record, new)
    anchors = sum(t.anchor is not None for t in made.trials)
    record.count("anchors", anchors)
    record.count("trials_planned", len(made.trials) - anchors)
    record.queue_packs(made.packs)
    record.reports.update({kind: frozen(dict(body)) for kind, body in made.reports.items()})
    record.exhausted = record.exhausted or made.exhausted or len(made.trials) == anchors
    generation = record.sweep.generation
    body = {"generation": generation, "trials": len(made.trials), "packs": len(made.packs)}
    record.event("GENERATION_PLANNED", body)
    record.sweep = replace(record.sweep, generation=generation + 1)


def _trial(record: Record, new: NewTrial) -> Trial:
    return Trial(
        number=new.number,
        generation=new.generation,
        group=new.group,
        anchor=new.anchor,
        loss=new.loss,
        parameters=frozen(dict(new.parameters)),
        delta_unit=new.delta_unit,
        signature=new.signature,
        state=TrialState.WAITING,
        reason=None,
        values={},
        engine={},
        excluded=False,
        created_at=record.now,
        ended_at=None,
    )


def write_outcomes(record: Record, task_id: str, result: PackResult) -> None:
    """Outcomes of runs that are still open."""
    known = {run.key: run for run in record.open_runs(task_id)}
    fresh = {o.key: o for o in result.outcomes if o.key in known}
    for key, outcome in fresh.items():
        record.runs[key] = _ended(known[key], outcome)
    complete = sum(o.state is RunState.COMPLETE for o in fresh.values())
    failed = sum(o.state in {RunState.FAILED, RunState.TIMED_OUT} for o in fresh.values())
    record.count("runs_complete", complete)
    record.count("runs_failed", failed)
    record.count("runs_pruned", sum(o.state is RunState.PRUNED for o in fresh.values()))
    touched = sorted({k.trial for k in fresh if k.purpose is Purpose.SEARCH})
    ended = end_trials(record, touched, result.engine)
    record.event("PACK_ENDED", {"task": task_id, "complete": complete, "failed": failed})
    if ended:
        record.event("TRIALS_ENDED", {"numbers": ended})
    if len(fresh) < len(known):
        reason = f"the pack ended without a word on {len(known) - len(fresh)} of its runs"
        give_back(record, record.tasks[task_id], reason=reason, counts=not fresh)


def _ended(run: Run, outcome: RunOutcome) -> Run:
    return replace(
        run,
        state=outcome.state,
        best_epoch=outcome.best_epoch,
        epochs=outcome.epochs,
        metrics=frozen(finite_only(outcome.metrics)),
        details=frozen(dict(outcome.details)),
        curve=outcome.curve,
        reason=None if outcome.reason is None else plain_text(outcome.reason),
    )


def end_trials(record: Record, numbers: Sequence[int], engine: Mapping[str, Any]) -> list[int]:
    """Trials whose last SEARCH run has ended get their state and the means of their runs' metrics."""
    ended = []
    for number in numbers:
        trial = record.trials[number]
        mine = [r for r in record.runs.values() if r.key.trial == number and r.key.purpose is Purpose.SEARCH]
        states = {r.state for r in mine}
        if trial.state not in OPEN_TRIAL_STATES or states & OPEN_RUN_STATES:
            continue
        state = _state_of(states)
        reason = next((r.reason for r in mine if r.state.value == state.value and r.reason), None)
        values = _means([r.metrics for r in mine]) if state in _WITH_VALUES else {}
        record.trials[number] = replace(
            trial, state=state, reason=reason, values=values, engine=frozen(dict(engine)), ended_at=record.now
        )
        name = {TrialState.COMPLETE: "trials_complete", TrialState.PRUNED: "trials_pruned"}.get(state, "trials_failed")
        if state is not TrialState.CANCELLED:
            record.count(name)
        ended.append(number)
    return ended


def _state_of(states: set[RunState]) -> TrialState:
    for state in (RunState.FAILED, RunState.TIMED_OUT, RunState.CANCELLED, RunState.PRUNED):
        if state in states:
            return TrialState(state.value)
    return TrialState.COMPLETE


def _means(metrics: Sequence[Mapping[str, float]]) -> dict[str, float]:
    names = [n for n in metrics[0] if all(n in m for m in metrics)]
    return {n: sum(m[n] for m in metrics) / len(metrics) for n in names}


def give_back(record: Record, row: TaskRow, *, reason: str | None, counts: bool) -> None:
    """A task that was not done: back to the queue; past its attempts a pack is halved, a single trial FAILED."""
    task = row.task
    attempt = task.attempt + (1 if counts else 0)
    if reason is not None:
        record.event("TASK_REQUEUED", {"task": task.id, "reason": reason, "attempt": attempt})
    if record.state is SweepState.CANCELLING:
        record.close_task(task.id)
        record.set_runs(record.open_runs(task.id), state=RunState.CANCELLED, reason="the sweep was cancelled")
        record.cancel_open(frozenset({RunState.WAITING}))
        record.step()
    elif attempt < MAX_ATTEMPTS:
        again = TaskRow(replace(task, attempt=attempt), TaskState.QUEUED, row.token)
        record.tasks[task.id] = again
        running = [r for r in record.open_runs(task.id) if r.state is RunState.RUNNING]
        record.set_runs(running, state=RunState.WAITING)
    elif task.kind is TaskKind.TRAIN:
        _halve_or_fail(record, row, reason or "it failed without a word")
    else:
        record.fail(f"{task.kind.value} failed {attempt} times: {reason}")


def give_back_late(record: Record) -> None:
    """Leases that ran out go back; no attempt counts."""
    for row in record.in_state(TaskState.LEASED):
        if record.state not in ENDED and row.expires_at is not None and row.expires_at < record.now:
            give_back(record, row, reason=RAN_OUT, counts=False)


def _halve_or_fail(record: Record, row: TaskRow, reason: str) -> None:
    task = row.task
    left = record.open_runs(task.id)
    numbers = sorted({r.key.trial for r in left})
    record.close_task(task.id)
    if len(numbers) <= 1:
        record.set_runs(left, state=RunState.FAILED, reason=plain_text(reason))
        record.count("runs_failed", len(left))
        ended = end_trials(record, numbers, {}) if task.purpose is Purpose.SEARCH else []
        if ended:
            record.event("TRIALS_ENDED", {"numbers": ended})
        record.step()
        return
    middle = len(numbers) // 2
    for half in (numbers[:middle], numbers[middle:]):
        pack = Pack(task.purpose or Purpose.SEARCH, str(task.payload["signature"]), int(task.payload["slots"]), ())
        made = record.queue(TaskKind.TRAIN, {**task.payload, "halved": True}, pack)
        for run in left:
            if run.key.trial in half:
                record.task_of[run.key] = made
                record.runs[run.key] = replace(run, state=RunState.WAITING)
