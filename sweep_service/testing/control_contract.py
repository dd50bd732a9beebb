"""Pause, resume and delete; and what each verb does in each state."""

from __future__ import annotations

import pytest

from sweep_service.core.errors import ConflictError, LeaseLostError, NotFoundError
from sweep_service.core.sweep import ENDED, EndReason, SweepState
from sweep_service.core.task import TaskKind
from sweep_service.testing.contract import Contract
from sweep_service.testing.scenes import (
    LONG,
    Store,
    bring_to,
    check,
    claim,
    conclude,
    drain,
    make_generation,
    make_result,
    plan,
    planned,
    post,
    seen,
    train,
)

S = SweepState
# What a verb makes of a sweep in each state; None: ConflictError. `bring_to` leaves a pack in flight in STOPPING
# and CANCELLING, and nothing in flight in the others.
WHAT_BECOMES: dict[str, dict[SweepState, SweepState | None]] = {
    "pause": dict.fromkeys(SweepState) | {S.QUEUED: S.PAUSED, S.RUNNING: S.PAUSED, S.PAUSED: S.PAUSED},
    "resume": dict.fromkeys(SweepState) | {S.PAUSED: S.RUNNING, S.RUNNING: S.RUNNING},
    "stop": dict.fromkeys(SweepState)
    | dict.fromkeys((S.QUEUED, S.RUNNING, S.PAUSED, S.FINALIZING), S.FINALIZING)
    | {S.STOPPING: S.STOPPING},
    "cancel": dict.fromkeys(SweepState)
    | dict.fromkeys(SweepState, S.CANCELLED)
    | {S.CANCELLING: S.CANCELLING, S.SUCCEEDED: S.SUCCEEDED, S.FAILED: S.FAILED, S.STOPPING: S.CANCELLING},
}
CASES = [(verb, before, after) for verb, table in WHAT_BECOMES.items() for before, after in table.items()]


class ControlContract(Contract):
    """A sweep's states as its owner moves them."""

    @pytest.mark.parametrize(("verb", "before", "after"), CASES)
    def test_each_verb_in_each_state(
        self, store: Store, verb: str, before: SweepState, after: SweepState | None
    ) -> None:
        sweep_id = bring_to(store, before)
        was = seen(store, sweep_id)
        if after is None:
            with pytest.raises(ConflictError, match=before.value):
                getattr(store, verb)(sweep_id)
        else:
            assert getattr(store, verb)(sweep_id).state is after
        if after in {None, before}:
            assert seen(store, sweep_id) == was
        check(store, sweep_id)

    @pytest.mark.parametrize("state", list(SweepState))
    def test_only_an_ended_sweep_can_be_deleted(self, store: Store, state: SweepState) -> None:
        sweep_id = bring_to(store, state)
        if state not in ENDED:
            was = seen(store, sweep_id)
            with pytest.raises(ConflictError, match="cancel it before"):
                store.delete_sweep(sweep_id)
            assert seen(store, sweep_id) == was
            return
        store.delete_sweep(sweep_id)
        with pytest.raises(NotFoundError):
            store.sweep(sweep_id)
        assert (list(store.runs(sweep_id)), list(store.events(sweep_id))) == ([], [])
        assert store.queue_depth() == {}

    def test_deleting_a_sweep_leaves_the_others_alone(self, store: Store) -> None:
        gone, kept = planned(store), post(store)
        store.cancel(gone.id)
        was = seen(store, kept.id)
        store.delete_sweep(gone.id)
        assert seen(store, kept.id) == was
        assert drain(store, kept.id).state is SweepState.SUCCEEDED

    def test_a_worker_of_a_deleted_sweep_hears_that_its_lease_is_lost(self, store: Store) -> None:
        sweep = planned(store)
        lease = claim(store, TaskKind.TRAIN)
        result = make_result(store.work(lease).runs)
        store.cancel(sweep.id)
        store.release(lease)
        store.delete_sweep(sweep.id)
        # A store may give the ids of deleted tasks to new ones.
        planned(store)
        for _ in range(2):
            claim(store, TaskKind.TRAIN)
        for write in (
            lambda: store.renew(lease, 60),
            lambda: store.release(lease),
            lambda: store.end_train(lease, result),
            lambda: store.fail_sweep(lease, "late"),
        ):
            with pytest.raises(LeaseLostError):
                write()

    # --- pause -------------------------------------------------------------------------------------------------

    def test_nothing_of_a_paused_sweep_is_claimed_but_what_runs_is_finished(self, store: Store) -> None:
        sweep = planned(store)
        lease = claim(store, TaskKind.TRAIN)
        store.pause(sweep.id)
        assert store.claim("w2", LONG) is None
        assert store.renew(lease, LONG) == "CONTINUE"
        train(store, lease)
        assert store.sweep(sweep.id).counters.runs_complete == 4
        assert store.claim("w2", LONG) is None
        assert store.resume(sweep.id).state is SweepState.RUNNING
        assert drain(store, sweep.id).state is SweepState.SUCCEEDED

    def test_a_sweep_paused_before_it_began_waits_for_its_resume(self, store: Store) -> None:
        sweep = post(store)
        store.pause(sweep.id)
        assert store.claim("w1", LONG) is None
        store.resume(sweep.id)
        assert drain(store, sweep.id).end_reason is EndReason.BUDGET

    def test_a_generation_that_was_being_planned_is_kept_over_a_pause(self, store: Store) -> None:
        sweep = post(store)
        lease = claim(store, TaskKind.PLAN)
        store.pause(sweep.id)
        store.end_plan(lease, make_generation())
        assert store.sweep(sweep.id).counters.trials_planned == 4
        assert store.claim("w1", LONG) is None
        store.resume(sweep.id)
        assert drain(store, sweep.id).counters.trials_complete == 4

    def test_the_last_pack_that_ends_in_a_pause_queues_what_follows_the_resume(self, store: Store) -> None:
        sweep = planned(store, max_trials=8)
        train(store)
        lease = claim(store, TaskKind.TRAIN)
        store.pause(sweep.id)
        train(store, lease)
        paused = store.sweep(sweep.id)
        assert (paused.state, paused.end_reason) == (SweepState.PAUSED, None)
        assert store.queue_depth() == {"PLAN_QUEUED": 1}
        store.resume(sweep.id)
        assert drain(store, sweep.id).counters.trials_complete == 8

    def test_a_sweep_whose_budget_ends_in_a_pause_is_concluded_after_the_resume(self, store: Store) -> None:
        sweep = planned(store)
        train(store)
        lease = claim(store, TaskKind.TRAIN)
        store.pause(sweep.id)
        train(store, lease)
        paused = store.sweep(sweep.id)
        assert (paused.state, paused.end_reason) == (SweepState.PAUSED, EndReason.BUDGET)
        assert store.resume(sweep.id).state is SweepState.FINALIZING
        conclude(store)
        assert store.sweep(sweep.id).state is SweepState.SUCCEEDED

    def test_a_lease_that_runs_out_in_a_pause_is_trained_again_after_it(self, store: Store) -> None:
        sweep = planned(store)
        claim(store, TaskKind.TRAIN, seconds=10)
        store.pause(sweep.id)
        self.pass_time(store, 11)
        assert store.claim("w2", LONG) is None
        store.resume(sweep.id)
        assert drain(store, sweep.id).counters.runs_complete == 8

    def test_the_time_limit_counts_from_the_first_claim_even_after_an_early_pause(self, store: Store) -> None:
        sweep = post(store, max_trials=64, max_duration="PT1M")
        store.pause(sweep.id)
        store.resume(sweep.id)
        plan(store)
        assert store.sweep(sweep.id).started_at is not None
        train(store)
        self.pass_time(store, 61)
        train(store)
        ended = store.sweep(sweep.id)
        assert (ended.state, ended.end_reason) == (SweepState.FINALIZING, EndReason.TIME)
