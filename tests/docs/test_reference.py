"""docs/reference tells every setting, command, route, dataset and exit code, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from starlette.routing import Mount, Route

from sweep_service.api.app import create_app
from sweep_service.cli import failures
from sweep_service.cli.main import app as command_line
from sweep_service.core.run import Purpose, RunState
from sweep_service.core.sweep import EndReason, SweepState
from sweep_service.core.task import TaskKind, TaskState
from sweep_service.core.trial import TrialState
from sweep_service.datasets.catalog import catalog
from sweep_service.settings import Settings
from sweep_service.storage.artifacts import FolderArtifacts
from sweep_service.storage.store import SqlStore


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, (*words, name))
    if not hasattr(command, "commands"):
        yield " ".join(words), command


COMMANDS = dict(commands(typer.main.get_command(command_line)))


def options(command: Any) -> list[Any]:
    return [p for p in command.params if p.param_type_name == "option" and not p.hidden and p.name != "help"]


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[str]]]:
    """`GET /v1/sweeps` and so on, with the names of their query parameters."""
    folder = tmp_path_factory.mktemp("app")
    store = SqlStore(f"sqlite:///{folder / 'sweeps.db'}")
    app = create_app(store, FolderArtifacts(folder), Settings.load({}))
    found: dict[str, list[str]] = {}
    for path, item in app.openapi()["paths"].items():
        for method, operation in item.items():
            query = [p["name"] for p in operation.get("parameters", []) if p["in"] != "path"]
            found[f"{method.upper()} {path}"] = query
    for route in app.routes:  # the pages stand in no description
        if isinstance(route, Mount | Route):
            found.setdefault(f"GET {route.path}", [])
    yield found
    store.close()


def test_every_route_has_a_heading_and_tells_its_parameters(reference, routes):
    for route, query in routes.items():
        section = reference["rest"].section(f"`{route}`")
        for name in query:
            assert re.search(rf"\b{name}\b", section), f"{route} does not tell of {name}"


def test_no_route_is_told_of_that_does_not_exist(reference, routes):
    told = {h.strip("`") for h in reference["rest"].headings() if re.match(r"`[A-Z]+ /", h)}
    assert told == set(routes)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_heading_and_tells_its_options(reference, name):
    section = reference["command-line"].section(f"`sweep-service {name}`")
    for option in options(COMMANDS[name]):
        for form in option.opts:
            assert f"`{form}" in section, f"{name} does not tell of {form}"
    for argument in (p for p in COMMANDS[name].params if p.param_type_name == "argument"):
        shown = (argument.metavar or argument.name or "").upper()
        verbs = {"pause", "resume", "stop", "cancel"}
        assert name in verbs or f"`{shown}`" in section.replace(".json", ".JSON"), f"{name} does not tell of {shown}"


def test_no_command_is_told_of_that_does_not_exist(reference):
    told = {h.strip("`").removeprefix("sweep-service ") for h in reference["command-line"].headings() if "`" in h}
    assert told == set(COMMANDS)


def test_every_exit_code_is_told(reference):
    codes = {value for name, value in vars(failures).items() if name.isupper() and isinstance(value, int)}
    told = {int(code) for code in reference["command-line"].rows() if code.isdigit()}
    assert told == {0, *codes}


def variables() -> set[str]:
    """Settings' own, and those that options of the command line read."""
    own = {f"SWEEP_{name.upper()}" for name in Settings.__dataclass_fields__}
    return own | {str(o.envvar) for c in COMMANDS.values() for o in options(c) if o.envvar}


def test_every_setting_is_told_and_no_other(reference):
    told = {name for name in reference["settings"].rows() if name.startswith("SWEEP_")}
    assert told == variables()


def test_the_defaults_of_settings_are_the_codes(reference):
    rows = reference["settings"].rows()
    found = Settings.load({})
    for name in ("host", "port", "lease_seconds", "log_level", "log_format", "max_upload_bytes"):
        told = rows[f"SWEEP_{name.upper()}"][0].strip("`")
        assert getattr(Settings.load({f"SWEEP_{name.upper()}": told}), name) == getattr(found, name)
    assert found.data_dir == Path(rows["SWEEP_DATA_DIR"][0].strip("`")).absolute()
    for name in ("workers", "allowed_hosts"):
        assert rows[f"SWEEP_{name.upper()}"][0] == "not set"
        assert not getattr(found, name)
    assert (
        rows["SWEEP_ARTIFACTS"][0] == f"`{found.artifacts}` with SQLite, `{_with_postgres().artifacts}` with PostgreSQL"
    )


def _with_postgres() -> Settings:
    return Settings.load({"SWEEP_DATABASE_URL": "postgresql+psycopg://someone@somewhere/sweeps"})


def test_every_dataset_is_told_with_its_target_and_options(reference):
    rows = reference["datasets"].rows()
    for entry in catalog():
        _, target, named = rows[entry.name]
        assert target == f"`{entry.default_target}`"
        assert re.findall(r"`(\w+)`", named) == list(entry.options)
        for option, known in entry.options.items():
            default, values, _ = rows[option]
            assert float(default.strip("`")) == known.default
            numbers = [float(n) for n in re.findall(r"[\d.]+", values)]
            assert numbers == [known.low, known.high]
            assert values.endswith(", whole") is known.integer


@pytest.mark.parametrize(
    "kind", [SweepState, TrialState, RunState, TaskState, EndReason, TaskKind], ids=lambda k: k.__name__
)
def test_every_state_is_explained(explanation, kind: Any):
    for member in kind:
        assert f"`{member}`" in explanation["reliability"].text or member in explanation["reliability"].prose


def test_every_purpose_is_explained(pages):
    glossary = next(p for p in pages if p.name == "docs/glossary.md")
    for purpose in Purpose:
        assert f"`{purpose}`" in glossary.text


def test_every_event_is_explained_and_no_other(explanation, root):
    sources = (root / "sweep_service/storage").glob("*.py")
    kinds = {k for source in sources for k in re.findall(r"\.event\(\s*\"([A-Z_]+)\"", source.read_text("utf-8"))}
    told = {name for name in explanation["api"].rows() if re.fullmatch(r"[A-Z]+_[A-Z_]+|CONCLUDED", name)}
    assert told == kinds


def test_every_verdict_is_explained(how_to_read_the_verdict):
    from typing import get_args

    from sweep_service.analysis.verdict import Kind

    assert set(get_args(Kind)) <= set(how_to_read_the_verdict.rows())
