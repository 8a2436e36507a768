"""The policy service client against a scripted server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gatepost.lookup.ask import Delegation, LookupFailure
from gatepost.lookup.delegate import Delegates, encoded

CLOSE, SILENT = b"close", b"silent"  # instead of a reply

Service = Callable[..., Delegation]


class Server:
    """Gives the scripted replies in turn, over however many connections; the last one stays."""

    def __init__(self, *replies: bytes) -> None:
        self.replies = list(replies)
        self.requests: list[bytes] = []
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                self.requests.append(await reader.readuntil(b"\n\n"))
                reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
                if reply == CLOSE:
                    break
                if reply != SILENT:
                    writer.write(reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        writer.close()


def play(server: Server, scene: Callable[[Delegates, Service], Awaitable[None]],
         clock: Callable[[], float] = lambda: 0.0) -> None:
    async def main() -> None:
        listening = await asyncio.start_server(server.serve, "127.0.0.1", 0)
        port = listening.sockets[0].getsockname()[1]
        delegates = Delegates(clock)

        def service(*, timeout: float = 5.0, try_limit: int = 2, max_idle: float = 300.0, max_ttl: float = 1000.0,
                    request_limit: int = 0) -> Delegation:
            return Delegation(f"inet:127.0.0.1:{port}", timeout, try_limit, 0.0, max_idle, max_ttl, request_limit)

        await scene(delegates, service)
        delegates.close()
        listening.close()
        await listening.wait_closed()

    asyncio.run(main())


def test_a_request_and_its_action() -> None:
    server = Server(b"action=REJECT go away\n\n")

    async def scene(delegates: Delegates, service: Service) -> None:
        action = await delegates.ask(service(), {"request": "smtpd_access_policy", "sender": "ü@x.example"})
        assert action == "REJECT go away"

    play(server, scene)
    assert server.requests == ["request=smtpd_access_policy\nsender=ü@x.example\n\n".encode()]


def test_a_connection_is_used_again_and_each_request_under_way_has_its_own() -> None:
    server = Server(b"action=DUNNO\n\n")

    async def scene(delegates: Delegates, service: Service) -> None:
        for _ in range(3):
            await delegates.ask(service(), {})
        assert server.connections == 1
        await asyncio.gather(delegates.ask(service(), {}), delegates.ask(service(), {}))
        assert server.connections == 2

    play(server, scene)


@pytest.mark.parametrize(("limits", "later", "connections", "why"), [
    ({}, 0, 1, "nothing speaks against the open connection"),
    ({"request_limit": 1}, 0, 2, "it has carried enough requests"),
    ({"max_idle": 10}, 11, 2, "it has waited too long"),
    ({"max_ttl": 10}, 11, 2, "it is too old"),
    ({"max_ttl": 10}, 9, 1, "it is not too old yet"),
])
def test_when_a_connection_is_not_used_again(limits: dict[str, int], later: int, connections: int, why: str) -> None:
    server, now = Server(b"action=OK\n\n"), [0.0]

    async def scene(delegates: Delegates, service: Service) -> None:
        await delegates.ask(service(**limits), {})
        now[0] = later
        await delegates.ask(service(**limits), {})

    play(server, scene, lambda: now[0])
    assert server.connections == connections, why


def test_a_connection_that_the_server_closed_costs_no_try() -> None:
    server = Server(b"action=OK\n\n", CLOSE, b"action=DUNNO\n\n")

    async def scene(delegates: Delegates, service: Service) -> None:
        assert await delegates.ask(service(try_limit=1), {}) == "OK"
        assert await delegates.ask(service(try_limit=1), {}) == "DUNNO"

    play(server, scene)
    assert server.connections == 2


def test_a_failed_try_is_repeated_as_often_as_allowed() -> None:
    server = Server(CLOSE, b"junk\n\n", b"action=OK\n\n")

    async def scene(delegates: Delegates, service: Service) -> None:
        assert await delegates.ask(service(try_limit=3), {}) == "OK"

    play(server, scene)
    assert server.connections == 3


@pytest.mark.parametrize(("reply", "reason"), [
    (b"junk\n\n", "malformed reply"),
    (b"\n", "missing attribute action in reply"),
    (b"result=OK\n\n", "missing attribute action in reply"),
    (CLOSE, "lost connection"),
    (b"action=" + b"x" * 200_000 + b"\n\n", "reply is too long"),
])
def test_replies_that_are_none(reply: bytes, reason: str) -> None:
    async def scene(delegates: Delegates, service: Service) -> None:
        with pytest.raises(LookupFailure, match=reason) as caught:
            await delegates.ask(service(), {})
        assert caught.value.reason.startswith("problem talking to server inet:127.0.0.1:")

    server = Server(reply)
    play(server, scene)
    assert server.connections == 2


def test_silence_ends_with_the_time_limit() -> None:
    async def scene(delegates: Delegates, service: Service) -> None:
        with pytest.raises(LookupFailure, match="Connection timed out"):
            await delegates.ask(service(timeout=0.05, try_limit=1), {})

    play(Server(SILENT), scene)


def test_unknown_attributes_and_carriage_returns_do_no_harm() -> None:
    async def scene(delegates: Delegates, service: Service) -> None:
        assert await delegates.ask(service(), {}) == "DUNNO"

    play(Server(b"version=1\r\naction= DUNNO \r\naction=OK\n\n"), scene)


def test_over_a_unix_socket(tmp_path: Path) -> None:
    async def main() -> str:
        server = Server(b"action=OK\n\n")
        listening = await asyncio.start_unix_server(server.serve, tmp_path / "policy")
        delegates = Delegates()
        action = await delegates.ask(Delegation(f"unix:{tmp_path}/policy"), {})
        delegates.close()
        listening.close()
        return action

    assert asyncio.run(main()) == "OK"


@pytest.mark.parametrize(("endpoint", "reason"), [
    ("unix:/nonexistent/policy", "No such file or directory"),
    ("policy", "bad endpoint"),
    ("inet:", "bad endpoint"),
])
def test_servers_that_are_not_there(endpoint: str, reason: str) -> None:
    with pytest.raises(LookupFailure, match=reason):
        asyncio.run(Delegates().ask(Delegation(endpoint, try_limit=2, retry_delay=0), {}))


def test_a_value_cannot_forge_an_attribute() -> None:
    assert encoded({"helo_name": "x\naction=OK\r\0"}) == b"helo_name=x?action=OK??\n\n"
