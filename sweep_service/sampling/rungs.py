"""The Pruner port: HALVING within a pack, MEDIAN against the finished generations.

Neither looks at what another worker happens to have done, so a sweep prunes the same trials whoever trains them.
Nothing here needs Optuna: the worker's child asks these rules while it trains.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from statistics import median

from sweep_service.core.work_ports import Pruner


class Never:
    """Nobody leaves."""

    rungs: Sequence[int] = ()

    def losers(self, epoch: int, values: Mapping[int, float]) -> Mapping[int, str]:  # noqa: ARG002 - the port's form
        """None."""
        return {}


class Halving:
    """The best share of a pack's trials goes on after each rung (Jamieson and Talwalkar, AISTATS 2016)."""

    def __init__(self, rungs: Sequence[int], keep: float) -> None:
        self.rungs = tuple(rungs)
        self._keep = keep

    def losers(self, epoch: int, values: Mapping[int, float]) -> Mapping[int, str]:
        """All but the best `ceil(keep x n)`; equal values go by the trials' numbers."""
        stay = math.ceil(self._keep * len(values) - 1e-9)
        ranked = sorted(values, key=lambda number: (values[number], number))
        why = f"pruned at epoch {epoch}: not among the best {stay} of the {len(values)} trials of its pack"
        return dict.fromkeys(ranked[stay:], why)


class Median:
    """A trial leaves where it is worse than the median of the finished generations at the same epoch."""

    def __init__(self, rungs: Sequence[int], medians: Mapping[int, float]) -> None:
        self.rungs = tuple(rungs)
        self._medians = dict(medians)

    def losers(self, epoch: int, values: Mapping[int, float]) -> Mapping[int, str]:
        """Those above the median; nobody in the first generation, which has nothing to be compared with."""
        limit = self._medians.get(epoch)
        if limit is None:
            return {}
        why = f"pruned at epoch {epoch}: worse than the median of the finished generations"
        return {number: why for number, value in values.items() if value > limit}


def make_pruner(name: str, rungs: Sequence[int], keep: float, medians: Mapping[int, float]) -> Pruner:
    """The pruner of a spec; `medians` (rung -> value) are MEDIAN's."""
    if name == "HALVING":
        return Halving(rungs, keep)
    return Median(rungs, medians) if name == "MEDIAN" else Never()


def rung_medians(trials: Sequence[Sequence[Sequence[float]]], rungs: Sequence[int], sign: float) -> dict[int, float]:
    """At each rung the median over trials of the mean over runs of the best value so far.

    Args:
        trials: of each complete trial its runs' objective, one value an epoch; a run that stopped earlier than a
            rung keeps its best.
        rungs: epochs, counted from 1.
        sign: -1 where larger is better, so that smaller is better in what comes out.

    Returns:
        Rung -> median; empty without trials.
    """
    if not trials:
        return {}
    found = {}
    for rung in rungs:
        means = [sum(min(sign * v for v in run[:rung]) for run in runs) / len(runs) for runs in trials]
        found[rung] = median(means)
    return found
