"""Logs: text for people, or one JSON object a line."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from sweep_service.logs import configure_logs


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The package's logger is the process's own: what a test changes is put back."""
    logger = logging.getLogger("sweep_service")
    handlers, level, propagate = logger.handlers[:], logger.level, logger.propagate
    yield
    logger.handlers[:], logger.propagate = handlers, propagate
    logger.setLevel(level)


def test_a_line_of_json_holds_the_message_and_the_trace(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "json")
    log = logging.getLogger("sweep_service.worker.loop")
    log.info("task %s\ndone", 7)
    try:
        int("no")
    except ValueError:
        log.exception("failed")
    said = capsys.readouterr()
    assert said.out == ""
    first, second = (json.loads(line) for line in said.err.splitlines())
    assert first["message"] == "task 7\ndone"
    assert (first["level"], first["logger"]) == ("INFO", "sweep_service.worker.loop")
    assert first["time"].endswith("+00:00")
    assert "trace" not in first
    assert "ValueError: invalid literal" in second["trace"]


def test_text_is_for_people_and_the_level_filters(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("WARNING", "text")
    log = logging.getLogger("sweep_service.api")
    log.info("unheard")
    log.warning("heard")
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("WARNING sweep_service.api: heard")


def test_configuring_twice_does_not_say_everything_twice(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("INFO", "text")
    configure_logs("INFO", "text")
    logging.getLogger("sweep_service").info("once")
    assert capsys.readouterr().err.count("once") == 1
