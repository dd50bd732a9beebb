"""Cutting trials into packs: nothing lost, nothing doubled, no trial cut in two."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from sweep_service.core.pack import SLOT_LADDER, choose_slots, cut_packs, signature
from sweep_service.core.run import Purpose, common_seed, pack_curve, unpack_curve
from sweep_service.core.trial import NewTrial


def trial(number: int, name: str) -> NewTrial:
    return NewTrial(number, 0, 0, None, "HUBER", {}, "SIGMA", name)


@given(
    names=st.lists(st.sampled_from("abc"), min_size=1, max_size=60),
    folds=st.integers(1, 10),
    repeats=st.integers(1, 3),
)
def test_packing_loses_and_doubles_nothing(names: list[str], folds: int, repeats: int) -> None:
    trials = [trial(i, name) for i, name in enumerate(names)]
    packs, slots = cut_packs(trials, Purpose.SEARCH, folds, repeats, 7, {})
    keys = Counter(run.key for pack in packs for run in pack.runs)
    assert set(keys.values()) == {1}
    assert len(keys) == len(trials) * folds * repeats
    for pack in packs:
        assert len(pack.runs) <= pack.slots == slots[pack.signature]
        per_trial = Counter(run.key.trial for run in pack.runs)
        assert set(per_trial.values()) == {folds * repeats}
        assert {names[n] for n in per_trial} == {pack.signature}


@given(trials=st.integers(1, 200), size=st.integers(1, 30))
def test_slots_come_from_the_ladder_and_many_members_make_two_packs(trials: int, size: int) -> None:
    slots = choose_slots(trials, size)
    assert slots in SLOT_LADDER
    assert slots >= size
    if trials * size > 64 and trials > 1:
        assert -(-trials // (slots // size)) >= 2


def test_twelve_trials_of_five_folds_fill_one_pack_of_64() -> None:
    assert choose_slots(12, 5) == 64


def test_a_known_signature_keeps_its_slots() -> None:
    _, slots = cut_packs([trial(0, "a")], Purpose.SEARCH, 5, 1, 7, {"a": 64})
    assert slots == {"a": 64}


def test_seeds_are_common_to_trials_and_differ_by_fold_repeat_and_purpose() -> None:
    packs, _ = cut_packs([trial(0, "a"), trial(1, "a")], Purpose.SEARCH, 2, 2, 7, {})
    seeds: dict[tuple[int, int], set[int]] = {}
    for run in (r for p in packs for r in p.runs):
        seeds.setdefault((run.key.fold, run.key.repeat), set()).add(run.seed)
    assert all(len(s) == 1 for s in seeds.values())
    assert len({s for group in seeds.values() for s in group}) == 4
    assert common_seed(7, Purpose.SEARCH, 0, 0) != common_seed(7, Purpose.CONFIRM, 0, 0)
    assert 0 <= common_seed(7, "x") < 2**63


def test_a_signature_does_not_depend_on_the_order_of_its_parts() -> None:
    assert signature({"a": 1, "b": [2]}) == signature({"b": [2], "a": 1}) != signature({"a": 1, "b": [3]})


def test_curves_survive_packing() -> None:
    assert unpack_curve(pack_curve([[1.0, 2.0], [0.5, 0.25]])) == {"objective": [1.0, 2.0], "train_loss": [0.5, 0.25]}
