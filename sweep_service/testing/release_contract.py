"""Tasks that were not done come back; a pack that kills its child is halved until one trial is left to blame."""

from __future__ import annotations

import pytest

from sweep_service.core.errors import LeaseLostError, TrainingError
from sweep_service.core.run import Purpose, RunState
from sweep_service.core.sweep import EndReason, SweepState
from sweep_service.core.task import Conclusion, PackResult, TaskKind, TrainJob
from sweep_service.core.trial import TrialState
from sweep_service.testing.contract import Contract
from sweep_service.testing.fake_trainer import FakeTrainer
from sweep_service.testing.scenes import (
    LONG,
    SIGNATURE,
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


def blame(store: Store, times: int) -> None:
    """The next pack kills its child so many times."""
    for _ in range(times):
        store.release(claim(store, TaskKind.TRAIN), reason="killed by SIGSEGV", counts=True)


class ReleaseContract(Contract):
    """What a task that was not done costs."""

    def test_a_released_task_can_be_claimed_at_once(self, store: Store) -> None:
        sweep = planned(store, make_generation(range(2), per_pack=2))
        lease = claim(store, TaskKind.TRAIN)
        store.release(lease, reason="the worker was stopped")
        assert {r.state for r in store.runs(sweep.id)} == {RunState.WAITING}
        assert store.events(sweep.id)[-1].body["reason"] == "the worker was stopped"
        again = claim(store, TaskKind.TRAIN, worker="w2")
        assert (again.task.id, again.task.attempt) == (lease.task.id, 0)
        check(store, sweep.id)

    def test_kills_from_outside_never_make_a_healthy_trial_fail(self, store: Store) -> None:
        sweep = planned(store)
        for _ in range(12):
            store.release(claim(store, TaskKind.TRAIN), reason="interrupted", counts=False)
        for _ in range(6):
            claim(store, TaskKind.TRAIN, seconds=10)
            self.pass_time(store, 11)
        ended = drain(store, sweep.id)
        assert (ended.counters.trials_complete, ended.counters.trials_failed) == (4, 0)

    def test_the_third_counted_attempt_halves_a_pack_and_each_half_begins_anew(self, store: Store) -> None:
        sweep = planned(store, make_generation(range(5), per_pack=5))
        blame(store, 2)
        lease = claim(store, TaskKind.TRAIN)
        assert lease.task.attempt == 2
        store.release(lease, reason="killed", counts=True)
        assert {r.state for r in store.runs(sweep.id)} == {RunState.WAITING}
        halves = [claim(store, TaskKind.TRAIN) for _ in range(2)]
        assert store.claim("w1", LONG) is None
        assert [sorted(store.work(half).trials) for half in halves] == [[0, 1], [2, 3, 4]]
        assert {half.task.attempt for half in halves} == {0}
        assert {half.task.payload["signature"] for half in halves} == {SIGNATURE}
        assert list(store.work(lease).runs) == []
        for half in halves:
            train(store, half)
        assert store.sweep(sweep.id).counters.runs_planned == 10
        assert drain(store, sweep.id).counters.trials_complete == 5

    def test_a_trial_that_kills_its_child_alone_is_failed_with_the_reason(self, store: Store) -> None:
        sweep = planned(store, make_generation([0], per_pack=1), max_trials=1)
        blame(store, 3)
        trial = store.trial(sweep.id, 0)
        assert (trial.state, trial.reason, trial.values) == (TrialState.FAILED, "killed by SIGSEGV", {})
        assert trial.ended_at is not None
        assert {r.reason for r in store.runs(sweep.id)} == {"killed by SIGSEGV"}
        assert drain(store, sweep.id).counters.runs_failed == 2

    @pytest.mark.parametrize("poison", [[5], [0, 7]])
    def test_a_poison_trial_takes_nobody_with_it(self, store: Store, poison: list[int]) -> None:
        sweep = planned(store, make_generation(range(8), per_pack=8), max_trials=8)
        trainer = FakeTrainer(poison=poison)
        while (lease := store.claim("w1", LONG)) is not None and lease.task.kind is TaskKind.TRAIN:
            payload = lease.task.payload
            spec, work = store.spec(sweep.id), store.work(lease)
            job = TrainJob(sweep.id, spec, Purpose.SEARCH, payload["signature"], payload["slots"], work)
            try:
                store.end_train(lease, trainer.train(job, lambda _: None))
            except TrainingError as error:
                store.release(lease, reason=str(error), counts=True)
        expected = {n: "FAILED" if n in poison else "COMPLETE" for n in range(8)}
        assert states_of(store.trials(sweep.id)) == expected
        check(store, sweep.id)

    def test_what_a_pack_had_done_before_it_was_halved_is_kept(self, store: Store) -> None:
        sweep = planned(store, make_generation(range(4), per_pack=4))
        lease = claim(store, TaskKind.TRAIN)
        done = tuple(make_outcome(r.key) for r in store.work(lease).runs if r.key.trial == 0)
        store.end_train(lease, PackResult(done))
        assert store.trial(sweep.id, 0).state is TrialState.COMPLETE
        blame(store, 3)
        halves = [claim(store, TaskKind.TRAIN) for _ in range(2)]
        assert [sorted(store.work(half).trials) for half in halves] == [[1], [2, 3]]
        assert store.runs(sweep.id, trial=0)[0].attempt == 1
        check(store, sweep.id)

    def test_a_confirmation_that_kills_its_child_fails_no_trial(self, store: Store) -> None:
        sweep = planned(store, make_generation(range(4), per_pack=4))
        train(store)
        conclude(store, Conclusion((make_pack([2], Purpose.CONFIRM),)))
        blame(store, 3)
        assert store.trial(sweep.id, 2).state is TrialState.COMPLETE
        assert {r.state for r in store.runs(sweep.id, purpose=Purpose.CONFIRM)} == {RunState.FAILED}
        assert drain(store, sweep.id).counters.runs_failed == 2

    def test_a_pack_that_ends_without_its_outcomes_does_not_come_back_for_ever(self, store: Store) -> None:
        sweep = planned(store, make_generation([0], per_pack=1), max_trials=1)
        for _ in range(3):
            store.end_train(claim(store, TaskKind.TRAIN), PackResult(()))
        assert store.trial(sweep.id, 0).state is TrialState.FAILED
        assert "without a word on 2 of its runs" in str(store.trial(sweep.id, 0).reason)
        drain(store, sweep.id)

    @pytest.mark.parametrize("kind", [TaskKind.PLAN, TaskKind.CONCLUDE])
    def test_a_plan_or_conclude_that_always_fails_ends_its_sweep(self, store: Store, kind: TaskKind) -> None:
        sweep = post(store) if kind is TaskKind.PLAN else planned(store, make_generation(range(4), per_pack=4))
        if kind is TaskKind.CONCLUDE:
            train(store)
        for _ in range(3):
            assert store.sweep(sweep.id).state is not SweepState.FAILED
            store.release(claim(store, kind), reason="KeyError: x", counts=True)
        ended = store.sweep(sweep.id)
        assert (ended.state, ended.end_reason) == (SweepState.FAILED, EndReason.ERROR)
        assert ended.error == f"{kind.value} failed 3 times: KeyError: x"
        assert ended.counters.trials_complete == (0 if kind is TaskKind.PLAN else 4)
        assert store.queue_depth() == {}
        check(store, sweep.id)

    def test_reasons_may_hold_what_no_database_takes(self, store: Store) -> None:
        sweep = planned(store, make_generation([0], per_pack=1))
        for _ in range(3):
            store.release(claim(store, TaskKind.TRAIN), reason="NUL \x00 and half a pair \ud800", counts=True)
        assert store.trial(sweep.id, 0).reason == "NUL \ufffd and half a pair \ufffd"

    # --- fail_sweep --------------------------------------------------------------------------------------------

    def test_a_sweep_that_cannot_go_on_keeps_what_is_complete(self, store: Store) -> None:
        sweep = planned(store, make_generation(range(6), per_pack=2), max_trials=6)
        train(store)
        other = claim(store, TaskKind.TRAIN, worker="w2")
        store.fail_sweep(claim(store, TaskKind.TRAIN), "the dataset is gone \x00")
        ended = store.sweep(sweep.id)
        assert (ended.state, ended.end_reason) == (SweepState.FAILED, EndReason.ERROR)
        assert ended.error == "the dataset is gone \ufffd"
        assert states_of(store.trials(sweep.id)) == {n: "COMPLETE" if n < 2 else "CANCELLED" for n in range(6)}
        assert store.queue_depth() == {}
        with pytest.raises(LeaseLostError):
            store.renew(other, LONG)
        check(store, sweep.id)
        store.delete_sweep(sweep.id)

    def test_the_reason_of_a_failed_conclusion_is_the_error(self, store: Store) -> None:
        sweep = planned(store, make_generation(range(4), per_pack=4))
        train(store)
        assert store.sweep(sweep.id).end_reason is EndReason.BUDGET
        store.fail_sweep(claim(store, TaskKind.CONCLUDE), "no room")
        assert store.sweep(sweep.id).end_reason is EndReason.ERROR
