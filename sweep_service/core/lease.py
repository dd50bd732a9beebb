"""A worker's right to a task until a moment of the database's clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sweep_service.core.task import Task


@dataclass(frozen=True, slots=True)
class Lease:
    """`token` grows with every claim of the task: a write with an older one is refused (the fence)."""

    task: Task
    token: int
    worker_id: str
    expires_at: datetime


Renewal = Literal["CONTINUE", "CANCEL"]
"""What a worker hears when it extends its lease: go on, or kill the child since the sweep is being cancelled."""
