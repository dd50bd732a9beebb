"""Who loads TensorFlow: the worker's child, and nobody else. Each module is imported in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "sweep_service"
TRAINING = ("tensorflow", "keras", "keras_tuner")
SERVER = (*TRAINING, "optuna", "sklearn", "pandas", "scipy.stats", "pyarrow")


def loaded_by(code: str, suspects: tuple[str, ...]) -> list[str]:
    """Which of the suspects a fresh Python has loaded after that code."""
    report = f"import json, sys; print(json.dumps([m for m in {suspects!r} if m in sys.modules]))"
    ended = subprocess.run([sys.executable, "-c", f"{code}\n{report}"], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found: list[str] = json.loads(ended.stdout.splitlines()[-1])
    return found


def modules_of(*rooms: str) -> list[str]:
    """All modules of these rooms, by their full names."""
    found = []
    for room in rooms:
        for path in sorted((PACKAGE / room).rglob("*.py")):
            parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
            found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


def test_the_server_with_all_that_it_may_reach_loads_nothing_heavy() -> None:
    modules = modules_of("api", "storage", "analysis", "dashboard", "numerics", "core")
    imports = "".join(f"import {m}\n" for m in [*modules, "sweep_service.launch.server"])
    assert loaded_by(imports, SERVER) == []


def test_the_command_line_loads_neither_a_server_nor_numpy() -> None:
    imports = "".join(f"import {m}\n" for m in modules_of("cli"))
    assert loaded_by(imports, (*SERVER, "numpy", "scipy", "fastapi", "sqlalchemy", "uvicorn")) == []


def test_the_client_loads_httpx_alone() -> None:
    imports = "".join(f"import {m}\n" for m in modules_of("client"))
    assert loaded_by(imports, (*SERVER, "numpy", "scipy", "fastapi", "sqlalchemy")) == []


def test_up_itself_loads_nothing_heavy() -> None:
    imports = "".join(f"import {m}\n" for m in modules_of("launch"))
    assert loaded_by(imports, SERVER) == []


def test_the_workers_parent_samples_and_plans_but_does_not_train() -> None:
    code = "import sweep_service.worker.process"
    assert loaded_by(code, TRAINING) == []
    assert loaded_by(code, ("optuna",)) == ["optuna"]  # the question can be answered with yes


def test_the_loop_sees_ports_only() -> None:
    code = "import sweep_service.worker.loop"
    assert loaded_by(code, (*SERVER, "numpy", "scipy", "sqlalchemy", "sweep_service.storage", "optuna")) == []


def test_a_sweep_is_planned_without_tensorflow() -> None:
    """Not only imported: the first generation is sampled and cut into packs."""
    code = (
        "from sweep_service.core.parsing import dump_spec, parse_spec\n"
        "from sweep_service.sampling.samplers import OptunaSampler\n"
        "from sweep_service.worker.planning import SweepPlanner\n"
        "from sweep_service.worker.source import DataSource\n"
        "source = DataSource(None, None)\n"
        "made = SweepPlanner(OptunaSampler(), source).plan(dump_spec(parse_spec({'dataset': 'diabetes'})), [], {}, 0)\n"
        "source.close()\n"
        "assert made.packs\n"
    )
    assert loaded_by(code, TRAINING) == []


@pytest.mark.engine
def test_the_workers_child_is_the_one_that_loads_it() -> None:
    code = "from sweep_service.training.device import configure_process\nconfigure_process()"
    assert "tensorflow" in loaded_by(code, TRAINING)
