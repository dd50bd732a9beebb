"""How many GPUs this machine has, found without TensorFlow (which costs seconds and half a gigabyte)."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

PROC_GPUS = Path("/proc/driver/nvidia/gpus")
QUERY_SECONDS = 10.0


def find_gpus() -> list[int]:
    """The driver's indices of the GPUs that this process may use; empty without any.

    A `CUDA_VISIBLE_DEVICES` that the user has set is respected, by index or by UUID.
    """
    found = _from_nvidia_smi() or _from_proc()
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return sorted(found)
    chosen: list[int] = []
    for name in (part.strip() for part in visible.split(",")):
        index = _index_of(name, found)
        if index is None:
            break  # CUDA itself stops reading the list at the first entry that is no device, such as -1
        chosen.append(index)
    return chosen


def _index_of(name: str, found: dict[int, str]) -> int | None:
    if name.isdigit():
        return int(name) if int(name) in found else None
    return next((i for i, uuid in found.items() if name and uuid.startswith(name)), None)


def _from_nvidia_smi() -> dict[int, str]:
    """Index to UUID."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return {}
    try:
        answer = subprocess.run(  # noqa: S603 - a fixed query of the driver's own tool
            [tool, "--query-gpu=index,uuid", "--format=csv,noheader"],
            capture_output=True,
            text=True,
            timeout=QUERY_SECONDS,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return {}  # a driver that does not answer is a machine without a usable GPU
    pairs = (line.partition(",") for line in answer.stdout.splitlines())
    return {int(index): uuid.strip() for index, _, uuid in pairs if index.strip().isdigit()}


def _from_proc() -> dict[int, str]:
    if not PROC_GPUS.is_dir():
        return {}
    return {index: "" for index, _ in enumerate(PROC_GPUS.iterdir())}


def cores() -> int:
    """Cores that this process may use, containers' limits included where the system tells them."""
    try:
        allowed = len(os.sched_getaffinity(0))
    except AttributeError:  # not on macOS
        allowed = os.cpu_count() or 1
    return max(1, min(allowed, _quota() or allowed))


def _quota() -> int | None:
    try:
        quota, period = Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else max(1, int(quota) // int(period))


def worker_gpus(workers: int | None = None) -> list[int | None]:
    """What each worker trains on: a GPU's index, or None for one core of the CPU.

    Args:
        workers: how many are wanted; by default one a GPU, or one a core where there is no GPU.
            More workers than GPUs share them in turn.
    """
    gpus = find_gpus()
    if workers is None:
        workers = len(gpus) or cores()
    return [gpus[i % len(gpus)] if gpus else None for i in range(max(1, workers))]
