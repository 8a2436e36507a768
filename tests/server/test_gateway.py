"""What a gateway tells before it serves: mailboxes that it will not be able to write."""

from __future__ import annotations

import pytest

from gatepost.config.settings import Settings
from gatepost.server.gateway import mailbox_warnings


@pytest.mark.parametrize(("values", "root", "named"), [
    ({"mydestination": "here.example"}, True, ["local_transport"]),
    ({"mydestination": "here.example"}, False, []),
    ({"mydestination": "here.example", "gatepost_user": ""}, True, []),
    ({"mydestination": ""}, True, []),
    ({"mydestination": "here.example", "local_transport": "lmtp:unix:private/lmtp"}, True, []),
    ({"mydestination": "", "virtual_mailbox_domains": "v.example"}, True, ["virtual_transport"]),
])  # fmt: skip
def test_mailboxes_of_other_users(values: dict[str, str], root: bool, named: list[str]) -> None:
    settings = Settings.of({"myhostname": "mx.example", "virtual_mailbox_maps": "", **values})
    assert [warning.partition(" =")[0] for warning in mailbox_warnings(settings, root=root)] == named
