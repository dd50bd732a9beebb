"""The parameters of a spec: checked against what the house knows, completed, and made a search space."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from sweep_service.core.mlp_space import DELTA, MLP_PARAMETERS, Known
from sweep_service.core.search_space import Categorical, FloatRange, IntRange, Parameter, SearchSpace, Value
from sweep_service.core.spec import ParameterValue, SweepSpec

Finding = tuple[tuple[str | int, ...], str]
KNOWN: dict[str, Known] = {"delta": DELTA, **MLP_PARAMETERS}


def complete_parameters(given: Mapping[str, ParameterValue]) -> dict[str, ParameterValue]:
    """All parameters: the given ones, and the defaults of the others."""
    full: dict[str, ParameterValue] = {}
    for name, known in KNOWN.items():
        value = given.get(name, known.default)
        if name == "delta" and isinstance(value, FloatRange) and value.unit is None:
            value = value.model_copy(update={"unit": "SIGMA"})
        full[name] = value
    widths = full["units"]
    if isinstance(widths, list) and "layers" not in given:
        full["layers"] = len(widths)
    return full


def check_parameters(given: Mapping[str, ParameterValue]) -> list[Finding]:
    """Everything wrong with them: unknown names, values beyond what is possible, conditions that never hold."""
    findings: list[Finding] = []
    for name, value in given.items():
        known = KNOWN.get(name)
        if known is None:
            close = difflib.get_close_matches(name, KNOWN, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"the parameters are {', '.join(KNOWN)}"
            findings.append(((name,), f"there is no parameter {name!r}; {hint}"))
            continue
        findings += [((name, *place), message) for place, message in _check_value(name, known, value)]
    findings += _check_widths(given)
    full = complete_parameters({n: v for n, v in given.items() if n in KNOWN})
    findings += _check_conditions(full)
    findings += _check_optimizers_own({n: v for n, v in given.items() if n in KNOWN}, full["optimizer"])
    return findings


def _check_value(name: str, known: Known, value: ParameterValue) -> list[Finding]:
    if isinstance(value, list):
        if name != "units":
            return [
                (
                    (),
                    f"a list is for units, one a layer; to search {name} use CATEGORICAL with choices",
                )
            ]
        return [f for i, width in enumerate(value) for f in _check_scalar(name, known, width, (i,))]
    if isinstance(value, Categorical):
        if name == "delta":
            findings: list[Finding] = [((), "delta is searched over a FLOAT range (log-uniform), not over choices")]
            return findings
        return [f for i, choice in enumerate(value.choices) for f in _check_scalar(name, known, choice, ("choices", i))]
    if isinstance(value, FloatRange | IntRange):
        if known.choices:
            return [(("kind",), f"{name} takes names: use CATEGORICAL with choices from {_words(known.choices)}")]
        if known.integer and isinstance(value, FloatRange):
            return [(("kind",), f"{name} is a whole number: use INT")]
        if not known.integer and isinstance(value, IntRange):
            return [(("kind",), f"{name} is a real number: use FLOAT")]
        if isinstance(value, FloatRange) and value.unit is not None and name != "delta":
            return [(("unit",), f"a unit belongs to delta alone, not to {name}: leave it out")]
        return _check_scalar(name, known, value.low, ("low",)) + _check_scalar(name, known, value.high, ("high",))
    return _check_scalar(name, known, value, ())


def _check_scalar(name: str, known: Known, value: object, place: tuple[str | int, ...]) -> list[Finding]:
    if known.choices:
        if not any(type(c) is type(value) and c == value for c in known.choices):
            return [(place, f"{name} is one of {_words(known.choices)}, not {value!r}")]
        return []
    if isinstance(value, bool) or not isinstance(value, int | float):
        return [(place, f"{name} is a number, not {value!r}")]
    if known.integer and not isinstance(value, int):
        return [(place, f"{name} is a whole number, not {value!r}")]
    if known.low is not None and (value < known.low or (known.low_open and value == known.low)):
        return [
            (
                place,
                f"{name} must be {'above' if known.low_open else 'at least'} {known.low:g}, not {value:g}",
            )
        ]
    if known.high is not None and value > known.high:
        return [(place, f"{name} must be at most {known.high:g}, not {value:g}")]
    return []


def _check_widths(given: Mapping[str, ParameterValue]) -> list[Finding]:
    widths = given.get("units")
    if not isinstance(widths, list):
        return []
    if not widths:
        return [(("units",), "a list of units needs one width a layer, such as [16, 8]")]
    layers = given.get("layers")
    if layers is not None and layers != len(widths):
        return [(("layers",), f"units lists {len(widths)} layers: leave layers out, or set it to {len(widths)}")]
    return []


def _check_optimizers_own(given: Mapping[str, ParameterValue], optimizer: ParameterValue) -> list[Finding]:
    """Momentum and the like without an optimizer that has them would be searched, and change nothing."""
    findings: list[Finding] = []
    for name, known in KNOWN.items():
        value = given.get(name, known.default)
        idle = value == known.default or getattr(value, "when", None) is not None
        if known.of and not idle and not any(_possible(optimizer, o) for o in known.of):
            why = f"{name} belongs to {' and '.join(known.of)}, and optimizer is {_describe(optimizer)}: leave it out"
            findings.append(((name,), why))
    return findings


def _check_conditions(full: Mapping[str, ParameterValue]) -> list[Finding]:
    findings: list[Finding] = []
    for name, value in full.items():
        if not isinstance(value, FloatRange | IntRange | Categorical) or value.when is None:
            continue
        if name in {"delta", *(n for n, k in KNOWN.items() if k.structural)}:
            findings.append(((name, "when"), f"{name} is needed in every trial and cannot be conditional"))
            continue
        for parent, wanted in value.when.items():
            place = (name, "when", parent)
            if parent not in KNOWN or parent == name:
                findings.append((place, f"there is no other parameter {parent!r}"))
            elif not wanted or not any(_possible(full[parent], w) for w in wanted):
                findings.append((place, f"this can never hold: {parent} is {_describe(full[parent])}"))
    findings += _circles(full)
    return findings


def _circles(full: Mapping[str, ParameterValue]) -> list[Finding]:
    for name in full:
        seen: set[str] = set()
        todo = [name]
        while todo:
            value = full.get(todo.pop())
            for parent in getattr(value, "when", None) or {}:
                if parent == name:
                    return [((name, "when"), f"{name} depends on itself through its condition")]
                if parent not in seen:
                    seen.add(parent)
                    todo.append(parent)
    return []


def _possible(value: ParameterValue, wanted: Value) -> bool:
    if isinstance(value, FloatRange | IntRange | Categorical):
        return value.contains(wanted)
    return type(value) is type(wanted) and value == wanted


def _describe(value: ParameterValue) -> str:
    if isinstance(value, Categorical):
        return f"one of {_words(tuple(value.choices))}"
    if isinstance(value, FloatRange | IntRange):
        return f"from {value.low:g} to {value.high:g}"
    return f"always {value!r}"


def _words(values: tuple[Value, ...]) -> str:
    return ", ".join(str(v) for v in values)


def search_space(spec: SweepSpec) -> SearchSpace:
    """The space of a completed spec, parents before those that depend on them."""
    values = complete_parameters(spec.parameters)
    ordered: list[str] = []

    def place(name: str) -> None:
        if name not in ordered:
            for parent in getattr(values[name], "when", None) or {}:
                place(parent)
            ordered.append(name)

    for name in values:
        place(name)
    return SearchSpace(tuple(_parameter(name, values[name]) for name in ordered))


def _parameter(name: str, value: ParameterValue) -> Parameter:
    structural = KNOWN[name].structural
    if isinstance(value, FloatRange | IntRange | Categorical):
        return Parameter(name, None, value, structural)
    return Parameter(name, value, None, structural)


def delta_unit(spec: SweepSpec) -> str:
    """SIGMA or TARGET. A fixed delta without a range is in multiples of sigma."""
    value = spec.parameters.get("delta")
    return (value.unit or "SIGMA") if isinstance(value, FloatRange) else "SIGMA"


def has_dropout(spec: SweepSpec) -> bool:
    """Whether any trial can have dropout: if so, every net of the sweep holds Dropout layers (rate 0 included)."""
    value = complete_parameters(spec.parameters)["dropout"]
    return not (isinstance(value, int | float) and float(value) == 0.0)
