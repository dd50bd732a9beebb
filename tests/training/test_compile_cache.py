"""The folder of compiled programs: keyed, bounded, and told from the packs' own faults."""

from __future__ import annotations

import os
from importlib.metadata import version
from pathlib import Path

import pytest

from sweep_service.training import compile_cache
from sweep_service.training.compile_cache import CompileCache, processor_key


def program(cache: CompileCache, name: str, size: int, age: int) -> Path:
    path = cache.folder / name
    path.write_bytes(b"\0" * size)
    os.utime(path, (1_000_000 - age, 1_000_000 - age))
    return path


def test_the_folder_is_named_after_tensorflow_and_the_processor(tmp_path: Path) -> None:
    folder = CompileCache(tmp_path).folder
    assert folder.parent == tmp_path
    assert version("tensorflow-cpu") in folder.name or version("tensorflow") in folder.name
    assert folder.name.endswith(processor_key())


def test_another_processor_has_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = CompileCache(tmp_path).folder
    monkeypatch.setattr(compile_cache.platform, "machine", lambda: "another")
    assert CompileCache(tmp_path).folder != here


def test_the_oldest_programs_go_first_and_only_as_many_as_must(tmp_path: Path) -> None:
    cache = CompileCache(tmp_path, limit=100)
    cache.prepare()
    old, middle, new = (program(cache, n, 40, age) for n, age in (("a", 3), ("b", 2), ("c", 1)))
    cache.trim()
    assert not old.exists()
    assert middle.exists()
    assert new.exists()


def test_preparing_trims_what_an_earlier_process_left(tmp_path: Path) -> None:
    cache = CompileCache(tmp_path, limit=100)
    assert cache.prepare()
    half_written = program(cache, "a.tmp", 500, 9)
    assert CompileCache(tmp_path, limit=100).prepare()
    assert not half_written.exists()


def test_a_folder_that_cannot_be_made_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert not CompileCache(tmp_path / "file").prepare()


def test_an_error_of_a_file_is_the_caches_own_and_one_of_memory_is_not(tmp_path: Path) -> None:
    cache = CompileCache(tmp_path)

    class ResourceExhaustedError(RuntimeError):
        """As TensorFlow's, of a full disk and of memory alike."""

    class OutOfRangeError(RuntimeError):
        """As TensorFlow's, of a file that is cut short: it does not say which."""

    assert cache.is_blamed_by(ResourceExhaustedError(f"{cache.folder}/xla.pb.tmp; No space left on device"))
    assert cache.is_blamed_by(OutOfRangeError("Read less bytes than requested"))
    assert not cache.is_blamed_by(ResourceExhaustedError("Out of memory allocating 400 bytes"))
    assert not cache.is_blamed_by(ValueError("9 members do not fit 8 slots"))


def test_clearing_removes_every_file(tmp_path: Path) -> None:
    cache = CompileCache(tmp_path)
    cache.prepare()
    program(cache, "a", 1, 1)
    cache.clear()
    assert list(cache.folder.iterdir()) == []
