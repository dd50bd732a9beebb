"""SIGKILL in the middle of a pack: to the worker, to its child, to the server. Nothing is lost or counted twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from live_service import LiveService, alive, assert_books_balance, assert_no_trial_failed, training_child, until

pytestmark = [pytest.mark.faults, pytest.mark.engine]
Open = Callable[..., LiveService]
LEASE = 2.0


def test_another_worker_finishes_what_a_killed_worker_had_begun(
    database: str, open_service: Open, slow_sweep: dict[str, Any], undisturbed: dict[str, Any], middle: str
) -> None:
    service = open_service(database, LEASE)
    service.start_server()
    first = service.start_worker()
    sweep = service.post(slow_sweep)
    first.await_text(middle)
    child = training_child(first)
    first.send(signal.SIGKILL)
    assert first.wait() == -signal.SIGKILL
    until(lambda: not alive(child.pid), "the killed worker's child is gone too")

    second = service.start_worker()
    assert service.await_end(sweep)["state"] == "SUCCEEDED"

    assert_books_balance(service.store, sweep)
    assert_no_trial_failed(service.store, sweep)
    assert service.numbers(sweep) == undisturbed  # the same bits, whoever trained them and however often
    workers = [body["worker"] for body in service.event_bodies(sweep, "PACK_STARTED")]
    assert [f"-{first.pid}-" in name for name in workers] == [True, False, False]
    assert second.popen.poll() is None
    (lost,) = service.event_bodies(sweep, "TASK_REQUEUED")
    assert "lease ran out" in lost["reason"]
    assert lost["attempt"] == 0  # killing a worker is no fault of the pack that it had


def test_a_pack_whose_child_is_killed_is_trained_again_by_a_new_one(
    database: str, open_service: Open, slow_sweep: dict[str, Any], undisturbed: dict[str, Any], middle: str
) -> None:
    service = open_service(database, LEASE)
    service.start_server()
    worker = service.start_worker()
    sweep = service.post(slow_sweep)
    worker.await_text(middle)
    child = training_child(worker)
    os.kill(child.pid, signal.SIGKILL)

    assert service.await_end(sweep)["state"] == "SUCCEEDED"

    assert_books_balance(service.store, sweep)
    assert_no_trial_failed(service.store, sweep)
    assert service.numbers(sweep) == undisturbed
    (back,) = service.event_bodies(sweep, "TASK_REQUEUED")
    assert "SIGKILL" in back["reason"]
    assert back["attempt"] == 1
    assert worker.popen.poll() is None  # the worker itself outlived it, and needed no new lease time
    assert training_child(worker).pid != child.pid


def test_a_sweep_goes_on_while_the_server_is_dead_and_can_be_read_when_it_is_back(
    database: str, open_service: Open, slow_sweep: dict[str, Any], undisturbed: dict[str, Any], middle: str
) -> None:
    service = open_service(database, LEASE)
    server = service.start_server()
    worker = service.start_worker()
    sweep = service.post(slow_sweep)
    worker.await_text(middle)
    server.send(signal.SIGKILL)
    server.wait()
    service.await_event(sweep, "PACK_ENDED")  # read from the tables: nobody serves now

    service.start_server()
    assert service.await_end(sweep)["state"] == "SUCCEEDED"

    assert_books_balance(service.store, sweep)
    assert service.numbers(sweep) == undisturbed
    assert not service.event_bodies(sweep, "TASK_REQUEUED")
