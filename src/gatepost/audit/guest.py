"""Who connects in a rehearsal? Clients as an operator thinks of them: a stranger, the host itself, a logged-in user.

This file must not know a configuration: whether a client is trusted, or can log in at all, is for the rehearsal to see.
"""

from __future__ import annotations

from dataclasses import dataclass

from gatepost.policy.facts import Client, NameStatus


@dataclass(frozen=True, slots=True)
class Guest:
    """A client. `name` is its verified host name, "" when it has none; `login`: it logs in where the service lets it;
    `secured`: it speaks TLS where the service offers it; `new`: screening, where there is any, has not
    seen it yet."""

    label: str
    address: str
    name: str = ""
    login: bool = False
    secured: bool = False
    new: bool = False

    def client(self) -> Client:
        """As the session sees it."""
        status = NameStatus.OK if self.name else NameStatus.PERM
        name = self.name or "unknown"
        return Client(self.address, "34567", name, name, status, status, "127.0.0.1", "25")


STRANGER = Guest("a stranger", "198.51.100.7", "mail.sender.example")
NEW = Guest("a stranger who comes for the first time", "198.51.100.7", "mail.sender.example", new=True)
NAMELESS = Guest("a stranger without a host name", "198.51.100.66")
SECURED = Guest("a stranger over TLS", "198.51.100.7", "mail.sender.example", secured=True)
ITSELF = Guest("a client on the host itself", "127.0.0.1", "localhost")
GATEWAY = Guest("whoever comes through a container gateway", "172.17.0.1")
NEIGHBOUR = Guest("a client in the container network", "172.18.0.5")
USER = Guest("a user who has logged in", "198.51.100.80", "dsl.client.example", login=True, secured=True)


def at(address: str, why: str) -> Guest:
    """A client at an address that matters in one configuration."""
    return Guest(f"a client at {address} ({why})", address)
