"""What a sweep trains next: generations, anchors, finalists and their epochs."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sweep_service.core.parsing import dump_spec, parse_spec
from sweep_service.core.run import Purpose, Run, RunKey, RunState
from sweep_service.core.spec import SweepSpec
from sweep_service.core.task import Generation
from sweep_service.core.trial import NewTrial, Trial, TrialState
from sweep_service.sampling.samplers import OptunaSampler
from sweep_service.worker.planning import SweepPlanner, finalists, fixed_epochs
from sweep_service.worker.source import DataSource

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
DATA = {"name": "friedman1", "options": {"rows": 60}}
DEFAULT_LABELS = ["MSE", "MAE", "1.345 SIGMA", "1 TARGET"]


def no_uploads(*_: object) -> None:
    raise AssertionError("these sweeps use built-in datasets")


@pytest.fixture
def planner(tmp_path: Path) -> SweepPlanner:
    return SweepPlanner(OptunaSampler(), DataSource(None, no_uploads, tmp_path))


def spec(**changes: object) -> SweepSpec:
    return parse_spec({"dataset": DATA, "seed": 5, **changes})


def ended(new: NewTrial, value: float | None, at: int = 0) -> Trial:
    state = TrialState.FAILED if value is None else TrialState.COMPLETE
    return Trial(
        new.number, new.generation, new.group, new.anchor, new.loss, new.parameters, new.delta_unit, new.signature,
        state, None, {} if value is None else {"MAE": value}, {}, excluded=False,
        created_at=MOMENT, ended_at=MOMENT + timedelta(seconds=at),
    )  # fmt: skip


def value_of(trial: NewTrial) -> float:
    """A made-up objective: smaller learning rates are better."""
    return float(trial.parameters["learning_rate"]) * (2 if trial.anchor else 1)


def whole_sweep(planner: SweepPlanner, sweep: SweepSpec, shuffle: int | None = None) -> list[Generation]:
    """All generations, as a sweep runs them; with `shuffle` the trials end in another order each time."""
    history: list[Trial] = []
    made: list[Generation] = []
    while True:
        made.append(planner.plan(dump_spec(sweep), history, {}, len(made)))
        new = [ended(t, value_of(t), at=i) for i, t in enumerate(made[-1].trials)]
        history += new
        if shuffle is not None:
            random.Random(shuffle).shuffle(history)
            history = [replace(t, ended_at=MOMENT + timedelta(seconds=i)) for i, t in enumerate(history)]
        if made[-1].exhausted or sum(t.anchor is None for t in history) >= sweep.budget.max_trials:
            return made


def trials(generations: Sequence[Generation]) -> list[NewTrial]:
    return [t for g in generations for t in g.trials]


@pytest.mark.parametrize("name", ["TPE", "RANDOM", "QMC", "GRID"])
def test_the_order_in_which_trials_ended_changes_nothing(planner: SweepPlanner, name: str) -> None:
    sweep = spec(sampler={"name": name, "generation_size": 8}, budget={"max_trials": 24})
    first = whole_sweep(planner, sweep)
    assert len(first) == 3
    assert whole_sweep(planner, sweep, shuffle=1) == first
    assert whole_sweep(planner, sweep, shuffle=2) == first


def test_another_seed_gives_another_sweep(planner: SweepPlanner) -> None:
    one, two = (trials(whole_sweep(planner, spec(seed=s, budget={"max_trials": 4}))) for s in (1, 2))
    assert [t.parameters for t in one] != [t.parameters for t in two]


def test_trials_are_numbered_through_and_every_run_is_in_just_one_pack(planner: SweepPlanner) -> None:
    made = whole_sweep(planner, spec(sampler={"generation_size": 8}, budget={"max_trials": 20}))
    every = trials(made)
    assert [t.number for t in every] == list(range(len(every)))
    assert [sum(t.anchor is None for t in g.trials) for g in made] == [8, 8, 4]
    for generation in made:
        runs = Counter(run.key for pack in generation.packs for run in pack.runs)
        wanted = {RunKey(t.number, Purpose.SEARCH, fold, 0) for t in generation.trials for fold in range(5)}
        assert runs == Counter(wanted)
        for pack in generation.packs:
            assert {t.signature for t in generation.trials if t.number in {r.key.trial for r in pack.runs}} == {
                pack.signature
            }


def test_the_first_generation_alone_carries_the_report_of_the_data(planner: SweepPlanner) -> None:
    first, second = whole_sweep(planner, spec(sampler={"generation_size": 2}, budget={"max_trials": 4}))
    assert first.reports["data"]["work_rows"] == 48
    assert first.reports["data"]["sigma"] > 0
    assert second.reports == {}


@pytest.mark.parametrize("name", ["TPE", "RANDOM", "QMC"])
def test_anchors_stand_in_every_architecture_group_with_the_first_trials_other_settings(
    planner: SweepPlanner, name: str
) -> None:
    sampler = {"name": name, "generation_size": 12, "trials_per_architecture": 5}
    made = whole_sweep(planner, spec(sampler=sampler, budget={"max_trials": 30}))
    assert sum(t.anchor is None for t in trials(made)) == 30  # anchors are no part of the budget
    for generation in made:
        for group in {t.group for t in generation.trials}:
            inside = [t for t in generation.trials if t.group == group]
            sampled, anchors = [t for t in inside if not t.anchor], [t for t in inside if t.anchor]
            assert 1 <= len(sampled) <= 5
            assert [t.anchor for t in anchors] == DEFAULT_LABELS
            rest = {k: v for k, v in sampled[0].parameters.items() if k != "delta"}
            for anchor in anchors:
                assert {k: v for k, v in anchor.parameters.items() if k != "delta"} == rest
                assert anchor.signature == sampled[0].signature  # members of the same pack
            assert len({t.signature for t in inside}) == 1


def test_an_anchor_says_its_loss_its_delta_and_the_unit(planner: SweepPlanner) -> None:
    found = {t.anchor: t for t in trials(whole_sweep(planner, spec(budget={"max_trials": 1})))}
    assert [found[a].loss for a in DEFAULT_LABELS] == ["MSE", "MAE", "HUBER", "HUBER"]
    assert "delta" not in found["MSE"].parameters
    assert "delta" not in found["MAE"].parameters
    assert (found["1.345 SIGMA"].parameters["delta"], found["1.345 SIGMA"].delta_unit) == (1.345, "SIGMA")
    assert (found["1 TARGET"].parameters["delta"], found["1 TARGET"].delta_unit) == (1.0, "TARGET")
    assert found[None].loss == "HUBER"
    assert found[None].delta_unit == "SIGMA"


@pytest.mark.parametrize("anchors", [None, []])
def test_anchors_can_be_switched_off(planner: SweepPlanner, anchors: list[object] | None) -> None:
    assert all(t.anchor is None for t in trials(whole_sweep(planner, spec(anchors=anchors, budget={"max_trials": 9}))))


def test_under_grid_each_anchor_meets_each_of_the_other_settings_once_as_each_delta_does(planner: SweepPlanner) -> None:
    sampler = {"name": "GRID", "generation_size": 7, "trials_per_architecture": 3, "grid_points": 3}
    space = {"layers": 1, "units": {"kind": "CATEGORICAL", "choices": [8, 16]}}
    made = whole_sweep(planner, spec(sampler=sampler, parameters=space))
    assert made[-1].exhausted
    assert sum(t.anchor is None for t in trials(made)) == 2 * 3 * 3
    for label in DEFAULT_LABELS:
        found = [(t.parameters["units"], t.parameters["learning_rate"]) for t in trials(made) if t.anchor == label]
        assert len(found) == len(set(found)) == 2 * 3


def test_a_budget_of_one_trial_is_a_sweep(planner: SweepPlanner) -> None:
    (only,) = whole_sweep(planner, spec(budget={"max_trials": 1}))
    assert [t.anchor for t in only.trials] == [None, *DEFAULT_LABELS]
    assert sum(len(p.runs) for p in only.packs) == 5 * 5


def test_a_sweep_whose_budget_is_spent_plans_nothing_more(planner: SweepPlanner) -> None:
    sweep = spec(budget={"max_trials": 1})
    (only,) = whole_sweep(planner, sweep)
    again = planner.plan(dump_spec(sweep), [ended(t, 1.0) for t in only.trials], {}, 1)
    assert again.trials == again.packs == ()
    assert again.exhausted


def test_qmc_goes_on_with_a_group_that_a_generation_cut_in_two(planner: SweepPlanner) -> None:
    def settings(size: int) -> list[dict[str, object]]:
        sampler = {"name": "QMC", "generation_size": size, "trials_per_architecture": 5}
        made = whole_sweep(planner, spec(sampler=sampler, budget={"max_trials": 24}))
        return [dict(t.parameters) for t in trials(made) if t.anchor is None]

    assert settings(24) == settings(8) == settings(7)
    architectures = [(p["layers"], p["units"]) for p in settings(8)]
    assert all(len(set(architectures[i : i + 5])) == 1 for i in range(0, 24, 5))


def test_failed_and_excluded_trials_teach_the_sampler_nothing(planner: SweepPlanner) -> None:
    seen = []

    class Listening(OptunaSampler):
        def sample(self, space, history, **rest):
            seen.append([o.value for o in history])
            return super().sample(space, history, **rest)

    listening = SweepPlanner(Listening(), planner._source)
    sweep = spec(sampler={"generation_size": 3}, budget={"max_trials": 6})
    first = listening.plan(dump_spec(sweep), [], {}, 0)
    sampled = [t for t in first.trials if t.anchor is None]
    history = [ended(t, 9.0) for t in first.trials if t.anchor] + [
        ended(sampled[0], 1.0), ended(sampled[1], None), replace(ended(sampled[2], 3.0), excluded=True),
    ]  # fmt: skip
    listening.plan(dump_spec(sweep), history, {}, 1)
    assert seen == [[], [1.0, None, None]]


def test_known_slots_are_kept_and_those_of_another_purpose_are_not_taken(planner: SweepPlanner) -> None:
    sweep = spec(parameters={"layers": 1, "units": 8}, budget={"max_trials": 2})
    (name,) = {t.signature for t in planner.plan(dump_spec(sweep), [], {}, 0).trials}
    slots = {f"SEARCH/{name}": 96, f"CONFIRM/{name}": 128}
    assert {p.slots for p in planner.plan(dump_spec(sweep), [], slots, 0).packs} == {96}


def history_of(values: Sequence[tuple[str | None, float | None]]) -> list[Trial]:
    return [
        ended(NewTrial(i, 0, 0, anchor, "HUBER", {"delta": 1.0}, "SIGMA", f"s{i % 2}"), value)
        for i, (anchor, value) in enumerate(values)
    ]


def with_rates(history: Sequence[Trial], rates: dict[int, float] | None = None) -> list[Trial]:
    """Each with a learning rate of its own, but for those that are named."""
    own = {t.number: t.number / 100 for t in history} | (rates or {})
    return [replace(t, parameters={**t.parameters, "learning_rate": own[t.number]}) for t in history]


def test_finalists_are_the_best_trials_and_of_each_anchor_the_best_of_its_own_and_those_with_theirs() -> None:
    history = history_of(
        [(None, 5.0), ("MSE", 9.0), (None, 3.0), ("MSE", 7.0), (None, None), ("MAE", 8.0), (None, 4.0), ("MAE", None)]
    )
    assert [t.number for t in finalists(spec(confirm={"finalists": 2}), with_rates(history))] == [2, 3, 5, 6]
    assert [t.number for t in finalists(spec(confirm={"finalists": 50}), with_rates(history))] == [0, 2, 3, 5, 6]
    twins = with_rates(history, {1: 0.02, 7: 0.02})  # as trial 2 has it; trial 7 has failed
    assert [t.number for t in finalists(spec(confirm={"finalists": 2}), twins)] == [1, 2, 3, 5, 6]
    assert finalists(spec(confirm=None), history) == []


def test_where_more_is_better_the_largest_are_the_finalists() -> None:
    history = [replace(t, values={"R2": t.values["MAE"]}) for t in history_of([(None, 0.1), (None, 0.9), (None, 0.5)])]
    assert [t.number for t in finalists(spec(objective="R2", confirm={"finalists": 2}), history)] == [1, 2]


def test_excluded_trials_are_no_finalists() -> None:
    history = history_of([(None, 1.0), (None, 2.0)])
    history[0] = replace(history[0], excluded=True)
    assert [t.number for t in finalists(spec(), history)] == [1]


def run_of(trial: int, fold: int, best: int | None, state: RunState = RunState.COMPLETE) -> Run:
    key = RunKey(trial, Purpose.SEARCH, fold, 0)
    return Run(key, 0, state, 1, best, 100, {"MAE": 1.0}, {}, b"", None)


@pytest.mark.parametrize(("best", "epochs"), [([7], 7), ([3, 90, 5], 5), ([4, 5], 5), ([1, 1, 1], 1)])
def test_confirmation_trains_for_the_median_best_epoch_of_the_search(best: list[int], epochs: int) -> None:
    runs = [run_of(0, i, b) for i, b in enumerate(best)] + [run_of(1, 0, 99), run_of(0, 9, 99, RunState.FAILED)]
    assert fixed_epochs(spec(), 0, runs) == epochs


def test_without_a_best_epoch_it_trains_as_long_as_may_be() -> None:
    assert fixed_epochs(spec(training={"max_epochs": 33}), 0, []) == 33


def test_the_finalists_and_anchors_are_confirmed_on_folds_times_repeats_with_fixed_epochs_and_fresh_seeds(
    planner: SweepPlanner,
) -> None:
    sweep = spec(confirm={"finalists": 2, "repeats": 3}, anchors=["MSE"])
    history = history_of([(None, 5.0), ("MSE", 9.0), (None, 3.0), (None, 4.0)])
    runs = [run_of(n, fold, 10 + n) for n in range(4) for fold in range(5)]
    conclusion = planner.conclude(dump_spec(sweep), history, runs, {})
    assert not conclusion.ended
    planned = [r for p in conclusion.packs for r in p.runs]
    assert {r.key for r in planned} == {
        RunKey(n, Purpose.CONFIRM, fold, repeat) for n in (1, 2, 3) for fold in range(5) for repeat in range(3)
    }
    assert len(planned) == 45
    epochs = {n: e for p in conclusion.packs for n, e in p.payload["epochs"].items()}
    assert epochs == {"1": 11, "2": 12, "3": 13}
    seeds = {(r.key.fold, r.key.repeat): r.seed for r in planned}
    assert len(set(seeds.values())) == 15
    assert all(seeds[r.key.fold, r.key.repeat] == r.seed for r in planned)  # common to all trials
    done = [replace(run_of(2, 0, 1), key=RunKey(2, Purpose.CONFIRM, 0, 0))]
    assert planner.conclude(dump_spec(sweep), history, runs + done, {}).ended


def test_before_the_confirmation_the_anchors_are_searched_with_each_finalists_settings(planner: SweepPlanner) -> None:
    sweep = spec(confirm={"finalists": 2, "repeats": 2}, anchors=["MSE", {"delta": 1.345}])
    rates = [0.1, 0.2, 0.3, 0.2, 0.1]
    history = [
        replace(t, parameters={**t.parameters, "learning_rate": rate}, generation=2)
        for t, rate in zip(
            history_of([(None, 5.0), (None, 3.0), (None, 4.0), ("MSE", 9.0), ("MSE", 8.0)]), rates, strict=True
        )
    ]
    conclusion = planner.conclude(dump_spec(sweep), history, [], {})
    assert not conclusion.ended
    made = [(t.number, t.generation, t.anchor, t.loss, t.parameters["learning_rate"]) for t in conclusion.trials]
    # The finalists are trials 1 and 2; MSE has met the rate of trial 1 already, 1.345 sigma neither.
    assert made == [(5, 3, "1.345 SIGMA", "HUBER", 0.2), (6, 3, "MSE", "MSE", 0.3), (7, 3, "1.345 SIGMA", "HUBER", 0.3)]
    assert [t.parameters.get("delta") for t in conclusion.trials] == [1.345, None, 1.345]
    assert {r.key.purpose for p in conclusion.packs for r in p.runs} == {Purpose.SEARCH}
    assert {r.key.trial for p in conclusion.packs for r in p.runs} == {5, 6, 7}
    # Once: a second look goes on to the confirmation, where each finalist meets its twins; MSE with 0.1 stays away.
    stands = [
        Trial(t.number, t.generation, t.group, t.anchor, t.loss, t.parameters, t.delta_unit, t.signature,
              TrialState.COMPLETE, None, {"MAE": 7.0 - t.number / 10}, {}, False, history[0].created_at, None)
        for t in conclusion.trials
    ]  # fmt: skip
    second = planner.conclude(dump_spec(sweep), [*history, *stands], [], {})
    assert second.trials == ()
    assert {r.key.trial for p in second.packs for r in p.runs} == {1, 2, 3, 5, 6, 7}
    assert {r.key.purpose for p in second.packs for r in p.runs} == {Purpose.CONFIRM}


@pytest.mark.parametrize(
    ("changes", "values"),
    [({"confirm": None}, [(None, 1.0)]), ({}, []), ({}, [(None, None)]), ({}, [(None, None), ("MSE", 1.0)])],
)
def test_with_nothing_to_confirm_the_sweep_ends(planner: SweepPlanner, changes: dict, values: list) -> None:
    conclusion = planner.conclude(dump_spec(spec(**changes)), history_of(values), [], {})
    assert conclusion.ended
    assert conclusion.packs == ()


def test_repeated_folds_multiply_the_runs_of_the_search(planner: SweepPlanner) -> None:
    split = {"validation": {"kind": "REPEATED_KFOLD", "folds": 3, "repeats": 2}}
    (only,) = whole_sweep(planner, spec(dataset={**DATA, "split": split}, anchors=[], budget={"max_trials": 1}))
    assert sorted((r.key.fold, r.key.repeat) for p in only.packs for r in p.runs) == [
        (0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1),
    ]  # fmt: skip


def test_a_holdout_has_one_run_a_trial(planner: SweepPlanner) -> None:
    split = {"validation": {"kind": "HOLDOUT"}}
    (only,) = whole_sweep(planner, spec(dataset={**DATA, "split": split}, anchors=[], budget={"max_trials": 2}))
    assert sum(len(p.runs) for p in only.packs) == 2
