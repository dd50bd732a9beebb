"""The duties of ArtifactStore as tests. Override the fixture `artifacts` with a new, empty store."""

from __future__ import annotations

import hashlib
import io
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

import pytest

from sweep_service.core.errors import NotFoundError
from sweep_service.core.ports import ArtifactStore

NO_DIGESTS = [
    "",
    "0",
    "0" * 63,
    "0" * 65,
    "g" * 64,
    "A" * 64,
    "\u0661" * 64,
    "../../etc/passwd",
    "../" * 21 + "x",
    "/etc/passwd",
    "0" * 63 + "\n",
    "0" * 64 + "\n",
    "0" * 63 + "\x00",
    "..",
]


class Torn(io.RawIOBase):
    """A stream that breaks after some bytes, as an upload does whose client goes away."""

    def __init__(self) -> None:
        self._left = 3

    def read(self, size: int = -1) -> bytes:
        """So many bytes, or an error."""
        self._left -= 1
        if self._left < 0:
            raise ConnectionResetError("gone")
        return b"x" * max(size, 1)


def read(artifacts: ArtifactStore, digest: str) -> bytes:
    """All bytes of an artifact."""
    with artifacts.open(digest) as stream:
        return stream.read()


class ArtifactContract:
    """Bytes by their sha256."""

    @pytest.fixture
    def artifacts(self) -> ArtifactStore:
        """A new, empty store."""
        raise NotImplementedError

    @pytest.mark.parametrize(
        "body",
        [b"", b"\x00", b"a line\r\nanother\n", b"x" * 2**20, bytes(range(256)) * 13_000 + b"tail"],
        ids=["empty", "nul", "text", "one chunk", "several chunks"],
    )
    def test_bytes_come_back_as_they_went_in(self, artifacts: ArtifactStore, body: bytes) -> None:
        digest, size = artifacts.put(io.BytesIO(body))
        assert (digest, size) == (hashlib.sha256(body).hexdigest(), len(body))
        assert read(artifacts, digest) == body

    def test_the_same_bytes_twice_are_one_artifact(self, artifacts: ArtifactStore) -> None:
        first, second = (artifacts.put(io.BytesIO(b"same")) for _ in range(2))
        assert first == second
        artifacts.delete(first[0])
        with pytest.raises(NotFoundError):
            artifacts.open(first[0])

    def test_the_same_bytes_at_the_same_moment_are_one_artifact(self, artifacts: ArtifactStore) -> None:
        body = b"together" * 300_000
        with ThreadPoolExecutor(8) as pool:
            found = set(pool.map(lambda _: artifacts.put(io.BytesIO(body)), range(8)))
        assert found == {(hashlib.sha256(body).hexdigest(), len(body))}
        assert read(artifacts, found.pop()[0]) == body

    def test_a_stream_can_be_sought(self, artifacts: ArtifactStore) -> None:
        digest, _ = artifacts.put(io.BytesIO(b"0123456789"))
        with artifacts.open(digest) as stream:
            assert stream.read(4) == b"0123"
            stream.seek(8)
            assert stream.read() == b"89"

    def test_two_artifacts_do_not_mix(self, artifacts: ArtifactStore) -> None:
        one, _ = artifacts.put(io.BytesIO(b"one" * 500_000))
        two, _ = artifacts.put(io.BytesIO(b"two"))
        artifacts.delete(one)
        assert read(artifacts, two) == b"two"

    def test_a_torn_upload_leaves_nothing(self, artifacts: ArtifactStore) -> None:
        torn: BinaryIO = Torn()  # type: ignore[assignment]
        with pytest.raises(Exception, match="gone"):
            artifacts.put(torn)
        self.look_for_leftovers(artifacts)

    def look_for_leftovers(self, artifacts: ArtifactStore) -> None:
        """Override to look where the bytes are kept: there must be none."""

    @pytest.mark.parametrize("digest", ["0" * 64, *NO_DIGESTS])
    def test_what_is_unknown_or_no_digest_is_not_found(self, artifacts: ArtifactStore, digest: str) -> None:
        artifacts.put(io.BytesIO(b"something"))
        with pytest.raises(NotFoundError):
            artifacts.open(digest)
        artifacts.delete(digest)

    def test_what_was_deleted_can_be_stored_again(self, artifacts: ArtifactStore) -> None:
        digest, _ = artifacts.put(io.BytesIO(b"again"))
        artifacts.delete(digest)
        artifacts.delete(digest)
        assert artifacts.put(io.BytesIO(b"again"))[0] == digest
        assert read(artifacts, digest) == b"again"
