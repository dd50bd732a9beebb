"""The ArtifactStore port: a folder, or chunked rows of the database. Bytes are known by their sha256."""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
from pathlib import Path
from typing import BinaryIO

from sqlalchemy import delete, insert, select
from sqlalchemy.engine import Engine

from sweep_service.core.errors import NotFoundError, StoreError
from sweep_service.storage.database import Database
from sweep_service.storage.tables import artifact_chunks, artifacts

CHUNK = 1024 * 1024
_DIGEST = re.compile(r"[0-9a-f]{64}")


def _known(digest: str) -> str:
    """A digest is 64 hex digits and nothing else, so that it can be a file name."""
    if not _DIGEST.fullmatch(digest):
        raise NotFoundError(f"{digest[:80]!r} is not the digest of an artifact.")
    return digest


class FolderArtifacts:
    """Artifacts as files under one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _path(self, digest: str) -> Path:
        return self._root / _known(digest)[:2] / digest

    def put(self, source: BinaryIO) -> tuple[str, int]:
        """Write beside, sync, rename: a reader sees the whole file or none."""
        hasher, size = hashlib.sha256(), 0
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._root, delete=False) as copy:
                try:
                    while block := source.read(CHUNK):
                        hasher.update(block)
                        size += len(block)
                        copy.write(block)
                    copy.flush()
                    os.fsync(copy.fileno())
                except BaseException:
                    Path(copy.name).unlink(missing_ok=True)
                    raise
            target = self._path(hasher.hexdigest())
            target.parent.mkdir(exist_ok=True)
            Path(copy.name).replace(target)
        except OSError as error:
            raise StoreError(
                f"The artifact could not be written ({error.strerror}): make room, then try again."
            ) from error
        return hasher.hexdigest(), size

    def open(self, digest: str) -> BinaryIO:
        """Open for reading."""
        try:
            return self._path(digest).open("rb")
        except FileNotFoundError:
            raise NotFoundError(f"There is no artifact {digest}.") from None

    def delete(self, digest: str) -> None:
        """Remove, if it is there."""
        self._path(digest).unlink(missing_ok=True)


class DatabaseArtifacts:
    """Artifacts as rows of 1 MiB: a worker elsewhere needs the database's address and nothing more."""

    def __init__(self, engine: Engine) -> None:
        self._database = Database(engine)

    def put(self, source: BinaryIO) -> tuple[str, int]:
        """Digest first (through a temporary file where it is large), then all rows in one transaction."""
        hasher, size = hashlib.sha256(), 0
        with tempfile.SpooledTemporaryFile(max_size=16 * CHUNK) as copy:
            while block := source.read(CHUNK):
                hasher.update(block)
                size += len(block)
                copy.write(block)
            copy.seek(0)
            digest = hasher.hexdigest()
            with self._database.write() as connection:
                there = connection.execute(select(artifacts.c.digest).where(artifacts.c.digest == digest)).first()
                if there is None:
                    row = {"digest": digest, "size": size, "created_at": self._database.now(connection)}
                    connection.execute(insert(artifacts).values(row))
                    place = 0
                    while block := copy.read(CHUNK):
                        connection.execute(insert(artifact_chunks).values(digest=digest, place=place, body=block))
                        place += 1
        return digest, size

    def open(self, digest: str) -> BinaryIO:
        """All rows, joined."""
        with self._database.read() as connection:
            if connection.execute(select(artifacts).where(artifacts.c.digest == _known(digest))).first() is None:
                raise NotFoundError(f"There is no artifact {digest}.")
            query = select(artifact_chunks.c.body).where(artifact_chunks.c.digest == digest)
            spool = tempfile.SpooledTemporaryFile(max_size=16 * CHUNK)  # noqa: SIM115 - the caller closes it
            for (body,) in connection.execute(query.order_by(artifact_chunks.c.place)):
                spool.write(bytes(body))
        spool.seek(0, io.SEEK_SET)
        return spool  # type: ignore[return-value]

    def delete(self, digest: str) -> None:
        """Remove, if it is there."""
        with self._database.write() as connection:
            connection.execute(delete(artifact_chunks).where(artifact_chunks.c.digest == _known(digest)))
            connection.execute(delete(artifacts).where(artifacts.c.digest == digest))


def open_artifacts(kind: str, data_dir: Path, engine: Engine) -> FolderArtifacts | DatabaseArtifacts:
    """The store that the settings ask for: `folder` (below data_dir) or `database`."""
    return DatabaseArtifacts(engine) if kind == "database" else FolderArtifacts(data_dir / "artifacts")
