"""From runs to members: what a trial's delta means on each fold, and how each member is trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from sweep_service.core.pack import make_runs, signature
from sweep_service.core.parsing import dump_spec, parse_spec
from sweep_service.core.run import Purpose, Run, RunState
from sweep_service.core.task import PackWork, TrainJob
from sweep_service.datasets.load import BuiltinSource
from sweep_service.numerics.huber import FLOAT32_MAX, MAE_BOUND
from sweep_service.worker.data import Prepared, fold_arrays, partition, prepare
from sweep_service.worker.members import PackPlan, plan_pack
from sweep_service.worker.planning import structure_of

SPEC = {"dataset": {"name": "friedman1", "options": {"rows": 103}}, "training": {"max_epochs": 40}}
SETTINGS = {
    "layers": 1,
    "units": 4,
    "activation": "relu",
    "optimizer": "sgd",
    "nesterov": True,
    "batch_size": 16,
    "learning_rate": 0.02,
    "momentum": 0.9,
    "dropout": 0.1,
    "weight_decay": 0.01,
    "l2": 0.001,
}


@pytest.fixture(scope="module")
def prepared() -> Prepared:
    return prepare(parse_spec(SPEC), BuiltinSource("friedman1", {"rows": 103}))


def job(
    trials: Sequence[tuple[str, dict[str, Any], str]],
    purpose: Purpose = Purpose.SEARCH,
    *,
    runs: Sequence[tuple[int, int]] | None = None,
    repeats: int = 1,
    epochs: dict[int, int] | None = None,
    **spec: Any,
) -> TrainJob:
    """Trials as (loss, parameters, unit of delta), with all their runs or those of some (fold, repeat)."""
    made = [r for n in range(len(trials)) for r in make_runs(n, purpose, 5, repeats, 0)]
    open_runs = [
        Run(r.key, r.seed, RunState.RUNNING, 1, None, 0, {}, {}, b"", None)
        for r in made
        if runs is None or (r.key.fold, r.key.repeat) in runs
    ]
    told = {
        n: {"loss": loss, "parameters": {**SETTINGS, **parameters}, "delta_unit": unit, "anchor": None}
        for n, (loss, parameters, unit) in enumerate(trials)
    }
    return TrainJob(
        "s", dump_spec(parse_spec({**SPEC, **spec})), purpose, "x", 8, PackWork(tuple(open_runs), told), epochs or {}
    )


def member(plan: PackPlan, trial: int = 0, fold: int = 0) -> Any:
    return next(m for m in plan.members if (m.run.key.trial, m.run.key.fold) == (trial, fold))


def test_a_delta_in_sigma_is_that_many_of_each_folds_own_sigma(prepared: Prepared) -> None:
    plan = plan_pack(job([("HUBER", {"delta": 1.345}, "SIGMA")]), prepared)
    deltas = set()
    for m in plan.members:
        fold = plan.folds[m.fold]
        assert m.delta == 1.345 * fold.scale.sigma
        assert m.delta_standardised == m.bound == m.delta / fold.sd[0]
        assert m.scale == 1.0
        deltas.add(m.delta)
    assert len(deltas) == 5


def test_a_delta_in_target_units_is_the_same_on_each_fold(prepared: Prepared) -> None:
    plan = plan_pack(job([("HUBER", {"delta": 1.5}, "TARGET")]), prepared)
    assert {m.delta for m in plan.members} == {1.5}
    assert all(m.bound == 1.5 / plan.folds[m.fold].sd[0] for m in plan.members)


def test_mse_and_mae_are_bounds_of_the_same_program_and_have_no_delta(prepared: Prepared) -> None:
    plan = plan_pack(job([("MSE", {}, "SIGMA"), ("MAE", {}, "SIGMA"), ("HUBER", {"delta": 1.0}, "SIGMA")]), prepared)
    mse, mae = member(plan, 0), member(plan, 1)
    assert (mse.bound, mse.scale, mse.step_scale, mse.delta) == (FLOAT32_MAX, 2.0, 1.0, None)
    assert (mae.bound, mae.scale, mae.step_scale, mae.delta) == (MAE_BOUND, 1 / MAE_BOUND, 1.0, None)


def test_small_deltas_step_as_far_as_large_ones_unless_that_is_switched_off(prepared: Prepared) -> None:
    trials = [("HUBER", {"delta": d}, "SIGMA") for d in (0.05, 9.0)]
    small, large = (member(plan_pack(job(trials), prepared), n) for n in (0, 1))
    assert small.step_scale == 1 / small.delta_standardised > 1
    assert large.step_scale == 1.0
    plain = plan_pack(job(trials, loss={"normalise": False}), prepared)
    assert {m.step_scale for m in plain.members} == {1.0}


def test_what_a_trial_does_not_have_is_0_and_the_rest_is_passed_on(prepared: Prepared) -> None:
    trial = job([("MSE", {}, "SIGMA")])
    names = ("learning_rate", "momentum", "weight_decay", "l2", "dropout")
    assert dict(member(plan_pack(trial, prepared)).hyperparameters) == {n: SETTINGS[n] for n in names}
    del trial.work.trials[0]["parameters"]["momentum"]
    assert member(plan_pack(trial, prepared)).hyperparameters["momentum"] == 0.0


def test_the_network_that_is_built_is_the_one_of_the_signature(prepared: Prepared) -> None:
    spec = parse_spec(SPEC)
    plan = plan_pack(job([("MSE", {}, "SIGMA")]), prepared)
    assert signature(plan.structure) == signature(structure_of(spec, SETTINGS, (10, 1)))
    assert plan.structure["units"] == [4]
    assert (plan.structure["optimizer"], plan.structure["nesterov"]) == ("sgd", True)


@pytest.mark.parametrize("purpose", [Purpose.SEARCH, Purpose.CONFIRM])
def test_each_run_gets_the_arrays_of_its_own_fold_and_repeat_and_keeps_its_order(
    prepared: Prepared, purpose: Purpose
) -> None:
    repeats = 3 if purpose is Purpose.CONFIRM else 1
    wanted = job([("MSE", {}, "SIGMA"), ("MAE", {}, "SIGMA")], purpose, repeats=repeats)
    plan = plan_pack(wanted, prepared)
    assert [m.run for m in plan.members] == list(wanted.work.runs)
    assert len(plan.folds) == 5 * repeats
    spec = parse_spec(SPEC)
    for m in plan.members[: 5 * repeats : 4]:
        expected = fold_arrays(prepared, partition(prepared, spec, purpose, m.run.key.repeat)[m.run.key.fold])
        assert (plan.folds[m.fold].validation == expected.validation).all()
        assert (plan.folds[m.fold].x == expected.x).all()


def test_search_stops_early_and_trains_to_the_specs_end_confirmation_does_neither(prepared: Prepared) -> None:
    trials = [("MSE", {}, "SIGMA"), ("MAE", {}, "SIGMA")]
    search = plan_pack(job(trials), prepared)
    assert search.early_patience == 10
    assert {m.epochs for m in search.members} == {40}
    confirm = plan_pack(job(trials, Purpose.CONFIRM, epochs={0: 7, 1: 23}), prepared)
    assert confirm.early_patience is None
    assert {(m.run.key.trial, m.epochs) for m in confirm.members} == {(0, 7), (1, 23)}
    patient = plan_pack(job(trials, training={"early_stopping": None}), prepared)
    assert patient.early_patience is None


@pytest.mark.parametrize("purpose", [Purpose.SEARCH, Purpose.CONFIRM])
def test_every_fold_of_the_purpose_is_given_whichever_runs_are_still_open(prepared: Prepared, purpose: Purpose) -> None:
    """After a crash a pack holds the rest of its runs: they must come out with the same bits."""
    trial = [("MSE", {}, "SIGMA")]
    repeats = 3 if purpose is Purpose.CONFIRM else 1
    whole = plan_pack(job(trial, purpose, repeats=repeats), prepared)
    rest = plan_pack(job(trial, purpose, repeats=repeats, runs=[(4, 0)]), prepared)
    assert len(rest.members) == 1
    assert len(rest.folds) == len(whole.folds) == (15 if purpose is Purpose.CONFIRM else 5)
    assert [f.validation.tolist() for f in rest.folds] == [f.validation.tolist() for f in whole.folds]
    assert rest.members[0].fold == 4
