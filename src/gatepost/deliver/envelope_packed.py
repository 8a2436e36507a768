"""How does an envelope lie in the spool, and go from one process to another? As a list of plain values, in this order.

What is added goes to the end, so that what an older version wrote can be read. This file must not know who writes it.
"""

from __future__ import annotations

from json.encoder import JSONEncoder
from typing import Any, Final

from gatepost.deliver.envelope import Envelope, Origin, Recipient

SIZE: Final = 3  # where the size of the content stands

_ENCODER: Final = JSONEncoder(check_circular=False, separators=(",", ":"))


def pack(envelope: Envelope) -> list[Any]:
    """An envelope as plain values; surrogates of undecodable bytes survive JSON as escapes."""
    o = envelope.origin
    return [
        envelope.sender, [[r.address, r.original, r.orcpt, r.notify] for r in envelope.recipients],
        envelope.arrived, envelope.size,
        [o.client_name, o.client_address, o.client_port, o.helo, o.protocol, o.ident, o.source, o.sasl_method,
         o.sasl_username, o.sasl_sender],
        envelope.body_type, envelope.smtputf8, envelope.ret, envelope.envid, envelope.content_filter, envelope.hold,
        envelope.redirect, envelope.bcc, list(envelope.overrides), envelope.service,
    ]


def unpack(queue_id: str, v: list[Any]) -> Envelope:
    """The reverse of pack."""
    o = v[4]
    return Envelope(
        queue_id=queue_id, sender=v[0], recipients=[Recipient(r[0], r[1], r[2], r[3]) for r in v[1]], arrived=v[2],
        size=v[3], origin=Origin(o[0], o[1], o[2], o[3], o[4], o[5], o[6], o[7], o[8], o[9]), body_type=v[5],
        smtputf8=v[6], ret=v[7], envid=v[8], content_filter=v[9], hold=v[10],
        redirect=v[11], bcc=v[12], overrides=frozenset(v[13]), service=v[14],
    )


def text_of(packed: list[Any]) -> str:
    """As JSON, for the database. Said about every message, so the encoder is made once."""
    return _ENCODER.encode(packed)
