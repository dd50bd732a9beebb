"""Follows the members of a pack while they train: the objective of each epoch, the best epoch, who leaves.

Everything is decided epoch by epoch, so that the answer does not depend on how many epochs leave the
compiled program at once.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sweep_service.core.objective import MAXIMIZED
from sweep_service.core.run import Purpose, RunOutcome, RunState, pack_curve
from sweep_service.core.spec import Objective
from sweep_service.numerics.huber import behaves_as, share_beyond
from sweep_service.numerics.objectives import evaluate, evaluate_many
from sweep_service.worker.data import FoldArrays
from sweep_service.worker.members import MemberPlan

RESIDUAL_QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


class MemberScore:
    """One member's way through its epochs."""

    def __init__(
        self, plan: MemberPlan, fold: FoldArrays, objective: Objective, purpose: Purpose, patience: int | None
    ) -> None:
        self.plan = plan
        self._fold = fold
        self._objective = objective
        self._search = purpose is Purpose.SEARCH
        self._patience = patience
        self._sign = -1.0 if objective.metric in MAXIMIZED else 1.0
        self._values: list[float] = []
        self._losses: list[float] = []
        self._best = math.inf
        self._best_epoch = 0
        self._kept: NDArray[np.float64] | None = None
        self.done = False
        self._failure: str | None = None
        self._pruned: str | None = None

    def see(self, predictions: NDArray[np.float32], train_loss: NDArray[np.float32]) -> None:
        """Take in some epochs.

        Args:
            predictions: (epochs, rows, q) of the fold's validation rows, in standardised units.
            train_loss: (epochs,) in standardised units.
        """
        if self.done:
            return
        fold = self._fold
        target = fold.target[fold.validation]
        inside = predictions.astype(np.float64) * fold.sd + fold.mean
        finite = np.isfinite(inside).all(axis=(1, 2)) & np.isfinite(train_loss)
        weights = None if fold.weight is None else fold.weight[fold.validation].astype(np.float64)
        values = evaluate_many(
            self._objective.metric,
            target,
            np.where(finite[:, None, None], inside, 0.0),
            weights,
            delta=self._objective.delta,
            tau=self._objective.tau,
        )
        for epoch in range(len(values)):
            if not finite[epoch]:
                self._fail(f"diverged at epoch {len(self._values) + 1}: its output or its loss is not finite")
                return
            if math.isnan(values[epoch]):
                self._fail(f"{self._objective.metric} is not defined on the {len(target)} held-out rows of its fold")
                return
            self._take(float(values[epoch]), float(train_loss[epoch]), inside[epoch])
            if self.done:
                return

    def _fail(self, reason: str) -> None:
        self._failure = reason
        self.done = True

    def _take(self, value: float, loss: float, prediction: NDArray[np.float64]) -> None:
        self._values.append(value)
        self._losses.append(loss)
        epoch = len(self._values)
        last = epoch >= self.plan.epochs
        if self._search and self._objective.epoch == "BEST":
            if self._sign * value < self._best:
                self._best, self._best_epoch, self._kept = self._sign * value, epoch, prediction
        else:
            if self._sign * value < self._best:
                self._best, self._best_epoch = self._sign * value, epoch
            self._kept = prediction
        if last or (self._patience is not None and epoch - self._best_epoch >= self._patience):
            self.done = True

    @property
    def best(self) -> float:
        """The best objective so far, smaller is better; infinite before the first epoch."""
        return self._best

    @property
    def validation_rows(self) -> int:
        """Rows of its fold that are held out."""
        return int(self._fold.validation.size)

    @property
    def failed(self) -> bool:
        """Whether it diverged."""
        return self._failure is not None

    def prune(self, reason: str) -> None:
        """Its trial leaves, this run with it, also where it had stopped on its own before."""
        self._pruned = reason
        self.done = True

    def outcome(self) -> RunOutcome:
        """What became of the run."""
        key = self.plan.run.key
        raw = float(self._fold.sd[0]) ** (1 if self.plan.loss == "MAE" else 2)
        curve = pack_curve([self._values, [loss * raw for loss in self._losses]])
        if self._failure is not None or self._kept is None:
            reason = self._failure or "no epoch was trained"
            return RunOutcome(key, RunState.FAILED, epochs=len(self._values), curve=curve, reason=reason)
        shown = self._best_epoch if self._search and self._objective.epoch == "BEST" else len(self._values)
        return RunOutcome(
            key,
            RunState.COMPLETE if self._pruned is None else RunState.PRUNED,
            reason=self._pruned,
            best_epoch=shown,
            epochs=len(self._values),
            metrics=self._metrics(self._kept),
            details=self._details(self._kept),
            curve=curve,
        )

    def _metrics(self, prediction: NDArray[np.float64]) -> dict[str, float]:
        fold, objective = self._fold, self._objective
        weights = None if fold.weight is None else fold.weight[fold.validation].astype(np.float64)
        names = dict.fromkeys([objective.metric, *objective.additional_metrics])
        target = fold.target[fold.validation]
        return {
            name: evaluate(name, target, prediction, weights, delta=objective.delta, tau=objective.tau)
            for name in names
        }

    def _details(self, prediction: NDArray[np.float64]) -> dict[str, Any]:
        fold = self._fold
        residuals = (fold.target[fold.validation] - prediction)[:, 0]
        details: dict[str, Any] = {
            "sigma": fold.scale.sigma,
            "sigma_method": fold.scale.method,
            "target_sd": float(fold.sd[0]),
            "train_rows": int(fold.train.size),
            "validation_rows": int(fold.validation.size),
            "residual_quantiles": [float(q) for q in np.quantile(residuals, RESIDUAL_QUANTILES)],
        }
        if self.plan.delta is not None:
            share = float(share_beyond(residuals, self.plan.delta))
            details |= {
                "delta_target": self.plan.delta,
                "delta_standardised": self.plan.delta_standardised,
                "share_beyond": share,
                "behaves_as": behaves_as(share),
            }
        return details
