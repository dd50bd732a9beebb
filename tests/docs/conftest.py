"""The documentation as the tests see it: pages, their tables, and their blocks of code."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
NOT_OURS = {"node_modules", "sweep-data", "build", "dist", "vendor"}
FENCE = re.compile(r"^```(?P<info>[^\n`]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
CELL = re.compile(r"(?<!\\)\|")


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        return self.path.relative_to(ROOT).as_posix()

    @property
    def text(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        """The text without its blocks of code."""
        return FENCE.sub("", self.text)

    def blocks(self, *words: str) -> list[str]:
        """Blocks of code whose info string begins with these words, such as ```json sweep."""
        found = FENCE.finditer(self.text)
        return [m["body"] for m in found if m["info"].split()[: len(words)] == list(words)]

    def headings(self) -> list[str]:
        return [line.lstrip("#").strip() for line in self.prose.splitlines() if re.match(r"#{1,6} ", line)]

    def section(self, heading: str) -> str:
        """The text from a heading to the next one of its level or above."""
        found = re.search(rf"^(#+) {re.escape(heading)}$", self.text, re.MULTILINE)
        assert found, f"{self.name} has no heading {heading!r}"
        rest = self.text[found.end() :]
        following = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
        return rest[: following.start()] if following else rest

    def rows(self) -> dict[str, list[str]]:
        """Rows of all tables by their first cell, code marks taken off it."""
        found: dict[str, list[str]] = {}
        for line in self.prose.splitlines():
            if line.startswith("|"):
                cells = [c.strip().replace("\\|", "|") for c in CELL.split(line.strip().strip("|"))]
                found.setdefault(cells[0].strip("`"), cells[1:])
        return found


def _pages() -> list[Page]:
    found = []
    for path in sorted(ROOT.rglob("*.md")):
        parts = path.relative_to(ROOT).parts
        if not any(p.startswith(".") or p in NOT_OURS for p in parts):
            found.append(Page(path))
    return found


PAGES = _pages()


@pytest.fixture(scope="session")
def pages() -> list[Page]:
    """Every Markdown file of the repository."""
    return PAGES


@pytest.fixture(params=PAGES, ids=lambda page: page.name)
def each_page(request: pytest.FixtureRequest) -> Page:
    """Every Markdown file of the repository, one after another."""
    page: Page = request.param
    return page


@pytest.fixture(scope="session")
def reference() -> dict[str, Page]:
    """The pages of docs/reference by their names."""
    return {path.stem: Page(path) for path in (ROOT / "docs" / "reference").glob("*.md")}


@pytest.fixture(scope="session")
def explanation() -> dict[str, Page]:
    """The pages of docs/explanation by their names."""
    return {path.stem: Page(path) for path in (ROOT / "docs" / "explanation").glob("*.md")}


@pytest.fixture(scope="session")
def contributing() -> Page:
    return Page(ROOT / "CONTRIBUTING.md")


@pytest.fixture(scope="session")
def how_to_read_the_verdict() -> Page:
    return Page(ROOT / "docs" / "how-to" / "read-the-verdict.md")


@pytest.fixture(scope="session")
def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT
