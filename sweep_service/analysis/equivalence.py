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
    """Trials whose difference from the best has a two-sided corrected p of 5 % or more.

    Both the confirmation (few trials, many runs) and the search (many trials, few runs) are asked; a delta
    counts as told from the best only where no trial near it speaks against that, so the interval runs from
    the lowest to the highest delta that was not told apart.
    """
    found: dict[float, Delta] = {}
    for source in {id(s): s for s in (search, evidence)}.values():
        if best not in source.values:
            continue
        numbers = [n for n in source.values if source.delta(n) is not None]
        told = _told_apart(source, numbers, best)
        for number, apart in zip(numbers, told, strict=True):
            delta = source.delta(number)
            if delta is not None and not apart:
                found[delta.target] = delta
    if not found:
        return None
    low, high = found[min(found)], found[max(found)]
    sentence = (
        f"Deltas from {low.target:.3g} to {high.target:.3g} ({low.sigma:.2g} to {high.sigma:.2g} sigma) "
        "cannot be told from the best."
    )
    return Equivalent(low, high, sentence)


def _told_apart(source: Evidence, numbers: list[int], best: int) -> list[bool]:
    """Nadeau and Bengio's corrected t of each trial against the best, all at once."""
    table = np.stack([source.values[n] for n in numbers])
    if table.shape[1] < 2:
        return [False] * len(numbers)
    difference = table - source.values[best]
    count = difference.shape[1]
    variance = difference.var(axis=1, ddof=1) * (1 / count + source.n_test / source.n_train)
    mean = difference.mean(axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        t = np.where(variance > 0, mean / np.sqrt(variance), np.where(mean == 0, 0.0, np.inf))
    p = 2 * stdtr(count - 1, -np.abs(t))
    return [bool(x) for x in p < LEVEL]
