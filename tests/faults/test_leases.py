"""A worker that sleeps past its lease, one that is asked to leave, and a sweep that is cancelled under one."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any

import pytest
from live_service import LiveService, alive, assert_books_balance, assert_no_trial_failed, training_child, until

pytestmark = [pytest.mark.faults, pytest.mark.engine]
Open = Callable[..., LiveService]


def test_what_a_worker_brings_that_slept_past_its_lease_is_refused(
    database: str, open_service: Open, slow_sweep: dict[str, Any], undisturbed: dict[str, Any], middle: str
) -> None:
    service = open_service(database, lease=2.0)
    service.start_server()
    sleeper = service.start_worker()
    sweep = service.post(slow_sweep)
    sleeper.await_text(middle)
    sleeper.send(signal.SIGSTOP)  # its child trains on: when the worker wakes up the whole result lies there

    other = service.start_worker()
    service.await_event(sweep, "PACK_ENDED")
    counted = service.get(f"/sweeps/{sweep}")["counters"]["runs_complete"]
    assert counted >= 16
    sleeper.send(signal.SIGCONT)
    sleeper.await_text("was lost")

    assert service.await_end(sweep)["state"] == "SUCCEEDED"
    assert_books_balance(service.store, sweep)
    assert_no_trial_failed(service.store, sweep)
    assert service.numbers(sweep) == undisturbed
    assert sleeper.popen.poll() is None  # it has lost a pack, not its life
    first, second = service.event_bodies(sweep, "PACK_STARTED")[:2]
    assert first["task"] == second["task"]
    assert f"-{other.pid}-" in second["worker"]


def test_a_worker_that_is_asked_to_leave_gives_its_lease_back_at_once_and_exits_with_0(
    database: str, open_service: Open, slow_sweep: dict[str, Any], undisturbed: dict[str, Any], middle: str
) -> None:
    service = open_service(database, lease=3600.0)  # whoever waits for this lease to run out fails the test
    service.start_server()
    leaver = service.start_worker()
    sweep = service.post(slow_sweep)
    leaver.await_text(middle)
    child = training_child(leaver)
    leaver.send(signal.SIGTERM)
    assert leaver.wait() == 0
    assert not alive(child.pid)
    assert service.store.queue_depth() == {"TRAIN_QUEUED": 1}
    assert service.get("/workers")["workers"] == []

    service.start_worker()
    assert service.await_end(sweep)["state"] == "SUCCEEDED"
    assert_books_balance(service.store, sweep)
    assert_no_trial_failed(service.store, sweep)
    assert service.numbers(sweep) == undisturbed
    assert [body["attempt"] for body in service.event_bodies(sweep, "TASK_REQUEUED")] == [0]


def test_cancelling_kills_the_child_in_the_middle_of_its_pack_and_frees_the_worker(
    database: str, open_service: Open, slow_sweep: dict[str, Any], quick_sweep: dict[str, Any], middle: str
) -> None:
    service = open_service(database, lease=3600.0)
    service.start_server()
    worker = service.start_worker()
    sweep = service.post(slow_sweep)
    worker.await_text(middle)
    child = training_child(worker)
    answer = service.http.post(f"/v1/sweeps/{sweep}:cancel")
    assert answer.json()["state"] == "CANCELLING"

    until(lambda: not alive(child.pid), "the child is killed")
    assert service.await_end(sweep)["state"] == "CANCELLED"
    assert not service.event_bodies(sweep, "PACK_ENDED")
    assert_books_balance(service.store, sweep)
    assert {t.state.value for t in service.store.trials(sweep)} == {"CANCELLED"}

    following = service.post(quick_sweep)
    assert service.await_end(following)["state"] == "SUCCEEDED"
    assert worker.popen.poll() is None
    assert_books_balance(service.store, following)
