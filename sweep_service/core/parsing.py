"""From a JSON document to a `SweepSpec` that can be run, or to sentences that say what would be right."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from sweep_service.core.errors import Problem, SpecError
from sweep_service.core.hypermodel import BUILT_IN, Lookup, PublishedSpace, nothing_published
from sweep_service.core.objective import CLASSIFICATION_METRICS, LOSS_REFUSED, METRICS, MOVES_WITH_DELTA
from sweep_service.core.parameters import check_parameters, complete_parameters
from sweep_service.core.rungs import check_pruner, with_rungs
from sweep_service.core.spec import AnchorDelta, Model, SweepSpec, Validation
from sweep_service.core.support import unsupported


def pointer(*parts: str | int) -> str:
    """An RFC 6901 JSON pointer."""
    return "".join("/" + str(p).replace("~", "~0").replace("/", "~1") for p in parts)


def parse_spec(document: object, published: Lookup = nothing_published) -> SweepSpec:
    """The spec with every default filled in: the parameters complete, the name given.

    Args:
        document: JSON values.
        published: the HyperModels that workers have; asked only where the spec names one.

    Raises:
        SpecError: with every problem that was found.
    """
    if not isinstance(document, Mapping):
        raise SpecError([Problem("", 'a sweep is a JSON object such as {"dataset": "diabetes"}')])
    plain = dict(document)
    if isinstance(plain.get("dataset"), str):
        plain["dataset"] = {"name": plain["dataset"]}
    if isinstance(plain.get("objective"), str):
        plain["objective"] = {"metric": plain["objective"]}
    if isinstance(plain.get("pruner"), str):
        plain["pruner"] = {"name": plain["pruner"]}
    plain = {
        k: v for k, v in plain.items() if not (v is None and k in {"model", "loss", "sampler", "training", "budget"})
    }
    early = _objective_problems(plain)
    try:
        spec = SweepSpec.model_validate(plain)
    except ValidationError as error:
        hidden = {p.pointer for p in early}
        raise SpecError(early + [p for p in explain(error, plain) if p.pointer not in hidden]) from None
    if spec.model.hypermodel != BUILT_IN or spec.model.space is not None:
        spec = spec.model_copy(update={"model": _pinned(spec.model, published(), early)})
    problems = early + _checks(spec, plain)
    if problems:
        raise SpecError(problems)
    return spec.model_copy(
        update={
            "parameters": complete_parameters(spec.parameters, spec.model.space),
            "pruner": with_rungs(spec.pruner, spec.training.max_epochs),
            "name": spec.name or f"{spec.dataset.name}-{spec.loss.kind.lower()}",
        }
    )


def dump_spec(spec: SweepSpec) -> dict[str, Any]:
    """The spec as JSON values, each default filled in; `SweepSpec.model_validate` reads it back."""
    return spec.model_dump(mode="json", by_alias=True)


def _objective_problems(plain: Mapping[str, Any]) -> list[Problem]:
    objective = plain.get("objective")
    if not isinstance(objective, Mapping):
        return []
    named: list[tuple[tuple[str, ...], Any]] = [(("objective", "metric"), objective.get("metric"))]
    more = objective.get("additional_metrics")
    named += [
        (("objective", "additional_metrics", str(i)), m) for i, m in enumerate(more if isinstance(more, list) else [])
    ]
    problems = []
    for place, metric in named:
        if isinstance(metric, str) and metric.lower() in MOVES_WITH_DELTA:
            problems.append(Problem(pointer(*place), LOSS_REFUSED))
        elif isinstance(metric, str) and metric in CLASSIFICATION_METRICS:
            problems.append(
                Problem(
                    pointer(*place),
                    f"{metric} is for classification, which is not supported yet; use one of {', '.join(METRICS)}",
                )
            )
    return problems


def explain(error: ValidationError, document: object = None) -> list[Problem]:
    """Pydantic's findings as problems: one a place, pointers into the user's own document."""
    found: dict[str, list[str]] = {}
    for item in error.errors(include_url=False):
        place = _user_place(item["loc"], document, missing=item["type"] == "missing")
        message = str(item["msg"]).removeprefix("Value error, ")
        if item["type"] == "extra_forbidden":
            message = f"there is no field {place[-1]!r} here" + _close(str(place[-1]), _siblings(place))
        elif item["type"] in {"model_type", "model_attributes_type"}:
            message = f"this is an object with the fields {', '.join(_siblings([*place, '']))}"
        # A sentence's first letter goes down, a name such as PT0S stays.
        first = message[:1] if message[1:2].isupper() else message[:1].lower()
        found.setdefault(pointer(*place), []).append(first + message[1:])
    return [Problem(where, "; or ".join(dict.fromkeys(messages))) for where, messages in found.items()]


def _user_place(loc: tuple[str | int, ...], document: object, *, missing: bool) -> list[str | int]:
    """The steps of a location that exist in the document: the tags of unions do not, a missing field may."""
    place: list[str | int] = []
    here: Any = document
    for i, step in enumerate(loc):
        inside = step in here if isinstance(here, Mapping) else isinstance(here, list) and step in range(len(here))
        if inside:
            here = here[step]
        elif not (missing and i == len(loc) - 1):
            continue
        place.append(step)
    return place


def _siblings(place: list[str | int]) -> list[str]:
    model: Any = SweepSpec
    for step in place[:-1]:
        field = getattr(model, "model_fields", {}).get(step)
        model = getattr(field, "annotation", None)
    return list(getattr(model, "model_fields", {}))


def _close(word: str, words: list[str]) -> str:
    match = difflib.get_close_matches(word, words, n=1)
    return f"; did you mean {match[0]!r}?" if match else (f"; the fields are {', '.join(words)}" if words else "")


def _checks(spec: SweepSpec, plain: Mapping[str, Any]) -> list[Problem]:
    """What no single field can tell."""
    problems = [Problem(pointer(*place), message) for place, message in unsupported(spec)]
    problems += [Problem(pointer("parameters", *place), message) for place, message in _parameters(spec)]
    objective = spec.objective
    for metric, field, value in (("HUBER", "delta", objective.delta), ("PINBALL", "tau", objective.tau)):
        used = metric in {objective.metric, *objective.additional_metrics}
        if used and value is None:
            what = (
                "the fixed delta, in target units, at which it is evaluated"
                if field == "delta"
                else "the quantile, such as 0.9"
            )
            problems.append(Problem(pointer("objective", field), f"{metric} needs {field}: {what}"))
        if value is not None and not used:
            problems.append(
                Problem(
                    pointer("objective", field),
                    f"{field} belongs to the metric {metric}, which is not asked for",
                )
            )
    validation = spec.dataset.split.validation
    for kind, field in (("GROUP", "group"), ("TIME", "time")):
        if validation.kind == kind and getattr(spec.dataset, field) is None:
            problems.append(Problem(pointer("dataset", field), f"{kind} folds need the column that holds the {field}"))
    if validation.kind == "TIME" and spec.dataset.group is not None:
        problems.append(
            Problem(
                pointer("dataset", "group"),
                "TIME folds are cut by time alone, so that a group would straddle them: leave group out (exclude the "
                "column where it is no feature), or use GROUP folds",
            )
        )
    problems += _repeated_anchors(spec)
    problems += _unused_fields(plain, validation.kind)
    problems += [Problem(pointer("pruner", *place), message) for place, message in check_pruner(spec, plain)]
    return problems


def _parameters(spec: SweepSpec) -> list[tuple[tuple[str | int, ...], str]]:
    """Nothing can be said of the parameters of a HyperModel that nobody knows."""
    known = spec.model.hypermodel == BUILT_IN or spec.model.space is not None
    return check_parameters(spec.parameters, spec.model.space) if known else []


def _pinned(model: Model, published: Mapping[str, PublishedSpace], problems: list[Problem]) -> Model:
    """The model with the space of its HyperModel as it is published now; what is wrong joins the problems."""
    name, space = model.hypermodel, published.get(model.hypermodel)
    if name != BUILT_IN and space is None:
        names = ", ".join([BUILT_IN, *sorted(published)])
        what = f"there is no HyperModel {name!r}; the workers know {names} (a worker publishes its own as it starts)"
        problems.append(Problem(pointer("model", "hypermodel"), what + _close_name(name, [BUILT_IN, *published])))
        return model.model_copy(update={"space": None})
    if space is not None and space.problem is not None:
        problems.append(Problem(pointer("model", "hypermodel"), f"{name} cannot be tuned here: {space.problem}"))
    if model.space is not None and model.space != space:
        what = "the space is the HyperModel's as it is published now: leave it out, it is filled in"
        problems.append(Problem(pointer("model", "space"), what))
    return model.model_copy(update={"space": space})


def _close_name(word: str, words: list[str]) -> str:
    match = difflib.get_close_matches(word, words, n=1)
    return f"; did you mean {match[0]!r}?" if match else ""


def _repeated_anchors(spec: SweepSpec) -> list[Problem]:
    problems = []
    seen: set[str] = set()
    for i, anchor in enumerate(spec.anchor_list()):
        label = anchor.label if isinstance(anchor, AnchorDelta) else anchor
        if label in seen:
            problems.append(Problem(pointer("anchors", i), f"the anchor {label} stands in the list twice"))
        seen.add(label)
    return problems


def _unused_fields(plain: Mapping[str, Any], kind: str) -> list[Problem]:
    """Fields that were given and would change nothing: refused rather than ignored."""
    problems = []
    given = plain.get("dataset", {}).get("split", {}).get("validation", {})
    several = {"KFOLD", "REPEATED_KFOLD", "GROUP", "TIME"}
    for field, kinds in (("repeats", {"REPEATED_KFOLD"}), ("fraction", {"HOLDOUT"}), ("folds", several)):
        default = Validation.model_fields[field].default  # shown with every spec, so it can be posted back
        if isinstance(given, Mapping) and given.get(field, default) != default and kind not in kinds:
            problems.append(
                Problem(
                    pointer("dataset", "split", "validation", field),
                    f"{field} belongs to {' or '.join(sorted(kinds))}, not to {kind}: leave it out",
                )
            )
    return problems
