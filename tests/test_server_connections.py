from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from govor.server.addresses import is_loopback, is_within
from running_server import dial

CODE = """
from govor.server.logs import write_to_stderr, log_event
from govor.server.runner import run_server
from govor.server.settings import Limits, ServerSettings
write_to_stderr()
run_server(ServerSettings(port=0, limits=Limits({limits})), lambda at: log_event("ready", http=at.http))
"""


@contextlib.contextmanager
def limited_server(limits: str) -> Iterator[int]:
    """A server with limits that the command line cannot give; its port."""
    code = CODE.format(limits=limits)
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        port = int(json.loads(process.stderr.readline())["http"].rsplit(":", 1)[1])
        # A full pipe would stop the server.
        reader = threading.Thread(target=process.stderr.read)
        reader.start()
        yield port
    finally:
        process.kill()
        process.wait()
        reader.join()
        process.stderr.close()


def test_heads_and_bodies_that_drip_are_cut_off_while_others_are_served() -> None:
    with limited_server("head_seconds=1.5, body_seconds=1.5, connections=80") as port:

        def drip(number: int) -> float:
            """Send a byte now and then until the server hangs up; return how long that took."""
            started = time.monotonic()
            with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
                if number % 2:
                    connection.sendall(
                        b"POST /v1/audio/transcriptions HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                        b"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: 5000\r\n\r\n"
                    )
                connection.settimeout(0.3)
                while time.monotonic() - started < 60:
                    try:
                        connection.sendall(b"G")
                        if not connection.recv(4096):
                            break
                    except TimeoutError:
                        continue
                    except OSError:
                        break
            return time.monotonic() - started

        with ThreadPoolExecutor(40) as threads:
            dripping = [threads.submit(drip, number) for number in range(40)]
            while not all(future.done() for future in dripping):
                assert httpx.get(f"http://127.0.0.1:{port}/health", timeout=60).status_code == 200
                time.sleep(0.3)
            # 1.5 s, and what a busy machine adds to it.
            assert max(future.result() for future in dripping) < 30


def is_served(port: int, address: str) -> bool:
    """Whether a client at that address gets an answer."""
    transport = httpx.HTTPTransport(local_address=address)
    try:
        with httpx.Client(transport=transport, timeout=60) as client:
            return client.get(f"http://127.0.0.1:{port}/health").status_code == 200
    except httpx.TransportError:
        return False


def test_a_client_that_opens_all_the_connections_it_can_takes_none_from_others() -> None:
    with limited_server("connections=40, client_connections=20") as port:
        with contextlib.ExitStack() as held:
            for _ in range(60):
                held.enter_context(socket.create_connection(("127.0.0.1", port), timeout=60))
            assert not is_served(port, "127.0.0.1")
            assert is_served(port, "127.0.0.9")
        until_served(port)


def until_served(port: int) -> None:
    """The server learns of closed connections one by one."""
    deadline = time.monotonic() + 60
    while not is_served(port, "127.0.0.1"):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_websocket_counts_as_a_connection_until_it_is_closed() -> None:
    async def hold(port: int, number: int) -> bool:
        async with contextlib.AsyncExitStack() as held:
            for _ in range(number):
                await held.enter_async_context(dial(f"ws://127.0.0.1:{port}/v1/stream"))
            return await asyncio.to_thread(is_served, port, "127.0.0.1")

    with limited_server("client_connections=6") as port:
        for _ in range(4):
            assert asyncio.run(hold(port, 5))
            until_served(port)
        assert not asyncio.run(hold(port, 6))


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("[::1]", True),
        ("::ffff:127.0.0.1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("localhost.evil.example", False),
        ("", False),
    ],
)
def test_only_loopback_means_this_machine(host: str, is_ours: bool) -> None:
    assert is_loopback(host) == is_ours


def test_a_network_holds_its_addresses_also_where_ipv6_wraps_them() -> None:
    networks = ("192.168.1.0/24", "fd00::/8", "10.0.0.7")
    inside = ["192.168.1.77", "::ffff:192.168.1.5", "fd12::1", "10.0.0.7"]
    outside = ["192.168.2.1", "::ffff:8.8.8.8", "fe80::1%eth0", "10.0.0.8", "", "name"]
    assert [address for address in inside + outside if is_within(address, networks)] == inside
