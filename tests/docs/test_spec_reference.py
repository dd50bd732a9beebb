"""docs/reference/spec.md, parameters.md and objectives.md tell every field with the code's own default and bounds."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from sweep_service.core import support
from sweep_service.core.mlp_space import Known
from sweep_service.core.objective import CLASSIFICATION_METRICS, METRICS
from sweep_service.core.parameters import KNOWN
from sweep_service.core.search_space import Categorical, FloatRange, IntRange
from sweep_service.core.spec import AnchorDelta, SweepSpec

LIMITS = (("minimum", "from"), ("exclusiveMinimum", "above"), ("maximum", "to"), ("exclusiveMaximum", "below"))
SIZES = (("Length", "characters"), ("Items", "items"), ("Properties", "entries"))


def models_in(annotation: Any) -> list[type[BaseModel]]:
    """Models inside Optional, Annotated and the like (lists and dictionaries are not looked into)."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if getattr(annotation, "__origin__", None) in {list, dict}:
        return []
    return [m for inner in get_args(annotation) for m in models_in(inner)]


def fields_of(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str]]:
    """Path, default and bounds of each field, as the reference writes them."""
    schema = model.model_json_schema(by_alias=True)
    for name, field in model.model_fields.items():
        alias = field.alias or name
        inner = models_in(field.annotation)
        default = "required" if field.is_required() else told(field.get_default(call_default_factory=True))
        if inner:
            yield prefix + alias, default, ""
            yield from fields_of(inner[0], f"{prefix}{alias}.")
        else:
            yield prefix + alias, default, bounds(schema["properties"][alias], schema.get("$defs", {}))


def told(value: Any) -> str:
    if isinstance(value, BaseModel):
        return "an object"
    plain = (
        [v.model_dump(mode="json") if isinstance(v, BaseModel) else v for v in value]
        if isinstance(value, list)
        else value
    )
    return f"`{json.dumps(plain)}`"


def bounds(schema: dict[str, Any], defs: dict[str, Any]) -> str:
    choices = [s for s in schema.get("anyOf", []) if s.get("type") != "null"]
    if len(choices) == 1:
        schema = choices[0]
    if "$ref" in schema:
        schema = defs[schema["$ref"].rsplit("/", 1)[-1]]
    if "enum" in schema:
        return ", ".join(f"`{v}`" for v in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "minimum" in schema and "maximum" in schema:
        parts = [f"{number(schema['minimum'])} to {number(schema['maximum'])}"]
    else:
        parts = [f"{word} {number(schema[key])}" for key, word in LIMITS if key in schema]
    for what, word in SIZES:
        low, high = schema.get(f"min{what}"), schema.get(f"max{what}")
        if high is not None:
            parts.append(f"{low} to {high} {word}" if low else f"at most {high} {word}")
    return ", ".join(parts)


def number(value: float) -> str:
    if abs(value) >= 2**31 and math.log2(abs(value)).is_integer():
        return f"{'-' if value < 0 else ''}2^{int(math.log2(abs(value)))}"
    return f"{value:g}" if abs(value) < 1e6 else str(int(value))


def spec_fields() -> list[tuple[str, str, str]]:
    found = list(fields_of(SweepSpec))
    found += fields_of(AnchorDelta, "anchors[].")
    for model in (FloatRange, IntRange, Categorical):
        found += fields_of(model, f"{model.model_fields['kind'].default}.")
    return found


@pytest.mark.parametrize(("path", "default", "limits"), spec_fields(), ids=lambda v: v if "`" not in v else "")
def test_every_field_of_a_spec_stands_in_the_reference_with_its_default_and_bounds(reference, path, default, limits):
    row = reference["spec"].rows().get(path)
    assert row, f"docs/reference/spec.md lacks | `{path}` | {default} | {limits} | ... |"
    assert row[0] == default
    assert row[1] == limits
    assert row[2], "and what it means, in words"


def test_the_reference_tells_of_no_field_that_a_spec_does_not_have(reference):
    fields = {path for path, _, _ in spec_fields()}
    told_of = {name for name in reference["spec"].section("Fields").splitlines() if name.startswith("| `")}
    assert {row.split("|")[1].strip(" `") for row in told_of} <= fields


def everything_unsupported() -> SweepSpec:
    return SweepSpec.model_validate(
        {
            "dataset": {"name": "diabetes", "task": "BINARY", "target": ["a", "b"]},
            "loss": {"kind": "TUKEY", "reduction": "SUM"},
            "final": {},
            "anchors": "FULL",
            "sampler": {"synchronous": False},
            "budget": {"max_trial_duration": "PT1M", "stop_after_no_improvement": 3, "target_value": 1.0},
            "warm_start": {"from": ["swp_1"]},
            "enqueue": [{"delta": 1.0}],
            "webhooks": [{"url": "x"}],
        }
    )


def test_what_is_refused_by_name_is_told_in_the_reference(reference, root):
    findings = support.unsupported(everything_unsupported())
    source = (root / "sweep_service/core/support.py").read_text(encoding="utf-8")
    assert len(findings) == len(re.findall(r"^    refuse\(", source, re.MULTILINE)), "mention the new one above, too"
    section = reference["spec"].section("Not run yet")
    for place, _ in findings:
        assert f"`{'.'.join(map(str, place))}`" in section
    for metric in CLASSIFICATION_METRICS:
        assert f"`{metric}`" in section


def known_bounds(known: Known) -> str:
    if known.choices:
        return ", ".join(f"`{json.dumps(c)}`" if isinstance(c, bool) else f"`{c}`" for c in known.choices)
    return f"{'above' if known.low_open else 'from'} {number(known.low)}, to {number(known.high)}"


@pytest.mark.parametrize("name", KNOWN)
def test_every_parameter_of_the_network_stands_in_the_reference(reference, name):
    known = KNOWN[name]
    row = reference["parameters"].rows().get(name)
    assert row, f"docs/reference/parameters.md lacks | `{name}` |"
    default = (
        known.default.model_dump(exclude_none=True, mode="json")
        if isinstance(known.default, BaseModel)
        else known.default
    )
    given = json.loads(row[0].strip("`"))
    whole = type(known.default).model_validate(given) if isinstance(known.default, BaseModel) else given
    assert (whole.model_dump(exclude_none=True, mode="json") if isinstance(whole, BaseModel) else whole) == default
    assert row[1] == known_bounds(known)
    assert row[2] == ("yes" if known.structural else "no")


def test_every_objective_stands_in_the_reference(reference):
    rows = reference["objectives"].rows()
    assert set(METRICS) <= set(rows)
