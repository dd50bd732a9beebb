"""The thread that keeps a lease alive, on a real queue in SQLite."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import select, update

from sweep_service.core.errors import StoreError
from sweep_service.core.lease import Lease, Renewal
from sweep_service.core.parsing import dump_spec, parse_spec
from sweep_service.storage.migrate import upgrade
from sweep_service.storage.store import SqlStore
from sweep_service.storage.tables import tasks
from sweep_service.worker.heartbeat import Heartbeat

BEAT = 0.5
"""The shortest lease that settings allow: a beat every sixth of a second."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqlStore]:
    url = f"sqlite:///{tmp_path / 'sweeps.db'}"
    upgrade(url)
    opened = SqlStore(url)
    yield opened
    opened.close()


@pytest.fixture
def lease(store: SqlStore) -> Lease:
    store.create_sweep(dump_spec(parse_spec({"dataset": "diabetes"})))
    claimed = store.claim("worker-1", BEAT)
    assert claimed is not None
    return claimed


def expiry(store: SqlStore) -> float:
    with store.engine.connect() as connection:
        return float(connection.execute(select(tasks.c.expires_at)).scalar_one())


def take_away(store: SqlStore) -> None:
    """Another worker claims the task, as it may once the lease has run out."""
    with store.engine.begin() as connection:
        connection.execute(update(tasks).values(expires_at=0.0))
    assert store.claim("worker-2", 3600.0) is not None


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def test_it_renews_the_lease_for_as_long_as_the_body_runs(store: SqlStore, lease: Lease) -> None:
    first = expiry(store)
    with Heartbeat(store, lease, BEAT):
        wait_for(lambda: expiry(store) > first + 2 * BEAT)  # the task outlived its lease twice
        assert store.claim("worker-2", BEAT) is None
    last = expiry(store)
    time.sleep(BEAT)
    assert expiry(store) == last


def test_a_lost_lease_interrupts_the_work(store: SqlStore, lease: Lease) -> None:
    interrupted = threading.Event()
    with Heartbeat(store, lease, BEAT) as heart, heart.guarding(interrupted.set):
        assert not interrupted.wait(BEAT)
        take_away(store)
        assert interrupted.wait(60)
    assert heart.lost
    assert heart.must_stop
    assert not heart.cancelled


def test_a_cancelled_sweep_interrupts_the_work_and_keeps_the_lease(store: SqlStore, lease: Lease) -> None:
    interrupted = threading.Event()
    with Heartbeat(store, lease, BEAT) as heart, heart.guarding(interrupted.set):
        store.cancel(lease.task.sweep_id)
        assert interrupted.wait(60)
        first = expiry(store)
        wait_for(lambda: expiry(store) > first + BEAT)  # killing a child may take longer than a lease
    assert heart.cancelled
    assert not heart.lost


def test_a_worker_that_leaves_interrupts_its_work(store: SqlStore, lease: Lease) -> None:
    leaving, interrupted = threading.Event(), threading.Event()
    with Heartbeat(store, lease, BEAT, leaving.is_set) as heart, heart.guarding(interrupted.set):
        assert not interrupted.wait(BEAT)
        leaving.set()
        assert interrupted.wait(60)


def test_it_interrupts_again_and_again_since_the_first_time_may_come_before_the_work_has_begun(
    store: SqlStore, lease: Lease
) -> None:
    calls: list[float] = []
    take_away(store)
    with Heartbeat(store, lease, BEAT) as heart:
        wait_for(lambda: heart.lost)
        assert not calls
        with heart.guarding(lambda: calls.append(time.monotonic())):
            wait_for(lambda: len(calls) >= 3)


def test_it_never_interrupts_once_the_work_is_done(store: SqlStore, lease: Lease) -> None:
    """A task that has just ended looks like a lost lease to a beat that comes before the thread is stopped."""
    calls: list[None] = []
    with Heartbeat(store, lease, BEAT) as heart:
        with heart.guarding(lambda: calls.append(None)):
            pass
        store.fail_sweep(lease, "done with")
        wait_for(lambda: heart.lost)
        time.sleep(BEAT)
    assert not calls


def test_a_database_that_is_away_for_a_while_does_not_end_the_work(store: SqlStore, lease: Lease) -> None:
    calls: list[None] = []

    class Away:
        """The queue, whose first two renewals fail."""

        failures = 0

        def renew(self, held: Lease, seconds: float) -> Renewal:
            if self.failures < 2:
                self.failures += 1
                raise StoreError("The database cannot be reached.")
            return store.renew(held, seconds)

    first = expiry(store)
    with Heartbeat(Away(), lease, BEAT) as heart, heart.guarding(lambda: calls.append(None)):  # type: ignore[arg-type]
        wait_for(lambda: expiry(store) > first)
    assert not calls
    assert not heart.must_stop
