"""Every Markdown file: links lead somewhere, examples are sound, floors are the contract's, and no machine is named."""

from __future__ import annotations

import json
import re
import shlex
import tempfile
from pathlib import Path
from typing import Any

import pytest
import typer.main

from sweep_service.cli.main import app as command_line
from sweep_service.core.errors import SpecError
from sweep_service.core.parsing import parse_spec

LINK = re.compile(r"(?<!\\)\[[^\]]*\]\(([^)\s]+)\)")
POSTED = re.compile(r"curl[^\n]*?/v1/sweeps\b(?:[^\n]|\\\n)*?-d\s+'(\{.*?\})'", re.DOTALL)


def slug(heading: str) -> str:
    """How a heading is addressed, as code hosts do it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def test_every_relative_link_leads_somewhere(each_page, root):
    for target in LINK.findall(each_page.prose):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, place = target.partition("#")
        path = (each_page.path.parent / name).resolve() if name else each_page.path
        assert path.exists(), f"{each_page.name} links to {target}"
        assert path.is_relative_to(root), f"{each_page.name} links to {target}, outside the repository"
        if place:
            headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
            assert place in {slug(h) for h in headings}, f"{each_page.name} links to {target}"


def test_every_page_of_the_documentation_can_be_reached_from_its_index(pages, root):
    seen: set[Path] = set()
    todo = [root / "docs" / "README.md"]
    while todo:
        path = todo.pop()
        seen.add(path)
        found = [(path.parent / t.partition("#")[0]).resolve() for t in LINK.findall(path.read_text(encoding="utf-8"))]
        todo += [p for p in found if p.suffix == ".md" and p.exists() and p not in seen]
    lost = {p.name for p in pages if p.name.startswith("docs/") and p.path not in seen}
    assert not lost


def test_no_page_names_a_path_of_this_machine(each_page, root):
    named = {str(root), tempfile.gettempdir(), str(Path.home())} - {"/", "."}
    assert not [n for n in named if re.search(rf"{re.escape(n)}\b", each_page.text)]


def test_every_json_block_is_json(each_page):
    for block in each_page.blocks("json"):
        json.loads(block)


def test_every_example_of_a_sweep_is_accepted(each_page):
    refused = each_page.blocks("json", "sweep", "refused")
    accepted = [b for b in each_page.blocks("json", "sweep") if b not in refused]
    for block in accepted + [d for shell in each_page.blocks("sh") for d in POSTED.findall(shell)]:
        parse_spec(json.loads(block))
    for block in refused:
        with pytest.raises(SpecError):
            parse_spec(json.loads(block))


def test_every_command_that_is_shown_exists_with_its_options(each_page):
    for shell in each_page.blocks("sh"):
        for line in shell.replace("\\\n", " ").splitlines():
            for words in _calls(line):
                _check(words, f"{each_page.name}: {line}")


def _calls(line: str) -> list[list[str]]:
    """The arguments of each `sweep-service` on a line of shell."""
    words = shlex.split(line, comments=True)
    found: list[list[str]] = []
    inside = False
    for word in words:
        if word.rsplit("/", 1)[-1] == "sweep-service":
            found.append([])
            inside = True
        elif word in {"|", "&&", "||", ";", "&", ">", "2>"}:
            inside = False
        elif inside:
            found[-1].append(word)
    return found


def _check(words: list[str], where: str) -> None:
    command: Any = typer.main.get_command(command_line)
    for i, word in enumerate(words):
        if hasattr(command, "commands") and not word.startswith("-"):
            assert word in command.commands, f"{where}: there is no command {word}"
            command = command.commands[word]
        elif word.startswith("-") and word != "-":
            known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help", "-h"}
            assert word.partition("=")[0] in known, f"{where}: there is no option {word}"
        else:
            assert i, where


def floors(text: str) -> list[list[str]]:
    return [re.split(r"\s*[|,:]\s*", line.strip()) for line in text.strip().splitlines()]


def test_the_floors_are_those_of_the_contract(pyproject, explanation, contributing):
    contracts = pyproject["tool"]["importlinter"]["contracts"]
    wanted = floors("\n".join(next(c["layers"] for c in contracts if c["type"] == "layers")))
    for page in (explanation["house"], contributing):
        (told,) = page.blocks("floors")
        assert floors(told) == wanted, page.name


def test_the_house_tells_of_every_room_and_of_every_table(explanation, root):
    rooms = {p.name for p in (root / "sweep_service").iterdir() if p.is_dir() and p.name != "__pycache__"}
    rooms |= {p.stem for p in (root / "sweep_service").glob("*.py") if p.stem != "__init__"}
    section = explanation["house"].section("Rooms")
    assert not {room for room in rooms if f"`{room}`" not in section}
    from sweep_service.storage.tables import metadata

    section = explanation["house"].section("Tables")
    assert not {table for table in metadata.tables if f"`{table}`" not in section}


def test_every_port_stands_in_the_house(explanation):
    import inspect

    from sweep_service.core import ports, work_ports

    stated = [
        (n, c)
        for m in (ports, work_ports)
        for n, c in vars(m).items()
        if inspect.isclass(c) and c.__module__ == m.__name__
    ]
    protocols = {n for n, c in stated if getattr(c, "_is_protocol", False)}
    assert protocols == set(explanation["house"].rows()) & {n for n, _ in stated}


def test_every_requirement_has_a_status(explanation):
    rows = explanation["statistics"].rows()
    for i in range(1, 20):
        _, status, where = rows[f"R{i}"]
        assert status in {"done", "partly", "not yet"}
        assert where or status == "not yet", f"R{i} says where it lives"
        assert any(h.startswith(f"R{i},") for h in explanation["statistics"].headings())


def test_every_file_that_a_page_names_exists(each_page, root):
    """`core/pack.py` and the like: in the package, or from the repository's root."""
    for name in re.findall(r"`([\w./-]+/[\w.-]+\.(?:py|toml|md|csv))`", each_page.prose):
        places = (root, root / "sweep_service", each_page.path.parent)
        assert any((place / name).exists() for place in places), f"{each_page.name} names {name}"


def test_every_make_target_is_told(contributing, root):
    targets = re.findall(r"^([a-z-]+):.*## ", (root / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert not [t for t in targets if f"`make {t}`" not in contributing.text]
