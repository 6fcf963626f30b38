"""The tests themselves stay on this machine."""

import asyncio
import socket

import pytest

from tests.network import StrayConnectionError


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1"])
def test_other_machines_are_out_of_reach(host: str):
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as one, pytest.raises(StrayConnectionError):
        one.connect((host, 80))


async def test_the_same_from_a_loop():
    with pytest.raises(StrayConnectionError):
        await asyncio.open_connection("192.0.2.1", 80)


def test_this_machine_is_within_reach():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname(), 5) as one:
        assert one.getpeername() == server.getsockname()
