"""Listening sockets: bound, exchanged at a reload, refused, and short of descriptors."""

from __future__ import annotations

import asyncio
import errno
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gatepost.server.connection import Connection
from gatepost.server.connections import Connections
from gatepost.server.endpoints import Endpoint
from gatepost.server.listener import Door, Listeners
from gatepost.server.terms import Terms
from gatepost.span import ConfigError, Span
from tests.server.echo import EchoPerformer, EchoSession

pytestmark = pytest.mark.asyncio

SPAN = Span("master.cf", 12)


def attend(connection: Connection) -> tuple[EchoSession, EchoPerformer]:
    return EchoSession(), EchoPerformer(connection)


def door(host: str = "127.0.0.1", port: int = 0, terms: Terms | None = None, *, optional: bool = False) -> Door:
    family = socket.AF_UNIX if "/" in host else socket.AF_INET6 if ":" in host else socket.AF_INET
    return Door(Endpoint(family, host, port, optional), terms or Terms(), attend, SPAN)


@contextmanager
def listening(*doors: Door) -> Iterator[tuple[Listeners, Connections, list[str]]]:
    """Listeners that accept, their connections, and the warnings so far."""
    warnings: list[str] = []
    connections = Connections(asyncio.get_running_loop())
    listeners = Listeners(connections, warnings.append)
    listeners.apply(doors)
    listeners.start()
    try:
        yield listeners, connections, warnings
    finally:
        listeners.close()
        connections.abort_all()


def port_of(name: str) -> int:
    return int(name.rpartition(":")[2])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])


async def greeting(host: str, port: int) -> bytes:
    reader, writer = await asyncio.open_connection(host, port)
    try:
        return await reader.readline()
    finally:
        writer.close()


async def test_clients_are_served_with_their_addresses() -> None:
    with listening(door()) as (listeners, connections, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(listeners.names[0]))
        assert await reader.readline() == b"220 echo\r\n"
        (connection,) = connections.live
        assert isinstance(connection, Connection)
        assert connection.peer_address == "127.0.0.1"
        assert connection.peer_port == str(writer.get_extra_info("sockname")[1])
        assert connection.local_port == listeners.names[0].rpartition(":")[2]
        assert connections.accepted == 1
        writer.close()


async def test_a_batch_of_clients() -> None:
    with listening(door()) as (listeners, connections, _):
        port = port_of(listeners.names[0])
        assert await asyncio.gather(*(greeting("127.0.0.1", port) for _ in range(100))) == [b"220 echo\r\n"] * 100
        assert connections.accepted == 100


async def test_a_unix_socket(tmp_path: Path) -> None:
    path = str(tmp_path / "private" / "smtp")
    with listening(door(path)) as (_, connections, _warnings):
        reader, writer = await asyncio.open_unix_connection(path)
        assert await reader.readline() == b"220 echo\r\n"
        (connection,) = connections.live
        assert isinstance(connection, Connection)
        assert (connection.peer_address, connection.peer_port) == ("127.0.0.1", "0")
        writer.close()
    with pytest.raises(FileNotFoundError):  # the name is given back
        await asyncio.open_unix_connection(path)


async def test_an_address_in_use_names_the_service() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listeners = Listeners(Connections(asyncio.get_running_loop()), print)
        with pytest.raises(ConfigError) as caught:
            listeners.apply([door(port=taken.getsockname()[1])])
        assert caught.value.span == SPAN
        assert "Address already in use" in caught.value.message
        assert listeners.names == []


async def test_the_same_address_twice_is_an_error() -> None:
    port = free_port()
    listeners = Listeners(Connections(asyncio.get_running_loop()), print)
    with pytest.raises(ConfigError, match="listened at twice"):
        listeners.apply([door(port=port), door(port=port)])


async def test_a_reload_binds_closes_and_leaves_live_sessions_alone() -> None:
    stays, goes, comes = free_port(), free_port(), free_port()
    old, new = Terms(timeout=10), Terms(timeout=20)
    with listening(door(port=stays, terms=old), door(port=goes, terms=old)) as (listeners, connections, _):
        reader, writer = await asyncio.open_connection("127.0.0.1", goes)
        await reader.readline()
        listeners.apply([door(port=stays, terms=new), door(port=comes, terms=new)])
        assert sorted(map(port_of, listeners.names)) == sorted([stays, comes])
        assert await greeting("127.0.0.1", comes) == b"220 echo\r\n"
        with pytest.raises(ConnectionRefusedError):
            await greeting("127.0.0.1", goes)
        writer.write(b"still there\r\n")
        assert await reader.readline() == b"250 still there\r\n"
        reader2, writer2 = await asyncio.open_connection("127.0.0.1", stays)
        await reader2.readline()
        times = {each.terms.timeout for each in connections.live if isinstance(each, Connection)}
        assert times == {10, 20}
        writer.close()
        writer2.close()


async def test_a_reload_may_exchange_a_wildcard_for_an_address() -> None:
    port = free_port()
    with listening(door("0.0.0.0", port)) as (listeners, _, _warnings):
        listeners.apply([door("127.0.0.1", port)])
        assert listeners.names == [f"127.0.0.1:{port}"]
        assert await greeting("127.0.0.1", port) == b"220 echo\r\n"


async def test_a_reload_that_cannot_bind_changes_nothing() -> None:
    port = free_port()
    with socket.create_server(("127.0.0.1", 0)) as taken, listening(door("0.0.0.0", port)) as (listeners, _, _w):
        with pytest.raises(ConfigError):
            listeners.apply([door("127.0.0.1", port), door(port=taken.getsockname()[1])])
        assert listeners.names == [f"0.0.0.0:{port}"]
        assert await greeting("127.0.0.1", port) == b"220 echo\r\n"


async def test_an_optional_address_that_the_system_does_not_have_is_left_out() -> None:
    with listening(door(), door("2001:db8::1", 0, optional=True)) as (listeners, _, _warnings):
        assert len(listeners.names) == 1


async def test_stopped_listeners_accept_nobody() -> None:
    with listening(door()) as (listeners, connections, _):
        listeners.stop()
        _, writer = await asyncio.open_connection("127.0.0.1", port_of(listeners.names[0]))
        for _turn in range(5):
            await asyncio.sleep(0)
        assert connections.accepted == 0
        writer.close()


async def test_without_descriptors_accepting_pauses_with_one_warning_and_goes_on() -> None:
    with listening(door()) as (listeners, connections, warnings):
        port = port_of(listeners.names[0])
        client = socket.socket()
        client.setblocking(False)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 1, hard))
        try:
            await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
            for _turn in range(100):
                await asyncio.sleep(0)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        reply = await asyncio.wait_for(asyncio.get_running_loop().sock_recv(client, 100), 10)
        client.close()
        assert reply == b"220 echo\r\n"
        assert warnings == [f"accepting connections pauses: {os.strerror(errno.EMFILE)}; 0 are open"]
        assert connections.accepted == 1
