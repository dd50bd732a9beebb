"""ISO 8601 durations of days, hours, minutes and seconds."""

from __future__ import annotations

import re

_PARTS = re.compile(r"^P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?$")


def seconds_of(duration: str) -> float:
    """`PT1H30M` is 5400.0.

    Raises:
        ValueError: it is not such a duration.
    """
    match = _PARTS.match(duration)
    if match is None:
        raise ValueError(f"{duration!r} is not an ISO 8601 duration such as PT90S, PT1H or P1DT12H")
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return days * 86_400 + hours * 3_600 + minutes * 60 + seconds
