"""What the training process runs on. Called by the worker's child before anything else touches TensorFlow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any


def configure_process(threads: int = 1, compile_cache: Path | None = None) -> None:
    """Set threads, logging and the compile cache, then load TensorFlow.

    Args:
        threads: of this process; a worker a core, each with one thread, is the fastest on a CPU.
        compile_cache: folder for XLA's compiled programs; a folder a TensorFlow version is made inside.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # oneDNN's kernels may reorder sums between calls
    if compile_cache is not None:
        from importlib.metadata import version

        name = next((n for n in ("tensorflow", "tensorflow-cpu") if _installed(n)), "tensorflow")
        folder = compile_cache / f"{name}-{version(name)}"
        folder.mkdir(parents=True, exist_ok=True)
        flags = os.environ.get("TF_XLA_FLAGS", "")
        os.environ["TF_XLA_FLAGS"] = f"{flags} --tf_xla_persistent_cache_directory={folder}".strip()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, enable=True)


def describe_device() -> dict[str, Any]:
    """Device and versions, as they are shown on each trial."""
    import keras
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    device = "cpu"
    if gpus:
        device = str(tf.config.experimental.get_device_details(gpus[0]).get("device_name", "gpu"))
    return {"device": device, "tensorflow": tf.__version__, "keras": keras.__version__}


def _installed(name: str) -> bool:
    from importlib.metadata import PackageNotFoundError, version

    try:
        version(name)
    except PackageNotFoundError:
        return False
    return True
