"""The deltas that cannot be told from the best."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr

from sweep_service.analysis.evidence import Delta, Evidence

LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Equivalent:
    """The lowest and the highest delta of trials that the best is not told from."""

    low: Delta
    high: Delta
    sentence: str


def equivalent_deltas(search: Evidence, evidence: Evidence, best: int) -> Equivalent | None:
    """Trials that are not told to be worse than the best (corrected p, two-sided, of 5 % or more).

    The confirmation speaks for the trials that it trained; the search, with more trials and fewer runs of each,
    for the others. A delta counts as told from the best only where no trial near it speaks against that, so the
    interval runs from the lowest to the highest delta that was not told apart.
    """
    found: dict[float, Delta] = {}
    asked: set[int] = set()
    for source in {id(s): s for s in (evidence, search)}.values():
        if best not in source.values:
            continue
        numbers = [n for n in source.values if source.delta(n) is not None and n not in asked]
        worse = _told_worse(source, numbers, best)
        for number, apart in zip(numbers, worse, strict=True):
            delta = source.delta(number)
            if delta is not None and not apart:
                found[delta.target] = delta
        asked |= set(numbers)
    if not found:
        return None
    low, high = found[min(found)], found[max(found)]
    sentence = (
        f"Deltas from {low.target:.3g} to {high.target:.3g} ({low.sigma:.2g} to {high.sigma:.2g} sigma) "
        "cannot be told from the best."
    )
    return Equivalent(low, high, sentence)


def _told_worse(source: Evidence, numbers: list[int], best: int) -> list[bool]:
    """Nadeau and Bengio's corrected t of each trial against the best, all at once."""
    if not numbers or source.values[best].size < 2:
        return [False] * len(numbers)
    difference = source.sign * (np.stack([source.values[n] for n in numbers]) - source.values[best])
    count = difference.shape[1]
    mean = difference.mean(axis=1)
    error = np.sqrt(difference.var(axis=1, ddof=1) * (1 / count + source.n_test / source.n_train))
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(error > 1e-12 * np.abs(mean), mean / error, np.sign(mean) * np.inf)
    p = 2 * stdtr(count - 1, -np.abs(np.where(mean == 0, 0.0, t)))
    return [bool(x) for x in (p < LEVEL) & (mean < 0)]
