"""The wheel: it holds all that is not Python, and `up` works from it in an empty folder, far from any checkout."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from live_service import Process, until

pytestmark = pytest.mark.faults
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as a release would be, with the backend that is installed here: nothing is fetched."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of commands of a fresh environment that has the wheel, and this environment's dependencies."""
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, with_pip=False, symlinks=True)
    python = folder / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
    subprocess.run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], check=True)
    # A .pth line lends the packages themselves; the .pth files among them, such as that of an editable install of
    # this very package, are not followed from there.
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "lent.pth").write_text(sysconfig.get_path("purelib") + "\n")
    where = subprocess.run(
        [python, "-c", "import sweep_service; print(sweep_service.__file__)"],
        capture_output=True, text=True, check=True, cwd=folder,
    )  # fmt: skip
    assert Path(where.stdout.strip()).is_relative_to(site), "the tests would try the checkout, not the wheel"
    return folder / "bin"


def test_it_holds_migrations_pages_data_and_the_licence(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        held = set(opened.namelist())
    for name in (
        "sweep_service/storage/migrations/env.py",
        "sweep_service/datasets/data/diabetes.csv",
        "sweep_service/py.typed",
    ):
        assert name in held
    assert any(re.fullmatch(r"sweep_service-.*\.dist-info/licenses/LICENSE", name) for name in held)
    for folder in ("migrations", "sweep_service/dashboard/static", "sweep_service/dashboard/templates"):
        target = folder if folder.startswith("sweep_service") else f"sweep_service/storage/{folder}"
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts:
                assert f"{target}/{path.relative_to(ROOT / folder)}" in held


def test_it_holds_nothing_but_the_package(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as opened:
        held = opened.namelist()
    assert {name.split("/")[0].split("-")[0] for name in held} == {"sweep_service"}
    assert not [name for name in held if "__pycache__" in name or name.endswith((".db", ".log"))]


@pytest.fixture
def up(installed: Path, tmp_path: Path) -> Iterator[Process]:
    """`up` from the wheel, in an empty folder, with nothing of the checkout in sight."""
    folder = tmp_path / "empty"
    folder.mkdir()
    command = ["env", "-C", str(folder), "-u", "PYTHONPATH", str(installed / "sweep-service")]
    process = Process(tmp_path / "up.log", [*command, "up", "--port", "0", "--workers", "1"], {})
    yield process
    process.end()


def test_up_works_from_the_wheel_in_an_empty_folder(up: Process, tmp_path: Path) -> None:
    up.await_text("Ready in")
    found = re.search(r"dashboard +(http://\S+)/dashboard", up.text())
    assert found is not None
    with httpx.Client(base_url=found[1], timeout=30, trust_env=False) as http:
        assert http.get("/readyz").status_code == 200
        assert http.get("/dashboard", follow_redirects=True).status_code == 200
        posted = http.post("/v1/sweeps", json={"dataset": "diabetes", "budget": {"max_trials": 4}})
        assert posted.status_code == 202, posted.text
        sweep = f"/v1/sweeps/{posted.json()['id']}"
        until(lambda: http.get(sweep).json()["counters"]["trials_planned"] == 4, "the worker has planned the sweep")
        http.post(f"{sweep}:cancel")
    assert [path.name for path in (tmp_path / "empty").iterdir()] == ["sweep-data"]
