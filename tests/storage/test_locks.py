"""Who waits for whom: rows that another transaction holds are skipped by claims, and read again by those that wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import Connection, select, text, update

from sweep_service.core.task import TaskKind
from sweep_service.storage.database import Database, make_engine
from sweep_service.storage.migrate import upgrade
from sweep_service.storage.store import SqlStore
from sweep_service.storage.tables import sweeps, tasks
from sweep_service.testing.scenes import LONG, check, claim, planned, post

pytestmark = pytest.mark.postgres


@pytest.fixture
def store(new_postgres_database) -> Iterator[SqlStore]:
    url = new_postgres_database()
    upgrade(url)
    store = SqlStore(url)
    yield store
    store.close()


@contextmanager
def holding(store: SqlStore, sweep_id: str) -> Iterator[Connection]:
    """Another process's transaction that holds the sweep's row."""
    engine = make_engine(store.engine.url.render_as_string(hide_password=False))
    with Database(engine).write() as connection:
        connection.execute(select(sweeps).where(sweeps.c.id == sweep_id).with_for_update())
        yield connection
    engine.dispose()


def wait_until_someone_waits(store: SqlStore) -> None:
    """Until a transaction of this database waits for a lock."""
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    for _ in range(1000):
        with Database(store.engine).read() as connection:
            if connection.execute(query).scalar_one():
                return
        time.sleep(0.01)
    pytest.fail("nobody waits")


def test_a_claim_waits_for_nobody_and_takes_another_sweeps_task(store: SqlStore) -> None:
    busy, free = post(store, priority=90), post(store, priority=10)
    with holding(store, busy.id):
        assert claim(store, TaskKind.PLAN).task.sweep_id == free.id
        assert store.claim("w2", LONG) is None
    assert claim(store, TaskKind.PLAN).task.sweep_id == busy.id


def test_a_late_lease_of_a_sweep_that_someone_writes_about_is_given_back_later(store: SqlStore) -> None:
    sweep = planned(store)
    late = claim(store, TaskKind.TRAIN, seconds=-1)
    with holding(store, sweep.id):
        assert store.claim("w2", LONG) is None
    taken = {claim(store, TaskKind.TRAIN).task.id for _ in range(2)}
    assert late.task.id in taken


def test_a_good_bye_leaves_a_lease_alone_that_has_just_gone_to_another_worker(store: SqlStore) -> None:
    sweep = planned(store)
    lease = claim(store, TaskKind.TRAIN, worker="w1")
    good_bye = threading.Thread(target=store.forget_worker, args=["w1"])
    with holding(store, sweep.id) as connection:
        good_bye.start()
        wait_until_someone_waits(store)
        moved = {"worker_id": "w2", "token": lease.token + 1}
        connection.execute(update(tasks).where(tasks.c.id == int(lease.task.id)).values(moved))
    good_bye.join()
    assert store.queue_depth() == {"TRAIN_LEASED": 1, "TRAIN_QUEUED": 1}
    check(store, sweep.id)


def test_a_verb_waits_for_the_writer_before_it_and_sees_what_that_wrote(store: SqlStore) -> None:
    sweep = post(store)
    answers: list[str] = []
    pausing = threading.Thread(target=lambda: answers.append(store.pause(sweep.id).name))
    with holding(store, sweep.id) as connection:
        pausing.start()
        wait_until_someone_waits(store)
        connection.execute(update(sweeps).where(sweeps.c.id == sweep.id).values(name="renamed"))
    pausing.join()
    assert answers == ["renamed"]
