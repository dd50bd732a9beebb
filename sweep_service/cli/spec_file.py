"""The document that `submit` posts: a file, standard input or a dataset's name, with single fields set."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sweep_service.cli.failures import UsageError


def read_document(source: str | None, dataset: str | None, settings: Sequence[str]) -> dict[str, Any]:
    """The sweep as a JSON object. The server checks it; only what cannot be sent is refused here.

    Args:
        source: path of a JSON file, `-` for standard input, or None for an empty document.
        dataset: a dataset's name, put into the document.
        settings: `path.to.field=value`, applied in order; values are JSON, or else text.

    Raises:
        UsageError: not JSON, not an object, neither file nor dataset, or a setting that fits nowhere.
    """
    if source is None and dataset is None:
        raise UsageError("What shall be swept? Give a spec file, or a dataset's name: `submit --dataset diabetes`.")
    document = {} if source is None else _read(source)
    if dataset is not None:
        given = document.get("dataset")
        document["dataset"] = {**given, "name": dataset} if isinstance(given, dict) else dataset
    for setting in settings:
        _apply(document, setting)
    return document


def _read(source: str) -> dict[str, Any]:
    name = "standard input" if source == "-" else source
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"There is no file {source}. For a dataset's name write --dataset {source}.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not a text file in UTF-8, so it cannot be a sweep's JSON.") from None
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"{name} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}.") from None
    if not isinstance(document, dict):
        raise UsageError(f'{name} must hold one JSON object, such as {{"dataset": "diabetes"}}.')
    return document


def _apply(document: dict[str, Any], setting: str) -> None:
    path, sign, text = setting.partition("=")
    steps = path.strip().split(".")
    if not sign or not all(steps):
        raise UsageError(f"--set takes path=value, such as --set parameters.delta.high=5, not {setting!r}.")
    if steps[0] == "dataset" and isinstance(document.get("dataset"), str):
        document["dataset"] = {"name": document["dataset"]}
    if steps[0] == "parameters" and len(steps) == 3:
        _unfold(document, steps[1])
    here: Any = document
    for step in steps[:-1]:
        here = here.setdefault(step, {})
        if not isinstance(here, dict):
            raise UsageError(f"--set {setting}: {step} holds a plain value, not fields.")
    here[steps[-1]] = _value(text)


def _unfold(document: dict[str, Any], name: str) -> None:
    """A parameter that the document leaves to its default, as the distribution it stands for.

    So `--set parameters.delta.high=5` changes one end of delta's usual range, rather than making half a range.
    """
    parameters = document.setdefault("parameters", {})
    if not isinstance(parameters, dict) or name in parameters:
        return
    from sweep_service.core.parameters import KNOWN
    from sweep_service.core.search_space import Categorical, FloatRange, IntRange

    known = KNOWN.get(name)
    if known is not None and isinstance(known.default, FloatRange | IntRange | Categorical):
        parameters[name] = known.default.model_dump(mode="json", exclude_none=True)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text
