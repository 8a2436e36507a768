"""How do TLS records become plaintext? The record layer of one connection, without a socket.

Contract: bytes from the wire go in, plaintext and bytes for the wire come out; nothing waits. A record that is complete
is never kept back, so that whoever stops reading the socket has everything that was read. Errors of TLS are TlsBroken.
This file must not know sockets, time or certificates' meaning.
"""

from __future__ import annotations

import contextlib
import ssl

READ = 65536  # more than a record may hold (RFC 8446 5.1: 2**14 bytes of plaintext)


class TlsBroken(Exception):
    """The handshake or a record failed; the text is the library's reason."""


def _reason(error: ssl.SSLError) -> str:
    """The library's words without Python's source line numbers."""
    return (error.reason or str(error)).lower().replace("_", " ")


class TlsLayer:
    """The server's end of one TLS connection. `ended` is True once the client said close_notify."""

    __slots__ = ("_incoming", "_outgoing", "ended", "secured")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self.secured: ssl.SSLObject = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self.ended = False

    def shake(self, data: bytes) -> bool:
        """Go on with the handshake after `data`. True when it is done; for_wire() has what is to be sent either way."""
        self._incoming.write(data)
        try:
            self.secured.do_handshake()
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError as error:
            raise TlsBroken(_reason(error)) from error
        return True

    def decrypt(self, data: bytes) -> bytes:
        """The plaintext of every complete record; b"" when there is none yet."""
        incoming, secured = self._incoming, self.secured
        incoming.write(data)
        plain = b""
        try:
            while incoming.pending or secured.pending():
                piece = secured.read(READ)
                if not piece:
                    self.ended = True
                    break
                plain = plain + piece if plain else piece
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError as error:
            if not plain:
                raise TlsBroken(_reason(error)) from error
            self.ended = True  # what was authentic before the bad record is still served
        return plain

    def encrypt(self, data: bytes) -> bytes:
        """Records that carry `data`."""
        try:
            self.secured.write(data)
        except ssl.SSLError as error:
            raise TlsBroken(_reason(error)) from error
        return self._outgoing.read()

    def for_wire(self) -> bytes:
        """What the layer itself wants sent: handshake, alerts, tickets."""
        return self._outgoing.read()

    def close(self) -> bytes:
        """The close_notify alert, or b"" when the session is beyond it."""
        with contextlib.suppress(ssl.SSLError):  # WantRead: the client's own close_notify is not waited for
            self.secured.unwrap()
        return self._outgoing.read()
