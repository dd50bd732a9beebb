"""The folder in which XLA keeps compiled programs, so that the next process need not compile them again.

XLA reads whatever lies there under the right name. So the folder is keyed by all that a program depends on and
that XLA does not check, it is bounded, and an error that comes from it is told from an error of the pack: a
damaged file, or a full disk, would otherwise fail every pack of a signature for ever.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

# TensorFlow's errors of reading and writing; a training program of ours touches no file.
_OF_FILES = {"DataLossError", "OutOfRangeError", "NotFoundError", "PermissionDeniedError"}
LIMIT_BYTES = 512 * 2**20
"""About 800 programs of the built-in network."""


class CompileCache:
    """One folder a TensorFlow version and kind of processor, inside a folder that workers may share."""

    def __init__(self, root: Path, limit: int = LIMIT_BYTES) -> None:
        self.folder = root / f"{_tensorflow()}-{processor_key()}"
        self._limit = limit

    def prepare(self) -> bool:
        """Make the folder and trim it; False where it cannot be written, and must not be used."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return False
        self.trim()
        return os.access(self.folder, os.W_OK)

    def trim(self) -> None:
        """Remove the oldest files until the rest is within the limit; files of crashed writers are among them."""
        files: list[tuple[float, int, Path]] = []
        for path in self._files():
            with contextlib.suppress(FileNotFoundError):  # another worker trims too
                status = path.stat()
                files.append((status.st_mtime, status.st_size, path))
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= self._limit:
                return
            path.unlink(missing_ok=True)
            total -= size

    def clear(self) -> None:
        """Remove every file."""
        for path in self._files():
            path.unlink(missing_ok=True)

    def is_blamed_by(self, error: BaseException) -> bool:
        """Whether an error is the cache's fault and not the pack's: it is of a file, or names one in the folder."""
        return type(error).__name__ in _OF_FILES or str(self.folder) in str(error)

    def _files(self) -> list[Path]:
        return [path for path in self.folder.glob("*") if path.is_file()]


def blames_cache(error: BaseException) -> bool:
    """As `CompileCache.is_blamed_by`, of whatever folder XLA was told to use in this process."""
    flag = "--tf_xla_persistent_cache_directory="
    flags = [part for part in os.environ.get("TF_XLA_FLAGS", "").split() if part.startswith(flag)]
    return any(part.removeprefix(flag) in str(error) for part in flags)


def processor_key() -> str:
    """Digest of the processor's kind and features: code compiled for one may be illegal on another."""
    facts = [platform.machine(), platform.processor()]
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            name, _, value = line.partition(":")
            if name.strip() in {"model name", "flags", "Features", "CPU part"}:
                facts.append(" ".join(sorted(value.split())))
            if not line and len(facts) > 2:
                break  # the first processor speaks for all
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:12]


def _tensorflow() -> str:
    for name in ("tensorflow", "tensorflow-cpu"):
        with contextlib.suppress(PackageNotFoundError):
            return f"{name}-{version(name)}"
    return "tensorflow"
