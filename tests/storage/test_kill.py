"""A process that is killed in the middle of a transaction has written nothing, on both databases."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
from sqlalchemy import update

from sweep_service.core.sweep import SweepState
from sweep_service.core.task import TaskKind
from sweep_service.storage.database import Database
from sweep_service.storage.store import SqlStore
from sweep_service.storage.tables import tasks
from sweep_service.testing.scenes import claim, drain, make_generation, planned, post, seen, train

pytestmark = pytest.mark.faults

# Ends the task that it claims with something whose last part never comes: the transaction stays open.
VICTIM = """
import sys, time
from dataclasses import replace
from sweep_service.core.task import Conclusion, TaskKind
from sweep_service.storage.store import SqlStore
from sweep_service.testing.scenes import make_generation, make_result

class Endless:
    def keys(self):
        print("inside", flush=True)
        time.sleep(600)

store = SqlStore(sys.argv[1])
lease = store.claim("victim", 3600)
print("claimed", flush=True)
sys.stdin.readline()
if lease.task.kind is TaskKind.PLAN:
    store.end_plan(lease, replace(make_generation(), reports={"data": Endless()}))
elif lease.task.kind is TaskKind.CONCLUDE:
    store.end_conclude(lease, Conclusion(reports={"a": {"whole": 1}, "b": Endless()}, ended=True))
else:
    result = make_result(store.work(lease).runs)
    store.end_train(lease, replace(result, engine=Endless()))
"""


@pytest.fixture
def store(emptied: str) -> Iterator[SqlStore]:
    store = SqlStore(emptied)
    yield store
    store.close()


@pytest.mark.parametrize("kind", list(TaskKind))
def test_killed_within_the_transaction_that_ends_a_task(store: SqlStore, emptied: str, kind: TaskKind) -> None:
    sweep = post(store) if kind is TaskKind.PLAN else planned(store, make_generation(range(4), per_pack=4))
    if kind is TaskKind.CONCLUDE:
        train(store)
    victim = subprocess.Popen(
        [sys.executable, "-c", VICTIM, emptied], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with victim:
        assert victim.stdin is not None
        assert victim.stdout is not None
        assert victim.stdout.readline() == "claimed\n"
        was = seen(store, sweep.id)
        victim.stdin.write("go\n")
        victim.stdin.flush()
        assert victim.stdout.readline() == "inside\n"
        victim.kill()
    assert seen(store, sweep.id) == was
    assert store.queue_depth() == {f"{kind.value}_LEASED": 1}
    with Database(store.engine).write() as connection:
        connection.execute(update(tasks).values(expires_at=tasks.c.expires_at - 7200))
    assert claim(store, kind, worker="another").task.attempt == 0
    store.forget_worker("another")
    ended = drain(store, sweep.id)
    assert ended.state is SweepState.SUCCEEDED
    assert ended.counters.runs_complete == ended.counters.runs_planned == 8
