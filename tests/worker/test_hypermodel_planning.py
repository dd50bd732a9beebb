"""PLAN draws from the space that a HyperModel had when its sweep was posted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sweep_service.core.hypermodel import PublishedSpace
from sweep_service.core.parsing import dump_spec, parse_spec
from sweep_service.core.task import Generation
from sweep_service.sampling.samplers import OptunaSampler
from sweep_service.testing.hypermodel_contract import WINDOW
from sweep_service.worker.planning import SweepPlanner
from sweep_service.worker.source import DataSource

DECLARED = {p.name: p for p in WINDOW.parameters}
BARE = WINDOW.model_copy(update={"hypermodel": "bare", "optimizer": None})


def no_uploads(*_: object) -> None:
    raise AssertionError("these sweeps use built-in datasets")


@pytest.fixture
def planner(tmp_path: Path) -> SweepPlanner:
    return SweepPlanner(OptunaSampler(), DataSource(None, no_uploads, tmp_path))


def planned(planner: SweepPlanner, space: PublishedSpace = WINDOW, **changes: Any) -> Generation:
    document = {
        "dataset": {"name": "friedman1", "options": {"rows": 60}},
        "model": {"hypermodel": space.hypermodel},
        "anchors": ["MSE"],
        **changes,
    }
    return planner.plan(dump_spec(parse_spec(document, lambda: {space.hypermodel: space})), [], {}, 0)


@pytest.mark.parametrize("name", ["TPE", "RANDOM", "QMC", "GRID"])
def test_every_sampler_keeps_to_the_declared_space_and_its_conditions(planner: SweepPlanner, name: str) -> None:
    sampler = {"name": name, "generation_size": 64, "trials_per_architecture": 2, "grid_points": 2}
    made = planned(planner, sampler=sampler, budget={"max_trials": 64})
    assert made.trials
    kinds = {t.parameters["scope/kind"] for t in made.trials}
    assert kinds == {"lstm", "conv"}
    for trial in made.trials:
        assert ("filters" in trial.parameters) is (trial.parameters["scope/kind"] == "conv")
        assert trial.parameters["bias"] is True
        for parameter in (p for n, p in DECLARED.items() if n in trial.parameters and p.distribution is not None):
            assert parameter.distribution is not None
            assert parameter.distribution.contains(trial.parameters[parameter.name])
        assert "optimizer" not in trial.parameters


def test_trials_share_a_pack_where_their_structural_values_are_equal_and_nowhere_else(planner: SweepPlanner) -> None:
    sampler = {"name": "RANDOM", "generation_size": 24, "trials_per_architecture": 4}
    made = planned(planner, sampler=sampler, budget={"max_trials": 24})
    architecture = {
        t.number: repr([t.parameters.get(n) for n, p in DECLARED.items() if p.structural]) for t in made.trials
    }
    for one in made.trials:
        for other in made.trials:
            same = architecture[one.number] == architecture[other.number]
            assert (one.signature == other.signature) is same
    for pack in made.packs:
        assert len({architecture[r.key.trial] for r in pack.runs}) == 1
    gains = {t.parameters["gain"] for t in made.trials if t.group == 0}
    assert len(gains) == 2, "what is no part of the program varies within an architecture"


def test_the_sweeps_own_optimizer_is_part_of_an_uncompiled_networks_signature(planner: SweepPlanner) -> None:
    fixed = {"scope/kind": "lstm", "optimizer": {"kind": "CATEGORICAL", "choices": ["adam", "sgd"]}}
    made = planned(planner, BARE, parameters=fixed, sampler={"name": "GRID", "grid_points": 2})
    by_kind = {(t.parameters["optimizer"], t.signature) for t in made.trials}
    assert len(by_kind) == 2
    assert len({s for _, s in by_kind}) == 2
