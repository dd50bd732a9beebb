"""The one rule that says what is queued next."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sweep_service.core.duration import seconds_of
from sweep_service.core.sweep import EndReason, Standing, SweepState, final_state, next_step
from sweep_service.core.task import TaskKind

RUNNING = Standing(SweepState.RUNNING, 0, 32, 128, 0, 12, exhausted=False, generation=0)


def test_the_last_pack_of_a_generation_asks_for_the_next() -> None:
    assert next_step(replace(RUNNING, open_runs=1)).task is None
    assert next_step(RUNNING).task is TaskKind.PLAN


@pytest.mark.parametrize(
    ("now", "reason"),
    [
        (replace(RUNNING, planned=128), EndReason.BUDGET),
        (replace(RUNNING, exhausted=True), EndReason.GRID_DONE),
        (replace(RUNNING, failed=13), EndReason.TOO_MANY_FAILURES),
        (replace(RUNNING, state=SweepState.STOPPING), EndReason.STOPPED),
        (replace(RUNNING, elapsed_seconds=61, max_seconds=60), EndReason.TIME),
    ],
)
def test_sampling_ends_with_a_reason_and_what_there_is_gets_concluded(now: Standing, reason: EndReason) -> None:
    step = next_step(now)
    assert (step.task, step.state, step.reason) == (TaskKind.CONCLUDE, SweepState.FINALIZING, reason)


def test_a_finalizing_sweep_concludes_again_after_its_packs() -> None:
    now = replace(RUNNING, state=SweepState.FINALIZING, planned=128)
    assert next_step(now).task is TaskKind.CONCLUDE
    assert next_step(replace(now, open_runs=3)).task is None


def test_a_cancelling_sweep_ends_with_its_last_run() -> None:
    assert next_step(replace(RUNNING, state=SweepState.CANCELLING)).state is SweepState.CANCELLED


def test_failures_end_as_failed() -> None:
    assert final_state(EndReason.TOO_MANY_FAILURES) is SweepState.FAILED
    assert final_state(EndReason.BUDGET) is SweepState.SUCCEEDED


def test_durations() -> None:
    assert seconds_of("P1DT1H1M1.5S") == 90061.5
    with pytest.raises(ValueError, match="ISO 8601"):
        seconds_of("1h")
