"""The parameters of a spec: checked against what the house knows, completed, and made a search space."""

from __future__ import annotations

import difflib
from collections.abc import Mapping

from sweep_service.core.hypermodel import PublishedSpace
from sweep_service.core.mlp_space import DELTA, MLP_PARAMETERS, Known
from sweep_service.core.narrowing import check_narrowed, normalised
from sweep_service.core.search_space import Categorical, FloatRange, IntRange, Parameter, SearchSpace, Value
from sweep_service.core.spec import ParameterValue, SweepSpec

Finding = tuple[tuple[str | int, ...], str]
KNOWN: dict[str, Known] = {"delta": DELTA, **MLP_PARAMETERS}


def known_parameters(space: PublishedSpace | None) -> dict[str, Known]:
    """Those whose meaning is the service's own: all of the built-in network's, or those beside a HyperModel's."""
    return KNOWN if space is None else {name: KNOWN[name] for name in space.own_parameters()}


def complete_parameters(
    given: Mapping[str, ParameterValue], space: PublishedSpace | None = None
) -> dict[str, ParameterValue]:
    """All parameters: the given ones, and the defaults of the others."""
    full: dict[str, ParameterValue] = {}
    for name, known in known_parameters(space).items():
        value = given.get(name, known.default)
        if name == "delta" and isinstance(value, FloatRange) and value.unit is None:
            value = value.model_copy(update={"unit": "SIGMA"})
        full[name] = value
    for parameter in space.parameters if space is not None else ():
        full[parameter.name] = normalised(parameter, given.get(parameter.name, parameter.value))
    widths = full.get("units")
    if isinstance(widths, list) and "layers" not in given:
        full["layers"] = len(widths)
    return full


def check_parameters(given: Mapping[str, ParameterValue], space: PublishedSpace | None = None) -> list[Finding]:
    """Everything wrong with them: unknown names, values beyond what is possible, conditions that never hold."""
    findings: list[Finding] = []
    own = known_parameters(space)
    published = {p.name: p for p in space.parameters} if space is not None else {}
    for name, value in given.items():
        if name in published:
            found = check_narrowed(published[name], value)
        elif name in own:
            found = _check_value(name, own[name], value)
        else:
            names = [*own, *published]
            close = difflib.get_close_matches(name, names, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"the parameters are {', '.join(names)}"
            findings.append(((name,), f"there is no parameter {name!r}; {hint}"))
            continue
        findings += [((name, *place), message) for place, message in found]
    if space is None:
        findings += _check_widths(given)
    if not findings or space is None:
        known = {n: v for n, v in given.items() if n in own or n in published}
        full = complete_parameters(known, space)
        findings += _check_conditions(full, given, space)
        if "optimizer" in own:
            findings += _check_optimizers_own({n: v for n, v in known.items() if n in own}, full["optimizer"])
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


def _check_conditions(
    full: Mapping[str, ParameterValue], given: Mapping[str, ParameterValue], space: PublishedSpace | None
) -> list[Finding]:
    findings: list[Finding] = []
    own = known_parameters(space)
    published = {p.name: p for p in space.parameters} if space is not None else {}
    for name, value in full.items():
        if not isinstance(value, FloatRange | IntRange | Categorical) or value.when is None:
            continue
        if name not in own and (name not in given or value == published[name].value):
            continue  # what is never asked for is no fault of whom did not narrow it
        if name in own and (name == "delta" or own[name].structural):
            findings.append(((name, "when"), f"{name} is needed in every trial and cannot be conditional"))
            continue
        for parent, wanted in value.when.items():
            place = (name, "when", parent) if name in own else (name,)
            if parent not in full or parent == name:
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
    space = spec.model.space
    values = complete_parameters(spec.parameters, space)
    structural = {name: known.structural for name, known in known_parameters(space).items()}
    structural |= {p.name: p.structural for p in space.parameters} if space is not None else {}
    made = {name: _parameter(name, value, structural[name]) for name, value in values.items()}
    for published in space.parameters if space is not None else ():
        value = values[published.name]
        if published.when is not None and not isinstance(value, FloatRange | IntRange | Categorical | list):
            # One value, and still only where it is asked for.
            one = Categorical(choices=[value], when=published.when)
            made[published.name] = _parameter(published.name, one, published.structural)
    ordered: list[str] = []

    def place(name: str) -> None:
        if name not in ordered:
            for parent in made[name].when or {}:
                place(parent)
            ordered.append(name)

    for name, parameter in made.items():
        if all(any(_possible(values[p], w) for w in wanted) for p, wanted in (parameter.when or {}).items()):
            place(name)
    return SearchSpace(tuple(made[name] for name in ordered))


def _parameter(name: str, value: ParameterValue, structural: bool) -> Parameter:
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
