"""What a spec may say of its rungs, and the rungs that it gets where it says nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sweep_service.core.spec import Pruner, SweepSpec

Finding = tuple[tuple[str | int, ...], str]


def default_rungs(max_epochs: int) -> list[int]:
    """A ninth and a third of the epochs: successive halving's usual factor of three, read backwards."""
    return sorted({max(1, max_epochs // 9), max(1, max_epochs // 3)} - {max_epochs})


def with_rungs(pruner: Pruner | None, max_epochs: int) -> Pruner | None:
    """The pruner with its rungs filled in."""
    if pruner is None or pruner.name == "NONE" or pruner.rungs:
        return pruner
    return pruner.model_copy(update={"rungs": default_rungs(max_epochs)})


def check_pruner(spec: SweepSpec, plain: Mapping[str, Any]) -> list[Finding]:
    """Everything wrong with it: rungs that are out of order or never reached, fields that would change nothing."""
    pruner = spec.pruner
    given = plain.get("pruner")
    if pruner is None or not isinstance(given, Mapping):
        return []
    if pruner.name == "NONE":
        return [((name,), f"{name} belongs to HALVING or MEDIAN: leave it out") for name in given if name != "name"]
    findings: list[Finding] = []
    if "keep" in given and pruner.name != "HALVING":
        findings.append((("keep",), "keep belongs to HALVING, not to MEDIAN: leave it out"))
    for i, rung in enumerate(pruner.rungs):
        if i and rung <= pruner.rungs[i - 1]:
            findings.append((("rungs", i), f"rungs must rise: {rung} follows {pruner.rungs[i - 1]}"))
        if rung >= spec.training.max_epochs:
            findings.append(
                (("rungs", i), f"a rung must lie below max_epochs ({spec.training.max_epochs}), {rung} does not")
            )
    if not pruner.rungs and not default_rungs(spec.training.max_epochs):
        findings.append((("name",), "with one epoch there is nothing to prune: raise training.max_epochs"))
    return findings
