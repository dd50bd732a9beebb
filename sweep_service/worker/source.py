"""Finds the datasets that specs name: built in, or uploaded and kept in the ArtifactStore."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from sweep_service.core.ports import ArtifactStore, StoredDataset
from sweep_service.core.spec import SweepSpec
from sweep_service.datasets.catalog import catalog
from sweep_service.datasets.load import BuiltinSource, FileSource
from sweep_service.worker.data import Prepared, Source, prepare


class DataSource:
    """Turns a spec's dataset into something that can be read here; uploads are copied once, by digest."""

    def __init__(
        self, artifacts: ArtifactStore, lookup: Callable[[str, int | None], StoredDataset], cache: Path | None = None
    ) -> None:
        self._artifacts = artifacts
        self._lookup = lookup
        self._own_cache = cache is None
        self._cache = cache if cache is not None else Path(tempfile.mkdtemp(prefix="sweep-data-"))
        self._last: tuple[str, Prepared] | None = None

    def close(self) -> None:
        """Remove the local copies, where they are this object's own."""
        if self._own_cache:
            shutil.rmtree(self._cache, ignore_errors=True)

    def locate(self, spec: SweepSpec) -> Source:
        """Where to read it.

        Raises:
            NotFoundError: no such dataset or version.
            StoreError: the database cannot be reached.
        """
        dataset = spec.dataset
        if dataset.version is None and any(entry.name == dataset.name for entry in catalog()):
            return BuiltinSource(dataset.name, dict(dataset.options))
        digest = self._lookup(dataset.name, dataset.version).digest
        path = self._cache / digest
        if not path.exists():
            self._cache.mkdir(parents=True, exist_ok=True)
            with (
                self._artifacts.open(digest) as source,
                tempfile.NamedTemporaryFile(dir=self._cache, delete=False) as copy,
            ):
                shutil.copyfileobj(source, copy)
            Path(copy.name).replace(path)
        return FileSource(path)

    def prepared(self, spec: SweepSpec) -> Prepared:
        """The prepared data of a spec; the last is kept, since a sweep's tasks follow each other."""
        key = f"{spec.dataset.model_dump_json()} {spec.split_seed()}"
        if self._last is None or self._last[0] != key:
            self._last = (key, prepare(spec, self.locate(spec)))
        return self._last[1]
