"""What happened to a sweep, in the order of the commits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """`seq` counts from 1 within its sweep without a gap; a reader that has seen seq n has missed none below."""

    seq: int
    kind: str
    at: datetime
    body: Mapping[str, Any]
