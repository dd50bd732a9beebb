"""JSON and text as every database can hold them: what PostgreSQL refuses is made plain for all stores alike.

A worker's words (an error message, a host's name, a column's header) come from outside; a lone surrogate or a
NUL among them must not be the reason why a finished pack cannot be stored.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

_REPLACEMENT = "\ufffd"
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_SUSPICIOUS = ("\\u0000", "\\ud")


def plain_text(text: str) -> str:
    """The text with NUL and lone surrogates replaced by U+FFFD."""
    return _UNSTORABLE.sub(_REPLACEMENT, text)


def dump_json(value: object) -> str:
    """JSON text: texts as `plain_text` has them, numbers that are not finite as null.

    Raises:
        TypeError: JSON has no such value.
    """
    try:
        text = json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_plain(value), allow_nan=False)
    return json.dumps(_plain(value)) if any(mark in text for mark in _SUSPICIOUS) else text


def finite_only(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics that are numbers: an R2 on a fold whose target is constant is none."""
    return {name: value for name, value in metrics.items() if math.isfinite(value)}


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {_plain(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value
