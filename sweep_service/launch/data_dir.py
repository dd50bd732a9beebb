"""The folder that holds all that the service keeps on one machine."""

from __future__ import annotations

import errno
import shutil
import tempfile
from pathlib import Path

from sweep_service.core.errors import SweepError

DEFAULT = Path("sweep-data")
DATABASE_FILE = "sweeps.db"
NEEDED_BYTES = 64 * 2**20
"""Room for a database, its write-ahead log and the logs of a few sweeps."""


class DataDirError(SweepError):
    """The data folder cannot be used."""


def open_data_dir(path: Path) -> Path:
    """Make the folder (and `logs` in it) where it is missing, and prove that it can be written to.

    Returns:
        The absolute path.

    Raises:
        DataDirError: no folder can be made there, it is not writable, or its disk is full.
    """
    folder = path.expanduser().absolute()
    try:
        (folder / "logs").mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(b"\0" * 4096)
            probe.flush()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise DataDirError(_why(folder, error)) from None
    if free < NEEDED_BYTES:
        raise DataDirError(
            f"The disk of {folder} is full ({free // 2**20} MB free, {NEEDED_BYTES // 2**20} MB needed). "
            "Free some space, or choose a folder on another disk with --data-dir."
        )
    return folder


def sqlite_url(folder: Path) -> str:
    """The database of a data folder."""
    return f"sqlite:///{folder / DATABASE_FILE}"


def _why(folder: Path, error: OSError) -> str:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return f"The disk of {folder} is full. Free some space, or choose a folder elsewhere with --data-dir."
    if error.errno in {errno.ENOTDIR, errno.EEXIST}:
        return f"{folder} cannot be the data folder: a file stands in its way. Choose another with --data-dir."
    reason = "it is read-only" if error.errno == errno.EROFS else (error.strerror or str(error)).lower()
    return f"The data folder {folder} cannot be written to ({reason}). Choose one of your own with --data-dir."
