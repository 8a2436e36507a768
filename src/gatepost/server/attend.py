"""Who serves a connection? Session and performer, made for one client of one service.

This file must not know sockets nor configuration.
"""

from __future__ import annotations

from collections.abc import Callable

from gatepost.config import parameters as p
from gatepost.policy.facts import Client
from gatepost.server.connection import Connection
from gatepost.server.perform import Performer
from gatepost.server.service import Service
from gatepost.smtp.options import Rights
from gatepost.smtp.session import Session


def attendant(service: Service) -> Callable[[Connection], tuple[Session, Performer]]:
    """What serves a new connection of this service."""
    with_port = service.settings[p.SMTPD_CLIENT_PORT_LOGGING]

    def attend(connection: Connection) -> tuple[Session, Performer]:
        client = Client(
            address=connection.peer_address,
            port=connection.peer_port,
            server_address=connection.local_address,
            server_port=connection.local_port,
        )
        if with_port:
            client.namaddr += f":{client.port}"
        session = Session(service.options, Rights(namaddr=client.namaddr, asks=service.asks))
        return session, Performer(connection, service, session, client)

    return attend
