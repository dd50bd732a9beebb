"""Which task is claimed next, and what a claim begins."""

from __future__ import annotations

import pytest

from sweep_service.core.run import Purpose, RunState
from sweep_service.core.sweep import CLAIMABLE, SweepState
from sweep_service.core.task import Conclusion, TaskKind
from sweep_service.core.trial import TrialState
from sweep_service.testing.contract import Contract
from sweep_service.testing.scenes import (
    LONG,
    SIGNATURE,
    Store,
    bring_to,
    check,
    claim,
    conclude,
    make_generation,
    make_pack,
    plan,
    planned,
    post,
    train,
)


class ClaimContract(Contract):
    """The order of the queue."""

    def test_an_empty_queue_gives_nothing(self, store: Store) -> None:
        assert store.claim("w1", LONG) is None

    @pytest.mark.parametrize("state", list(SweepState))
    def test_only_sweeps_in_a_claimable_state_give_tasks(self, store: Store, state: SweepState) -> None:
        bring_to(store, state)
        # `bring_to` STOPPING leaves its one pack leased.
        expected = state in CLAIMABLE and state is not SweepState.STOPPING
        assert (store.claim("w2", LONG) is not None) is expected

    def test_the_first_claim_starts_the_sweep(self, store: Store) -> None:
        sweep = post(store)
        self.pass_time(store, 5)
        lease = claim(store, TaskKind.PLAN, worker="w1", seconds=60)
        assert (lease.worker_id, lease.task.payload, lease.task.attempt) == ("w1", {"generation": 0}, 0)
        started = store.sweep(sweep.id)
        assert started.state is SweepState.RUNNING
        assert started.started_at is not None
        assert (started.started_at - started.created_at).total_seconds() >= 5
        # A store may keep its times as floating seconds.
        assert (lease.expires_at - started.started_at).total_seconds() == pytest.approx(60, abs=1e-3)
        assert [e.kind for e in store.events(sweep.id)] == ["SWEEP_CREATED", "SWEEP_STATE"]

    def test_a_pack_that_is_claimed_runs_with_its_trials_and_one_attempt_more(self, store: Store) -> None:
        sweep = planned(store)
        lease = claim(store, TaskKind.TRAIN)
        assert lease.task.purpose is Purpose.SEARCH
        assert lease.task.payload == {"signature": SIGNATURE, "slots": 8}
        work = store.work(lease)
        assert [(r.key.trial, r.key.fold) for r in work.runs] == [(0, 0), (0, 1), (1, 0), (1, 1)]
        assert {(r.state, r.attempt) for r in work.runs} == {(RunState.RUNNING, 1)}
        assert work.trials[1] == {
            "loss": "HUBER",
            "parameters": {"delta": 2.0, "learning_rate": 0.01},
            "delta_unit": "SIGMA",
            "anchor": None,
        }
        assert [t.state for t in store.trials(sweep.id)] == [TrialState.RUNNING] * 2 + [TrialState.WAITING] * 2
        started = store.events(sweep.id)[-1]
        assert (started.kind, started.body["worker"], started.body["purpose"]) == ("PACK_STARTED", "w1", "SEARCH")
        assert store.queue_depth() == {"TRAIN_LEASED": 1, "TRAIN_QUEUED": 1}

    def test_the_higher_priority_goes_first_whatever_its_kind_or_age(self, store: Store) -> None:
        low = post(store, priority=10)
        high = planned(store, priority=90)
        for _ in range(2):
            assert claim(store).task.sweep_id == high.id
        assert claim(store).task.sweep_id == low.id

    def test_conclude_goes_before_plan_and_plan_before_train(self, store: Store) -> None:
        concludes = planned(store, make_generation(range(4), per_pack=4))
        lease = claim(store, TaskKind.TRAIN)
        store.pause(concludes.id)
        train(store, lease)
        planned(store)
        post(store)
        store.resume(concludes.id)
        kinds = [claim(store).task.kind for _ in range(4)]
        assert kinds == [TaskKind.CONCLUDE, TaskKind.PLAN, TaskKind.TRAIN, TaskKind.TRAIN]

    def test_among_equals_the_sweep_with_the_fewest_leases_goes_first(self, store: Store) -> None:
        one = planned(store, make_generation(range(6), per_pack=1))
        two = planned(store, make_generation(range(6), per_pack=1))
        order = [claim(store, TaskKind.TRAIN).task.sweep_id for _ in range(8)]
        assert order == [one.id, two.id] * 4

    def test_within_a_sweep_the_oldest_task_goes_first(self, store: Store) -> None:
        planned(store, make_generation(range(6), per_pack=1))
        found = [store.work(claim(store)).runs[0].key.trial for _ in range(6)]
        assert found == [0, 1, 2, 3, 4, 5]

    def test_slots_are_remembered_by_purpose_and_signature(self, store: Store) -> None:
        sweep = planned(store, make_generation(range(4), per_pack=4))
        assert store.slots(sweep.id) == {f"SEARCH/{SIGNATURE}": 8}
        train(store)
        conclude(store, Conclusion((make_pack([0], Purpose.CONFIRM),)))
        assert store.slots(sweep.id) == {f"SEARCH/{SIGNATURE}": 8, f"CONFIRM/{SIGNATURE}": 8}

    def test_a_generation_is_planned_from_what_came_before(self, store: Store) -> None:
        sweep = planned(store, max_trials=8)
        train(store)
        train(store)
        lease = claim(store, TaskKind.PLAN)
        assert lease.task.payload == {"generation": 1}
        assert [t.values["MAE"] for t in store.history(sweep.id)] == [2.5] * 4
        store.release(lease)
        plan(store, make_generation(range(4, 8), generation=1))
        assert store.sweep(sweep.id).generation == 2
        check(store, sweep.id)
