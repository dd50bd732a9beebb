"""Artifacts in a folder and in the database under the contract, and what only one of them can get wrong."""

from __future__ import annotations

import io
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from sweep_service.core.errors import StoreError
from sweep_service.core.ports import ArtifactStore
from sweep_service.storage.artifacts import CHUNK, DatabaseArtifacts, FolderArtifacts, open_artifacts
from sweep_service.storage.database import Database, make_engine
from sweep_service.storage.tables import artifact_chunks
from sweep_service.testing.artifact_contract import ArtifactContract


class TestFolderArtifacts(ArtifactContract):
    @pytest.fixture
    def artifacts(self, tmp_path: Path) -> FolderArtifacts:
        return FolderArtifacts(tmp_path / "artifacts")

    def look_for_leftovers(self, artifacts: ArtifactStore) -> None:
        assert isinstance(artifacts, FolderArtifacts)
        assert not [p for p in artifacts._root.rglob("*") if p.is_file()]

    def test_deleting_by_a_path_touches_nothing_outside(self, artifacts: FolderArtifacts, tmp_path: Path) -> None:
        outside = tmp_path / "precious"
        outside.write_text("kept")
        artifacts.put(io.BytesIO(b"x"))
        for text in ("../precious", "../../precious", str(outside), "xx/../../precious"):
            artifacts.delete(text)
        assert outside.read_text() == "kept"

    def test_a_folder_that_cannot_be_made_is_a_sentence(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(StoreError, match="could not be written"):
            FolderArtifacts(tmp_path / "file" / "artifacts").put(io.BytesIO(b"x"))

    @pytest.mark.parametrize("size", [100, CHUNK])
    def test_a_write_that_the_system_refuses_is_a_sentence_and_leaves_nothing(
        self, artifacts: FolderArtifacts, size: int
    ) -> None:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
        try:
            with pytest.raises(StoreError, match=r"File too large.*make room"):
                artifacts.put(io.BytesIO(b"x" * size))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        self.look_for_leftovers(artifacts)


class TestDatabaseArtifacts(ArtifactContract):
    @pytest.fixture
    def artifacts(self, emptied: str) -> Iterator[DatabaseArtifacts]:
        engine = make_engine(emptied)
        yield DatabaseArtifacts(engine)
        engine.dispose()

    def look_for_leftovers(self, artifacts: ArtifactStore) -> None:
        assert isinstance(artifacts, DatabaseArtifacts)
        with artifacts._database.read() as connection:
            assert connection.execute(select(func.count()).select_from(artifact_chunks)).scalar_one() == 0

    def test_large_bytes_lie_in_rows_of_one_mebibyte(self, artifacts: DatabaseArtifacts) -> None:
        digest, _ = artifacts.put(io.BytesIO(b"z" * (3 * CHUNK + 1)))
        query = select(func.length(artifact_chunks.c.body)).where(artifact_chunks.c.digest == digest)
        with artifacts._database.read() as connection:
            sizes = connection.execute(query.order_by(artifact_chunks.c.place)).scalars().all()
        assert sizes == [CHUNK, CHUNK, CHUNK, 1]

    def test_another_process_needs_the_database_address_only(self, artifacts: DatabaseArtifacts, emptied: str) -> None:
        digest, _ = artifacts.put(io.BytesIO(b"far away"))
        engine = make_engine(emptied)
        with DatabaseArtifacts(engine).open(digest) as stream:
            assert stream.read() == b"far away"
        engine.dispose()


def test_the_settings_choose_the_store(emptied: str, tmp_path: Path) -> None:
    engine = make_engine(emptied)
    assert isinstance(open_artifacts("database", tmp_path, engine), DatabaseArtifacts)
    folder = open_artifacts("folder", tmp_path, engine)
    digest, _ = folder.put(io.BytesIO(b"x"))
    assert (tmp_path / "artifacts" / digest[:2] / digest).read_bytes() == b"x"
    engine.dispose()


def test_a_reader_sees_all_rows_of_an_artifact_though_it_is_deleted_meanwhile(emptied: str) -> None:
    engine = make_engine(emptied)
    artifacts = DatabaseArtifacts(engine)
    digest, _ = artifacts.put(io.BytesIO(b"x" * (2 * CHUNK)))
    query = select(func.count()).select_from(artifact_chunks)
    with Database(engine).read() as connection:
        assert connection.execute(query).scalar_one() == 2
        artifacts.delete(digest)
        assert connection.execute(query).scalar_one() == 2
    engine.dispose()
