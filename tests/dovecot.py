"""A Dovecot auth service that ships with the tests: protocol 1.1, PLAIN and LOGIN, one user, on a UNIX socket.

Source: Dovecot's auth-protocol description. user@example.test / secret is let in, everybody else is not.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import socket
import threading
from pathlib import Path
from types import TracebackType

USERS = {"user@example.test": "secret"}
GREETING = (
    b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t1\nCUID\t1\n"
    b"COOKIE\t0123456789abcdef0123456789abcdef\nDONE\n"
)


class Exchanges:
    """One client connection: the exchanges under way, by request id."""

    def __init__(self) -> None:
        self._under_way: dict[str, tuple[str, str | None]] = {}  # id -> (mechanism, LOGIN's user name)

    def answer(self, line: str) -> list[str]:
        """The fields of the answer to one line, [] for none."""
        command, *fields = line.split("\t")
        if command == "AUTH":
            request, mechanism = fields[0], fields[1].upper()
            self._under_way[request] = (mechanism, None)
            initial = next((x[5:] for x in fields[2:] if x.startswith("resp=")), None)
            if initial is not None:
                return self._data(request, initial)
            return ["CONT", request, "" if mechanism == "PLAIN" else _encoded("Username:")]
        if command == "CONT":
            return self._data(fields[0], fields[1])
        return []

    def _data(self, request: str, encoded: str) -> list[str]:
        mechanism, user = self._under_way.get(request, ("PLAIN", None))
        try:
            text = base64.b64decode(encoded, validate=True).decode()
        except (binascii.Error, ValueError):
            return ["FAIL", request, "reason=Invalid base64 data"]
        if mechanism == "PLAIN":
            parts = text.split("\0")
            if len(parts) != 3:
                return ["FAIL", request, "reason=invalid input"]
            return self._verdict(request, parts[1], parts[2])
        if user is None:
            self._under_way[request] = (mechanism, text)
            return ["CONT", request, _encoded("Password:")]
        return self._verdict(request, user, text)

    def _verdict(self, request: str, user: str, password: str) -> list[str]:
        self._under_way.pop(request, None)
        return ["OK" if USERS.get(user) == password else "FAIL", request, f"user={user}"]


def _encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


class DovecotAuth:
    """The service: listens between `with` and its end."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen(16)

    def __enter__(self) -> DovecotAuth:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that waits in accept
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        exchanges = Exchanges()
        with contextlib.suppress(OSError), connection, connection.makefile("rb") as lines:
            connection.sendall(GREETING)
            for line in lines:
                answer = exchanges.answer(line.decode("utf-8", "replace").rstrip("\n"))
                if answer:
                    connection.sendall("\t".join(answer).encode() + b"\n")
