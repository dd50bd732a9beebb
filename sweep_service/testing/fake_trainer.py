"""A Trainer without TensorFlow: outcomes are computed from the parameters, the same on every machine."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any

from sweep_service.core.errors import TrainingError
from sweep_service.core.objective import MAXIMIZED
from sweep_service.core.run import Run, RunOutcome, RunState, common_seed, pack_curve
from sweep_service.core.task import PackResult, TrainJob

EPOCHS = 6
_FLAT_DELTA = {"MSE": math.e**3, "MAE": math.e**-3}


class FakeTrainer:
    """The objective is a bowl in log delta with its bottom at `best_delta`, with noise from the run's seed.

    MSE and MAE lie where a very large and a very small delta would. Sigma and the target's deviation are 1, so
    that a delta is the same in every unit.

    Args:
        best_delta: the bottom of the bowl.
        noise: size of the noise; runs of one seed share most of it, as folds do.
        diverge: trials whose runs are FAILED outcomes.
        poison: trials that kill the child of every pack that they are in.
        gate: where given, a pack ends only once this event is set (or `interrupt` is called).
    """

    def __init__(
        self,
        *,
        best_delta: float = 1.0,
        noise: float = 0.01,
        diverge: Collection[int] = (),
        poison: Collection[int] = (),
        gate: threading.Event | None = None,
    ) -> None:
        self.best_delta = best_delta
        self.noise = noise
        self.diverge = frozenset(diverge)
        self.poison = frozenset(poison)
        self.jobs: list[TrainJob] = []
        self.closed = False
        self._gate = gate
        self._interrupted = threading.Event()

    def train(self, job: TrainJob, on_progress: Callable[[Mapping[str, Any]], None]) -> PackResult:
        """Train a job."""
        self._interrupted.clear()
        self.jobs.append(job)
        on_progress({"epoch": 1, "active": len(job.work.runs)})
        while self._gate is not None and not self._gate.wait(0.01):
            if self._interrupted.is_set():
                raise TrainingError("The pack was interrupted.")
        killers = sorted(self.poison & set(job.work.trials))
        if killers:
            raise TrainingError("The training process was killed by SIGSEGV.")
        engine = {"rung": "FAKE", "slots": job.slots, "device": "none"}
        return PackResult(tuple(self._outcome(job, run) for run in job.work.runs), engine)

    def interrupt(self) -> None:
        """Give up the pack that is being trained."""
        self._interrupted.set()

    def close(self) -> None:
        """Nothing to release."""
        self.closed = True

    def value(self, trial: Mapping[str, Any], seed: int) -> float:
        """The objective (of a metric that is to be small) of a run; `trial` as in `PackWork.trials`."""
        delta = float(trial["parameters"].get("delta", _FLAT_DELTA.get(trial["loss"], 1.0)))
        distance = math.log(delta / self.best_delta)
        shared = common_seed(seed, "shared") / 2**63 - 0.5
        own = common_seed(seed, repr(sorted(trial["parameters"].items()))) / 2**63 - 0.5
        return 1.0 + 0.1 * distance**2 + self.noise * (shared + 0.2 * own)

    def _outcome(self, job: TrainJob, run: Run) -> RunOutcome:
        number, trial = run.key.trial, job.work.trials[run.key.trial]
        epochs = job.epochs.get(number, EPOCHS)
        value = self.value(trial, run.seed)
        falling = [value * (1 + 1 / epoch) for epoch in range(1, epochs)] + [value]
        if number in self.diverge:
            reason = "diverged at epoch 1: the network's output is not finite"
            return RunOutcome(run.key, RunState.FAILED, epochs=1, curve=pack_curve([[9.0], [9.0]]), reason=reason)
        objective = job.spec["objective"]
        names = dict.fromkeys([objective["metric"], *objective["additional_metrics"]])
        return RunOutcome(
            run.key,
            RunState.COMPLETE,
            best_epoch=epochs,
            epochs=epochs,
            metrics={name: -value if name in MAXIMIZED else value for name in names},
            details=_details(trial),
            curve=pack_curve([falling, falling]),
        )


def _details(trial: Mapping[str, Any]) -> dict[str, Any]:
    details: dict[str, Any] = {
        "sigma": 1.0,
        "sigma_method": "HUBER_IRLS",
        "target_sd": 1.0,
        "train_rows": 80,
        "validation_rows": 20,
        "residual_quantiles": [-3.0, -1.6, -0.7, 0.0, 0.7, 1.6, 3.0],
    }
    delta = trial["parameters"].get("delta")
    if delta is not None:
        share = math.erfc(float(delta) / math.sqrt(2))
        behaves_as = "MSE" if share <= 0.01 else "MAE" if share >= 0.95 else None
        details |= {"delta_target": delta, "delta_standardised": delta, "share_beyond": share, "behaves_as": behaves_as}
    return details
