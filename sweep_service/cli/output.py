"""Numbers and tables for people, JSON for scripts."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

MISSING = "-"


def own_name() -> str:
    """How a person can call this program from here: by its name where PATH leads to it, else by where it lies."""
    program = Path(sys.argv[0])
    if shutil.which("sweep-service") or program.name != "sweep-service":
        return "sweep-service"
    try:
        return str(program.relative_to(Path.cwd()))
    except ValueError:
        return str(program)


def console() -> Console:
    """Standard output; as wide as it likes where it is no terminal, so that nothing is cut for a pipe."""
    return Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=200)


def print_json(document: object) -> None:
    """The document as the service sent it, one stable layout."""
    sys.stdout.write(json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def number(value: object, digits: int = 4) -> str:
    """Four significant digits, no exponent where a person does not expect one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return MISSING if value is None else str(value)
    if isinstance(value, int) or not math.isfinite(value):
        return str(value)
    size = abs(value)
    if size == 0:
        return "0"
    if size < 1e-4 or size >= 1e9:
        return f"{value:.{digits - 1}e}"
    decimals = max(0, digits - 1 - math.floor(math.log10(size)))
    return f"{value:,.{decimals}f}"


def signed(value: object) -> str:
    """A difference, with its sign."""
    text = number(value, 3)
    return f"+{text}" if isinstance(value, int | float) and value > 0 else text


def delta(value: Mapping[str, Any] | None) -> str:
    """A delta in its three units."""
    if not value:
        return MISSING
    return (
        f"{number(value.get('target'))} target units = {number(value.get('standardised'))} standardised "
        f"= {number(value.get('sigma'))} sigma"
    )


def interval(pair: Sequence[object] | None, form: Any = signed) -> str:
    """`[low, high]`."""
    return f"[{form(pair[0])}, {form(pair[1])}]" if pair else MISSING


def table(title: str, *columns: str, right: Sequence[str] = ()) -> Table:
    """An empty table; the columns in `right` hold numbers."""
    made = Table(title=title or None, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    for name in columns:
        made.add_column(escape(name), justify="right" if name in right else "left", overflow="fold")
    return made


def row(made: Table, *cells: object) -> None:
    """Add a row of plain text: what a user wrote is never read as markup."""
    made.add_row(*(escape(MISSING if c is None or c == "" else str(c)) for c in cells))


def moment(text: object) -> str:
    """An RFC 3339 time to the second."""
    return str(text)[:19].replace("T", " ") if text else MISSING


def parameter(value: object) -> str:
    """A parameter's value, in short."""
    if isinstance(value, list):
        return "-".join(str(v) for v in value)
    return number(value, 3)
