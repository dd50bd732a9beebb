"""What every part of the store's contract gets from the class that inherits it."""

from __future__ import annotations

import pytest

from sweep_service.testing.scenes import Store


class Contract:
    """Override both: a new, empty store for each test, and how time passes in it."""

    @pytest.fixture
    def store(self) -> Store:
        """A new, empty store."""
        raise NotImplementedError

    def pass_time(self, store: Store, seconds: float) -> None:
        """Let so many seconds pass by the store's own clock."""
        raise NotImplementedError
