"""From smtp_ and lmtp_ parameters to the wishes of a transport."""

from __future__ import annotations

import pytest

from gatepost.config.settings import Settings
from gatepost.deliver.remote_settings import remote_options
from gatepost.span import ConfigError


def test_the_filter_transport_of_docker_mailserver() -> None:
    options = remote_options(Settings.of({
        "smtp_data_done_timeout": "1200", "smtp_send_xforward_command": "yes", "disable_dns_lookups": "yes",
        "smtp_tls_security_level": "none"}), "smtp")
    assert (options.limits.seconds["."], options.xforward, options.mx, options.native, options.tls) == (
        1200, True, False, True, "none")


def test_lmtp_has_parameters_of_its_own() -> None:
    options = remote_options(Settings.of({"smtp_mail_timeout": "1s", "lmtp_rcpt_timeout": "2s",
                                          "lmtp_tls_security_level": "encrypt"}), "lmtp")
    assert (options.lmtp, options.port, options.mx, options.tls) == (True, 24, False, "encrypt")
    assert (options.limits.seconds["MAIL"], options.limits.seconds["RCPT"]) == (300, 2)


@pytest.mark.parametrize(("values", "level"), [
    ({}, "none"), ({"smtp_use_tls": "yes"}, "may"), ({"smtp_enforce_tls": "yes"}, "encrypt"),
    ({"smtp_tls_security_level": "dane"}, "may"), ({"smtp_tls_security_level": "secure"}, "secure"),
])
def test_tls_levels(values: dict[str, str], level: str) -> None:
    assert remote_options(Settings.of(values), "smtp").tls == level


def test_a_level_that_is_not_to_be_had_is_an_error() -> None:
    with pytest.raises(ConfigError, match="not supported"):
        remote_options(Settings.of({"smtp_tls_security_level": "fingerprint"}), "smtp")


def test_passwords_in_the_clear_need_permission() -> None:
    options = remote_options(Settings.of({"smtp_sasl_auth_enable": "yes", "smtp_sasl_password_maps": "hash:/pw",
                                          "smtp_sasl_tls_security_options": "noanonymous"}), "smtp")
    assert options.password_maps == ("hash:/pw",)
    assert (options.plaintext_auth, options.plaintext_auth_tls) == (False, True)
    assert remote_options(Settings.of({"smtp_sasl_password_maps": "hash:/pw"}), "smtp").password_maps == ()


def test_our_own_addresses_are_known() -> None:
    options = remote_options(Settings.of({"inet_interfaces": "192.0.2.1", "proxy_interfaces": "198.51.100.7"}), "smtp")
    assert [options.is_own(address) for address in ("192.0.2.1", "198.51.100.7", "192.0.2.2", "127.0.0.1")] == [
        True, True, False, False]
    assert remote_options(Settings.of({"inet_interfaces": "all"}), "smtp").is_own("127.0.0.1")
