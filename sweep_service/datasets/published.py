"""The two housing datasets that Keras publishes, read without Keras: same address, checksum, cache and split."""

from __future__ import annotations

import hashlib
import os
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sweep_service.core.errors import DataError

Floats = NDArray[np.float64]
ORIGIN = "https://storage.googleapis.com/tensorflow/tf-keras-datasets/"
MAX_BYTES = 64 * 2**20
TIMEOUT_SECONDS = 20
SPLIT_SEED, TEST_SHARE = 113, 0.2


@dataclass(frozen=True, slots=True)
class Published:
    """A published file: its name, sha256, the names of its columns and of its target."""

    file: str
    sha256: str
    features: tuple[str, ...]
    target: str


BOSTON = Published(
    "boston_housing.npz",
    "f553886a1f8d56431e820c5b82552d9d95cfcb96d1e678153f8839538947dff5",
    ("crim", "zn", "indus", "chas", "nox", "rm", "age", "dis", "rad", "tax", "ptratio", "b", "lstat"),
    "medv",
)
CALIFORNIA = Published(
    "california_housing.npz",
    "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f",
    ("MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude"),
    "value",
)


def cache_folder() -> Path:
    """Keras' own: KERAS_HOME/datasets, or ~/.keras/datasets; the temporary folder where the home is not writable."""
    chosen = os.environ.get("KERAS_HOME")
    if chosen:
        return Path(chosen).expanduser() / "datasets"
    home = Path.home()
    return (home if os.access(home, os.W_OK) else Path(tempfile.gettempdir())) / ".keras" / "datasets"


def load_published(source: Published) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Features (n, p), target (n,) and the test rows of Keras' split; rows in the shuffled order.

    Raises:
        DataError: the file is not in the cache and cannot be fetched, or is not the published one.
    """
    path = cache_folder() / source.file
    if not path.exists():
        _fetch(source, path)
    if hashlib.sha256(path.read_bytes()).hexdigest() != source.sha256:
        raise DataError(f"{path} is not the published {source.file} (its sha256 differs): remove it and try again.")
    with np.load(path, allow_pickle=False) as stored:
        x, y = np.asarray(stored["x"], np.float64), np.asarray(stored["y"], np.float64).reshape(-1)
    order = np.arange(len(x))
    np.random.RandomState(SPLIT_SEED).shuffle(order)  # the published split is this generator's
    first_test = int(len(x) * (1 - TEST_SHARE))
    return x[order], y[order], np.arange(first_test, len(x), dtype=np.int64)


def _fetch(source: Published, path: Path) -> None:
    try:
        with urllib.request.urlopen(ORIGIN + source.file, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310 - https, fixed
            body = answer.read(MAX_BYTES + 1)
    except (urllib.error.URLError, TimeoutError, OSError) as error:
        reason = getattr(error, "reason", error)
        raise DataError(
            f"{source.file} could not be downloaded ({reason}). Without a network, put the file that Keras publishes "
            f"({ORIGIN}{source.file}) at {path}."
        ) from None
    if len(body) > MAX_BYTES or hashlib.sha256(body).hexdigest() != source.sha256:
        raise DataError(
            f"What came from {ORIGIN}{source.file} is not the published file (its sha256 differs): a proxy may "
            "have answered instead."
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as copy:
            copy.write(body)
        Path(copy.name).replace(path)
    except OSError as error:
        raise DataError(f"{source.file} was downloaded and could not be kept at {path} ({error.strerror}).") from None
