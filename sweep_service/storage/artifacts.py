"""The ArtifactStore port: a folder, or chunked rows of the database. Bytes are known by their sha256."""

from __future__ import annotations

import hashlib
import io
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, BinaryIO

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


@contextmanager
def _writing() -> Iterator[None]:
    """What the disk refuses, in words; what the source of the bytes refuses is its own affair."""
    try:
        yield
    except OSError as error:
        raise StoreError(f"The artifact could not be written ({error.strerror}): make room, then try again.") from error


def _copy(source: BinaryIO, target: IO[bytes]) -> tuple[str, int]:
    """Copy a stream; returns (sha256 hex, size)."""
    hasher, size = hashlib.sha256(), 0
    while block := source.read(CHUNK):
        hasher.update(block)
        size += len(block)
        with _writing():
            target.write(block)
    return hasher.hexdigest(), size


class FolderArtifacts:
    """Artifacts as files under one folder."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _path(self, digest: str) -> Path:
        return self._root / _known(digest)[:2] / digest

    def put(self, source: BinaryIO) -> tuple[str, int]:
        """Write beside, sync, rename: a reader sees the whole file or none."""
        with _writing():
            self._root.mkdir(parents=True, exist_ok=True)
            copy = tempfile.NamedTemporaryFile(dir=self._root, delete=False)  # noqa: SIM115 - closed below
        try:
            digest, size = _copy(source, copy)
            with _writing():
                copy.flush()
                os.fsync(copy.fileno())
                copy.close()
                target = self._path(digest)
                target.parent.mkdir(exist_ok=True)
                Path(copy.name).replace(target)
                _sync_folder(target.parent)
        except BaseException:
            with suppress(OSError):  # it would say again what could not be written
                copy.close()
            Path(copy.name).unlink(missing_ok=True)
            raise
        return digest, size

    def open(self, digest: str) -> BinaryIO:
        """Open for reading."""
        try:
            return self._path(digest).open("rb")
        except FileNotFoundError:
            raise NotFoundError(f"There is no artifact {digest}.") from None

    def delete(self, digest: str) -> None:
        """Remove, if it is there."""
        if _DIGEST.fullmatch(digest):
            self._path(digest).unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    """A renamed file is there after a power cut only once its folder is on the disk too."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class DatabaseArtifacts:
    """Artifacts as rows of 1 MiB: a worker elsewhere needs the database's address and nothing more."""

    def __init__(self, engine: Engine) -> None:
        self._database = Database(engine)

    def put(self, source: BinaryIO) -> tuple[str, int]:
        """Digest first (through a temporary file where it is large), then all rows in one transaction."""
        with tempfile.SpooledTemporaryFile(max_size=16 * CHUNK) as copy:
            digest, size = _copy(source, copy)
            copy.seek(0)
            with self._database.write(alone=f"artifact {digest}") as connection:
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
            in_place = query.order_by(artifact_chunks.c.place).execution_options(yield_per=4)
            for (body,) in connection.execute(in_place):
                spool.write(bytes(body))
        spool.seek(0, io.SEEK_SET)
        return spool  # type: ignore[return-value]

    def delete(self, digest: str) -> None:
        """Remove, if it is there."""
        if not _DIGEST.fullmatch(digest):
            return
        with self._database.write() as connection:
            connection.execute(delete(artifact_chunks).where(artifact_chunks.c.digest == digest))
            connection.execute(delete(artifacts).where(artifacts.c.digest == digest))


def open_artifacts(kind: str, data_dir: Path, engine: Engine) -> FolderArtifacts | DatabaseArtifacts:
    """The store that the settings ask for: `folder` (below data_dir) or `database`."""
    return DatabaseArtifacts(engine) if kind == "database" else FolderArtifacts(data_dir / "artifacts")
