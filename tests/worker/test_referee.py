"""Who trains no more: whole trials at the rungs, whatever the chunks are that the program hands out."""

from __future__ import annotations

import numpy as np
import pytest

from sweep_service.core.run import Purpose, Run, RunKey, RunState
from sweep_service.core.spec import Objective
from sweep_service.core.work_ports import Pruner
from sweep_service.numerics.scale import Scale
from sweep_service.sampling.rungs import Halving, Never
from sweep_service.worker.data import FoldArrays
from sweep_service.worker.members import MemberPlan
from sweep_service.worker.referee import Referee
from sweep_service.worker.scoring import MemberScore

EPOCHS = 12
ROWS = 4
FOLD = FoldArrays(
    x=np.zeros((ROWS, 1), np.float32),
    y=np.zeros((ROWS, 1), np.float32),
    target=np.zeros((ROWS, 1)),
    weight=None,
    train=np.arange(ROWS),
    validation=np.arange(ROWS),
    mean=np.zeros(1),
    sd=np.ones(1),
    scale=Scale(1.0, "HUBER_IRLS", "MAD", ""),
)


def score(trial: int, fold: int, patience: int | None = None) -> MemberScore:
    run = Run(RunKey(trial, Purpose.SEARCH, fold, 0), 1, RunState.RUNNING, 1, None, 0, {}, {}, b"", None)
    plan = MemberPlan(run, 0, "MSE", None, None, 1.0, 1.0, 1.0, {}, EPOCHS)
    return MemberScore(plan, FOLD, Objective(), Purpose.SEARCH, patience)


def play(
    errors: dict[tuple[int, int], list[float]], pruner: Pruner, anchors: set[int], chunk: int, patience: int | None
) -> list[tuple[RunState, int]]:
    """Feed each member's MAE an epoch (its prediction of a target of 0), in chunks; returns what became of them."""
    scores = [score(trial, fold, patience) for trial, fold in errors]
    referee = Referee(scores, pruner, {t for t, _ in errors} - anchors)
    table = np.array(list(errors.values()), np.float32)
    for first in range(0, EPOCHS, chunk):
        part = table[:, first : first + chunk].T
        predictions = np.repeat(part[:, :, None, None], ROWS, axis=2)
        left = referee.see(first, predictions, np.zeros(part.shape, np.float32))
        if len(left) == len(scores):
            break
    return [(o.state, o.epochs) for o in (s.outcome() for s in scores)]


def falling(start: float) -> list[float]:
    return [start - 0.01 * epoch for epoch in range(EPOCHS)]


FOUR = {(t, f): falling(1.0 + t + 0.1 * f) for t in range(4) for f in range(2)}


@pytest.mark.parametrize("chunk", [1, 4, 5, EPOCHS])
def test_a_trial_leaves_with_all_its_folds_at_its_rung_whatever_the_chunks(chunk: int) -> None:
    ends = play(FOUR, Halving([3, 6], 0.5), set(), chunk, None)
    stays, second, first = (RunState.COMPLETE, 12), (RunState.PRUNED, 6), (RunState.PRUNED, 3)
    assert ends == [stays, stays, second, second, first, first, first, first]


def test_a_trial_is_judged_by_the_mean_over_its_folds() -> None:
    errors = {(0, 0): falling(1.0), (0, 1): falling(9.0), (1, 0): falling(4.0), (1, 1): falling(4.0)}
    ends = play(errors, Halving([2], 0.5), set(), 4, None)
    assert [state for state, _ in ends] == [RunState.PRUNED, RunState.PRUNED, RunState.COMPLETE, RunState.COMPLETE]


def test_anchors_are_neither_pruned_nor_compared_with() -> None:
    ends = play(FOUR, Halving([3], 0.5), {0, 3}, 4, None)
    assert [s for s, _ in ends][::2] == [RunState.COMPLETE, RunState.COMPLETE, RunState.PRUNED, RunState.COMPLETE]


def test_a_trial_that_has_stopped_by_itself_is_complete_and_is_compared_with() -> None:
    errors = {(0, 0): [5.0] * EPOCHS, (1, 0): falling(3.0), (2, 0): falling(2.0)}
    ends = play(errors, Halving([6], 0.5), set(), 4, 2)
    assert ends[0] == (RunState.COMPLETE, 3)
    assert [s for s, _ in ends[1:]] == [RunState.COMPLETE, RunState.COMPLETE]
    # Three are compared and two stay: the one that stopped takes no place from them, and cannot leave any more.


def test_a_diverged_trial_fails_and_takes_no_place() -> None:
    errors = {(0, 0): [float("nan")] * EPOCHS, (1, 0): falling(3.0), (2, 0): falling(2.0)}
    states = [s for s, _ in play(errors, Halving([3], 0.5), set(), 4, None)]
    assert states == [RunState.FAILED, RunState.PRUNED, RunState.COMPLETE]


def test_without_a_pruner_everyone_trains_to_the_end() -> None:
    assert set(play(FOUR, Never(), set(), 5, None)) == {(RunState.COMPLETE, EPOCHS)}
