"""Leases run out by the store's clock, and a late writer writes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sweep_service.core.errors import LeaseLostError
from sweep_service.core.lease import Lease
from sweep_service.core.run import Purpose, RunState
from sweep_service.core.sweep import SweepState
from sweep_service.core.task import Conclusion, TaskKind
from sweep_service.testing.contract import Contract
from sweep_service.testing.scenes import (
    LONG,
    Store,
    check,
    claim,
    conclude,
    drain,
    make_generation,
    make_pack,
    make_result,
    planned,
    post,
    seen,
    train,
)

LATE_WRITES: dict[str, Callable[[Store, Lease], object]] = {
    "renew": lambda store, lease: store.renew(lease, LONG),
    "release": lambda store, lease: store.release(lease, reason="late", counts=True),
    "fail_sweep": lambda store, lease: store.fail_sweep(lease, "late"),
    "end_train": lambda store, lease: store.end_train(lease, make_result(store.runs(lease.task.sweep_id))),
    "end_plan": lambda store, lease: store.end_plan(lease, make_generation(range(50, 54))),
    "end_conclude": lambda store, lease: store.end_conclude(lease, Conclusion(ended=True)),
}


class LeaseContract(Contract):
    """The fence."""

    def test_a_lease_that_runs_out_goes_to_the_next_worker_with_a_higher_token(self, store: Store) -> None:
        sweep = planned(store)
        first = claim(store, TaskKind.TRAIN, worker="w1", seconds=10)
        assert claim(store, TaskKind.TRAIN, worker="w2").task.id != first.task.id
        self.pass_time(store, 9)
        assert store.claim("w3", LONG) is None
        self.pass_time(store, 2)
        second = claim(store, TaskKind.TRAIN, worker="w3")
        assert second.task.id == first.task.id
        assert second.token > first.token
        assert second.task.attempt == 0, "nobody knows what the pack did: no attempt counts"
        assert {r.attempt for r in store.work(second).runs} == {2}
        requeued = [e for e in store.events(sweep.id) if e.kind == "TASK_REQUEUED"]
        assert [e.body["task"] for e in requeued] == [first.task.id]

    @pytest.mark.parametrize("write", LATE_WRITES)
    @pytest.mark.parametrize("taken", [True, False])
    def test_a_late_writer_writes_nothing(self, store: Store, write: str, taken: bool) -> None:
        sweep = planned(store)
        late = claim(store, TaskKind.TRAIN, worker="w1", seconds=10)
        if taken:
            self.pass_time(store, 11)
            claim(store, TaskKind.TRAIN, worker="w2")
            claim(store, TaskKind.TRAIN, worker="w3")
        else:
            train(store, late)
        was = seen(store, sweep.id)
        with pytest.raises(LeaseLostError, match="nothing was written"):
            LATE_WRITES[write](store, late)
        assert seen(store, sweep.id) == was
        check(store, sweep.id)

    def test_the_same_result_twice_is_counted_once(self, store: Store) -> None:
        sweep = planned(store)
        lease = claim(store, TaskKind.TRAIN)
        result = make_result(store.work(lease).runs)
        store.end_train(lease, result)
        with pytest.raises(LeaseLostError):
            store.end_train(lease, result)
        assert store.sweep(sweep.id).counters.runs_complete == 4
        check(store, sweep.id)

    def test_of_two_workers_on_one_pack_the_second_one_counts(self, store: Store) -> None:
        sweep = planned(store)
        stopped = claim(store, TaskKind.TRAIN, worker="w1", seconds=10)
        work = store.work(stopped)
        self.pass_time(store, 11)
        train(store, claim(store, TaskKind.TRAIN, worker="w2"), value=5.0)
        with pytest.raises(LeaseLostError):
            store.end_train(stopped, make_result(work.runs, value=9.0))
        assert store.trial(sweep.id, 0).values == {"MAE": 5.5}
        drain(store, sweep.id)

    def test_a_renewed_lease_lasts(self, store: Store) -> None:
        planned(store, make_generation(range(2), per_pack=2))
        lease = claim(store, TaskKind.TRAIN, seconds=10)
        for _ in range(5):
            self.pass_time(store, 8)
            assert store.renew(lease, 10) == "CONTINUE"
            assert store.claim("w2", LONG) is None
        self.pass_time(store, 11)
        assert claim(store, worker="w2").task.id == lease.task.id

    def test_a_lease_that_ran_out_and_was_not_taken_can_still_be_used(self, store: Store) -> None:
        sweep = planned(store)
        lease = claim(store, TaskKind.TRAIN, seconds=10)
        self.pass_time(store, 11)
        assert store.renew(lease, 10) == "CONTINUE"
        self.pass_time(store, 11)
        train(store, lease)
        assert store.sweep(sweep.id).counters.runs_complete == 4

    def test_all_leases_of_a_worker_that_says_good_bye_come_back_at_once(self, store: Store) -> None:
        for name in ("w1", "w2"):
            store.register_worker(name, host="h", pid=1, device="cpu", version="1", info={})
        one, two = planned(store), planned(store)
        mine = [claim(store, TaskKind.TRAIN, worker="w1") for _ in range(3)]
        other = claim(store, TaskKind.TRAIN, worker="w2")
        store.forget_worker("w1")
        assert store.queue_depth() == {"TRAIN_LEASED": 1, "TRAIN_QUEUED": 3}
        for lease in mine:
            with pytest.raises(LeaseLostError):
                store.renew(lease, LONG)
        assert store.renew(other, LONG) == "CONTINUE"
        again = [claim(store, worker="w3") for _ in range(3)]
        assert {(a.task.id, a.task.attempt) for a in again} == {(m.task.id, 0) for m in mine}
        for sweep in (one, two):
            check(store, sweep.id)

    def test_a_planner_that_dies_is_followed_by_another(self, store: Store) -> None:
        sweep = post(store)
        dead = claim(store, TaskKind.PLAN, seconds=10)
        self.pass_time(store, 11)
        assert drain(store, sweep.id).state is SweepState.SUCCEEDED
        with pytest.raises(LeaseLostError):
            store.end_plan(dead, make_generation())
        assert store.sweep(sweep.id).counters.trials_planned == 4

    def test_confirmation_that_is_lost_is_trained_again(self, store: Store) -> None:
        sweep = planned(store, make_generation(range(4), per_pack=4))
        train(store)
        conclude(store, Conclusion((make_pack([0, 1], Purpose.CONFIRM),)))
        claim(store, TaskKind.TRAIN, seconds=10)
        self.pass_time(store, 11)
        drain(store, sweep.id)
        confirmed = store.runs(sweep.id, purpose=Purpose.CONFIRM)
        assert {(r.state, r.attempt) for r in confirmed} == {(RunState.COMPLETE, 2)}
