"""The HyperModels that packages on this machine install as entry points."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import keras_tuner

from sweep_service.core.hypermodel import BUILT_IN, GROUP

Make = Callable[[int, int], Any]
"""(inputs, outputs) -> a HyperModel."""


class NotInstalledError(LookupError):
    """There is no HyperModel of that name on this machine."""


def installed() -> dict[str, EntryPoint]:
    """By name; the built-in network's name is not to be had."""
    return {point.name: point for point in entry_points(group=GROUP) if point.name != BUILT_IN}


def load(name: str) -> Make:
    """What makes the HyperModel of a name.

    Raises:
        NotInstalledError: no package brings it.
        Exception: whatever importing it raises.
    """
    point = installed().get(name)
    if point is None:
        raise NotInstalledError(f"there is no HyperModel {name!r} on this worker")
    return maker(point.load())


def maker(found: Any) -> Make:
    """Of a HyperModel, its class, or a callable: these take any of `inputs` and `outputs` by name.

    A function that takes `hp` is a HyperModel's `build` itself, as KerasTuner has it.
    """
    if isinstance(found, keras_tuner.HyperModel):
        return lambda _inputs, _outputs: found
    if not callable(found):
        raise TypeError(f"it is {found!r}, neither a HyperModel nor what makes one")
    taken = _names(found)

    def make(inputs: int, outputs: int) -> Any:
        sizes = {n: v for n, v in (("inputs", inputs), ("outputs", outputs)) if n in taken}
        if "hp" in taken:
            return _Function(lambda hp: found(hp, **sizes))
        made = found(**sizes)
        if not isinstance(made, keras_tuner.HyperModel):
            raise TypeError(f"it made {made!r}, which is no keras_tuner.HyperModel")
        return made

    return make


class _Function(keras_tuner.HyperModel):  # type: ignore[misc]
    """A function of hp as a HyperModel."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        super().__init__()
        self._function = function

    def build(self, hp: Any) -> Any:
        """The function's answer."""
        return self._function(hp)


def _names(found: Callable[..., Any]) -> set[str]:
    return set(inspect.signature(found).parameters)
