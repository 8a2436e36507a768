"""Which addresses a service of master.cf listens at."""

from __future__ import annotations

import pytest

from gatepost.config.master import Service, parse
from gatepost.config.settings import Settings
from gatepost.server.endpoints import endpoints, takes_smtp
from gatepost.span import ConfigError


def service(line: str) -> Service:
    (only,) = parse("master.cf", line + "\n").services
    return only


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("smtp", {}, "0.0.0.0:25 [::]:25"),
        ("2525", {"inet_protocols": "ipv4"}, "0.0.0.0:2525"),
        ("2525", {"inet_protocols": "ipv6, ipv4", "inet_interfaces": "loopback-only"}, "127.0.0.1:2525 [::1]:2525"),
        ("smtp", {"inet_interfaces": "127.0.0.1, 127.0.0.2, 127.0.0.1"}, "127.0.0.1:25 127.0.0.2:25"),
        ("smtp", {"inet_interfaces": "[::1]"}, "[::1]:25"),
        ("smtp", {"inet_interfaces": "127.0.0.1, all", "inet_protocols": "ipv4"}, "0.0.0.0:25"),
        ("127.0.0.1:10025", {"inet_interfaces": "192.0.2.1"}, "127.0.0.1:10025"),
        ("[::1]:smtp", {}, "[::1]:25"),
        ("localhost:25", {"inet_protocols": "ipv4"}, "127.0.0.1:25"),
    ],
)
def test_inet_services(name: str, values: dict[str, str], expected: str) -> None:
    found = endpoints(service(f"{name} inet n - n - - smtpd"), Settings.of(values))
    assert " ".join(str(endpoint) for endpoint in found) == expected


def test_only_a_wildcard_of_both_protocols_is_optional() -> None:
    both = endpoints(service("smtp inet n - n - - smtpd"), Settings.of({}))
    one = endpoints(service("smtp inet n - n - - smtpd"), Settings.of({"inet_protocols": "ipv6"}))
    assert [endpoint.optional for endpoint in [*both, *one]] == [True, True, False]


@pytest.mark.parametrize(("private", "folder"), [("y", "private"), ("n", "public")])
def test_unix_services(private: str, folder: str) -> None:
    found = endpoints(service(f"in unix {private} - n - - smtpd"), Settings.of({"queue_directory": "/q"}))
    assert [str(endpoint) for endpoint in found] == [f"/q/{folder}/in"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("no-such-service", {}),
        ("70000", {}),
        (":25", {}),
        ("::1:25", {}),
        ("127.0.0.1:25", {"inet_protocols": "ipv6"}),
        ("smtp", {"inet_protocols": "ipv5"}),
        ("smtp", {"inet_interfaces": "host.invalid."}),
    ],
)
def test_what_cannot_be_listened_at_names_its_place(name: str, values: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        endpoints(service(f"{name} inet n - n - - smtpd"), Settings.of(values))
    assert caught.value.span is None or caught.value.span.file == "master.cf"


@pytest.mark.parametrize(
    ("line", "takes"),
    [
        ("smtp inet n - n - - smtpd", True),
        ("smtp inet n - n - 1 postscreen", True),
        ("smtp inet n - n - - /usr/lib/postfix/sbin/smtpd", True),
        ("in unix n - n - - smtpd", True),
        ("smtpd pass - - n - - smtpd", False),
        ("smtp unix - - n - - smtp", False),
    ],
)
def test_services_that_take_smtp(line: str, takes: bool) -> None:
    assert takes_smtp(service(line)) is takes
