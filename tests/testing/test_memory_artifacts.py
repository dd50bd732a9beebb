"""The artifacts in memory under the contract of all artifact stores."""

from __future__ import annotations

import pytest

from sweep_service.testing.artifact_contract import ArtifactContract
from sweep_service.testing.memory_artifacts import MemoryArtifacts


class TestMemoryArtifacts(ArtifactContract):
    @pytest.fixture
    def artifacts(self) -> MemoryArtifacts:
        return MemoryArtifacts()
