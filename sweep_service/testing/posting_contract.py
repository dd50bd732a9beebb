"""Sweeps posted, paged and read; datasets; workers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from sweep_service.core.errors import ConflictError, NotFoundError
from sweep_service.core.run import Purpose, unpack_curve
from sweep_service.core.sweep import Counters, SweepState
from sweep_service.core.task import Conclusion
from sweep_service.core.trial import TrialState
from sweep_service.testing.contract import Contract
from sweep_service.testing.scenes import (
    Store,
    check,
    claim,
    conclude,
    make_generation,
    make_pack,
    make_spec,
    planned,
    post,
    train,
)


class PostingContract(Contract):
    """For those who post and ask."""

    def test_a_posted_sweep_is_queued_with_its_whole_spec_and_its_first_event(self, store: Store) -> None:
        spec = make_spec(name="first", priority=70)
        sweep, created = store.create_sweep(spec)
        assert created
        assert (sweep.name, sweep.priority, sweep.state) == ("first", 70, SweepState.QUEUED)
        assert sweep.spec == spec == store.spec(sweep.id)
        assert sweep.counters == Counters()
        assert (sweep.started_at, sweep.ended_at, sweep.end_reason, sweep.error) == (None, None, None, None)
        assert [(e.seq, e.kind) for e in store.events(sweep.id)] == [(1, "SWEEP_CREATED")]
        assert store.queue_depth() == {"PLAN_QUEUED": 1}
        assert store.sweep(sweep.id) == sweep

    def test_what_is_posted_does_not_change_with_the_callers_own_copy(self, store: Store) -> None:
        spec = make_spec(max_trials=4)
        sweep, _ = store.create_sweep(spec)
        spec["budget"]["max_trials"] = 9
        assert store.spec(sweep.id)["budget"]["max_trials"] == 4

    def test_a_key_that_was_used_with_the_same_body_gives_the_first_sweep(self, store: Store) -> None:
        first, created = store.create_sweep(make_spec(), idempotency_key="k", body_digest="a")
        again, created_again = store.create_sweep(make_spec(name="other"), idempotency_key="k", body_digest="a")
        other, _ = store.create_sweep(make_spec(), idempotency_key="another", body_digest="a")
        assert (created, created_again) == (True, False)
        assert again == first
        assert other.id != first.id

    def test_a_key_that_was_used_with_another_body_is_a_conflict(self, store: Store) -> None:
        store.create_sweep(make_spec(), idempotency_key="k", body_digest="a")
        with pytest.raises(ConflictError, match="another body"):
            store.create_sweep(make_spec(), idempotency_key="k", body_digest="b")
        assert len(store.sweeps(limit=10)[0]) == 1

    def test_posts_with_one_key_at_the_same_moment_make_one_sweep(self, store: Store) -> None:
        with ThreadPoolExecutor(8) as pool:
            posts = [
                pool.submit(store.create_sweep, make_spec(), idempotency_key="k", body_digest="a") for _ in range(8)
            ]
            found = [p.result() for p in posts]
        assert len({sweep.id for sweep, _ in found}) == 1
        assert sum(created for _, created in found) == 1
        assert store.queue_depth() == {"PLAN_QUEUED": 1}

    def test_posts_without_a_key_at_the_same_moment_all_make_their_sweep(self, store: Store) -> None:
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda n: store.create_sweep(make_spec(name=str(n)))[0], range(16)))
        assert {s.name for s in store.sweeps(limit=100)[0]} == {str(n) for n in range(16)}
        assert len({s.id for s in found}) == 16

    def test_the_key_of_a_deleted_sweep_may_be_used_anew(self, store: Store) -> None:
        first, _ = store.create_sweep(make_spec(), idempotency_key="k", body_digest="a")
        store.cancel(first.id)
        store.delete_sweep(first.id)
        second, created = store.create_sweep(make_spec(), idempotency_key="k", body_digest="b")
        assert created
        assert second.id != first.id

    def test_pages_show_every_sweep_once_the_newest_first(self, store: Store) -> None:
        ids = [post(store, name=str(n)).id for n in range(5)]
        seen, after, pages = [], None, 0
        while True:
            page, after = store.sweeps(limit=2, after=after)
            seen += [s.id for s in page]
            pages += 1
            if pages == 1:
                post(store, name="posted while someone reads")
            if after is None:
                break
        assert seen == ids[::-1]
        assert pages == 3

    def test_what_is_not_there_is_not_found(self, store: Store) -> None:
        sweep = planned(store)
        for ask in (
            lambda: store.sweep("swp_none"),
            lambda: store.trials("swp_none"),
            lambda: store.trial("swp_none", 0),
            lambda: store.trial(sweep.id, 99),
            lambda: store.spec("swp_none"),
            lambda: store.pause("swp_none"),
            lambda: store.resume("swp_none"),
            lambda: store.stop("swp_none"),
            lambda: store.cancel("swp_none"),
            lambda: store.delete_sweep("swp_none"),
            lambda: store.dataset("none"),
        ):
            with pytest.raises(NotFoundError):
                ask()
        assert store.report(sweep.id, "none") is None
        assert list(store.runs("swp_none")) == []
        assert list(store.events("swp_none")) == []

    def test_trials_come_by_number_above_a_number_and_by_state(self, store: Store) -> None:
        sweep = planned(store, make_generation(range(5), per_pack=2))
        train(store)
        assert [t.number for t in store.trials(sweep.id)] == [0, 1, 2, 3, 4]
        assert [t.number for t in store.trials(sweep.id, after=1, limit=2)] == [2, 3]
        assert [t.number for t in store.trials(sweep.id, states=[TrialState.COMPLETE])] == [0, 1]
        assert list(store.trials(sweep.id, states=[])) == []
        assert store.trial(sweep.id, 3).parameters == {"delta": 4.0, "learning_rate": 0.01}
        assert store.history(sweep.id) == store.trials(sweep.id)

    def test_runs_come_in_order_and_their_curves_when_asked_for(self, store: Store) -> None:
        sweep = planned(store, make_generation(range(2), per_pack=2), max_trials=2)
        train(store)
        conclude(store, Conclusion((make_pack([1], Purpose.CONFIRM),)))
        keys = [(r.key.trial, r.key.purpose.value, r.key.fold) for r in store.runs(sweep.id)]
        assert keys == sorted(keys)
        assert len(keys) == 6
        assert [r.key.fold for r in store.runs(sweep.id, trial=1, purpose=Purpose.CONFIRM)] == [0, 1]
        assert {r.curve for r in store.runs(sweep.id)} == {b""}
        assert store.all_runs(sweep.id) == store.runs(sweep.id)
        curve = store.runs(sweep.id, trial=0, curves=True)[0].curve
        assert unpack_curve(curve) == {"objective": [3.0, 2.0], "train_loss": [3.0, 2.0]}

    def test_what_was_read_does_not_change_with_what_comes_later(self, store: Store) -> None:
        sweep = planned(store)
        trials, runs = store.trials(sweep.id), store.runs(sweep.id)
        train(store)
        assert sweep.counters.runs_complete == 0
        assert {t.state for t in trials} == {TrialState.WAITING}
        assert {r.attempt for r in runs} == {0}

    def test_the_revision_grows_with_every_change(self, store: Store) -> None:
        sweep = post(store)
        seen = [sweep.revision]
        lease = claim(store)
        seen.append(store.sweep(sweep.id).revision)
        store.end_plan(lease, make_generation())
        seen.append(store.sweep(sweep.id).revision)
        seen.append(store.pause(sweep.id).revision)
        assert seen == sorted(set(seen))
        assert store.pause(sweep.id).revision == seen[-1]
        check(store, sweep.id)

    def test_events_are_read_from_where_one_stopped(self, store: Store) -> None:
        sweep = planned(store)
        everything = list(store.events(sweep.id))
        assert list(store.events(sweep.id, after=2)) == everything[2:]
        assert list(store.events(sweep.id, after=1, limit=1)) == everything[1:2]
        assert list(store.events(sweep.id, after=len(everything))) == []

    # --- datasets ----------------------------------------------------------------------------------------------

    def test_an_upload_is_a_new_version_unless_its_bytes_are_the_newest_ones(self, store: Store) -> None:
        first = store.add_dataset("prices", "d1", "s1", "text/csv", 10, {"columns": ["a"]})
        assert (first.version, first.summary) == (1, {"columns": ["a"]})
        assert store.add_dataset("prices", "d1", "s1", "text/csv", 10, {}) == first
        assert store.add_dataset("prices", "d2", "s2", "text/csv", 11, {}).version == 2
        assert store.add_dataset("prices", "d1", "s1", "text/csv", 10, {}).version == 3
        assert store.dataset("prices").digest == "d1"
        assert store.dataset("prices", 2).digest == "d2"
        assert [(d.name, d.version) for d in store.datasets()] == [("prices", 1), ("prices", 2), ("prices", 3)]
        with pytest.raises(NotFoundError, match="version 4"):
            store.dataset("prices", 4)

    def test_uploads_of_one_name_at_the_same_moment_get_a_version_each(self, store: Store) -> None:
        def upload(n: int) -> int:
            return store.add_dataset("prices", f"d{n}", f"s{n}", "text/csv", n, {}).version

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(upload, range(8))) == list(range(1, 9))

    # --- workers -----------------------------------------------------------------------------------------------

    def test_workers_are_known_by_when_they_were_seen(self, store: Store) -> None:
        for name in ("w2", "w1"):
            store.register_worker(name, host="h\x00", pid=1, device="cpu", version="1", info={"gpu": None})
        sweep = post(store)
        lease = claim(store, worker="w1")
        assert [(w.id, w.host, w.task_id) for w in store.workers()] == [
            ("w1", "h\ufffd", lease.task.id),
            ("w2", "h\ufffd", None),
        ]
        self.pass_time(store, 60)
        store.worker_seen("w2")
        assert [w.id for w in store.workers(alive_within=30)] == ["w2"]
        store.renew(lease, 60)
        assert [w.id for w in store.workers(alive_within=30)] == ["w1", "w2"]
        store.end_plan(lease, make_generation())
        assert store.workers()[0].task_id is None
        store.forget_worker("w1")
        assert [w.id for w in store.workers()] == ["w2"]
        store.register_worker("w2", host="elsewhere", pid=2, device="cpu", version="2", info={})
        assert [w.host for w in store.workers()] == ["elsewhere"]
        store.worker_seen("unknown")
        check(store, sweep.id)
