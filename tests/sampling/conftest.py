"""Spaces, and one call of the sampler with everything that a test does not vary."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from sweep_service.core.parameters import search_space
from sweep_service.core.parsing import parse_spec
from sweep_service.core.search_space import Params, SearchSpace
from sweep_service.core.work_ports import Observation, Sampled
from sweep_service.sampling.samplers import OptunaSampler

Draw = Callable[..., Sampled]


def space_of(**parameters: object) -> SearchSpace:
    return search_space(parse_spec({"dataset": "diabetes", "parameters": parameters}))


def draw(space: SearchSpace, name: str, history: Sequence[Observation] = (), **changes: object) -> Sampled:
    asked = {
        "seed": 7, "generation": 0, "first_index": 0, "count": 16, "per_architecture": 4, "maximize": False,
        "grid_points": 3,
    }  # fmt: skip
    return OptunaSampler().sample(space, history, name=name, **{**asked, **changes})


def flat(sampled: Sampled) -> list[Params]:
    return [settings for group in sampled.groups for settings in group]


@pytest.fixture(name="space_of")
def _space_of() -> Callable[..., SearchSpace]:
    return space_of


@pytest.fixture(name="draw")
def _draw() -> Draw:
    return draw


@pytest.fixture(name="flat")
def _flat() -> Callable[[Sampled], list[Params]]:
    return flat
