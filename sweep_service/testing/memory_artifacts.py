"""The ArtifactStore port in memory."""

from __future__ import annotations

import hashlib
import io
import threading
from typing import BinaryIO

from sweep_service.core.errors import NotFoundError

CHUNK = 1024 * 1024


class MemoryArtifacts:
    """Bytes by their sha256."""

    def __init__(self) -> None:
        self._bodies: dict[str, bytes] = {}
        self._lock = threading.Lock()

    def put(self, source: BinaryIO) -> tuple[str, int]:
        """Store a stream."""
        body = b"".join(iter(lambda: source.read(CHUNK), b""))
        digest = hashlib.sha256(body).hexdigest()
        with self._lock:
            self._bodies[digest] = body
        return digest, len(body)

    def open(self, digest: str) -> BinaryIO:
        """Open for reading."""
        with self._lock:
            body = self._bodies.get(digest)
        if body is None:
            raise NotFoundError(f"There is no artifact {digest[:80]!r}.")
        return io.BytesIO(body)

    def delete(self, digest: str) -> None:
        """Remove, if it is there."""
        with self._lock:
            self._bodies.pop(digest, None)
