"""The folder that holds all that the service keeps."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from sweep_service.launch import data_dir
from sweep_service.launch.data_dir import DataDirError, open_data_dir, sqlite_url


def test_it_is_made_with_its_logs_and_named_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = open_data_dir(Path("a/b"))
    assert folder == tmp_path / "a" / "b"
    assert (folder / "logs").is_dir()
    assert [p.name for p in folder.iterdir()] == ["logs"]  # the probe left nothing
    assert sqlite_url(folder) == f"sqlite:///{tmp_path}/a/b/sweeps.db"
    assert open_data_dir(folder) == folder


def test_a_file_in_its_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(DataDirError, match="a file stands in its way"):
            open_data_dir(path)


def test_a_folder_that_cannot_be_written_is_named_with_the_reason() -> None:
    with pytest.raises(DataDirError, match=r"/proc/sweeps cannot be written to .* --data-dir"):
        open_data_dir(Path("/proc/sweeps"))


def test_a_full_disk_is_called_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_dir.shutil, "disk_usage", lambda folder: SimpleNamespace(free=2**20))
    with pytest.raises(DataDirError, match=r"is full \(1 MB free, 64 MB needed\)"):
        open_data_dir(tmp_path)
