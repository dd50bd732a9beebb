"""Seeds of runs: common to all trials of a purpose, and fresh where a search is confirmed."""

from __future__ import annotations

from sweep_service.core.pack import make_runs
from sweep_service.core.run import Purpose


def seeds(purpose: Purpose, trial: int = 3, sweep_seed: int = 7) -> dict[tuple[int, int], int]:
    """(fold, repeat) -> seed."""
    runs = make_runs(trial, purpose, 5, 3, sweep_seed)
    assert {(r.key.trial, r.key.purpose) for r in runs} == {(trial, purpose)}
    return {(r.key.fold, r.key.repeat): r.seed for r in runs}


def test_a_confirmation_trains_from_other_seeds_than_the_search_on_the_same_fold_and_repeat() -> None:
    search, confirm, final = (seeds(p) for p in (Purpose.SEARCH, Purpose.CONFIRM, Purpose.FINAL))
    assert search.keys() == confirm.keys() == final.keys()
    for place in search:
        assert len({search[place], confirm[place], final[place]}) == 3


def test_no_seed_of_a_purpose_comes_again_in_another_or_on_another_fold_or_repeat() -> None:
    every = [seed for purpose in Purpose for seed in seeds(purpose).values()]
    assert len(set(every)) == len(every) == 3 * 15


def test_all_trials_of_a_purpose_have_the_same_seeds_and_another_sweep_has_others() -> None:
    for purpose in Purpose:
        assert seeds(purpose, trial=0) == seeds(purpose, trial=41)
        assert set(seeds(purpose).values()).isdisjoint(seeds(purpose, sweep_seed=8).values())
