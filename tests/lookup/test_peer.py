"""The client's name: forward-confirmed, and what each failure is called."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import pytest

from gatepost.lookup.peer import FORGED, OK, PERMANENT, TEMPORARY, Peer, Peers

UNKNOWN, AGAIN = socket.gaierror(socket.EAI_NONAME, "Name or service not known"), socket.gaierror(
    socket.EAI_AGAIN, "Temporary failure in name resolution")

REVERSE: dict[str, str | OSError] = {
    "192.0.2.1": "good.example", "192.0.2.2": "forged.example", "192.0.2.3": "lost.example", "192.0.2.4": UNKNOWN,
    "192.0.2.5": AGAIN, "192.0.2.6": "192.0.2.99", "192.0.2.7": "bad name.example", "192.0.2.8": "slow.example",
    "2001:db8::1": "six.example",
}
FORWARD: dict[str, Sequence[str] | OSError] = {
    "good.example": ["192.0.2.77", "192.0.2.1"], "forged.example": ["192.0.2.77"], "lost.example": UNKNOWN,
    "slow.example": AGAIN, "six.example": ["2001:0db8::0001"],
}


def name_of(address: str) -> str:
    answer = REVERSE[address]
    if isinstance(answer, OSError):
        raise answer
    return answer


def addresses_of(name: str, version: int) -> Sequence[str]:
    answer = FORWARD[name]
    if isinstance(answer, OSError):
        raise answer
    return answer


DOUBT = "hostname {} does not resolve to address {}"
PEERS = [
    ("192.0.2.1", Peer("good.example", "good.example", OK, OK), "there and back"),
    ("2001:db8::1", Peer("six.example", "six.example", OK, OK), "addresses are numbers, not spellings"),
    ("192.0.2.2", Peer("unknown", "forged.example", FORGED, OK, DOUBT.format("forged.example", "192.0.2.2")),
     "the name leads elsewhere"),
    ("192.0.2.3", Peer("unknown", "lost.example", FORGED, OK,
                       DOUBT.format("lost.example", "192.0.2.3") + ": Name or service not known"), "it leads nowhere"),
    ("192.0.2.8", Peer("unknown", "slow.example", TEMPORARY, OK,
                       DOUBT.format("slow.example", "192.0.2.8") + ": Temporary failure in name resolution"),
     "it cannot be told now"),
    ("192.0.2.4", Peer("unknown", "unknown", PERMANENT, PERMANENT), "no name"),
    ("192.0.2.5", Peer("unknown", "unknown", TEMPORARY, TEMPORARY), "no name at present"),
    ("192.0.2.6", Peer(warning="numeric result 192.0.2.99 in address->name lookup for 192.0.2.6"), "an address"),
    ("192.0.2.7", Peer(), "no host name"),
]


@pytest.mark.parametrize(("address", "expected", "why"), PEERS)
def test_peers(address: str, expected: Peer, why: str) -> None:
    peers = Peers(name_of, addresses_of)
    assert asyncio.run(peers.peer(address)) == expected, why
    peers.close()


def test_loopback_by_the_system() -> None:
    """Whatever this machine calls loopback, the answer is one of the four outcomes and the thread ends."""
    peers = Peers()
    assert asyncio.run(peers.peer("127.0.0.1")).status in (OK, TEMPORARY, PERMANENT, FORGED)
    peers.close()
