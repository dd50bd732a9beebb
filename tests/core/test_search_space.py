"""Distributions as data: what they hold, and what they refuse."""

from __future__ import annotations

import json

import pytest
from pydantic import TypeAdapter, ValidationError

from sweep_service.core.mlp_space import MLP_PARAMETERS
from sweep_service.core.parameters import KNOWN, complete_parameters, delta_unit, has_dropout, search_space
from sweep_service.core.parsing import parse_spec
from sweep_service.core.search_space import Categorical, Distribution, FloatRange, IntRange, is_active

adapter: TypeAdapter[object] = TypeAdapter(Distribution)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"kind": "FLOAT", "low": 1.0, "high": 1.0}, "must be below high"),
        ({"kind": "FLOAT", "low": 0.0, "high": 1.0, "log": True}, "a log range needs low > 0"),
        ({"kind": "FLOAT", "low": 1.0, "high": 2.0, "log": True, "step": 0.1}, "exclude each other"),
        ({"kind": "FLOAT", "low": 1.0, "high": 2.0, "step": 0.0}, "greater than 0"),
        ({"kind": "FLOAT", "low": 1.0, "high": float("inf")}, "finite"),
        ({"kind": "INT", "low": 0, "high": 4, "log": True}, "low >= 1"),
        ({"kind": "INT", "low": 1, "high": 4, "log": True, "step": 2}, "exclude each other"),
        ({"kind": "INT", "low": 1.0, "high": 4}, "integer"),
        ({"kind": "CATEGORICAL", "choices": []}, "at least 1"),
        ({"kind": "CATEGORICAL", "choices": ["a", "a"]}, "must differ"),
        ({"kind": "NORMAL", "mean": 0}, "FLOAT"),
        ({"kind": "INT", "low": 1, "high": 2, "steps": 1}, "not permitted"),
    ],
)
def test_an_unsound_distribution_is_refused(given: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        adapter.validate_python(given)


def test_choices_of_different_types_are_different_and_survive_json() -> None:
    found = adapter.validate_python({"kind": "CATEGORICAL", "choices": [True, 1, "1", 1.5]})
    again = adapter.validate_json(json.dumps(adapter.dump_python(found)))
    assert [type(c) for c in again.choices] == [bool, int, str, float]


def test_a_range_holds_its_ends_and_with_a_step_its_raster_alone() -> None:
    assert [FloatRange(low=0.0, high=1.0).contains(v) for v in (0, 1.0, 0.37, 1.01, True, "1")] == [
        True, True, True, False, False, False,
    ]  # fmt: skip
    assert [FloatRange(low=0.0, high=0.3, step=0.1).contains(v) for v in (0.3, 0.1 + 0.2 - 1e-16, 0.15)] == [
        True, True, False,
    ]  # fmt: skip
    assert [IntRange(low=1, high=9, step=3).contains(v) for v in (1, 4, 7, 9, 2, 4.0, True)] == [
        True, True, True, False, False, False, False,
    ]  # fmt: skip
    assert [Categorical(choices=[1, "a"]).contains(v) for v in (1, "a", True, 1.0)] == [True, True, False, False]


def test_grids() -> None:
    assert FloatRange(low=0.0, high=1.0).grid(3) == [0.0, 0.5, 1.0]
    assert FloatRange(low=0.01, high=100.0, log=True).grid(3) == pytest.approx([0.01, 1, 100])
    assert FloatRange(low=0.0, high=0.3, step=0.1).grid(2) == pytest.approx([0, 0.1, 0.2, 0.3])
    assert max(FloatRange(low=0.0, high=0.3, step=0.1).grid(2)) <= 0.3
    assert IntRange(low=1, high=4).grid(8) == [1, 2, 3, 4]
    assert IntRange(low=0, high=100).grid(3) == [0, 50, 100]
    assert IntRange(low=1, high=10_000, log=True).grid(3) == [1, 100, 10_000]
    assert IntRange(low=0, high=10, step=5).grid(2) == [0, 5, 10]
    assert len(IntRange(low=0, high=2**53).grid(5)) == 5
    assert Categorical(choices=["a", 1]).grid(2) == ["a", 1]


def test_a_condition_wants_the_same_type_too() -> None:
    assert is_active(None, {})
    assert is_active({"a": [1, 2], "b": ["x"]}, {"a": 2, "b": "x"})
    assert not is_active({"a": [1]}, {"a": True})
    assert not is_active({"a": [1]}, {})


def test_every_known_parameter_has_a_default_that_it_accepts_itself() -> None:
    spec = parse_spec({"dataset": "d", "parameters": {n: k.default for n, k in KNOWN.items() if n != "delta"}})
    assert set(spec.parameters) == {"delta", *MLP_PARAMETERS}
    for name, known in MLP_PARAMETERS.items():
        assert known.help, name


def test_what_is_not_given_gets_its_default_and_delta_its_unit() -> None:
    full = complete_parameters({"delta": FloatRange(low=0.5, high=3.0)})
    assert full["delta"].unit == "SIGMA"
    assert full["optimizer"] == "adam"
    assert delta_unit(parse_spec({"dataset": "d", "parameters": {"delta": 1.5}})) == "SIGMA"
    target = {"kind": "FLOAT", "low": 0.5, "high": 3.0, "unit": "TARGET"}
    assert delta_unit(parse_spec({"dataset": "d", "parameters": {"delta": target}})) == "TARGET"


def test_a_space_has_fixed_values_and_searched_ones_and_knows_which_make_the_architecture() -> None:
    space = search_space(parse_spec({"dataset": "d", "parameters": {"units": [32, 8], "learning_rate": 0.01}}))
    assert {p.name for p in space.searched()} == {"delta"}
    assert space.fixed()["units"] == [32, 8]
    assert space.fixed()["layers"] == 2
    assert space.structural_names() == {
        "layers", "units", "activation", "optimizer", "nesterov", "batch_size",
    }  # fmt: skip
    assert search_space(parse_spec({"dataset": "d"})).grid_size(4) == 2 * 3 * 4 * 4


@pytest.mark.parametrize(
    ("dropout", "answer"),
    [(0.0, False), (0, False), (0.2, True), ({"kind": "FLOAT", "low": 0.0, "high": 0.5}, True)],
)
def test_a_sweep_in_which_any_trial_can_have_dropout_has_dropout_layers(dropout: object, answer: bool) -> None:
    assert has_dropout(parse_spec({"dataset": "d", "parameters": {"dropout": dropout}})) is answer
