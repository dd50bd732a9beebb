"""Page tokens: opaque, and good for the list and the filter that they were made for."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from typing import Annotated

from fastapi import Query

from sweep_service.api.errors import ProblemError

PageSize = Annotated[int, Query(ge=1, le=1000)]
NUMBER = re.compile(r"\d{1,18}", re.ASCII)


def make_token(listed: str, after: str | None) -> str:
    """A token for the page after that item; empty at the end of the list.

    Args:
        listed: names the list with all that filters it.
        after: the place of the last item that was shown.
    """
    if after is None:
        return ""
    return base64.urlsafe_b64encode(f"{_mark(listed)}{after}".encode()).decode().rstrip("=")


def read_token(listed: str, token: str, form: re.Pattern[str] = NUMBER) -> str | None:
    """What `make_token` was given; None for the first page.

    Raises:
        ProblemError: 422, the token is none of ours, or another list's.
    """
    if not token:
        return None
    try:
        text = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError):
        text = ""
    mark, after = text[:8], text[8:]
    if mark != _mark(listed) or not form.fullmatch(after):
        message = "page_token is not one that this list, filtered like this, gave out: start again without it"
        raise ProblemError(422, f"{message}.", [{"pointer": "/page_token", "message": message}])
    return after


def _mark(listed: str) -> str:
    return hashlib.sha256(listed.encode()).hexdigest()[:8]
