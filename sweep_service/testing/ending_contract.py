"""PLAN, TRAIN and CONCLUDE end in one transaction each: what they made, the counters, the next task."""

from __future__ import annotations

from dataclasses import replace

import pytest

from sweep_service.core.run import Purpose, RunKey, RunState
from sweep_service.core.sweep import EndReason, SweepState
from sweep_service.core.task import Conclusion, Generation, PackResult, TaskKind
from sweep_service.core.trial import TrialState
from sweep_service.testing.contract import Contract
from sweep_service.testing.scenes import (
    Store,
    check,
    claim,
    conclude,
    drain,
    make_generation,
    make_outcome,
    make_pack,
    make_result,
    plan,
    planned,
    post,
    seen,
    states_of,
    train,
)


class EndingContract(Contract):
    """Nothing is lost, nothing is counted twice."""

    def test_a_generation_is_stored_with_its_packs_reports_and_counts(self, store: Store) -> None:
        made = make_generation(range(5), per_pack=2, anchors=[4])
        sweep = planned(store, replace(made, reports={"data": {"rows": 442, "sigma": float("nan")}}))
        counters = store.sweep(sweep.id).counters
        assert (counters.trials_planned, counters.anchors, counters.runs_planned) == (4, 1, 10)
        assert store.report(sweep.id, "data") == {"rows": 442, "sigma": None}
        assert store.queue_depth() == {"TRAIN_QUEUED": 3}
        assert store.trial(sweep.id, 4).anchor == "MSE"
        event = store.events(sweep.id)[-1]
        assert (event.kind, dict(event.body)) == ("GENERATION_PLANNED", {"generation": 0, "trials": 5, "packs": 3})
        check(store, sweep.id)

    def test_an_empty_generation_ends_the_sampling(self, store: Store) -> None:
        sweep = planned(store, Generation((), (), exhausted=True))
        assert store.sweep(sweep.id).end_reason is EndReason.GRID_DONE
        ended = drain(store, sweep.id)
        assert (ended.state, ended.error) == (SweepState.FAILED, "No trial was completed, and none has failed.")

    def test_a_trial_ends_with_the_last_of_its_runs_and_the_means_of_their_metrics(self, store: Store) -> None:
        sweep = planned(store, make_generation([0], per_pack=1))
        lease = claim(store, TaskKind.TRAIN)
        first, second = (r.key for r in store.work(lease).runs)
        one = make_outcome(first, metrics={"MAE": 1.0, "RMSE": 4.0}, details={"sigma": 0.5})
        store.end_train(lease, PackResult((one,), {"rung": "PACK"}))
        assert store.trial(sweep.id, 0).state is TrialState.RUNNING
        lease = claim(store, TaskKind.TRAIN)
        assert [r.key for r in store.work(lease).runs] == [second], "what is done is not trained again"
        store.end_train(lease, PackResult((make_outcome(second, metrics={"MAE": 2.0}),), {"rung": "AGAIN"}))
        trial = store.trial(sweep.id, 0)
        assert (trial.state, trial.values, trial.engine) == (TrialState.COMPLETE, {"MAE": 1.5}, {"rung": "AGAIN"})
        assert store.runs(sweep.id)[0].details == {"sigma": 0.5}
        assert [r.attempt for r in store.runs(sweep.id)] == [1, 2]
        drain(store, sweep.id)

    @pytest.mark.parametrize(
        ("states", "expected"),
        [
            ((RunState.COMPLETE, RunState.FAILED), TrialState.FAILED),
            ((RunState.TIMED_OUT, RunState.COMPLETE), TrialState.TIMED_OUT),
            ((RunState.PRUNED, RunState.COMPLETE), TrialState.PRUNED),
            ((RunState.PRUNED, RunState.FAILED), TrialState.FAILED),
        ],
    )
    def test_a_trial_is_what_its_worst_run_is(
        self, store: Store, states: tuple[RunState, RunState], expected: TrialState
    ) -> None:
        sweep = planned(store, make_generation([0], per_pack=1), max_trials=1)
        lease = claim(store, TaskKind.TRAIN)
        runs = store.work(lease).runs
        store.end_train(lease, PackResult(tuple(make_outcome(r.key, s) for r, s in zip(runs, states, strict=True))))
        trial = store.trial(sweep.id, 0)
        fold = states.index(RunState(expected.value))
        assert (trial.state, trial.reason, trial.values) == (expected, f"{expected.value} on fold {fold}", {})
        drain(store, sweep.id)

    def test_outcomes_of_runs_of_other_packs_are_left_alone(self, store: Store) -> None:
        sweep = planned(store)
        train(store, value=3.0)
        lease = claim(store, TaskKind.TRAIN)
        foreign = [RunKey(0, Purpose.SEARCH, 0, 0), RunKey(77, Purpose.SEARCH, 0, 0)]
        mine = [r.key for r in store.work(lease).runs]
        store.end_train(lease, PackResult(tuple(make_outcome(k, value=8.0) for k in [*foreign, *mine])))
        assert [t.values["MAE"] for t in store.trials(sweep.id)] == [3.5, 3.5, 8.5, 8.5]
        drain(store, sweep.id)

    def test_an_outcome_that_is_told_twice_is_counted_once(self, store: Store) -> None:
        sweep = planned(store)
        lease = claim(store, TaskKind.TRAIN)
        outcomes = make_result(store.work(lease).runs).outcomes
        store.end_train(lease, PackResult(outcomes + outcomes))
        assert store.sweep(sweep.id).counters.runs_complete == 4
        check(store, sweep.id)

    def test_a_metric_that_is_not_finite_is_none_and_the_others_stay(self, store: Store) -> None:
        sweep = planned(store, make_generation([0], per_pack=1), max_trials=1)
        lease = claim(store, TaskKind.TRAIN)
        metrics = [{"MAE": 1.0, "R2": float("-inf")}, {"MAE": 3.0, "R2": 0.5}]
        details = {"residual_quantiles": [float("nan"), 1.0], "text": "half \udc00 \x00"}
        runs = store.work(lease).runs
        outcomes = [make_outcome(r.key, metrics=m, details=details) for r, m in zip(runs, metrics, strict=True)]
        store.end_train(lease, PackResult(tuple(outcomes)))
        assert store.trial(sweep.id, 0).values == {"MAE": 2.0}
        run = store.runs(sweep.id)[0]
        assert (run.metrics, run.details) == (
            {"MAE": 1.0},
            {"residual_quantiles": [None, 1.0], "text": "half \ufffd \ufffd"},
        )

    def test_what_cannot_be_stored_leaves_nothing_behind_and_the_lease_holds(self, store: Store) -> None:
        sweep = post(store)
        lease = claim(store, TaskKind.PLAN)
        good = make_generation()
        trials = (*good.trials[:3], replace(good.trials[3], parameters={"delta": object()}))
        for made in (
            replace(good, trials=trials),
            replace(good, trials=(*good.trials, good.trials[0])),
            replace(good, packs=(*good.packs, good.packs[0])),
            replace(good, packs=(*good.packs, make_pack([9]))),
            replace(good, reports={"data": {"x": object()}}),
        ):
            was = seen(store, sweep.id)
            with pytest.raises(Exception, match=r"."):
                store.end_plan(lease, made)
            assert seen(store, sweep.id) == was
        store.end_plan(lease, good)
        lease = claim(store, TaskKind.TRAIN)
        result = make_result(store.work(lease).runs)
        last = replace(result.outcomes[-1], details={"x": object()})
        was = seen(store, sweep.id)
        with pytest.raises(Exception, match="JSON"):
            store.end_train(lease, replace(result, outcomes=(*result.outcomes[:-1], last)))
        with pytest.raises(Exception, match="JSON"):
            store.end_train(lease, replace(result, engine={"x": object()}))
        assert seen(store, sweep.id) == was
        store.end_train(lease, result)
        train(store)
        lease = claim(store, TaskKind.CONCLUDE)
        was = seen(store, sweep.id)
        with pytest.raises(Exception, match="JSON"):
            store.end_conclude(lease, Conclusion((make_pack([0], Purpose.CONFIRM),), {"x": {"y": object()}}))
        assert seen(store, sweep.id) == was
        store.end_conclude(lease, Conclusion(ended=True))
        check(store, sweep.id)

    # --- the way of a sweep ------------------------------------------------------------------------------------

    def test_the_whole_way_from_the_post_to_the_end(self, store: Store) -> None:
        sweep = post(store, max_trials=6)
        plan(store, make_generation(range(4)))
        train(store)
        assert store.queue_depth() == {"TRAIN_QUEUED": 1}
        train(store)
        assert store.queue_depth() == {"PLAN_QUEUED": 1}
        plan(store, make_generation(range(4, 6), generation=1))
        train(store)
        assert store.sweep(sweep.id).state is SweepState.FINALIZING
        packs = (make_pack([1, 2], Purpose.CONFIRM), make_pack([5], Purpose.CONFIRM))
        conclude(store, Conclusion(packs, {"comparison": {"step": 1}}))
        train(store)
        train(store)
        conclude(store, Conclusion(ended=True, reports={"comparison": {"step": 2}}))
        ended = store.sweep(sweep.id)
        assert (ended.state, ended.end_reason, ended.error) == (SweepState.SUCCEEDED, EndReason.BUDGET, None)
        assert (ended.counters.runs_planned, ended.counters.runs_complete) == (18, 18)
        assert store.report(sweep.id, "comparison") == {"step": 2}
        assert set(states_of(store.trials(sweep.id)).values()) == {"COMPLETE"}
        assert [e.body["state"] for e in store.events(sweep.id) if e.kind == "SWEEP_STATE"] == [
            "RUNNING",
            "FINALIZING",
            "SUCCEEDED",
        ]
        check(store, sweep.id)

    def test_a_conclusion_without_packs_is_the_end(self, store: Store) -> None:
        sweep = planned(store, make_generation(range(4), per_pack=4))
        train(store)
        conclude(store, Conclusion())
        assert store.sweep(sweep.id).state is SweepState.SUCCEEDED

    def test_confirmation_moves_no_trial(self, store: Store) -> None:
        sweep = planned(store, make_generation(range(4), per_pack=4))
        train(store)
        before = store.trials(sweep.id)
        conclude(store, Conclusion((make_pack([0], Purpose.CONFIRM),)))
        train(store, state=RunState.FAILED)
        assert store.trials(sweep.id) == before
        assert drain(store, sweep.id).counters.runs_failed == 2

    def test_too_many_failed_trials_end_a_sweep_as_failed_with_what_there_is(self, store: Store) -> None:
        sweep = planned(store, make_generation(range(4), per_pack=2), max_trials=64, max_failed=1)
        train(store, state=RunState.FAILED)
        train(store)
        conclude(store)
        ended = store.sweep(sweep.id)
        assert (ended.state, ended.end_reason) == (SweepState.FAILED, EndReason.TOO_MANY_FAILURES)
        assert (ended.counters.trials_failed, ended.counters.trials_complete) == (2, 2)
        check(store, sweep.id)
