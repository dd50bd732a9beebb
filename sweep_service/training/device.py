"""What the training process runs on. Called by the worker's child before anything else touches TensorFlow."""

from __future__ import annotations

import os
from typing import Any

from sweep_service.training.compile_cache import CompileCache


def configure_process(threads: int = 1, compile_cache: CompileCache | None = None) -> None:
    """Set threads, logging and the compile cache, then load TensorFlow.

    Args:
        threads: of this process; a worker a core, each with one thread, is the fastest on a CPU.
        compile_cache: keeps XLA's compiled programs for the next process; left out where it cannot be written.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # oneDNN's kernels may reorder sums between calls
    if compile_cache is not None and compile_cache.prepare():
        flags = os.environ.get("TF_XLA_FLAGS", "")
        os.environ["TF_XLA_FLAGS"] = f"{flags} --tf_xla_persistent_cache_directory={compile_cache.folder}".strip()
    import tensorflow as tf

    tf.get_logger().setLevel("ERROR")  # it warns of a program for each shape, and that is how packs are made
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
