"""From an error to one clear sentence, the next step, and an exit code that scripts can use."""

from __future__ import annotations

import httpx
import typer

from sweep_service.core.errors import SchemaVersionError, SpecError, SweepError

OK = 0
ERROR = 1
USAGE = 2
SWEEP_NOT_SUCCEEDED = 3
INTERRUPTED = 130


class UsageError(SweepError):
    """The command was given something that it cannot use; ends with exit code 2."""


def exit_code(error: BaseException) -> int:
    """The code with which the command ends after that error."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    return USAGE if isinstance(error, UsageError) else ERROR


def sentence(error: BaseException) -> str:
    """What is printed on stderr."""
    if isinstance(error, SpecError):
        lines = [f"  {p.pointer or '/'}: {p.message}" for p in error.problems]
        return "The sweep cannot be run as it is written:\n" + "\n".join(lines)
    if isinstance(error, SchemaVersionError):
        return f"{_full_stop(str(error))} `sweep-service db check` tells more."
    if isinstance(error, httpx.TimeoutException):
        return f"No answer in time{_where(error)}. See whether the service is alive with `sweep-service list`."
    if isinstance(error, httpx.TransportError):
        return (
            f"Nothing answers{_where(error)} ({str(error) or type(error).__name__}). "
            "Start the service with `sweep-service up`, or give its address with --url or SWEEP_URL."
        )
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}."
    return _full_stop(str(error) or type(error).__name__)


def show(error: BaseException) -> None:
    """Print it on stderr."""
    if isinstance(error, KeyboardInterrupt):
        typer.echo("Interrupted.", err=True)
        return
    typer.secho("Error: ", fg=typer.colors.RED, err=True, nl=False)
    typer.echo(sentence(error), err=True)


def _where(error: httpx.RequestError) -> str:
    try:
        url = error.request.url
    except RuntimeError:  # the error was made without a request
        return ""
    return f" at {url.copy_with(path='/', query=None, fragment=None)}".rstrip("/")


def _full_stop(text: str) -> str:
    return text if text.endswith((".", "!", "?", "\n")) else f"{text}."
