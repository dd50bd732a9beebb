"""Sweeps with made-up runs: what each trial got on each fold is said by the test."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import numpy as np
import pytest

from sweep_service.analysis.answers import best_delta, delta_response
from sweep_service.core.parsing import dump_spec, parse_spec
from sweep_service.core.run import Purpose, Run, RunKey, RunState
from sweep_service.core.sweep import Counters, Sweep, SweepState
from sweep_service.core.trial import Trial, TrialState

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
SIGMA, SD = 2.0, 4.0
LOSSES = {"MSE": ("MSE", None, "SIGMA"), "MAE": ("MAE", None, "SIGMA")}


@dataclass
class World:
    """A sweep under construction. `data` says sigma = 2, sd = 4, five folds of 80 and 20 rows."""

    changes: Mapping[str, Any] = field(default_factory=dict)
    trials: list[Trial] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    data: dict[str, Any] | None = field(
        default_factory=lambda: {
            "sigma": SIGMA, "sigma_method": "HUBER_IRLS", "target_sd": SD, "target_name": "y",
            "folds": [{"train": 80, "validation": 20}] * 5,
        }
    )  # fmt: skip

    @cached_property
    def sweep(self) -> Sweep:
        spec = dump_spec(parse_spec({"dataset": "diabetes", **self.changes}))
        return Sweep(
            "s1", "n", SweepState.SUCCEEDED, None, None, spec, 50, {}, Counters(), 0, 1, 1, MOMENT, MOMENT, None
        )  # fmt: skip

    @property
    def metric(self) -> str:
        return str(self.sweep.spec["objective"]["metric"])

    def trial(self, delta: float = 1.0, *, state: TrialState = TrialState.COMPLETE, **changes: Any) -> int:
        """A sampled trial with delta in multiples of sigma; returns its number."""
        return self._add(None, "HUBER", {"delta": delta}, "SIGMA", state, **changes)

    def anchor(self, label: str) -> int:
        if label in LOSSES:
            return self._add(label, label, {}, "SIGMA", TrialState.COMPLETE)
        delta, unit = label.split()
        return self._add(label, "HUBER", {"delta": float(delta)}, unit, TrialState.COMPLETE)

    def _add(
        self, anchor: str | None, loss: str, parameters: dict[str, Any], unit: str, state: TrialState, **changes: Any
    ) -> int:
        number = len(self.trials)
        self.trials.append(
            Trial(
                number, 0, 0, anchor, loss, parameters, unit, "s", state, None, {}, {},
                excluded=changes.get("excluded", False), created_at=MOMENT, ended_at=MOMENT,
            )
        )  # fmt: skip
        return number

    def got(self, number: int, values: Any, purpose: Purpose = Purpose.SEARCH) -> int:
        """Values (folds,) or (repeats, folds) of one trial; nan is a failed run, None one that still waits."""
        for repeat, row in enumerate(np.atleast_2d(np.array(values, dtype=object))):
            for fold, value in enumerate(row):
                state = RunState.WAITING if value is None else RunState.COMPLETE
                if value is not None and np.isnan(value):
                    state = RunState.FAILED
                metrics = {self.metric: float(value)} if state is RunState.COMPLETE else {}
                key = RunKey(number, purpose, fold, repeat)
                self.runs.append(Run(key, 0, state, 1, 1, 1, metrics, {}, b"", None))
        return number

    def both(self, number: int, search: Any, confirm: Any) -> int:
        self.got(number, search)
        return self.got(number, confirm, Purpose.CONFIRM)

    def best(self) -> dict[str, Any]:
        return best_delta(self.sweep, self.trials, self.runs, self.data)

    def response(self) -> dict[str, Any]:
        return delta_response(self.sweep, self.trials, self.runs, self.data)


@pytest.fixture
def world() -> Callable[..., World]:
    return lambda **changes: World(changes)


@pytest.fixture
def folds() -> Callable[..., np.ndarray]:
    """Values of 3 repeats x 5 folds: a level, the folds' own difficulty (common to all trials), a trial's noise."""
    difficulty = np.random.default_rng(0).normal(0, 0.3, (3, 5))
    difficulty -= difficulty.mean()

    def make(level: float, noise: float = 0.02, seed: int = 0) -> np.ndarray:
        own = np.random.default_rng([9, seed]).normal(0, noise, (3, 5))
        return level + difficulty + own - own.mean()

    return make
