"""KerasTuner's hyperparameters as the distributions of `core`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from keras_tuner.engine import hyperparameters as hp_types
from pydantic import ValidationError

from sweep_service.core.search_space import Categorical, FloatRange, IntRange, Value, When

MAX_CHOICES = 256


class UndeclarableError(ValueError):
    """A hyperparameter has no counterpart here; the sentence says what would be right."""


def declared(asked: Sequence[Any]) -> FloatRange | IntRange | Categorical | Value:
    """The distribution, or the fixed value, of a name.

    Args:
        asked: all hyperparameters of that name: one name may be asked for under several conditions.
    """
    first = asked[0]
    values = [_plain(h) for h in asked]
    if any(type(v) is not type(values[0]) or v != values[0] for v in values):
        raise UndeclarableError(f"{first.name} is declared twice and differently: give each its own name")
    value, when = values[0], _when([h.conditions for h in asked], first.name)
    if when is None:
        return value
    if isinstance(value, FloatRange | IntRange | Categorical):
        return value.model_copy(update={"when": when})
    return Categorical(choices=[value], when=when)


def _plain(hp: Any) -> FloatRange | IntRange | Categorical | Value:
    """Without its condition."""
    if isinstance(hp, hp_types.Fixed):
        return hp.value  # type: ignore[no-any-return]
    if isinstance(hp, hp_types.Boolean):
        return Categorical(choices=[False, True])
    if isinstance(hp, hp_types.Choice):
        return _choices(hp.name, list(hp.values))
    if not isinstance(hp, hp_types.Int | hp_types.Float):
        raise UndeclarableError(f"{hp.name} is a {type(hp).__name__}: use Int, Float, Choice, Boolean or Fixed")
    if hp.min_value == hp.max_value:
        return hp.min_value  # type: ignore[no-any-return]
    log = hp.sampling == "log"
    if hp.sampling not in {None, "linear", "log"}:
        raise UndeclarableError(f"{hp.name} has sampling={hp.sampling!r}: use 'linear' or 'log'")
    if log and hp.step is not None:
        return _choices(hp.name, _geometric(hp.min_value, hp.max_value, hp.step))
    try:
        if isinstance(hp, hp_types.Int):
            return IntRange(low=hp.min_value, high=hp.max_value, log=log, step=1 if log else hp.step or 1)
        return FloatRange(low=hp.min_value, high=hp.max_value, log=log, step=hp.step)
    except ValidationError as error:
        raise UndeclarableError(f"{hp.name}: {error.errors()[0]['msg']}") from None


def _choices(name: str, values: list[Value]) -> Categorical | Value:
    if len(values) > MAX_CHOICES:
        raise UndeclarableError(f"{name} has {len(values)} values: {MAX_CHOICES} are possible")
    return values[0] if len(values) == 1 else Categorical(choices=values)


def _geometric(low: float, high: float, factor: float) -> list[Value]:
    """low, low x factor, ... up to high; whole where low is."""
    found: list[Value] = []
    value = low
    while value <= high * (1 + 1e-12) and len(found) <= MAX_CHOICES:
        found.append(value)
        value = low * factor ** len(found)
    return found


def _when(conditions: Sequence[Sequence[Any]], name: str) -> When | None:
    """What must hold for any of the declarations to be active."""
    forms = [_all_of(c) for c in conditions]
    if not all(forms):
        return None  # one of them is unconditional
    if all(form == forms[0] for form in forms):
        return forms[0]
    parents = {tuple(form) for form in forms}
    if len(parents) == 1 and len(forms[0]) == 1:
        (parent,) = forms[0]
        return {parent: list(dict.fromkeys(v for form in forms for v in form[parent]))}
    raise UndeclarableError(f"{name} is asked for under unlike conditions: give each place its own name")


def _all_of(conditions: Sequence[Any]) -> When:
    found: When = {}
    for condition in conditions:
        values = list(condition.values)
        found[condition.name] = [v for v in found[condition.name] if v in values] if condition.name in found else values
    return found
