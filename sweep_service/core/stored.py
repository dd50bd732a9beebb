"""What the database knows of an uploaded dataset, and of a worker."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class StoredDataset:
    """One version of an uploaded dataset. `digest` is the sha256 of the normalised file in the ArtifactStore."""

    name: str
    version: int
    digest: str
    source_digest: str
    media_type: str
    size: int
    summary: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """A worker as the database knows it."""

    id: str
    host: str
    pid: int
    device: str
    version: str
    started_at: datetime
    seen_at: datetime
    task_id: str | None
    info: Mapping[str, Any]
