"""The errors of the house.

    SweepError
    ├── SpecError            a sweep spec that cannot be run; carries every problem with its JSON pointer
    ├── DataError            a dataset that cannot be used
    ├── NotFoundError        no such sweep, trial, dataset ...
    ├── ConflictError        the thing stands in a state that does not allow this
    ├── LeaseLostError       the lease ran out or was taken back: nothing was written
    ├── TrainingError        a pack could not be trained
    │   └── TrainerStartError    the trainer itself did not start: no fault of the pack
    └── StoreError           the database cannot be used
        └── SchemaVersionError   the database belongs to a newer version (or was never migrated)

HTTP codes, exit codes and the like are the business of the rooms that speak them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class SweepError(Exception):
    """Every error that this package raises on purpose; its text is a full sentence for a person."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a document: where (an RFC 6901 JSON pointer) and what would be right."""

    pointer: str
    message: str


class SpecError(SweepError):
    """A sweep spec that cannot be run."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(f"{p.pointer or '/'}: {p.message}" for p in self.problems))


class DataError(SweepError):
    """A dataset that cannot be used, or not in the way that was asked."""


class NotFoundError(SweepError):
    """There is no such thing."""


class ConflictError(SweepError):
    """The thing exists and stands in a state in which this cannot be done."""


class LeaseLostError(SweepError):
    """The caller's lease is no longer the task's: nothing was written."""


class TrainingError(SweepError):
    """A pack could not be trained."""


class TrainerStartError(TrainingError):
    """The trainer itself did not start; the pack had not begun, so this is no fault of its."""


class StoreError(SweepError):
    """The database cannot be used."""


class SchemaVersionError(StoreError):
    """The database's tables are not those of this version."""
