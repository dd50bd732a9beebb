"""The evidence of a sweep as arrays: which trial got what on which fold and repeat."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep_service.core.objective import MAXIMIZED
from sweep_service.core.run import Purpose, Run, RunState
from sweep_service.core.spec import SweepSpec
from sweep_service.core.trial import Trial, TrialState
from sweep_service.numerics.significance import corrected_interval, corrected_t

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Comparison:
    """One trial against another on the same folds; a positive gain is better, in the metric's units.

    With a single pair nothing but the gain is known: the rest is nan.
    """

    gain: float
    low: float
    high: float
    t: float
    p_value: float
    pairs: int
    standard_error: float


@dataclass(frozen=True, slots=True)
class Delta:
    """One delta in the three units that people use."""

    target: float
    standardised: float
    sigma: float

    def as_dict(self) -> dict[str, float]:
        """For JSON."""
        return {"target": self.target, "standardised": self.standardised, "sigma": self.sigma}


class Evidence:
    """What stands of one purpose: trial number -> values over (repeat, fold), nan where a run is not complete.

    With TIME and HOLDOUT folds the repeats share their rows: they are averaged within a fold (R10), since
    more seeds on the same rows are no more evidence about other rows.
    """

    def __init__(
        self, spec: SweepSpec, trials: Sequence[Trial], runs: Sequence[Run], data: Mapping[str, Any], purpose: Purpose
    ) -> None:
        self.spec = spec
        self.metric = spec.objective.metric
        self.sign = 1.0 if self.metric in MAXIMIZED else -1.0
        self.purpose = purpose
        self.data = data
        self.trials = {t.number: t for t in trials if not t.excluded}
        folds = spec.folds()
        repeats = max((r.key.repeat for r in runs if r.key.purpose is purpose), default=0) + 1
        self.values: dict[int, Floats] = {}
        for run in runs:
            if run.key.purpose is not purpose or run.key.trial not in self.trials:
                continue
            row = self.values.setdefault(run.key.trial, np.full(repeats * folds, np.nan))
            if run.state is RunState.COMPLETE and run.key.fold < folds:
                row[run.key.repeat * folds + run.key.fold] = run.metrics.get(self.metric, np.nan)
        if spec.dataset.split.validation.kind in {"TIME", "HOLDOUT"} and repeats > 1:
            self.values = {n: v.reshape(repeats, folds).mean(axis=0) for n, v in self.values.items()}
        # Whole trials only: a mean over some of the folds is not comparable with one over all.
        self.values = {n: v for n, v in self.values.items() if np.isfinite(v).all() and self._counts(n)}
        sizes = list(data.get("folds", [])) or [{"train": 1, "validation": 1}]
        # Means, not rounded: with few rows a rounded fold would make the correction too small.
        self.n_train = float(np.mean([f["train"] for f in sizes]))
        self.n_test = float(np.mean([f["validation"] for f in sizes]))

    def _counts(self, number: int) -> bool:
        return self.purpose is not Purpose.SEARCH or self.trials[number].state is TrialState.COMPLETE

    def mean(self, number: int) -> float:
        """Mean objective of a trial."""
        return float(self.values[number].mean())

    def standard_error(self, number: int) -> float:
        """Standard error of that mean over folds and repeats, corrected for their overlap (Nadeau and Bengio)."""
        row = self.values[number]
        if row.size < 2:
            return float("nan")
        return float(np.sqrt(row.var(ddof=1) * (1 / row.size + self.n_test / self.n_train)))

    def ranked(self, *, anchors: bool) -> list[int]:
        """Numbers of the sampled trials (or of the anchors), best first."""
        chosen = [n for n in self.values if (self.trials[n].anchor is not None) is anchors]
        return sorted(chosen, key=lambda n: (-self.sign * self.mean(n), n))

    def anchors(self) -> dict[str, int]:
        """Label -> the anchor's trial with its own best settings."""
        found: dict[str, int] = {}
        for number in self.ranked(anchors=True):
            found.setdefault(str(self.trials[number].anchor), number)
        return found

    def compare(self, number: int, other: int) -> Comparison:
        """How much better a trial is than another, pair by pair (fold and repeat)."""
        difference = self.sign * (self.values[number] - self.values[other])
        if difference.size < 2:
            nan = math.nan
            return Comparison(float(difference.mean()), nan, nan, nan, nan, int(difference.size), nan)
        test = corrected_t(difference, self.n_train, self.n_test)
        low, high = corrected_interval(difference, self.n_train, self.n_test)
        return Comparison(
            test.mean, low, high, test.t, test.p_two_sided, int(difference.size), float(test.standard_error)
        )

    def delta(self, number: int) -> Delta | None:
        """The delta of a trial (None for MSE and MAE)."""
        trial = self.trials[number]
        value = trial.parameters.get("delta")
        return None if value is None or trial.loss != "HUBER" else self.delta_of(float(value), trial.delta_unit)

    def delta_of(self, value: float, unit: str) -> Delta:
        """A delta in its own unit, in all three; sigma is that of all training rows (R1)."""
        sigma, sd = float(self.data["sigma"]), float(self.data["target_sd"])
        target = value * sigma if unit == "SIGMA" else value
        return Delta(target, target / sd, target / sigma)


def gather(spec: SweepSpec, trials: Sequence[Trial], runs: Sequence[Run], data: Mapping[str, Any]) -> Evidence:
    """Evidence of the confirmation where it is whole, else of the search.

    Whole: no confirmation run is open, and at least one sampled trial is among the confirmed.
    """
    confirm = [r for r in runs if r.key.purpose is Purpose.CONFIRM]
    if confirm and not any(r.state in {RunState.WAITING, RunState.RUNNING} for r in confirm):
        evidence = Evidence(spec, trials, runs, data, Purpose.CONFIRM)
        if evidence.ranked(anchors=False):
            return evidence
    return Evidence(spec, trials, runs, data, Purpose.SEARCH)
