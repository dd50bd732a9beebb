"""What a HyperModel varies, found by building it: at its defaults, at every choice, at the ends of every range."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from typing import Any

import keras_tuner
import numpy as np
from keras_tuner.engine import hyperparameters as hp_types

from sweep_service.core.hypermodel import (
    MAX_PARAMETERS,
    OWN_ALWAYS,
    OWN_OF_UNCOMPILED,
    PublishedParameter,
    PublishedSpace,
)
from sweep_service.training.hypermodels.building import Build, BuildError, build
from sweep_service.training.hypermodels.declared import UndeclarableError, declared
from sweep_service.training.hypermodels.installed import Make, installed, load

log = logging.getLogger(__name__)
PROBE_INPUTS, PROBE_OUTPUTS = 16, 1
"""Columns of the table that the builds are made for; a HyperModel that takes `inputs` gets another number later."""
MAX_BUILDS = 150
AT_RANDOM = 8
CONTEXTS = 4


def discover_installed() -> list[PublishedSpace]:
    """The spaces of all that is installed; one that cannot be loaded is published with its problem."""
    found = []
    for name in sorted(installed()):
        try:
            found.append(discover(name, load(name)))
        except Exception as error:  # noqa: BLE001 - a user's package may raise anything, and must not end the child
            found.append(PublishedSpace(hypermodel=name, problem=f"it cannot be loaded: {error}"[:1000]))
    return found


def discover(name: str, make: Make) -> PublishedSpace:
    """The search space of a HyperModel. What is wrong with it stands in `problem`."""
    try:
        hypermodel = make(PROBE_INPUTS, PROBE_OUTPUTS)
        if type(hypermodel).fit is not keras_tuner.HyperModel.fit:
            what = "it overrides fit(), which is not called here: remove it (batch_size is a parameter of the sweep)"
            return PublishedSpace(hypermodel=name, problem=what)
        explorer = _Explorer(hypermodel)
        return explorer.space(name)
    except (BuildError, UndeclarableError) as error:
        return PublishedSpace(hypermodel=name, problem=str(error)[:1000])


class _Explorer:
    """Builds, breadth first, until nothing new comes up."""

    def __init__(self, hypermodel: Any) -> None:
        self._hypermodel = hypermodel
        self._asked: dict[str, list[Any]] = {}
        self._first = self._build({})
        self._builds: dict[str, Build] = {repr({}): self._first}
        self._ended_early = False
        self._explore()
        self._open = self._ended_early or self._finds_more()

    def space(self, name: str) -> PublishedSpace:
        """All that was found."""
        parameters = [
            PublishedParameter(name=n, value=declared(asked), structural=self._structural(n))
            for n, asked in self._asked.items()
        ]
        compiled = self._first.compiled
        found = PublishedSpace(
            hypermodel=name,
            parameters=_parents_first(parameters),
            optimizer=compiled.kind if compiled is not None else None,
            open=self._open,
        )
        return found.model_copy(update={"problem": self._problem(found)})

    def _problem(self, space: PublishedSpace) -> str | None:
        if any((b.compiled is None) is not (self._first.compiled is None) for b in self._builds.values()):
            return "some of its builds are compiled and others are not: compile all, or none"
        own = OWN_ALWAYS if self._first.compiled is not None else (*OWN_ALWAYS, *OWN_OF_UNCOMPILED)
        taken = [p.name for p in space.parameters if p.name in own]
        if taken:
            return f"its hyperparameter {taken[0]!r} bears the name of the service's own: give it another"
        if len(space.parameters) > MAX_PARAMETERS:
            return f"it has {len(space.parameters)} hyperparameters: {MAX_PARAMETERS} are possible"
        return None

    # --- what there is -----------------------------------------------------------------------------------------

    def _build(self, values: Mapping[str, Any]) -> Build:
        made = build(self._hypermodel, values, PROBE_INPUTS, PROBE_OUTPUTS)
        for hp in made.asked:
            known = self._asked.setdefault(hp.name, [])
            if not any(_same(hp, k) for k in known):
                known.append(hp)
        return made

    def _explore(self) -> None:
        """From each build that met something new, one more build for each value of what it met."""
        todo: deque[tuple[dict[str, Any], Build]] = deque([({}, self._first)])
        varied: set[tuple[str, str]] = set()
        while todo:
            base, made = todo.popleft()
            for hp in made.asked:
                for value in _ends(hp):
                    mark = (hp.name, repr(value))
                    values = {**base, hp.name: value}
                    if hp.name not in made.values or mark in varied or repr(values) in self._builds:
                        continue
                    varied.add(mark)
                    if len(self._builds) >= MAX_BUILDS:
                        self._ended_early = True
                        return
                    known = {n: len(a) for n, a in self._asked.items()}
                    try:
                        self._builds[repr(values)] = again = self._build(values)
                    except BuildError as error:
                        log.info("at %s: %s", values, error)  # such a trial will fail, and say why
                        continue
                    if (
                        any(len(a) > known.get(n, 0) for n, a in self._asked.items())
                        or again.values.keys() - made.values
                    ):
                        todo.append((values, again))

    def _finds_more(self) -> bool:
        """Whether builds at random meet what no single change did."""
        dice = np.random.default_rng(0)
        known = set(self._asked)
        for _ in range(AT_RANDOM):
            values = {
                n: ends[dice.integers(len(ends))] for n, asked in self._asked.items() if (ends := _ends(asked[0]))
            }
            try:
                self._builds.setdefault(repr(values), self._build(values))
            except BuildError as error:
                log.info("at %s: %s", values, error)
        return bool(set(self._asked) - known)

    # --- what changes the program ------------------------------------------------------------------------------

    def _structural(self, name: str) -> bool:
        """Whether the model differs with it, wherever it is asked for; so it counts where nobody could look."""
        places = [b for b in self._builds.values() if name in b.values]
        chosen = places[:: max(1, len(places) // CONTEXTS)] + places[-1:]
        looked = False
        for place in chosen:
            for value in _ends(self._asked[name][0]):
                try:
                    made = build(self._hypermodel, {**place.values, name: value}, PROBE_INPUTS, PROBE_OUTPUTS)
                except BuildError:
                    return True
                looked = True
                if made.key != place.key:
                    return True
        return not looked


def _same(a: Any, b: Any) -> bool:
    return type(a) is type(b) and a.get_config() == b.get_config()


def _ends(hp: Any) -> list[Any]:
    """Values at which a build is worth a look."""
    if isinstance(hp, hp_types.Boolean):
        return [False, True]
    if isinstance(hp, hp_types.Choice):
        return list(hp.values)
    if isinstance(hp, hp_types.Int | hp_types.Float):
        return [hp.min_value, hp.max_value]
    return []


def _parents_first(parameters: list[PublishedParameter]) -> list[PublishedParameter]:
    by_name = {p.name: p for p in parameters}
    ordered: dict[str, PublishedParameter] = {}

    def place(name: str) -> None:
        if name in by_name and name not in ordered:
            for parent in by_name[name].when or {}:
                place(parent)
            ordered[name] = by_name[name]

    for name in by_name:
        place(name)
    return list(ordered.values())
