"""PLAN and CONCLUDE: what a sweep trains next. Pure of any database; the loop stores what comes out."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from sweep_service.core.objective import MAXIMIZED
from sweep_service.core.pack import cut_packs, signature
from sweep_service.core.parameters import delta_unit, has_dropout, search_space
from sweep_service.core.run import Purpose, Run, RunState, unpack_curve
from sweep_service.core.search_space import Params
from sweep_service.core.spec import AnchorDelta, SweepSpec
from sweep_service.core.task import Conclusion, Generation, Pack
from sweep_service.core.trial import NewTrial, Trial, TrialState
from sweep_service.core.work_ports import Observation, Sampler
from sweep_service.sampling.rungs import rung_medians
from sweep_service.worker.data import describe
from sweep_service.worker.source import DataSource


class SweepPlanner:
    """The Planner port on a Sampler and the datasets."""

    def __init__(self, sampler: Sampler, source: DataSource) -> None:
        self._sampler = sampler
        self._source = source

    def needs_curves(self, spec: Mapping[str, Any]) -> bool:
        """MEDIAN looks at the curves of the finished generations."""
        pruner = SweepSpec.model_validate(spec).pruner
        return pruner is not None and pruner.name == "MEDIAN"

    def plan(
        self,
        spec: Mapping[str, Any],
        history: Sequence[Trial],
        slots: Mapping[str, int],
        generation: int,
        runs: Sequence[Run] = (),
    ) -> Generation:
        """The next generation; the first one carries the `data` report."""
        sweep = SweepSpec.model_validate(spec)
        history = sorted(history, key=lambda t: t.number)  # in whatever order they ended
        report = describe(self._source.prepared(sweep), sweep)
        planned = sum(1 for t in history if t.anchor is None)
        count = min(sweep.sampler.generation_size, sweep.budget.max_trials - planned)
        sampled = self._sampler.sample(
            search_space(sweep),
            [_observation(t, sweep) for t in history if t.anchor is None],
            name=sweep.sampler.name,
            seed=sweep.sampler_seed(),
            generation=generation,
            first_index=planned,
            count=max(0, count),
            per_architecture=sweep.sampler.trials_per_architecture,
            maximize=sweep.objective.metric in MAXIMIZED,
            grid_points=sweep.sampler.grid_points,
        )
        shape = (int(str(report["inputs"])), int(str(report["outputs"])))
        seen = {_settings(t.parameters) for t in history if t.anchor is not None}
        trials = make_trials(sweep, sampled.groups, shape, generation, len(history), seen)
        known = {k.removeprefix("SEARCH/"): v for k, v in slots.items() if k.startswith("SEARCH/")}
        packs, _ = cut_packs(trials, Purpose.SEARCH, sweep.folds(), sweep.search_repeats(), sweep.seed, known)
        medians = _medians(sweep, history, runs)
        if medians:
            packs = [replace(p, payload={**p.payload, "medians": medians}) for p in packs]
        return Generation(tuple(trials), tuple(packs), sampled.exhausted, {"data": report} if generation == 0 else {})

    def conclude(
        self, spec: Mapping[str, Any], history: Sequence[Trial], runs: Sequence[Run], slots: Mapping[str, int]
    ) -> Conclusion:
        """The anchors with the finalists' settings first; finalists and anchors on fresh seeds then; then the end."""
        sweep = SweepSpec.model_validate(spec)
        if sweep.confirm is None or any(r.key.purpose is Purpose.CONFIRM for r in runs):
            return Conclusion(ended=True)
        history = sorted(history, key=lambda t: t.number)
        chosen = finalists(sweep, history)
        if not any(t.anchor is None for t in chosen):
            return Conclusion(ended=True)
        matched = matched_anchors(sweep, history)
        if matched:
            searched = {k.removeprefix("SEARCH/"): v for k, v in slots.items() if k.startswith("SEARCH/")}
            packs, _ = cut_packs(matched, Purpose.SEARCH, sweep.folds(), sweep.search_repeats(), sweep.seed, searched)
            return Conclusion(tuple(packs), trials=tuple(matched))
        known = {k.removeprefix("CONFIRM/"): v for k, v in slots.items() if k.startswith("CONFIRM/")}
        packs, _ = cut_packs(
            [_again(t) for t in chosen],
            Purpose.CONFIRM,
            sweep.folds(),
            sweep.confirm.repeats,
            sweep.seed,
            known,
        )
        epochs = {t.number: fixed_epochs(sweep, t.number, runs) for t in chosen}
        return Conclusion(tuple(_with_epochs(p, epochs) for p in packs))


def structure_of(sweep: SweepSpec, parameters: Params, shape: tuple[int, int]) -> dict[str, Any]:
    """All that a compiled program depends on; what is not in here is an input of it."""
    space = sweep.model.space
    optimizer = parameters.get("optimizer")
    always = {
        "hypermodel": sweep.model.hypermodel,
        "batch_size": parameters["batch_size"],
        "loss": "CLIP",
        "inputs": shape[0],
        "outputs": shape[1],
    }
    nesterov = bool(parameters.get("nesterov")) if optimizer == "sgd" else False
    if space is not None:
        asked = {p.name: parameters[p.name] for p in space.parameters if p.structural and p.name in parameters}
        if space.optimizer is not None:
            return {**always, "values": asked}  # the build says with which optimizer
        return {**always, "values": asked, "optimizer": optimizer, "nesterov": nesterov}
    units = parameters["units"]
    return {
        **always,
        "layers": parameters["layers"],
        "units": list(units) if isinstance(units, list) else [units] * int(parameters["layers"]),
        "activation": parameters["activation"],
        "dropout": has_dropout(sweep),
        "optimizer": optimizer,
        "nesterov": nesterov,
    }


def make_trials(
    sweep: SweepSpec,
    groups: Sequence[Sequence[Params]],
    shape: tuple[int, int],
    generation: int,
    first_number: int,
    anchored: set[str],
) -> list[NewTrial]:
    """Number the sampled settings, and add the anchors to each group.

    They take the other settings of the group's first trial. GRID's first trials have all the same of these, so
    that anchors would be held to one learning rate: there they take each of the grid's other settings once
    (`anchored` are those that have theirs), as every delta of the grid does.
    """
    trials: list[NewTrial] = []
    unit = delta_unit(sweep)

    def add(group: int, anchor: str | None, loss: str, parameters: Params, delta_in: str) -> None:
        name = signature(structure_of(sweep, parameters, shape))
        number = first_number + len(trials)
        trials.append(NewTrial(number, generation, group, anchor, loss, parameters, delta_in, name))

    grid = sweep.sampler.name == "GRID"
    for g, settings in enumerate(groups):
        for parameters in settings:
            add(g, None, "HUBER", dict(parameters), unit)
        for parameters in settings if grid else settings[:1]:
            if grid and _settings(parameters) in anchored:
                continue
            anchored.add(_settings(parameters))
            rest = {k: v for k, v in parameters.items() if k != "delta"}
            for anchor in _anchors(sweep, rest, unit):
                add(g, *anchor)
    return trials


def matched_anchors(sweep: SweepSpec, history: Sequence[Trial]) -> list[NewTrial]:
    """The anchors with each finalist's other settings, where they do not have them yet; once, after the search.

    In the search an anchor meets one setting a group, a sampled delta many. Held against anchors with worse learning
    rates, a delta would be credited with what the learning rate did: an anchor tuned against itself would win.
    """
    last = max(t.generation for t in history if t.anchor is None)
    if any(t.generation > last for t in history):
        return []
    made: list[NewTrial] = []
    have = {(t.anchor, _settings(t.parameters)) for t in history}
    unit = delta_unit(sweep)
    for group, best in enumerate(t for t in finalists(sweep, history) if t.anchor is None):
        rest = {k: v for k, v in best.parameters.items() if k != "delta"}
        for label, loss, parameters, delta_in in _anchors(sweep, rest, unit):
            if (label, _settings(rest)) not in have:
                have.add((label, _settings(rest)))
                number = len(history) + len(made)
                made.append(NewTrial(number, last + 1, group, label, loss, parameters, delta_in, best.signature))
    return made


def _anchors(sweep: SweepSpec, rest: Params, unit: str) -> Iterator[tuple[str, str, Params, str]]:
    """Label, loss, parameters and unit of delta of each anchor with these other settings."""
    for anchor in sweep.anchor_list():
        if isinstance(anchor, AnchorDelta):
            yield anchor.label, "HUBER", {"delta": anchor.delta, **rest}, anchor.unit
        else:
            yield anchor, anchor, dict(rest), unit


def _settings(parameters: Mapping[str, Any]) -> str:
    """A name for the settings other than delta."""
    return repr(sorted((k, v) for k, v in parameters.items() if k != "delta"))


def finalists(sweep: SweepSpec, history: Sequence[Trial]) -> list[Trial]:
    """The best trials of the search; of each anchor the one with its own best settings, and those with theirs.

    By number. So each finalist meets its twin, which differs in delta alone, and an anchor has as many chances as they.
    """
    if sweep.confirm is None:
        return []
    metric = sweep.objective.metric
    ranked = sorted(
        (t for t in history if t.state is TrialState.COMPLETE and not t.excluded and _finite(t, metric)),
        key=lambda t: (-t.values[metric] if metric in MAXIMIZED else t.values[metric], t.number),
    )
    best = [t for t in ranked if t.anchor is None][: sweep.confirm.finalists]
    theirs = {_settings(t.parameters) for t in best}
    own: set[str] = set()
    anchors = []
    for trial in ranked:
        if trial.anchor is not None and (trial.anchor not in own or _settings(trial.parameters) in theirs):
            own.add(trial.anchor)
            anchors.append(trial)
    return sorted([*best, *anchors], key=lambda t: t.number)


def fixed_epochs(sweep: SweepSpec, trial: int, runs: Sequence[Run]) -> int:
    """Median best epoch of a trial's search runs: confirmation lets the held-out rows choose nothing (R10)."""
    found = [
        r.best_epoch
        for r in runs
        if r.key.trial == trial and r.key.purpose is Purpose.SEARCH and r.state is RunState.COMPLETE and r.best_epoch
    ]
    return max(1, math.ceil(median(found))) if found else sweep.training.max_epochs


def _observation(trial: Trial, sweep: SweepSpec) -> Observation:
    pruned = trial.state is TrialState.PRUNED
    learned = (pruned or trial.state is TrialState.COMPLETE) and not trial.excluded
    value = trial.values.get(sweep.objective.metric) if learned else None
    # The last rung stands for the epoch: which of the rungs it was is not kept, and a sampler ranks all pruned
    # trials behind the complete ones anyway.
    at = sweep.pruner.rungs[-1] if pruned and sweep.pruner is not None and sweep.pruner.rungs else None
    return Observation(dict(trial.parameters), value, trial.generation, at)


def _medians(sweep: SweepSpec, history: Sequence[Trial], runs: Sequence[Run]) -> dict[str, float]:
    """MEDIAN's limits at each rung, from the complete trials of the finished generations; JSON's keys are text."""
    if sweep.pruner is None or sweep.pruner.name != "MEDIAN":
        return {}
    known = {t.number for t in history if t.state is TrialState.COMPLETE and t.anchor is None}
    curves: dict[int, list[list[float]]] = {}
    for run in runs:
        if run.key.trial in known and run.key.purpose is Purpose.SEARCH:
            curves.setdefault(run.key.trial, []).append(unpack_curve(run.curve)["objective"])
    sign = -1.0 if sweep.objective.metric in MAXIMIZED else 1.0
    return {str(k): v for k, v in rung_medians(list(curves.values()), sweep.pruner.rungs, sign).items()}


def _finite(trial: Trial, metric: str) -> bool:
    value = trial.values.get(metric)
    return value is not None and math.isfinite(value)


def _again(trial: Trial) -> NewTrial:
    return NewTrial(
        trial.number,
        trial.generation,
        trial.group,
        trial.anchor,
        trial.loss,
        trial.parameters,
        trial.delta_unit,
        trial.signature,
    )


def _with_epochs(pack: Pack, epochs: Mapping[int, int]) -> Pack:
    wanted = {str(n): epochs[n] for n in sorted({r.key.trial for r in pack.runs})}
    return Pack(pack.purpose, pack.signature, pack.slots, pack.runs, {"epochs": wanted})
