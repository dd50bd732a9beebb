"""Where the server listens."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest

from sweep_service.launch.address import Address, AddressError, bound_address, listen, require_loopback


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_hosts_are_allowed(host: str) -> None:
    require_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org", "", "127.0.0.1.example.org"])
def test_a_host_that_other_machines_reach_is_refused_while_there_are_no_keys(host: str) -> None:
    with pytest.raises(AddressError, match=r"Use --host 127\.0\.0\.1"):
        require_loopback(host)
    with pytest.raises(AddressError):
        listen(Address(host, 0))


def test_an_address_is_written_as_a_browser_writes_it() -> None:
    assert Address("127.0.0.1", 8000).url == "http://127.0.0.1:8000"
    assert Address("::1", 8000).url == "http://[::1]:8000"


def test_port_0_takes_any_free_port_and_tells_which() -> None:
    with closing(listen(Address("127.0.0.1", 0))) as listener:
        address = bound_address(listener, "localhost")
        assert address.host == "localhost"
        with closing(socket.create_connection(("127.0.0.1", address.port), timeout=60)):
            pass  # somebody listens there


def test_a_port_in_use_is_said_with_the_next_one_to_try() -> None:
    with closing(listen(Address("127.0.0.1", 0))) as listener:
        taken = bound_address(listener, "127.0.0.1")
        with pytest.raises(AddressError, match=rf"Port {taken.port} .* is in use .* --port {taken.port + 1}"):
            listen(taken)


def test_a_port_is_free_again_as_soon_as_its_server_is_gone() -> None:
    with closing(listen(Address("127.0.0.1", 0))) as listener:
        address = bound_address(listener, "127.0.0.1")
        with closing(socket.create_connection(("127.0.0.1", address.port), timeout=60)):
            server_side, _ = listener.accept()
            server_side.close()  # closed by the server first: the kernel remembers the port for a minute
    listen(address).close()
