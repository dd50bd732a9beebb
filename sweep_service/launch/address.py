"""Where the server listens: checked and bound before anything else starts."""

from __future__ import annotations

import errno
import ipaddress
import socket
from dataclasses import dataclass

from sweep_service.core.errors import SweepError

BACKLOG = 512


class AddressError(SweepError):
    """The server cannot listen there."""


@dataclass(frozen=True, slots=True)
class Address:
    """A host and a port; `url` is how a browser writes it."""

    host: str
    port: int

    @property
    def url(self) -> str:
        """Such as `http://127.0.0.1:8000`."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


def require_loopback(host: str) -> None:
    """Refuse a host that other machines reach: whoever reaches the API may submit work, and there are no keys yet.

    Raises:
        AddressError: it is not a loopback address.
    """
    if host == "localhost":
        return
    try:
        if ipaddress.ip_address(host).is_loopback:
            return
    except ValueError:
        pass
    raise AddressError(
        f"The host {host!r} would open the service to other machines, and it has no keys yet to tell who may use it. "
        "Use --host 127.0.0.1, and reach it from elsewhere through an SSH tunnel."
    )


def listen(address: Address) -> socket.socket:
    """A listening socket at that address; port 0 takes any free one (ask `bound_address`).

    `up` binds here, in the parent, and hands the socket down: the port is known to be ours before anything
    starts, and while a killed server is started anew its callers wait in the backlog instead of being refused.

    Raises:
        AddressError: the host is not loopback, or the port cannot be had.
    """
    require_loopback(address.host)
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Without this a port stays taken for a minute after the last server closed its connections.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((address.host, address.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise AddressError(_why(address, error)) from None
    return listener


def bound_address(listener: socket.socket, host: str) -> Address:
    """The address of a listening socket, under the host name that was asked for."""
    return Address(host, int(listener.getsockname()[1]))


def _why(address: Address, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"Port {address.port} of {address.host} is in use by another program (perhaps another sweep-service). "
            f"Stop that one, or choose another port with --port {_another(address.port)}."
        )
    if error.errno == errno.EACCES:
        return f"Port {address.port} needs privileges that this user does not have: choose one above 1023 with --port."
    return (
        f"Cannot listen at {address.host}:{address.port}: {error.strerror or error}. Choose another --host or --port."
    )


def _another(port: int) -> int:
    return port + 1 if port < 65_535 else 8000
