"""Workers that die, lie still and come back, an owner who changes her mind: no sweep hangs, every count is exact."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from sweep_service.core.errors import ConflictError, LeaseLostError
from sweep_service.core.lease import Lease
from sweep_service.core.sweep import ENDED, SweepState
from sweep_service.core.task import Conclusion, PackResult, TaskKind
from sweep_service.testing.contract import Contract
from sweep_service.testing.scenes import Store, check, make_generation, make_outcome, post

WORKERS, SWEEPS, LEASE = 8, 6, 0.3
TURMOIL_SECONDS, PATIENCE_SECONDS = 2.0, 60.0


class TurmoilContract(Contract):
    """Any error but a lost lease (and a verb that comes too late) is a fault of the store's."""

    def test_whatever_eight_workers_and_an_owner_do_every_sweep_ends_and_every_count_is_exact(
        self, store: Store
    ) -> None:
        ids = [post(store, name=str(n), max_trials=8, max_failed=100).id for n in range(SWEEPS)]
        turmoil = Turmoil(store, ids, lambda seconds: self.pass_time(store, seconds))
        with ThreadPoolExecutor(WORKERS + 1) as pool:
            everyone = [pool.submit(turmoil.work, n) for n in range(WORKERS)] + [pool.submit(turmoil.own)]
            for one in everyone:
                one.result()
        for sweep_id in ids:
            assert store.sweep(sweep_id).state in ENDED
            check(store, sweep_id)
        assert store.queue_depth() == {}
        assert list(store.workers()) == []


class Turmoil:
    """What the threads share."""

    def __init__(self, store: Store, ids: Sequence[str], pass_time: Callable[[float], None]) -> None:
        self._store = store
        self._ids = ids
        self._pass_time = pass_time
        self._over = threading.Event()

    def own(self) -> None:
        """Verbs at random for a while; then whatever is paused is resumed, and all must come to an end."""
        store, dice, began = self._store, random.Random(99), time.monotonic()  # noqa: S311
        verbs = [store.pause, store.resume, store.stop, store.cancel]
        try:
            while not all(store.sweep(i).state in ENDED for i in self._ids):
                assert time.monotonic() - began < PATIENCE_SECONDS, "a sweep hangs"
                if time.monotonic() - began < TURMOIL_SECONDS:
                    verb = dice.choices(verbs, [6, 12, 1, 1])[0]
                    with contextlib.suppress(ConflictError):
                        verb(dice.choice(self._ids[:-1]))
                else:
                    self._resume_all()
                self._look()
                self._pass_time(0.05)
                time.sleep(0.01)
        finally:
            self._over.set()

    def _resume_all(self) -> None:
        for sweep_id in self._ids:
            if self._store.sweep(sweep_id).state is SweepState.PAUSED:
                self._store.resume(sweep_id)

    def _look(self) -> None:
        """Events that can be seen have no gap, at any moment."""
        for sweep_id in self._ids:
            numbers = [e.seq for e in self._store.events(sweep_id, limit=100_000)]
            assert numbers == list(range(1, len(numbers) + 1))

    def work(self, number: int) -> None:
        """A worker's life."""
        store, dice, worker = self._store, random.Random(number), f"w{number}"  # noqa: S311
        store.register_worker(worker, host="h", pid=number, device="cpu", version="1", info={})
        while not self._over.is_set():
            lease = store.claim(worker, LEASE)
            if lease is None:
                time.sleep(0.005)
                continue
            with contextlib.suppress(LeaseLostError):
                _work_badly(store, lease, dice)
        store.forget_worker(worker)


def _work_badly(store: Store, lease: Lease, dice: random.Random) -> None:
    """Do a task, or lose it in one of the ways in which tasks are lost."""
    what = dice.random()
    if what < 0.1:
        return  # killed: the lease runs out
    if what < 0.2:
        store.release(lease, reason="killed by SIGSEGV", counts=what < 0.13)
        return
    if what < 0.25:
        store.forget_worker(lease.worker_id)
        return
    if what < 0.6:
        store.renew(lease, LEASE)
    _do(store, lease, whole=dice.random() < 0.9)


def _do(store: Store, lease: Lease, *, whole: bool) -> None:
    sweep_id = lease.task.sweep_id
    if lease.task.kind is TaskKind.PLAN:
        first = len(store.history(sweep_id))
        generation = lease.task.payload["generation"]
        store.end_plan(lease, make_generation(range(first, first + 4), per_pack=1, generation=generation))
    elif lease.task.kind is TaskKind.CONCLUDE:
        store.end_conclude(lease, Conclusion(ended=True))
    else:
        runs = store.work(lease).runs
        store.end_train(lease, PackResult(tuple(make_outcome(r.key) for r in (runs if whole else runs[:1]))))
