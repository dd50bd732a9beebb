"""Rules of the house that no linter knows: sizes, names, addresses; and that the floors say what the tree holds."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "sweep_service"
MODULES = sorted(p for p in PACKAGE.rglob("*.py"))
MAX_LINES = 360
NAMELESS = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc", "tools", "shared"}


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def test_there_are_modules_to_look_at() -> None:
    assert len(MODULES) > 80


def test_every_module_is_short_enough_to_be_read_at_once() -> None:
    lines = {str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines()) for path in MODULES}
    assert {name: count for name, count in lines.items() if count >= MAX_LINES} == {}


def test_every_module_is_named_after_what_it_holds() -> None:
    named = {path.relative_to(ROOT): {path.stem, *path.relative_to(PACKAGE).parts[:-1]} for path in MODULES}
    assert [str(path) for path, words in named.items() if words & NAMELESS] == []


def test_every_module_says_what_it_is() -> None:
    assert [str(path) for path in MODULES if not ast.get_docstring(parsed(path))] == []


def test_core_imports_the_standard_library_and_pydantic_alone() -> None:
    imported: dict[str, str] = {}
    for path in sorted((PACKAGE / "core").glob("*.py")):
        for node in ast.walk(parsed(path)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            imported |= dict.fromkeys(names, str(path))
    own = {name for name in imported if name.startswith("sweep_service.core")}
    foreign = {n for n in set(imported) - own if n.partition(".")[0] not in {*sys.stdlib_module_names, "pydantic"}}
    assert {name: imported[name] for name in foreign} == {}
    assert own


def test_nothing_is_read_or_opened_when_a_module_is_imported() -> None:
    """Settings and engines come in as arguments: no module asks the environment while it is imported."""
    asks = re.compile(r"os\.environ|os\.getenv|create_engine\(|make_engine\(|Settings\.load\(")
    statements = [(path, node) for path in MODULES for node in parsed(path).body]
    at_import = [(p, n) for p, n in statements if isinstance(n, ast.Assign | ast.AnnAssign | ast.Expr)]
    assert [f"{p.relative_to(ROOT)}:{n.lineno}" for p, n in at_import if asks.search(ast.unparse(n))] == []


@pytest.mark.parametrize("name", ["Makefile", ".ci/run", "pyproject.toml", "constraints.txt"])
def test_no_file_that_installs_anything_names_a_registry(name: str) -> None:
    """Where packages come from is the machine's own affair: pip's settings, not ours."""
    text = (ROOT / name).read_text(encoding="utf-8")
    assert not re.search(r"index-url|find-links|trusted-host|--registry|pypi\.|/simple\b|@ ?https?:|@ ?git\+", text)
    if name != "pyproject.toml":  # which links to the project's own pages
        assert "://" not in text


def test_every_floor_of_the_layers_contract_is_a_room_and_every_room_has_a_floor() -> None:
    with (ROOT / "pyproject.toml").open("rb") as opened:
        contracts = tomllib.load(opened)["tool"]["importlinter"]["contracts"]
    floors = next(c for c in contracts if c["type"] == "layers")
    assert floors["exhaustive"] is True
    named = {room for floor in floors["layers"] for room in re.split(r"\s*[|:]\s*", floor)}
    rooms = {p.stem for p in PACKAGE.iterdir() if (p.is_dir() and (p / "__init__.py").exists()) or p.suffix == ".py"}
    assert named == rooms - {"__init__"}


def test_the_import_contracts_hold() -> None:
    lint = Path(sys.executable).with_name("lint-imports")
    ended = subprocess.run([lint, "--no-cache"], capture_output=True, text=True, check=False, cwd=ROOT)
    assert ended.returncode == 0, ended.stdout
