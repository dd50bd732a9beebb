"""TPE, RANDOM, QMC and GRID behind one port. Architectures are drawn first, then settings within each."""

from __future__ import annotations

import hashlib
import itertools
import warnings
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.samplers import PartialFixedSampler, TPESampler
from scipy.stats import qmc

from sweep_service.core.search_space import Parameter, Params, SearchSpace, is_active
from sweep_service.core.work_ports import Observation, Sampled
from sweep_service.sampling.distributions import at, decode, encode, to_optuna
from sweep_service.sampling.replay import rebuild

STARTUP_TRIALS = 16


def generation_seed(seed: int, generation: int) -> int:
    """32 bits of sha256(seed, generation): a sampler is built new for each generation."""
    return int.from_bytes(hashlib.sha256(f"{seed}\x1f{generation}".encode()).digest()[:4], "big")


class OptunaSampler:
    """The Sampler port. It holds no state: everything follows from the arguments."""

    def sample(
        self,
        space: SearchSpace,
        history: Sequence[Observation],
        *,
        name: str,
        seed: int,
        generation: int,
        first_index: int,
        count: int,
        per_architecture: int,
        maximize: bool,
        grid_points: int,
    ) -> Sampled:
        """Draw a generation."""
        if count <= 0:
            return Sampled((), exhausted=True)
        if name == "GRID":
            return _grid(space, first_index, count, per_architecture, grid_points)
        if not space.searched():
            return Sampled(((space.fixed(),),), exhausted=True)
        if name == "QMC":
            return Sampled(_cut(space, _sobol(space, seed, first_index, count, per_architecture), per_architecture))
        drawn = generation_seed(seed, generation)
        if name == "RANDOM":
            return Sampled(_random(space, drawn, count, per_architecture))
        return Sampled(_tpe(space, history, drawn, count, per_architecture, maximize=maximize))


def _tpe(
    space: SearchSpace, history: Sequence[Observation], seed: int, count: int, per_architecture: int, *, maximize: bool
) -> tuple[tuple[Params, ...], ...]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=optuna.exceptions.ExperimentalWarning)
        # The constant liar counts the settings of this generation that were drawn before as bad, so that a
        # generation spreads out instead of asking the same question many times.
        sampler = TPESampler(seed=seed, n_startup_trials=STARTUP_TRIALS, multivariate=False, constant_liar=True)
        study = rebuild(space, history, sampler, maximize=maximize)
        groups = []
        structural = {p.name: p.distribution for p in space if p.structural and p.distribution is not None}
        while count > 0:
            study.sampler = sampler
            first = _suggest(space, study.ask())
            settings = [first]
            fixed = {name: encode(d, first[name]) for name, d in structural.items() if name in first}
            study.sampler = PartialFixedSampler(fixed, sampler)
            while len(settings) < min(per_architecture, count):
                settings.append(_suggest(space, study.ask()))
            groups.append(tuple(settings))
            count -= len(settings)
    return tuple(groups)


def _suggest(space: SearchSpace, trial: optuna.Trial) -> Params:
    def draw(parameter: Parameter) -> object:
        assert parameter.distribution is not None  # noqa: S101 - asked of searched parameters only
        return decode(parameter.distribution, trial._suggest(parameter.name, to_optuna(parameter.distribution)))

    # Optuna's public suggest_* methods take a distribution apart and put it together again; `_suggest` is what all
    # of them call.
    return _fill(space, draw)


def _fill(space: SearchSpace, draw: Callable[[Parameter], object]) -> Params:
    """Values of all parameters that are active, parents first."""
    values: Params = {}
    for parameter in space:
        if parameter.distribution is None:
            values[parameter.name] = parameter.fixed
        elif is_active(parameter.when, values):
            values[parameter.name] = draw(parameter)
    return values


def _random(space: SearchSpace, seed: int, count: int, per_architecture: int) -> tuple[tuple[Params, ...], ...]:
    random = np.random.default_rng(seed)
    points = []
    for start in range(0, count, per_architecture):
        structural = random.random(len(space.parameters))
        size = min(per_architecture, count - start)
        points.append(tuple(_at(space, structural, random.random(len(space.parameters))) for _ in range(size)))
    return tuple(points)


def _at(space: SearchSpace, structural: NDArray[np.float64], packable: NDArray[np.float64]) -> Params:
    """The settings at a point of the unit cube (one coordinate a parameter, used or not)."""
    place = {p.name: i for i, p in enumerate(space)}

    def draw(parameter: Parameter) -> object:
        assert parameter.distribution is not None  # noqa: S101 - asked of searched parameters only
        cube = structural if parameter.structural else packable
        return at(parameter.distribution, float(cube[place[parameter.name]]))

    return _fill(space, draw)


def _sobol(space: SearchSpace, seed: int, first: int, count: int, per_architecture: int) -> list[Params]:
    """Points first .. first + count of two scrambled Sobol sequences: one of settings, one of architectures.

    Optuna's QMCSampler counts its points in the study's storage, so that a rebuilt study would repeat them;
    SciPy's engine is set to any index at once.
    """
    size = len(space.parameters)
    settings = _sobol_points(size, generation_seed(seed, -1), first, count)
    first_group = first // per_architecture
    groups = (first + count - 1) // per_architecture - first_group + 1
    architectures = _sobol_points(size, generation_seed(seed, -2), first_group, groups)
    return [_at(space, architectures[(first + i) // per_architecture - first_group], settings[i]) for i in range(count)]


def _sobol_points(size: int, seed: int, first: int, count: int) -> NDArray[np.float64]:
    engine = qmc.Sobol(size, scramble=True, rng=np.random.default_rng(seed))
    if first:
        engine.fast_forward(first)
    with warnings.catch_warnings():
        # SciPy warns that only powers of two are balanced; a sweep stops where its budget ends.
        warnings.simplefilter("ignore", category=UserWarning)
        return np.asarray(engine.random(count))


def _cut(space: SearchSpace, points: Sequence[Params], per_architecture: int) -> tuple[tuple[Params, ...], ...]:
    """Consecutive settings of one architecture, at most so many."""
    names = sorted(space.structural_names())
    groups: list[tuple[Params, ...]] = []
    for _, same in itertools.groupby(points, key=lambda p: [repr(p.get(n)) for n in names]):
        members = list(same)
        groups += [tuple(members[i : i + per_architecture]) for i in range(0, len(members), per_architecture)]
    return tuple(groups)


def _grid(space: SearchSpace, first: int, count: int, per_architecture: int, points: int) -> Sampled:
    every = itertools.islice(_grid_points(space, points), first, first + count + 1)
    found = list(every)
    return Sampled(_cut(space, found[:count], per_architecture), exhausted=len(found) <= count)


def _grid_points(space: SearchSpace, points: int) -> Iterator[Params]:
    """Every point once, structural parameters outermost; an inactive parameter multiplies nothing."""
    ordered = sorted(space, key=lambda p: not p.structural)  # stable: parents still stand before their children

    def onwards(i: int, values: Params) -> Iterator[Params]:
        if i == len(ordered):
            yield dict(values)
            return
        parameter = ordered[i]
        if parameter.distribution is None:
            choices: Sequence[object] = [parameter.fixed]
        elif is_active(parameter.when, values):
            choices = parameter.distribution.grid(points)
        else:
            yield from onwards(i + 1, values)
            return
        for choice in choices:
            yield from onwards(i + 1, {**values, parameter.name: choice})

    return onwards(0, {})
