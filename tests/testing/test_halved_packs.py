"""Stores: what the halves of a pack are told, anchors that come with a conclusion, and sweeps that found nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweep_service.core.run import Purpose, RunState
from sweep_service.core.sweep import EndReason, SweepState
from sweep_service.core.task import Conclusion, TaskKind
from sweep_service.core.trial import NewTrial, TrialState
from sweep_service.storage.migrate import upgrade
from sweep_service.storage.store import SqlStore
from sweep_service.testing.memory_store import MemoryStore
from sweep_service.testing.scenes import (
    SIGNATURE,
    Store,
    check,
    claim,
    conclude,
    make_generation,
    make_pack,
    planned,
    seen,
    states_of,
    train,
)


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore()
        return
    url = f"sqlite:///{tmp_path / 'sweeps.db'}"
    upgrade(url)
    opened = SqlStore(url)
    yield opened
    opened.close()


# --- halves ------------------------------------------------------------------------------------------------------


def fail_three_times(store: Store) -> list[dict[str, Any]]:
    """The next pack is past its attempts afterwards; returns what it had been told each time."""
    told = []
    for _ in range(3):
        lease = claim(store, TaskKind.TRAIN)
        told.append(dict(lease.task.payload))
        store.release(lease, reason="killed by SIGKILL", counts=True)
    return told


def test_the_halves_of_a_pack_past_its_attempts_are_told_that_they_are_halves(store: Store) -> None:
    made = make_generation(range(4), per_pack=4)
    sweep = planned(store, replace(made, packs=tuple(replace(p, payload={"medians": {"3": 0.5}}) for p in made.packs)))
    whole = {"medians": {"3": 0.5}, "signature": SIGNATURE, "slots": 8}
    assert fail_three_times(store) == [whole] * 3
    halves = [claim(store, TaskKind.TRAIN), claim(store, TaskKind.TRAIN)]
    assert [dict(h.task.payload) for h in halves] == [{**whole, "halved": True}] * 2
    assert [sorted({r.key.trial for r in store.work(h).runs}) for h in halves] == [[0, 1], [2, 3]]
    for half in halves:
        train(store, half)
    check(store, sweep.id)


def test_a_half_that_is_halved_again_is_told_so_still(store: Store) -> None:
    planned(store, make_generation(range(4), per_pack=4))
    fail_three_times(store)
    train(store)
    fail_three_times(store)
    assert [claim(store, TaskKind.TRAIN).task.payload["halved"] for _ in range(2)] == [True, True]


# --- anchors with a conclusion -------------------------------------------------------------------------------------


def new_anchor(number: int) -> NewTrial:
    return NewTrial(number, 1, 0, "MSE", "MSE", {"learning_rate": 0.02}, "SIGMA", SIGNATURE)


def test_anchors_that_come_with_a_conclusion_are_trained_and_then_it_is_asked_again(store: Store) -> None:
    sweep = planned(store, make_generation(range(4), per_pack=4))
    train(store)
    conclude(store, Conclusion((make_pack([4, 5]),), trials=(new_anchor(4), new_anchor(5))))
    counters = store.sweep(sweep.id).counters
    assert (counters.trials_planned, counters.anchors, counters.runs_planned) == (4, 2, 12)
    assert states_of(store.trials(sweep.id)) == {**dict.fromkeys(range(4), "COMPLETE"), 4: "WAITING", 5: "WAITING"}
    added = [r for r in store.runs(sweep.id) if r.key.trial >= 4]
    assert [(r.key.purpose, r.state) for r in added] == [(Purpose.SEARCH, RunState.WAITING)] * 4
    assert store.queue_depth() == {"TRAIN_QUEUED": 1}
    check(store, sweep.id)
    train(store)
    assert store.trial(sweep.id, 5).state is TrialState.COMPLETE
    assert store.queue_depth() == {"CONCLUDE_QUEUED": 1}
    conclude(store, Conclusion((make_pack([0, 4], Purpose.CONFIRM),)))
    train(store)
    conclude(store)
    ended = store.sweep(sweep.id)
    assert (ended.state, ended.end_reason) == (SweepState.SUCCEEDED, EndReason.BUDGET)
    check(store, sweep.id)


def test_where_one_of_a_conclusions_packs_cannot_be_stored_none_of_its_trials_is(store: Store) -> None:
    sweep = planned(store, make_generation(range(4), per_pack=4))
    train(store)
    lease = claim(store, TaskKind.CONCLUDE)
    was = seen(store, sweep.id)
    for packs in ((make_pack([4]), make_pack([9])), (make_pack([4]), make_pack([4])), (make_pack([4]), make_pack([0]))):
        with pytest.raises(Exception, match=r"."):
            store.end_conclude(lease, Conclusion(packs, {"comparison": {"step": 1}}, trials=(new_anchor(4),)))
        assert seen(store, sweep.id) == was
        assert store.report(sweep.id, "comparison") is None
    store.end_conclude(lease, Conclusion((make_pack([4]),), trials=(new_anchor(4),)))
    assert store.trial(sweep.id, 4).state is TrialState.WAITING
    check(store, sweep.id)


# --- sweeps that found nothing -------------------------------------------------------------------------------------


def test_a_sweep_whose_sampled_trials_all_failed_has_failed_and_quotes_one_of_them(store: Store) -> None:
    sweep = planned(store, make_generation(range(4), per_pack=3, anchors=[3]), max_trials=3, max_failed=12)
    train(store, state=RunState.FAILED, reason="diverged at epoch 7")
    train(store)  # the anchor is complete: it is not what was searched for
    conclude(store)
    ended = store.sweep(sweep.id)
    assert (ended.state, ended.end_reason) == (SweepState.FAILED, EndReason.BUDGET)
    assert ended.error is not None
    assert "diverged at epoch 7" in ended.error
    assert (ended.counters.trials_failed, ended.counters.trials_complete) == (3, 1)
    check(store, sweep.id)


def test_one_complete_sampled_trial_is_enough_to_succeed(store: Store) -> None:
    sweep = planned(store, make_generation(range(4), per_pack=3), max_failed=12)
    train(store, state=RunState.FAILED)
    train(store)
    conclude(store)
    ended = store.sweep(sweep.id)
    assert (ended.state, ended.error) == (SweepState.SUCCEEDED, None)


def test_a_sweep_that_its_owner_stopped_has_succeeded_though_nothing_was_complete(store: Store) -> None:
    sweep = planned(store, make_generation(range(4), per_pack=2), max_failed=12)
    lease = claim(store, TaskKind.TRAIN)
    store.stop(sweep.id)
    train(store, lease, state=RunState.FAILED)
    conclude(store)
    ended = store.sweep(sweep.id)
    assert (ended.state, ended.end_reason, ended.error) == (SweepState.SUCCEEDED, EndReason.STOPPED, None)
    check(store, sweep.id)
