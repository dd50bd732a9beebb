"""The queue as a state machine: whatever is done to it, the database and the store in memory stand the same."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import update

from sweep_service.core.errors import ConflictError, LeaseLostError, NotFoundError
from sweep_service.core.lease import Lease
from sweep_service.core.run import Purpose, RunState
from sweep_service.core.task import Conclusion, PackResult, TaskKind
from sweep_service.storage.database import Database
from sweep_service.storage.migrate import upgrade
from sweep_service.storage.store import SqlStore
from sweep_service.storage.tables import sweeps, tasks
from sweep_service.testing.memory_store import MemoryStore
from sweep_service.testing.scenes import Store, check, make_generation, make_outcome, make_pack, make_spec

LEASE, WORKERS = 1000.0, ["w1", "w2"]
STATES = [RunState.COMPLETE, RunState.COMPLETE, RunState.FAILED, RunState.PRUNED, RunState.TIMED_OUT]
REFUSALS = (ConflictError, LeaseLostError, NotFoundError)
# Each example is a sweep's life of up to STEPS steps; SWEEP_MODEL_EXAMPLES=250 makes it more than 10,000 steps.
EXAMPLES, STEPS = int(os.environ.get("SWEEP_MODEL_EXAMPLES", "12")), 50


class QueueMachine(RuleBasedStateMachine):
    """Every rule is done to both stores; ids differ, so what is kept is a pair."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        url = f"sqlite:///{Path(self.folder.name) / 'sweeps.db'}"
        upgrade(url)
        self.stores: tuple[SqlStore, MemoryStore] = (SqlStore(url), MemoryStore())
        self.ids: list[tuple[str, str]] = []
        self.kept: list[tuple[Lease, Lease]] = []

    def teardown(self) -> None:
        self.stores[0].close()
        self.folder.cleanup()

    def both(self, do: Callable[[Store, int], Any]) -> tuple[Any, Any]:
        """Do it to both; they must refuse alike."""
        answers = []
        for which, store in enumerate(self.stores):
            try:
                answers.append(do(store, which))
            except REFUSALS as refusal:
                answers.append(type(refusal))
        if isinstance(answers[0], type) or isinstance(answers[1], type):
            assert answers[0] == answers[1]
        return answers[0], answers[1]

    # --- rules ---------------------------------------------------------------------------------------------------

    @initialize(trials=st.sampled_from([4, 8]))
    def begin(self, trials: int) -> None:
        self.post(50, trials)
        self.end(self.claim("w1"), 3, [])

    @precondition(lambda self: len(self.ids) < 3)
    @rule(priority=st.sampled_from([10, 50, 90]), trials=st.sampled_from([4, 8]))
    def post(self, priority: int, trials: int) -> None:
        spec = make_spec(priority=priority, max_trials=trials, max_failed=3, max_duration="PT4H")
        one, two = self.both(lambda store, _: store.create_sweep(spec)[0].id)
        self.ids.append((one, two))

    @rule(
        worker=st.sampled_from(WORKERS),
        how=st.sampled_from(["end", "end", "end", "keep", "release", "blame"]),
        whole=st.integers(0, 3),
        states=st.lists(st.sampled_from(STATES), max_size=6),
    )
    def work(self, worker: str, how: str, whole: int, states: list[RunState]) -> None:
        for _ in range(3 if how == "blame" else 1):
            pair = self.claim(worker)
            if pair is None:
                return
            if how == "end":
                self.end(pair, whole, states)
            elif how != "keep":
                self.release(pair, counts=how == "blame")

    @precondition(lambda self: self.kept)
    @rule(
        data=st.data(),
        how=st.sampled_from(["end", "end", "release", "fail"]),
        whole=st.integers(0, 3),
        states=st.lists(st.sampled_from(STATES), max_size=6),
    )
    def come_back(self, data: st.DataObject, how: str, whole: int, states: list[RunState]) -> None:
        """With a lease that was kept: it may have run out long ago, and its sweep may be gone."""
        pair = data.draw(st.sampled_from(self.kept))
        if how == "end":
            self.end(pair, whole, states)
        elif how == "release":
            self.release(pair, counts=whole == 0)
        elif whole == 0:
            self.both(lambda store, i: store.fail_sweep(pair[i], "bad data"))

    def claim(self, worker: str) -> tuple[Lease, Lease] | None:
        one, two = self.both(lambda store, _: store.claim(worker, LEASE))
        assert (one is None) == (two is None)
        if one is None:
            return None
        assert self.described(one, 0) == self.described(two, 1)
        self.kept.append((one, two))
        return one, two

    def described(self, lease: Lease, which: int) -> tuple[Any, ...]:
        work = self.stores[which].work(lease)
        sweep = [pair[which] for pair in self.ids].index(lease.task.sweep_id)
        task = lease.task
        return (sweep, task.kind, task.purpose, task.payload, task.attempt, lease.token, lease.worker_id, work)

    def end(self, pair: tuple[Lease, Lease] | None, whole: int, states: list[RunState]) -> None:
        assert pair is not None
        kind, memory = pair[0].task.kind, self.stores[1]
        with contextlib.suppress(NotFoundError):
            known = memory.trials(pair[1].task.sweep_id)
            runs = memory.work(pair[1]).runs
            if kind is TaskKind.PLAN:
                first, generation = len(known), int(pair[0].task.payload["generation"])
                numbers = range(first, first + 5) if whole else range(0)  # in packs of 1, 3 or 5
                made = make_generation(
                    numbers, per_pack=max(1, 2 * whole - 1), generation=generation, anchors=[first + 4]
                )
                self.both(lambda store, i: store.end_plan(pair[i], made))
            elif kind is TaskKind.CONCLUDE:
                confirmed = memory.runs(pair[1].task.sweep_id, purpose=Purpose.CONFIRM)
                packs = (make_pack([0, 1], Purpose.CONFIRM),) if len(known) > 1 and whole and not confirmed else ()
                found = Conclusion(packs, {"r": {"n": whole}}, ended=not packs)
                self.both(lambda store, i: store.end_conclude(pair[i], found))
            else:
                kept = runs[: whole * len(runs) // 3]
                padded = [*states, *[RunState.COMPLETE] * len(kept)]
                outcomes = tuple(make_outcome(r.key, s) for r, s in zip(kept, padded, strict=False))
                self.both(lambda store, i: store.end_train(pair[i], PackResult(outcomes, {"whole": whole})))

    def release(self, pair: tuple[Lease, Lease], *, counts: bool) -> None:
        self.both(lambda store, i: store.release(pair[i], reason="r", counts=counts))

    @precondition(lambda self: self.kept)
    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        pair = data.draw(st.sampled_from(self.kept))
        one, two = self.both(lambda store, i: store.renew(pair[i], LEASE))
        assert one == two

    @rule(worker=st.sampled_from(WORKERS))
    def forget(self, worker: str) -> None:
        self.both(lambda store, _: store.forget_worker(worker))

    @rule(
        data=st.data(),
        verb=st.sampled_from(["pause", "resume", "resume", "resume", "stop", "cancel", "delete_sweep"]),
    )
    def control(self, data: st.DataObject, verb: str) -> None:
        pair = data.draw(st.sampled_from(self.ids))
        self.both(lambda store, i: getattr(store, verb)(pair[i]) and None)

    @rule(seconds=st.sampled_from([10.0, LEASE + 1, 3600.0]))
    def time_passes(self, seconds: float) -> None:
        self.stores[1].clock.advance(seconds)
        with Database(self.stores[0].engine).write() as connection:
            connection.execute(update(tasks).values(expires_at=tasks.c.expires_at - seconds))
            connection.execute(update(sweeps).values(started_at=sweeps.c.started_at - seconds))

    # --- what must hold ------------------------------------------------------------------------------------------

    @invariant()
    def both_stand_the_same(self) -> None:
        assert self.stores[0].queue_depth() == self.stores[1].queue_depth()
        for pair in self.ids:
            one, two = self.both(lambda store, i, pair=pair: _read(store, pair[i]))
            assert one == two

    @invariant()
    def every_count_is_exact(self) -> None:
        for pair in self.ids:
            for store, sweep_id in zip(self.stores, pair, strict=True):
                with contextlib.suppress(NotFoundError):
                    check(store, sweep_id)


def _read(store: Store, sweep_id: str) -> list[Any]:
    """All that can be read of a sweep but ids and times."""
    sweep = store.sweep(sweep_id)
    return [
        (sweep.state, sweep.end_reason, sweep.error, sweep.counters, sweep.generation, sweep.revision),
        (sweep.started_at is None, sweep.ended_at is None),
        [(t.number, t.state, t.reason, t.values, t.engine, t.ended_at is None) for t in store.trials(sweep_id)],
        list(store.runs(sweep_id, curves=True)),
        [(e.seq, e.kind, {k: v for k, v in e.body.items() if k != "task"}) for e in store.events(sweep_id)],
        store.slots(sweep_id),
        store.report(sweep_id, "r"),
    ]


class TestQueue(QueueMachine.TestCase):
    settings = settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
