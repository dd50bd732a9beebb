"""The trainer without TensorFlow: what it finds is known, and the same everywhere."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from sweep_service.core.errors import TrainingError
from sweep_service.core.run import Purpose, Run, RunState, unpack_curve
from sweep_service.core.task import PackResult, PackWork, TrainJob
from sweep_service.core.work_ports import Trainer
from sweep_service.testing.fake_trainer import EPOCHS, FakeTrainer
from sweep_service.testing.scenes import make_runs, make_spec


def job(deltas: dict[int, float | None], **more: Any) -> TrainJob:
    """One trial a delta; None is MSE."""
    trials = {
        n: {"loss": "MSE" if d is None else "HUBER", "parameters": {} if d is None else {"delta": d}, "delta_unit": "S"}
        for n, d in deltas.items()
    }
    runs = tuple(
        Run(new.key, new.seed, RunState.RUNNING, 1, None, 0, {}, {}, b"", None) for n in deltas for new in make_runs(n)
    )
    return TrainJob("swp_x", make_spec(), Purpose.SEARCH, "sig", 8, PackWork(runs, trials), **more)


def values(result: PackResult) -> dict[int, float]:
    """Trial -> MAE on the first fold."""
    return {o.key.trial: o.metrics["MAE"] for o in result.outcomes if o.key.fold == 0}


def test_the_best_delta_is_the_one_that_was_asked_for() -> None:
    found = values(FakeTrainer(best_delta=2.0).train(job({0: 0.5, 1: 2.0, 2: 8.0, 3: None}), lambda _: None))
    assert min(found, key=lambda n: found[n]) == 1
    assert found[0] == pytest.approx(found[2], abs=0.01)
    assert found[3] > found[2]


def test_the_same_runs_give_the_same_outcomes_in_whatever_pack() -> None:
    together = FakeTrainer().train(job({0: 0.5, 1: 2.0}), lambda _: None)
    alone = FakeTrainer().train(job({1: 2.0}), lambda _: None)
    assert together.outcomes[2:] == alone.outcomes


def test_the_noise_is_the_seeds_and_mostly_common_to_all_trials() -> None:
    outcomes = FakeTrainer(noise=1.0).train(job({0: 1.0, 1: 1.0001}), lambda _: None).outcomes
    by_fold = [[o.metrics["MAE"] for o in outcomes if o.key.fold == fold] for fold in (0, 1)]
    assert by_fold[0][0] != by_fold[1][0]
    assert all(abs(a - b) < 0.25 for a, b in by_fold)


def test_outcomes_are_whole() -> None:
    outcome = FakeTrainer().train(job({0: 1.345}, epochs={0: 3}), lambda _: None).outcomes[0]
    assert (outcome.epochs, outcome.best_epoch) == (3, 3)
    assert unpack_curve(outcome.curve)["objective"][-1] == pytest.approx(outcome.metrics["MAE"])
    assert set(outcome.metrics) == {"MAE", "RMSE", "MEDIAN_AE"}
    assert outcome.details["share_beyond"] == pytest.approx(0.1786, abs=1e-4)
    assert FakeTrainer().train(job({0: 1.0}), lambda _: None).outcomes[0].epochs == EPOCHS


def test_trials_can_be_told_to_diverge_or_to_kill_their_pack() -> None:
    trainer = FakeTrainer(diverge=[1], poison=[2])
    outcomes = trainer.train(job({0: 1.0, 1: 1.0}), lambda _: None).outcomes
    assert [o.state for o in outcomes] == [RunState.COMPLETE] * 2 + [RunState.FAILED] * 2
    assert "diverged" in str(outcomes[-1].reason)
    with pytest.raises(TrainingError, match="SIGSEGV"):
        trainer.train(job({0: 1.0, 2: 1.0}), lambda _: None)
    assert [sorted(j.work.trials) for j in trainer.jobs] == [[0, 1], [0, 2]]


def test_a_pack_at_the_gate_can_be_interrupted() -> None:
    trainer: Trainer = FakeTrainer(gate=threading.Event())
    begun = threading.Event()
    thread = threading.Thread(target=lambda: (begun.wait(), trainer.interrupt()))
    thread.start()
    with pytest.raises(TrainingError, match="interrupted"):
        trainer.train(job({0: 1.0}), lambda _: begun.set())
    thread.join()
    trainer.close()
