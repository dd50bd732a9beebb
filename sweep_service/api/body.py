"""Request bodies: capped while they come in, and strict JSON."""

from __future__ import annotations

import json
import math
from typing import Any

from fastapi import Request

from sweep_service.api.errors import ProblemError

MAX_JSON_BYTES = 1024 * 1024
MAX_DEPTH = 32
MAX_INT = 2**63
MAX_DIGITS = 20


async def read_json(request: Request) -> Any:
    """The body as JSON values.

    Raises:
        ProblemError: 413, 415 or 400, with what would be right.
    """
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise ProblemError(415, f"Send JSON with Content-Type: application/json, not {kind or 'nothing'!r}.")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_JSON_BYTES:
            raise ProblemError(413, f"A body of JSON is at most {MAX_JSON_BYTES} bytes.")
    try:
        value = json.loads(
            body.decode("utf-8"), parse_constant=_no_constant, parse_int=_whole, object_pairs_hook=_no_twice
        )
        _check(value, 0)
    except UnicodeDecodeError:
        raise ProblemError(400, "The body is not UTF-8.") from None
    except RecursionError:
        raise ProblemError(400, f"The body is nested more than {MAX_DEPTH} deep.") from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise ProblemError(400, f"The body is not JSON: {error.msg} at {where}.") from None
    except ValueError as error:
        raise ProblemError(400, f"The body cannot be used: {error}.") from None
    return value


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _whole(digits: str) -> int:
    if len(digits) > MAX_DIGITS:  # Python itself refuses thousands of them, with words about its own settings
        raise ValueError("a whole number is beyond 64 bits")
    return int(digits)


def _no_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the field {next(n for n in names if names.count(n) > 1)!r} stands twice in one object")
    return found


def _check(value: Any, depth: int) -> None:
    """What JSON allows and no database holds: infinities, huge integers, NUL, lone surrogates."""
    if depth > MAX_DEPTH:
        raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
    if isinstance(value, dict):
        for key, inner in value.items():
            _check(key, depth + 1)
            _check(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, depth + 1)
    else:
        _check_leaf(value)


def _check_leaf(value: Any) -> None:
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError("a text holds a NUL character")
        if any(0xD800 <= ord(c) <= 0xDFFF for c in value):
            raise ValueError("a text holds half of a surrogate pair")
    elif isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is too large")
    elif isinstance(value, int) and not -MAX_INT <= value < MAX_INT:
        raise ValueError("a whole number is beyond 64 bits")
