"""Many at once: each task is claimed once, each result counted once, each event seen once and in order."""

from __future__ import annotations

import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from sweep_service.core.errors import LeaseLostError
from sweep_service.core.task import TaskKind
from sweep_service.testing.contract import Contract
from sweep_service.testing.scenes import (
    LONG,
    Store,
    check,
    claim,
    drain,
    make_generation,
    make_result,
    plan,
    planned,
    post,
)


class RaceContract(Contract):
    """Threads stand for the processes: what they share is the store alone."""

    def test_each_task_is_claimed_by_one_of_sixteen(self, store: Store) -> None:
        for _ in range(2):
            planned(store, make_generation(range(16), per_pack=1), max_trials=16)
        together = threading.Barrier(16)

        def race(worker: int) -> list[str]:
            together.wait()
            found: list[str] = []
            # None may mean that the others hold the row just now: it is over when nothing is queued.
            while store.queue_depth().get("TRAIN_QUEUED"):
                lease = store.claim(f"w{worker}", LONG)
                if lease is not None:
                    found.append(lease.task.id)
            return found

        with ThreadPoolExecutor(16) as pool:
            claimed = Counter(task for found in pool.map(race, range(16)) for task in found)
        assert len(claimed) == 32
        assert set(claimed.values()) == {1}
        assert store.queue_depth() == {"TRAIN_LEASED": 32}

    def test_packs_that_end_at_the_same_moment_queue_one_next_task(self, store: Store) -> None:
        sweep = post(store, max_trials=32)
        for generation in range(4):
            numbers = range(8 * generation, 8 * generation + 8)
            plan(store, make_generation(numbers, per_pack=1, generation=generation))
            leases = [claim(store, TaskKind.TRAIN) for _ in range(8)]
            results = [make_result(store.work(lease).runs) for lease in leases]
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(store.end_train, leases, results))
            following = "PLAN_QUEUED" if generation < 3 else "CONCLUDE_QUEUED"
            assert store.queue_depth() == {following: 1}
        assert drain(store, sweep.id).counters.runs_complete == 64

    def test_one_result_sent_by_many_is_counted_once(self, store: Store) -> None:
        sweep = planned(store)
        lease = claim(store, TaskKind.TRAIN)
        result = make_result(store.work(lease).runs)

        def send(_: int) -> bool:
            try:
                store.end_train(lease, result)
            except LeaseLostError:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            assert sum(pool.map(send, range(8))) == 1
        check(store, sweep.id)

    def test_a_reader_of_events_misses_none_while_many_write(self, store: Store) -> None:
        sweep = planned(store, make_generation(range(24), per_pack=1), max_trials=24)
        leases = [claim(store, TaskKind.TRAIN) for _ in range(24)]
        results = [make_result(store.work(lease).runs) for lease in leases]
        done = threading.Event()
        numbers: list[int] = []

        def follow() -> None:
            last = False
            while not last:
                last = done.is_set()
                numbers.extend(e.seq for e in store.events(sweep.id, after=numbers[-1] if numbers else 0))

        reader = threading.Thread(target=follow)
        reader.start()
        try:
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(store.end_train, leases, results))
        finally:
            done.set()
            reader.join()
        assert numbers == list(range(1, store.sweep(sweep.id).event_seq + 1))
