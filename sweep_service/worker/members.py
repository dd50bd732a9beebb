"""From runs to members of a pack: what each trial's parameters mean on each fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sweep_service.core.run import Purpose, Run
from sweep_service.core.spec import SweepSpec
from sweep_service.core.task import TrainJob
from sweep_service.numerics.huber import clip_form, step_normaliser
from sweep_service.worker.data import FoldArrays, Prepared, fold_arrays, partition
from sweep_service.worker.planning import structure_of


@dataclass(frozen=True, slots=True)
class MemberPlan:
    """One run as the trainer shall train it; `delta` in target units is None for MSE and MAE."""

    run: Run
    fold: int
    loss: str
    delta: float | None
    delta_standardised: float | None
    bound: float
    scale: float
    step_scale: float
    hyperparameters: Mapping[str, float]
    epochs: int


@dataclass(frozen=True, slots=True, eq=False)
class PackPlan:
    """A whole pack: its members, the structure of its network, and the arrays of every fold of its purpose.

    Of every fold, whichever of its runs are still open: see `PackTrainer.train`.
    """

    structure: Mapping[str, Any]
    folds: tuple[FoldArrays, ...]
    members: tuple[MemberPlan, ...]
    early_patience: int | None


def plan_pack(job: TrainJob, prepared: Prepared) -> PackPlan:
    """Work out the members of a job.

    Raises:
        DataError: a fold cannot be used.
    """
    sweep = SweepSpec.model_validate(job.spec)
    arrays: list[FoldArrays] = []
    index: dict[tuple[int, int], int] = {}
    for repeat in range(_repeats(sweep, job.purpose)):
        for number, fold in enumerate(partition(prepared, sweep, job.purpose, repeat)):
            index[repeat, number] = len(arrays)
            arrays.append(fold_arrays(prepared, fold))
    members = tuple(_member(job, sweep, run, index[run.key.repeat, run.key.fold], arrays) for run in job.work.runs)
    first = job.work.trials[job.work.runs[0].key.trial]["parameters"]
    shape = (int(arrays[0].x.shape[1]), int(arrays[0].y.shape[1]))
    early = sweep.training.early_stopping if job.purpose is Purpose.SEARCH else None
    patience = early.patience if early else None
    return PackPlan(structure_of(sweep, first, shape), tuple(arrays), members, patience)


def _repeats(sweep: SweepSpec, purpose: Purpose) -> int:
    if purpose is Purpose.CONFIRM:
        return sweep.confirm.repeats if sweep.confirm else 1
    return sweep.search_repeats() if purpose is Purpose.SEARCH else 1


def _member(job: TrainJob, sweep: SweepSpec, run: Run, fold: int, arrays: Sequence[FoldArrays]) -> MemberPlan:
    trial = job.work.trials[run.key.trial]
    parameters, loss = trial["parameters"], str(trial["loss"])
    delta = standardised = None
    step_scale = 1.0
    if loss == "HUBER":
        sigma = arrays[fold].scale.sigma
        delta = float(parameters["delta"]) * (sigma if trial["delta_unit"] == "SIGMA" else 1.0)
        standardised = delta / float(arrays[fold].sd[0])
        step_scale = step_normaliser(standardised) if sweep.loss.normalise else 1.0
    form = clip_form(loss, standardised)
    # A HyperModel's own parameters may bear any name; what they do is seen in its build.
    names: tuple[str, ...] = ("learning_rate", "momentum", "weight_decay", "l2", "dropout")
    if sweep.model.space is not None:
        names = tuple(n for n in names if n in sweep.model.space.own_parameters())
    return MemberPlan(
        run=run,
        fold=fold,
        loss=loss,
        delta=delta,
        delta_standardised=standardised,
        bound=form.bound,
        scale=form.scale,
        step_scale=step_scale,
        hyperparameters={"learning_rate": 0.0, **{n: float(parameters.get(n, 0.0)) for n in names}},
        epochs=job.epochs.get(run.key.trial, sweep.training.max_epochs),
    )
