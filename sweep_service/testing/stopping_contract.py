"""Stop finishes what runs and concludes; cancel ends everything."""

from __future__ import annotations

import pytest

from sweep_service.core.run import Purpose, RunState
from sweep_service.core.sweep import ENDED, EndReason, SweepState
from sweep_service.core.task import Conclusion, PackResult, TaskKind
from sweep_service.core.trial import TrialState
from sweep_service.testing.contract import Contract
from sweep_service.testing.scenes import (
    LONG,
    Store,
    check,
    claim,
    conclude,
    drain,
    make_generation,
    make_outcome,
    make_pack,
    planned,
    post,
    states_of,
    train,
)


class StoppingContract(Contract):
    """The ways in which an owner ends a sweep."""

    def test_stop_finishes_what_runs_cancels_what_waits_and_concludes(self, store: Store) -> None:
        sweep = planned(store)
        lease = claim(store, TaskKind.TRAIN)
        assert store.stop(sweep.id).state is SweepState.STOPPING
        assert states_of(store.trials(sweep.id)) == {0: "RUNNING", 1: "RUNNING", 2: "CANCELLED", 3: "CANCELLED"}
        assert store.renew(lease, LONG) == "CONTINUE"
        assert store.claim("w2", LONG) is None
        train(store, lease)
        conclude(store)
        ended = store.sweep(sweep.id)
        assert (ended.state, ended.end_reason) == (SweepState.SUCCEEDED, EndReason.STOPPED)
        assert (ended.counters.trials_complete, ended.counters.trials_failed) == (2, 0)
        check(store, sweep.id)

    def test_stop_while_the_first_generation_is_planned_stores_none_of_it(self, store: Store) -> None:
        sweep = post(store)
        lease = claim(store, TaskKind.PLAN)
        assert store.stop(sweep.id).state is SweepState.STOPPING
        store.end_plan(lease, make_generation())
        assert list(store.trials(sweep.id)) == []
        conclude(store)
        assert store.sweep(sweep.id).state is SweepState.SUCCEEDED
        check(store, sweep.id)

    def test_a_planner_that_dies_while_its_sweep_is_stopped_holds_nothing_up(self, store: Store) -> None:
        sweep = planned(store, max_trials=8)
        train(store)
        train(store)
        claim(store, TaskKind.PLAN, seconds=10)
        store.stop(sweep.id)
        self.pass_time(store, 11)
        ended = drain(store, sweep.id)
        assert (ended.end_reason, ended.counters.trials_planned) == (EndReason.STOPPED, 4)

    def test_a_pack_that_is_lost_while_its_sweep_is_stopped_is_trained_again(self, store: Store) -> None:
        sweep = planned(store)
        claim(store, TaskKind.TRAIN, seconds=10)
        store.stop(sweep.id)
        self.pass_time(store, 11)
        assert drain(store, sweep.id).counters.runs_complete == 4

    def test_a_pack_given_back_before_the_stop_waits_and_is_cancelled(self, store: Store) -> None:
        sweep = planned(store)
        store.release(claim(store, TaskKind.TRAIN), reason="drained")
        assert store.stop(sweep.id).state is SweepState.FINALIZING
        assert set(states_of(store.trials(sweep.id)).values()) == {"CANCELLED"}
        assert drain(store, sweep.id).counters.runs_complete == 0

    def test_a_trial_of_which_one_run_was_done_before_the_stop_is_cancelled(self, store: Store) -> None:
        sweep = planned(store, make_generation([0], per_pack=1))
        lease = claim(store, TaskKind.TRAIN)
        store.end_train(lease, PackResult((make_outcome(store.work(lease).runs[0].key),)))
        store.stop(sweep.id)
        assert [r.state for r in store.runs(sweep.id)] == [RunState.COMPLETE, RunState.CANCELLED]
        assert store.trial(sweep.id, 0).state is TrialState.CANCELLED
        drain(store, sweep.id)

    def test_a_sweep_that_had_spent_its_budget_keeps_that_reason_when_it_is_stopped(self, store: Store) -> None:
        sweep = planned(store, make_generation(range(4), per_pack=4))
        lease = claim(store, TaskKind.TRAIN)
        store.pause(sweep.id)
        train(store, lease)
        assert store.stop(sweep.id).end_reason is EndReason.BUDGET
        assert store.queue_depth() == {"CONCLUDE_QUEUED": 1}
        assert drain(store, sweep.id).state is SweepState.SUCCEEDED

    # --- cancel ------------------------------------------------------------------------------------------------

    def test_cancel_ends_at_once_where_nothing_runs(self, store: Store) -> None:
        sweep = planned(store)
        train(store)
        ended = store.cancel(sweep.id)
        assert (ended.state, ended.end_reason) == (SweepState.CANCELLED, EndReason.CANCELLED)
        assert states_of(store.trials(sweep.id)) == {0: "COMPLETE", 1: "COMPLETE", 2: "CANCELLED", 3: "CANCELLED"}
        assert (ended.counters.trials_complete, ended.counters.runs_complete, ended.counters.runs_failed) == (2, 4, 0)
        assert store.claim("w1", LONG) is None
        assert store.queue_depth() == {}
        check(store, sweep.id)

    def test_cancel_is_heard_at_the_next_renewal_and_ends_with_the_last_lease(self, store: Store) -> None:
        sweep = planned(store)
        one, two = claim(store, TaskKind.TRAIN), claim(store, TaskKind.TRAIN, worker="w2")
        assert store.cancel(sweep.id).state is SweepState.CANCELLING
        assert store.renew(one, LONG) == store.renew(two, LONG) == "CANCEL"
        store.release(one, reason="killed")
        assert store.sweep(sweep.id).state is SweepState.CANCELLING
        store.release(two, reason="killed", counts=True)
        assert store.sweep(sweep.id).state is SweepState.CANCELLED
        assert {r.state for r in store.runs(sweep.id)} == {RunState.CANCELLED}
        assert store.queue_depth() == {}
        check(store, sweep.id)

    def test_a_result_that_comes_while_its_sweep_is_cancelled_is_not_lost(self, store: Store) -> None:
        sweep = planned(store)
        lease = claim(store, TaskKind.TRAIN)
        store.cancel(sweep.id)
        train(store, lease)
        ended = store.sweep(sweep.id)
        assert (ended.state, ended.counters.runs_complete) == (SweepState.CANCELLED, 4)
        check(store, sweep.id)

    def test_half_a_result_that_comes_while_its_sweep_is_cancelled_ends_it_too(self, store: Store) -> None:
        sweep = planned(store)
        lease = claim(store, TaskKind.TRAIN)
        store.cancel(sweep.id)
        store.end_train(lease, PackResult((make_outcome(store.work(lease).runs[0].key),)))
        assert store.sweep(sweep.id).state is SweepState.CANCELLED
        check(store, sweep.id)

    @pytest.mark.parametrize("ending", ["ends", "is released", "fails", "dies", "says good-bye"])
    @pytest.mark.parametrize("kind", [TaskKind.PLAN, TaskKind.CONCLUDE])
    def test_cancel_while_someone_plans_or_concludes(self, store: Store, kind: TaskKind, ending: str) -> None:
        sweep = post(store) if kind is TaskKind.PLAN else planned(store, make_generation(range(4), per_pack=4))
        if kind is TaskKind.CONCLUDE:
            train(store)
        lease = claim(store, kind, seconds=10)
        assert store.cancel(sweep.id).state is SweepState.CANCELLING
        if ending == "ends" and kind is TaskKind.PLAN:
            store.end_plan(lease, make_generation())
        elif ending == "ends":
            store.end_conclude(lease, Conclusion((make_pack([0], Purpose.CONFIRM),)))
        elif ending == "is released":
            store.release(lease, reason="drained")
        elif ending == "fails":
            store.fail_sweep(lease, "the data cannot be used")
        elif ending == "says good-bye":
            store.forget_worker("w1")
        else:
            self.pass_time(store, 11)
            assert store.claim("w2", LONG) is None
        assert store.sweep(sweep.id).state is SweepState.CANCELLED
        assert store.sweep(sweep.id).counters.runs_planned == (0 if kind is TaskKind.PLAN else 8)
        assert store.queue_depth() == {}
        check(store, sweep.id)

    def test_cancel_waits_for_no_worker_that_is_dead_already(self, store: Store) -> None:
        sweep = planned(store)
        claim(store, TaskKind.TRAIN, seconds=10)
        self.pass_time(store, 11)
        assert store.cancel(sweep.id).state is SweepState.CANCELLED
        check(store, sweep.id)

    def test_cancel_while_finalists_are_confirmed_leaves_the_search_as_it_is(self, store: Store) -> None:
        sweep = planned(store, make_generation(range(4), per_pack=4))
        train(store)
        conclude(store, Conclusion((make_pack([0, 1], Purpose.CONFIRM), make_pack([2], Purpose.CONFIRM))))
        lease = claim(store, TaskKind.TRAIN)
        store.cancel(sweep.id)
        store.release(lease)
        ended = store.sweep(sweep.id)
        assert ended.state in ENDED
        assert set(states_of(store.trials(sweep.id)).values()) == {"COMPLETE"}
        assert {r.state for r in store.runs(sweep.id, purpose=Purpose.CONFIRM)} == {RunState.CANCELLED}
        check(store, sweep.id)
