"""GPUs and cores, found without TensorFlow."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweep_service.launch import devices
from sweep_service.launch.devices import cores, find_gpus, worker_gpus

TWO = "0, GPU-aaaa1111\n1, GPU-bbbb2222\n"


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the whole PATH, in which a test may put an `nvidia-smi`; no GPU is found elsewhere."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(devices, "PROC_GPUS", tmp_path / "proc")
    return tmp_path


def install(folder: Path, answer: str, code: int = 0) -> None:
    """An `nvidia-smi` that answers that, to the one query that is asked."""
    tool = folder / "nvidia-smi"
    tool.write_text(
        '#!/bin/sh\n[ "$1 $2" = "--query-gpu=index,uuid --format=csv,noheader" ] || exit 9\n'
        f"printf '%s' '{answer}'\nexit {code}\n"
    )
    tool.chmod(0o755)


def test_a_machine_without_the_drivers_tool_has_none(driver: Path) -> None:
    assert find_gpus() == []


def test_the_driver_tells_which_there_are(driver: Path) -> None:
    install(driver, TWO)
    assert find_gpus() == [0, 1]


@pytest.mark.parametrize(
    ("visible", "found"),
    [
        ("1", [1]),
        ("1,0", [1, 0]),
        ("", []),
        ("-1", []),
        ("0,-1,1", [0]),
        ("GPU-bbbb", [1]),
        ("7", []),
        (" 0 , 1 ", [0, 1]),
    ],
)
def test_what_the_user_made_visible_is_respected_in_its_order(
    driver: Path, monkeypatch: pytest.MonkeyPatch, visible: str, found: list[int]
) -> None:
    install(driver, TWO)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert find_gpus() == found


def test_a_driver_that_fails_is_a_machine_without_gpus(driver: Path) -> None:
    install(driver, "NVIDIA-SMI has failed because it could not communicate with the NVIDIA driver.", code=9)
    assert find_gpus() == []


def test_words_instead_of_a_table_are_no_gpus(driver: Path) -> None:
    install(driver, "No devices were found\n")
    assert find_gpus() == []


def test_a_driver_that_does_not_answer_is_not_waited_for_for_ever(
    driver: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = driver / "nvidia-smi"
    tool.write_text("#!/bin/sh\nexec /bin/sleep 600\n")
    tool.chmod(0o755)
    monkeypatch.setattr(devices, "QUERY_SECONDS", 0.2)
    assert find_gpus() == []


def test_without_the_tool_the_kernels_list_counts(driver: Path) -> None:
    for name in ("0000:01:00.0", "0000:02:00.0"):
        (driver / "proc" / name).mkdir(parents=True)
    assert find_gpus() == [0, 1]


def test_there_is_a_worker_a_gpu(driver: Path) -> None:
    install(driver, TWO)
    assert worker_gpus() == [0, 1]


def test_there_is_a_worker_a_core_where_there_is_no_gpu(driver: Path) -> None:
    assert worker_gpus() == [None] * cores()
    assert cores() >= 1


def test_more_workers_than_gpus_share_them_in_turn(driver: Path) -> None:
    install(driver, TWO)
    assert worker_gpus(1) == [0]
    assert worker_gpus(5) == [0, 1, 0, 1, 0]
    install(driver, "")
    assert worker_gpus(3) == [None, None, None]
