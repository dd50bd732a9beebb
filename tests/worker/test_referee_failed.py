"""A trial that diverged takes no place among those that a rung compares, however good it had been before."""

from __future__ import annotations

import numpy as np
import pytest

from sweep_service.core.run import Purpose, Run, RunKey, RunOutcome, RunState
from sweep_service.core.spec import Objective
from sweep_service.numerics.scale import Scale
from sweep_service.sampling.rungs import Halving
from sweep_service.worker.data import FoldArrays
from sweep_service.worker.members import MemberPlan
from sweep_service.worker.referee import Referee
from sweep_service.worker.scoring import MemberScore

EPOCHS = 6
ROWS = 4
NAN = float("nan")
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


def score(trial: int, fold: int) -> MemberScore:
    run = Run(RunKey(trial, Purpose.SEARCH, fold, 0), 1, RunState.RUNNING, 1, None, 0, {}, {}, b"", None)
    plan = MemberPlan(run, 0, "MSE", None, None, 1.0, 1.0, 1.0, {}, EPOCHS)
    return MemberScore(plan, FOLD, Objective(), Purpose.SEARCH, None)


def play(errors: dict[tuple[int, int], list[float]], chunk: int) -> dict[tuple[int, int], RunOutcome]:
    """Half of the trials go on after epoch 3; `errors` are each member's MAE an epoch."""
    scores = [score(*place) for place in errors]
    referee = Referee(scores, Halving([3], 0.5), {trial for trial, _ in errors})
    table = np.array(list(errors.values()), np.float32)
    for first in range(0, EPOCHS, chunk):
        part = table[:, first : first + chunk].T
        referee.see(first, np.repeat(part[:, :, None, None], ROWS, axis=2), np.zeros(part.shape, np.float32))
    return {place: s.outcome() for place, s in zip(errors, scores, strict=True)}


@pytest.mark.parametrize("chunk", [1, 2, EPOCHS])
def test_a_trial_that_diverged_before_a_rung_takes_no_place_there_though_its_best_was_finite(chunk: int) -> None:
    errors = {(0, 0): [0.1] + [NAN] * 5, (1, 0): [3.0] * 6, (2, 0): [4.0] * 6, (3, 0): [5.0] * 6}
    ended = play(errors, chunk)
    # Of three that are compared two stay. With the diverged one before them it would be one beside it.
    assert [(o.state, o.epochs) for o in ended.values()] == [
        (RunState.FAILED, 1),
        (RunState.COMPLETE, 6),
        (RunState.COMPLETE, 6),
        (RunState.PRUNED, 3),
    ]
    assert ended[0, 0].reason is not None
    assert "diverged at epoch 2" in ended[0, 0].reason


@pytest.mark.parametrize("fold", [0, 1])
def test_one_diverged_fold_takes_its_whole_trial_out_of_the_comparison(fold: int) -> None:
    errors = {(t, f): [1.0 + t] * 6 for t in range(4) for f in range(2)}
    errors[0, fold] = [0.1] + [NAN] * 5
    ended = play(errors, 2)
    assert ended[0, fold].state is RunState.FAILED
    assert ended[0, 1 - fold].state is RunState.COMPLETE
    for trial, state in {1: RunState.COMPLETE, 2: RunState.COMPLETE, 3: RunState.PRUNED}.items():
        assert {ended[trial, f].state for f in range(2)} == {state}
    reason = ended[3, 0].reason
    assert reason is not None
    assert "the best 2 of the 3 trials" in reason
