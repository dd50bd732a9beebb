"""How settings are drawn: the same everywhere, never the same twice, and all within the space."""

from __future__ import annotations

import itertools
import json
import math
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep_service.core.search_space import (
    Categorical,
    FloatRange,
    IntRange,
    Parameter,
    SearchSpace,
    is_active,
)
from sweep_service.core.work_ports import Observation
from sweep_service.sampling.distributions import at, decode, encode, to_optuna
from sweep_service.sampling.samplers import OptunaSampler, generation_seed

SAMPLERS = ["TPE", "RANDOM", "QMC", "GRID"]
MOMENTUM = {"kind": "FLOAT", "low": 0.0, "high": 0.9, "when": {"optimizer": ["sgd"]}}
OPTIMIZER = {"kind": "CATEGORICAL", "choices": ["adam", "sgd"]}

IN_A_FRESH_PROCESS = """
import json, sys
from sweep_service.core.parameters import search_space
from sweep_service.core.parsing import parse_spec
from sweep_service.core.work_ports import Observation
from sweep_service.sampling.samplers import OptunaSampler
space = search_space(parse_spec({"dataset": "diabetes"}))
ask = dict(seed=7, count=12, per_architecture=4, maximize=False, grid_points=3)
found = {}
for name in ("TPE", "RANDOM", "QMC", "GRID"):
    history = []
    for g in range(3):
        drawn = OptunaSampler().sample(space, history, name=name, generation=g, first_index=12 * g, **ask)
        trials = [p for group in drawn.groups for p in group]
        history += [Observation(p, p["learning_rate"] + p["delta"], g) for p in trials]
    found[name] = [o.parameters for o in history]
print(json.dumps(found))
"""


def test_another_process_with_another_hash_seed_draws_the_same() -> None:
    def run(hash_seed: str) -> str:
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed}
        return subprocess.run(
            [sys.executable, "-c", IN_A_FRESH_PROCESS], env=environment, capture_output=True, text=True, check=True
        ).stdout

    first = run("1")
    assert first == run("2")
    assert {name: len(trials) for name, trials in json.loads(first).items()} == dict.fromkeys(SAMPLERS, 36)


@pytest.mark.parametrize("name", SAMPLERS)
def test_the_same_arguments_give_the_same_answer_whatever_was_drawn_before(name, space_of, draw) -> None:
    space, one = space_of(), OptunaSampler()
    ask = {"name": name, "seed": 7, "count": 16, "per_architecture": 4, "maximize": False, "grid_points": 3}
    for generation in (3, 1, 0):
        one.sample(space, [], generation=generation, first_index=16 * generation, **ask)
    assert one.sample(space, [], generation=1, first_index=16, **ask) == draw(space, name, generation=1, first_index=16)


@pytest.mark.parametrize("name", ["TPE", "RANDOM", "QMC"])
def test_another_seed_draws_other_settings(name, space_of, draw, flat) -> None:
    def deltas(seed: int) -> set[float]:
        return {p["delta"] for p in flat(draw(space_of(), name, seed=seed))}

    assert not deltas(1) & deltas(2)


@pytest.mark.parametrize("name", ["TPE", "RANDOM", "QMC"])
def test_no_two_generations_share_a_point(name, space_of, draw, flat) -> None:
    space, history = space_of(), []
    for generation in range(6):
        drawn = flat(draw(space, name, history, generation=generation, first_index=len(history)))
        history += [Observation(p, p["delta"], generation) for p in drawn]
    assert len(history) == 96
    assert len({(o.parameters["delta"], o.parameters["learning_rate"]) for o in history}) == 96


def test_the_generation_enters_the_seed() -> None:
    assert len({generation_seed(seed, g) for seed in range(20) for g in range(20)}) == 400
    assert generation_seed(1, 11) != generation_seed(11, 1)


@pytest.mark.parametrize("sizes", [[16, 16, 16, 16], [1] * 64, [3, 61], [5, 7, 52]])
def test_qmc_gives_one_sequence_however_it_is_cut_into_generations(sizes, space_of, draw, flat) -> None:
    space, cut = space_of(), []
    for generation, size in enumerate(sizes):
        cut += flat(draw(space, "QMC", generation=generation, first_index=len(cut), count=size, per_architecture=8))
    whole = flat(draw(space, "QMC", count=64, per_architecture=8))
    assert cut == whole
    # 64 points of a Sobol sequence: one in each 64th of the range of delta, which a random sample never does
    shares = [math.log(p["delta"] / 0.02) / math.log(10 / 0.02) for p in whole]
    assert sorted(int(s * 64) for s in shares) == list(range(64))


def test_grid_visits_every_point_once_and_then_ends(space_of, draw) -> None:
    space = space_of(optimizer=OPTIMIZER, momentum=MOMENTUM, units={"kind": "CATEGORICAL", "choices": [8, 16]})
    seen, ends = [], []
    while not ends or not ends[-1]:
        sampled = draw(space, "GRID", generation=len(ends), first_index=len(seen), count=13)
        seen += [tuple(sorted(p.items())) for group in sampled.groups for p in group]
        ends.append(sampled.exhausted)
    layers, units, deltas, rates = 2, 2, 3, 3
    assert len(seen) == layers * units * deltas * rates * (1 + 3)  # adam, and sgd with three momenta
    assert len(set(seen)) == len(seen)
    assert ends == [False] * (len(ends) - 1) + [True]
    assert draw(space, "GRID", first_index=len(seen)).groups == ()


def test_a_grid_that_just_fills_a_generation_ends_with_it(space_of, draw) -> None:
    space = space_of(layers=1, units=8, learning_rate=0.01)
    assert draw(space, "GRID", count=3).exhausted
    assert not draw(space, "GRID", count=2).exhausted


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_space_with_nothing_to_search_has_one_point(name, space_of, draw, flat) -> None:
    space = space_of(delta=1.5, layers=1, units=8, learning_rate=0.01)
    sampled = draw(space, name)
    assert len(flat(sampled)) == 1
    assert sampled.exhausted


@pytest.mark.parametrize("name", SAMPLERS)
@pytest.mark.parametrize("per_architecture", [1, 3, 4, 8])
def test_the_architecture_is_one_within_a_group_of_at_most_so_many_settings(
    name, per_architecture, space_of, draw
) -> None:
    space = space_of(optimizer=OPTIMIZER, momentum=MOMENTUM)
    sampled = draw(space, name, count=20, per_architecture=per_architecture)
    assert sum(len(g) for g in sampled.groups) == 20
    names = space.structural_names()
    for group in sampled.groups:
        assert 1 <= len(group) <= per_architecture
        assert len({repr([p[n] for n in sorted(names)]) for p in group}) == 1
    if name in {"TPE", "RANDOM"}:
        assert [len(g) for g in sampled.groups] == [
            min(per_architecture, 20 - i) for i in range(0, 20, per_architecture)
        ]


@pytest.mark.parametrize("name", SAMPLERS)
def test_settings_differ_within_a_group_and_architectures_between_groups(name, space_of, draw) -> None:
    sampled = draw(space_of(), name, count=64, per_architecture=8, grid_points=8)
    for group in sampled.groups:
        assert len({(p["delta"], p["learning_rate"]) for p in group}) == len(group)
    if name != "GRID":
        assert len({(g[0]["layers"], g[0]["units"]) for g in sampled.groups}) > 1


@pytest.mark.parametrize("name", SAMPLERS)
def test_momentum_comes_with_sgd_alone(name, space_of, draw, flat) -> None:
    space = space_of(optimizer=OPTIMIZER, momentum=MOMENTUM)
    history = []
    for generation in range(2):
        drawn = flat(draw(space, name, history, generation=generation, first_index=len(history), count=24))
        history += [Observation(p, p["delta"], generation) for p in drawn]
    for observation in history:
        assert ("momentum" in observation.parameters) == (observation.parameters["optimizer"] == "sgd")
    assert {o.parameters["optimizer"] for o in history} == {"adam", "sgd"}


def test_tpe_learns_where_a_noisy_bowl_has_its_floor(space_of, draw, flat) -> None:
    space = space_of(delta={"kind": "FLOAT", "low": 0.02, "high": 10.0, "log": True, "unit": "SIGMA"})
    random = np.random.default_rng(0)
    history: list[Observation] = []
    for generation in range(8):
        drawn = flat(
            draw(space, "TPE", history, generation=generation, first_index=len(history), count=32, per_architecture=8)
        )
        for p in drawn:
            bowl = math.log(p["delta"] / 1.3) ** 2 + math.log(p["learning_rate"] / 0.01) ** 2
            history.append(Observation(p, bowl + 0.02 * random.standard_normal(), generation))
    assert len(history) == 256
    best = min(history, key=lambda o: o.value)
    assert best.parameters["delta"] == pytest.approx(1.3, rel=0.2)
    late = [abs(math.log(o.parameters["delta"] / 1.3)) for o in history[-64:]]
    early = [abs(math.log(o.parameters["delta"] / 1.3)) for o in history[:32]]
    assert np.median(late) < 0.5 * np.median(early)


def test_tpe_goes_the_other_way_where_more_is_better(space_of, draw, flat) -> None:
    space = space_of()
    history = [
        Observation({**space.fixed(), "layers": 1, "units": 16, "delta": d, "learning_rate": 0.01}, math.log(d), 0)
        for d in np.geomspace(0.02, 10, 40)
    ]
    medians = [
        float(np.median([p["delta"] for p in flat(draw(space, "TPE", history, generation=1, count=24, maximize=m))]))
        for m in (False, True)
    ]
    assert medians[0] < 0.45 < medians[1]


@pytest.mark.parametrize("value", [None, math.nan, math.inf, -math.inf])
def test_tpe_goes_on_after_trials_that_failed(value, space_of, draw, flat) -> None:
    space, history = space_of(), []
    for generation in range(3):
        drawn = flat(draw(space, "TPE", history, generation=generation, first_index=len(history)))
        assert len(drawn) == 16
        history += [Observation(p, value if i % 3 else p["delta"], generation) for i, p in enumerate(drawn)]


def test_choices_that_python_calls_equal_are_told_apart() -> None:
    mixed = Categorical(choices=[True, 1, "1", 1.0, 0, False])
    for i, choice in enumerate(mixed.choices):
        assert encode(mixed, choice) == i
        again = decode(mixed, i)
        assert type(again) is type(choice)
        assert again == choice
    assert to_optuna(mixed).choices == (0, 1, 2, 3, 4, 5)


def test_tpe_learns_which_of_two_equal_looking_choices_is_better(draw, flat) -> None:
    space = SearchSpace((Parameter("c", None, Categorical(choices=[True, 1]), structural=False),))
    history = [Observation({"c": choice}, 0.0 if choice is not True else 1.0, 0) for choice in [True, 1] * 20]
    drawn = flat(draw(space, "TPE", history, generation=1, count=40, per_architecture=40))
    assert sum(type(p["c"]) is int for p in drawn) > 28


floats = st.floats(-1e6, 1e6).map(lambda v: round(v, 6))


@st.composite
def distributions(drawing: st.DrawFn) -> FloatRange | IntRange | Categorical:
    kind = drawing(st.sampled_from(["float", "log", "step", "int", "int log", "int step", "choice"]))
    if kind == "choice":
        scalar = st.one_of(
            st.booleans(), st.integers(-3, 3), st.sampled_from([0.0, 1.0, 2.5]), st.sampled_from(["1", "a"])
        )
        choices = drawing(st.lists(scalar, min_size=1, max_size=5, unique_by=lambda c: (type(c).__name__, c)))
        return Categorical(choices=choices)
    if kind.startswith("int"):
        low = drawing(st.integers(1 if kind == "int log" else -50, 50))
        high = low + drawing(st.integers(1, 300))
        return IntRange(
            low=low, high=high, log=kind == "int log", step=drawing(st.integers(1, 40)) if kind == "int step" else 1
        )
    if kind == "log":
        low = drawing(st.floats(1e-9, 1e3))
        return FloatRange(low=low, high=low * drawing(st.floats(1.01, 1e6)), log=True)
    low = drawing(floats)
    width = drawing(st.floats(1e-3, 1e6))
    step = drawing(st.sampled_from([0.1, 1 / 3, 0.7, 3.0, width, 2 * width])) if kind == "step" else None
    if step is not None and width / step > 500:
        width = 500 * step
    return FloatRange(low=low, high=low + width, step=step)


@st.composite
def spaces(drawing: st.DrawFn) -> SearchSpace:
    parameters = [
        Parameter(f"p{i}", None, drawing(distributions()), drawing(st.booleans()))
        for i in range(drawing(st.integers(1, 4)))
    ]
    if drawing(st.booleans()):
        parent = Parameter("parent", None, Categorical(choices=["on", "off"]), structural=True)
        child = Parameter("child", None, FloatRange(low=0.0, high=1.0, when={"parent": ["on"]}), structural=False)
        parameters += [parent, child]
    return SearchSpace((*parameters, Parameter("fixed", 7, None, structural=False)))


@settings(deadline=None, max_examples=60)
@given(space=spaces(), name=st.sampled_from(SAMPLERS), seed=st.integers(0, 2**53 - 1))
def test_samples_lie_in_the_space_and_can_be_replayed(space: SearchSpace, name: str, seed: int) -> None:
    ask = {"seed": seed, "count": 6, "per_architecture": 3, "maximize": False, "grid_points": 3}
    history: list[Observation] = []
    for generation in range(2):
        sampled = OptunaSampler().sample(
            space, history, name=name, generation=generation, first_index=len(history), **ask
        )
        for p in itertools.chain.from_iterable(sampled.groups):
            assert p["fixed"] == 7
            for parameter in space.searched():
                active = is_active(parameter.when, p)
                assert (parameter.name in p) == active
                if active:
                    assert parameter.distribution.contains(p[parameter.name]), (parameter, p[parameter.name])
            history.append(
                Observation(json.loads(json.dumps(p)), float(len(history)), generation)
            )  # as a database has it
    # enough of a history for TPE to model instead of drawing at random
    OptunaSampler().sample(space, history * 3, name="TPE", generation=2, first_index=99, **ask)


@given(distribution=distributions(), points=st.integers(2, 9))
def test_a_grid_lies_in_its_range_rises_and_reaches_both_ends(distribution, points: int) -> None:
    values = distribution.grid(points)
    assert all(distribution.contains(v) for v in values)
    if isinstance(distribution, Categorical):
        assert values == distribution.choices
        return
    assert values == sorted(set(values))
    assert values[0] == distribution.low
    if not isinstance(distribution, FloatRange) or distribution.step is None:
        assert len(values) <= max(points, 301)
    if getattr(distribution, "step", None) in (None, 1) and len(values) > 1:
        assert values[-1] == distribution.high


@given(distribution=distributions(), u=st.floats(0, 1, exclude_max=True))
def test_every_point_of_the_unit_interval_is_a_value(distribution, u: float) -> None:
    assert distribution.contains(at(distribution, u))


def test_equal_shares_of_the_interval_are_equal_shares_of_the_distribution() -> None:
    u = (np.arange(6000) + 0.5) / 6000
    counts = np.unique([at(IntRange(low=1, high=6), x) for x in u], return_counts=True)[1]
    assert counts.tolist() == [1000] * 6
    stepped = np.unique([at(FloatRange(low=0.0, high=1.0, step=0.5), x) for x in u], return_counts=True)[1]
    assert stepped.tolist() == [2000] * 3
    logs = [at(FloatRange(low=0.01, high=100.0, log=True), x) for x in u]
    assert np.median(logs) == pytest.approx(1.0, rel=0.01)
