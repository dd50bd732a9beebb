"""A parameter of a HyperModel in a sweep's spec: it may narrow what the HyperModel declares, and no more."""

from __future__ import annotations

from sweep_service.core.hypermodel import PublishedParameter
from sweep_service.core.search_space import Categorical, FloatRange, IntRange, Value
from sweep_service.core.spec import ParameterValue

Finding = tuple[tuple[str | int, ...], str]
AnyDistribution = FloatRange | IntRange | Categorical


def check_narrowed(parameter: PublishedParameter, value: ParameterValue) -> list[Finding]:
    """Places inside the value, and sentences."""
    name, declared = parameter.name, parameter.value
    if isinstance(value, list):
        return [((), f"{name} is one value; to search several use CATEGORICAL with choices")]
    if not isinstance(declared, FloatRange | IntRange | Categorical):
        if isinstance(value, FloatRange | IntRange | Categorical) or not _equal(declared, value):
            return [((), f"{name} is fixed at {declared!r} by the HyperModel: leave it out")]
        return []
    if not isinstance(value, FloatRange | IntRange | Categorical):
        return _within(name, declared, value, ())
    if value.when is not None and value.when != declared.when:
        return [(("when",), f"when {name} is asked for is the HyperModel's to say: leave `when` out")]
    if isinstance(value, Categorical):
        return [f for i, choice in enumerate(value.choices) for f in _within(name, declared, choice, ("choices", i))]
    if type(value) is not type(declared):
        return [(("kind",), f"{name} is declared as {describe(declared)}: use {declared.kind}, or some of its values")]
    if isinstance(value, FloatRange) and value.unit is not None:
        return [(("unit",), f"a unit belongs to delta alone, not to {name}: leave it out")]
    found = _within(name, declared, value.low, ("low",)) + _within(name, declared, value.high, ("high",))
    return found or _raster(name, declared, value)


def normalised(parameter: PublishedParameter, value: ParameterValue) -> ParameterValue:
    """The value in the HyperModel's own types (JSON writes 1.0 as 1), with its own condition."""
    declared = parameter.distribution
    if declared is None:
        return parameter.value
    if isinstance(value, Categorical):
        choices = [_own(declared, c) for c in value.choices]
        return value.model_copy(update={"choices": choices, "when": declared.when})
    if isinstance(value, FloatRange | IntRange):
        return value.model_copy(update={"when": declared.when})
    return value if isinstance(value, list) else _own(declared, value)


def describe(declared: AnyDistribution) -> str:
    """A distribution in words."""
    if isinstance(declared, Categorical):
        return "one of " + ", ".join(repr(c) for c in declared.choices)
    by = f" by {declared.step:g}" if declared.step is not None and declared.step != 1 else ""
    return f"{declared.kind} from {declared.low:g} to {declared.high:g}{by}"


def _within(name: str, declared: AnyDistribution, value: Value, place: tuple[str | int, ...]) -> list[Finding]:
    if isinstance(declared, Categorical):
        fits = any(_equal(c, value) for c in declared.choices)
    else:
        fits = declared.contains(value)
    return [] if fits else [(place, f"{name} is {describe(declared)} in the HyperModel, not {value!r}")]


def _raster(name: str, declared: AnyDistribution, value: AnyDistribution) -> list[Finding]:
    """A narrowed range must not leave the values between which the HyperModel chooses."""
    step, wanted = getattr(declared, "step", None), getattr(value, "step", None)
    if step is None or step == 1:
        return []
    ratio = (wanted or 0) / step
    if ratio < 1 - 1e-8 or abs(ratio - round(ratio)) > 1e-8:
        return [(("step",), f"{name} goes by steps of {step:g} in the HyperModel: set step to {step:g} or a multiple")]
    return []


def _equal(a: object, b: object) -> bool:
    """As JSON sees it: 1 is 1.0, but neither is true."""
    if isinstance(a, bool) or isinstance(b, bool) or isinstance(a, str) or isinstance(b, str):
        return type(a) is type(b) and a == b
    return a == b


def _own(declared: AnyDistribution, value: Value) -> Value:
    if isinstance(declared, Categorical):
        return next((c for c in declared.choices if _equal(c, value)), value)
    if isinstance(declared, FloatRange) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value
