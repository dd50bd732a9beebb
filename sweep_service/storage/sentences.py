"""What a database's refusal means, in a sentence for a person; bugs of ours are left as they are."""

from __future__ import annotations

import sqlite3

from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError

_FULL = "The disk that holds the database is full or broken ({}): nothing was written; make room and go on."
_READ_ONLY = "The database file cannot be opened or written ({})."
_SQLITE = (
    (("full", "disk i/o"), _FULL),
    (
        ("no such table", "no such column"),
        "The database has not the tables of this version ({}): run `sweep-service db upgrade`.",
    ),
    (("locked",), "The database was busy for too long ({}): nothing was written; try again."),
    (("readonly", "unable to open"), _READ_ONLY),
    (("not a database", "malformed", "encrypted"), "The file is not a database, or a broken one ({})."),
)
_POSTGRES = {
    "53100": "The disk that holds the database is full ({}): nothing was written; make room and go on.",
    "42P01": "The database has not the tables of this version ({}): run `sweep-service db upgrade`.",
    "42703": "The database has not the tables of this version ({}): run `sweep-service db upgrade`.",
    "42501": "This database user may not do that ({}): give it the rights on its tables.",
    "25006": "The database takes no writes, as a standby does ({}): nothing was written.",
    "40P01": "Two transactions stood in each other's way ({}): nothing was written; try again.",
}
_ADDRESS = "The database address cannot be used ({})."
_GONE = "The database cannot be reached ({}): nothing was written; it is tried again when it is back."
_REFUSED = "The database refused ({}): nothing was written."


def sentence(error: DBAPIError) -> str | None:
    """The sentence, or None where the fault is the caller's (a bad statement, a broken rule of a table)."""
    words = _first_line(error.orig)
    form = _form(error, words)
    return None if form is None else form.format(words)


def _form(error: DBAPIError, words: str) -> str | None:
    cause, lowered = error.orig, words.lower()
    if isinstance(cause, sqlite3.Error):
        for marks, form in _SQLITE:
            if isinstance(cause, sqlite3.DatabaseError) and any(mark in lowered for mark in marks):
                return form
    state = getattr(cause, "sqlstate", None)
    if state in _POSTGRES:
        return _POSTGRES[state]
    if "invalid connection option" in lowered:
        return _ADDRESS
    # What PostgreSQL itself refuses has a state; what has none went wrong on the way to it.
    unreached = state is None and not isinstance(cause, sqlite3.Error) and isinstance(error, OperationalError)
    if error.connection_invalidated or unreached:
        return _GONE
    return _REFUSED if isinstance(error, OperationalError | InterfaceError) else None


def _first_line(cause: BaseException | None) -> str:
    words = str(cause).strip()
    return words.splitlines()[0].rstrip(" .:") if words else type(cause).__name__
