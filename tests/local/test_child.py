"""What every process of ours needs, by itself."""

import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest

from madang.local import child
from madang.local.child import free_port


def listen(stack: ExitStack, port: int) -> socket.socket:
    one = stack.enter_context(socket.socket())
    one.bind(("127.0.0.1", port))
    one.listen()
    return one


def test_a_port_is_one_that_no_connection_is_given() -> None:
    first = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    with ThreadPoolExecutor(8) as crowd:
        ports = [one.result() for one in [crowd.submit(free_port) for _ in range(200)]]
    assert all(child.LOWEST_PORT <= port < first for port in ports)
    assert len(set(ports)) > 190, "whoever asks at the same time is given others"


@pytest.mark.parametrize("first", [child.LOWEST_PORT + 3, child.LOWEST_PORT, 1024])
def test_with_no_such_port_left_it_is_any_free_one(first: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(child, "_first_for_connections", lambda: first)
    with ExitStack() as stack:
        for port in range(child.LOWEST_PORT, first):
            if child._is_free(port):
                listen(stack, port)
        given = free_port()
        assert not child.LOWEST_PORT <= given < first
        listen(stack, given)
