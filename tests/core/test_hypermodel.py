"""A HyperModel's published space: what a sweep may make of it, without any of it being built."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sweep_service.core.errors import SpecError
from sweep_service.core.hypermodel import PublishedParameter, PublishedSpace
from sweep_service.core.parameters import search_space
from sweep_service.core.parsing import dump_spec, parse_spec
from sweep_service.core.search_space import Categorical, FloatRange, IntRange
from sweep_service.core.spec import SweepSpec

SPACE = PublishedSpace(
    hypermodel="net",
    optimizer="adam",
    parameters=[
        PublishedParameter(name="kind", value=Categorical(choices=["a", "b"]), structural=True),
        PublishedParameter(name="n", value=IntRange(low=2, high=14, step=4, when={"kind": ["a"]}), structural=True),
        PublishedParameter(name="gain", value=Categorical(choices=[1.0, 2.0]), structural=False),
        PublishedParameter(name="bias", value=True, structural=True),
        PublishedParameter(name="rate", value=FloatRange(low=1e-4, high=1e-2, log=True), structural=False),
    ],
)
UNCOMPILED = SPACE.model_copy(update={"hypermodel": "bare", "optimizer": None})
BROKEN = PublishedSpace(hypermodel="broken", problem="its build failed")


def parsed(model: str = "net", **parameters: Any) -> SweepSpec:
    document = {"dataset": "diabetes", "model": {"hypermodel": model}, "parameters": parameters}
    return parse_spec(document, lambda: {s.hypermodel: s for s in (SPACE, UNCOMPILED, BROKEN)})


def refused(model: str = "net", **parameters: Any) -> dict[str, str]:
    with pytest.raises(SpecError) as caught:
        parsed(model, **parameters)
    return {p.pointer: p.message for p in caught.value.problems}


def test_a_space_survives_json_with_its_types() -> None:
    again = PublishedSpace.model_validate(json.loads(json.dumps(SPACE.model_dump(mode="json"))))
    assert again == SPACE
    assert [type(p.value) for p in again.parameters] == [type(p.value) for p in SPACE.parameters]


def test_a_spec_is_completed_with_the_declared_space_and_carries_it() -> None:
    spec = parsed()
    assert spec.model.space == SPACE
    assert set(spec.parameters) == {"delta", "batch_size", "kind", "n", "gain", "bias", "rate"}
    assert spec.parameters["rate"] == FloatRange(low=1e-4, high=1e-2, log=True)
    assert SweepSpec.model_validate(json.loads(json.dumps(dump_spec(spec)))) == spec


def test_an_uncompiled_one_leaves_the_optimizer_to_the_sweep() -> None:
    spec = parsed("bare", optimizer="sgd", momentum={"kind": "FLOAT", "low": 0.0, "high": 0.9})
    assert {"optimizer", "learning_rate", "momentum", "weight_decay", "nesterov"} <= set(spec.parameters)
    assert "there is no parameter 'momentum'" in refused(momentum=0.9)["/parameters/momentum"]


def test_the_parameters_of_the_built_in_network_are_not_a_hypermodels() -> None:
    assert set(refused(units=8, l2=0.1)) == {"/parameters/units", "/parameters/l2"}


@pytest.mark.parametrize(
    ("parameters", "pointer", "words"),
    [
        ({"rate": {"kind": "FLOAT", "low": 1e-5, "high": 1e-3}}, "/parameters/rate/low", "FLOAT from 0.0001 to 0.01"),
        ({"rate": 0.5}, "/parameters/rate", "not 0.5"),
        ({"n": {"kind": "INT", "low": 2, "high": 10}}, "/parameters/n/step", "set step to 4 or a multiple"),
        ({"n": {"kind": "INT", "low": 3, "high": 11, "step": 4}}, "/parameters/n/low", "by 4"),
        ({"n": {"kind": "FLOAT", "low": 2.0, "high": 10.0}}, "/parameters/n/kind", "use INT"),
        ({"kind": "c"}, "/parameters/kind", "one of 'a', 'b'"),
        ({"kind": {"kind": "CATEGORICAL", "choices": ["a", "c"]}}, "/parameters/kind/choices/1", "not 'c'"),
        ({"gain": True}, "/parameters/gain", "one of 1.0, 2.0"),
        ({"bias": False}, "/parameters/bias", "fixed at True"),
        ({"rate": [1, 2]}, "/parameters/rate", "one value"),
        ({"n": 6, "kind": "b"}, "/parameters/n", "can never hold: kind is always 'b'"),
        (
            {"rate": {"kind": "FLOAT", "low": 1e-3, "high": 1e-2, "when": {"kind": ["a"]}}},
            "/parameters/rate/when",
            "leave `when` out",
        ),
        ({"raet": 0.001}, "/parameters/raet", "did you mean 'rate'?"),
    ],
)
def test_what_goes_beyond_the_declaration_is_refused(parameters: dict[str, Any], pointer: str, words: str) -> None:
    problems = refused(**parameters) if pointer != "/parameters/n" else refused_conditions(parameters)
    assert pointer in problems
    assert words in problems[pointer]


def refused_conditions(parameters: dict[str, Any]) -> dict[str, str]:
    narrowed = {**parameters, "n": {"kind": "CATEGORICAL", "choices": [parameters["n"]]}}
    return refused(**narrowed)


def test_what_narrows_is_taken_in_the_declarations_own_types() -> None:
    spec = parsed(
        gain=2, n={"kind": "INT", "low": 6, "high": 14, "step": 8}, rate={"kind": "CATEGORICAL", "choices": [0.001]}
    )
    assert spec.parameters["gain"] == 2.0
    assert isinstance(spec.parameters["gain"], float)
    assert spec.parameters["n"] == IntRange(low=6, high=14, step=8, when={"kind": ["a"]})


def test_a_fixed_value_of_a_conditional_parameter_is_there_only_where_it_is_asked_for() -> None:
    space = search_space(parsed(n=6))
    n = next(p for p in space if p.name == "n")
    assert n.distribution == Categorical(choices=[6], when={"kind": ["a"]})
    assert [p.name for p in space].index("kind") < [p.name for p in space].index("n")


def test_what_a_fixed_parent_rules_out_is_not_searched() -> None:
    assert "n" not in {p.name for p in search_space(parsed(kind="b"))}
    assert "n" in {p.name for p in search_space(parsed(kind="a"))}


def test_structural_is_what_was_published_as_such() -> None:
    assert search_space(parsed("bare")).structural_names() == {
        "batch_size", "optimizer", "nesterov", "kind", "n", "bias",
    }  # fmt: skip


def test_an_unknown_hypermodel_is_refused_with_the_known_names() -> None:
    message = refused("nett", width=3)["/model/hypermodel"]
    assert "the workers know mlp, bare, broken, net" in message
    assert "did you mean 'net'?" in message


def test_a_hypermodel_with_a_problem_is_refused_with_it() -> None:
    assert refused("broken") == {"/model/hypermodel": "broken cannot be tuned here: its build failed"}


def test_a_spec_that_was_shown_can_be_posted_again_unless_the_space_has_changed() -> None:
    shown = dump_spec(parsed(kind="b"))
    assert parse_spec(shown, lambda: {"net": SPACE}) == parsed(kind="b")
    later = SPACE.model_copy(update={"optimizer": "sgd"})
    with pytest.raises(SpecError) as caught:
        parse_spec(shown, lambda: {"net": later})
    assert [p.pointer for p in caught.value.problems] == ["/model/space"]


def test_the_built_in_network_has_no_space_and_asks_nobody() -> None:
    def nobody() -> Any:
        raise AssertionError("no worker was asked")

    assert parse_spec({"dataset": "diabetes"}, nobody).model.space is None
