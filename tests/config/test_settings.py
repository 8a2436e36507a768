"""config/settings.py: effective values, their types, their places, their errors."""

from __future__ import annotations

import pytest

import gatepost.config.parameters as p
from gatepost.config.load import loads
from gatepost.config.parameter import Parameter, Word
from gatepost.config.settings import Settings
from gatepost.span import ConfigError, Span


@pytest.mark.parametrize(("parameter", "text", "value"), [
    (p.SMTPD_HELO_REQUIRED, "YES", True),
    (p.SMTPD_HELO_REQUIRED, "no", False),
    (p.SMTPD_HARD_ERROR_LIMIT, "7", 7),
    (p.VIRTUAL_MINIMUM_UID, "+3", 3),
    (p.SMTPD_TIMEOUT, "10", 10),  # the unit of the default: seconds
    (p.ADDRESS_VERIFY_POSITIVE_EXPIRE_TIME, "2", 2 * 86400),  # ... days
    (p.ADDRESS_VERIFY_NEGATIVE_REFRESH_TIME, "2", 7200),
    (p.MAXIMAL_QUEUE_LIFETIME, "1w", 604800),
    (p.SMTPD_TIMEOUT, "5mh", 300),  # text behind the unit letter does not count
    (p.SMTPD_FORBID_BARE_NEWLINE, "Reject", "reject"),
    (p.SMTPD_BANNER, "$myhostname ESMTP", "mx.example ESMTP"),
    (p.DEFAULT_RBL_REPLY, "$rbl_code no", "$rbl_code no"),  # a template is not expanded
    (p.SMTPD_DATA_RESTRICTIONS, "a, b  c", (Word("a"), Word("b"), Word("c"))),
    (p.SMTPD_DATA_RESTRICTIONS, "check_policy_service { unix:p, timeout=1 }",
     (Word("check_policy_service"), Word("{ unix:p, timeout=1 }"))),
    (p.MYDESTINATION, "$myhostname, localhost", (Word("mx.example"), Word("localhost"))),
    (p.MYDESTINATION, "", ()),
])
def test_values(parameter: Parameter[object], text: str, value: object) -> None:
    assert Settings.of({"myhostname": "mx.example", parameter.name: text})[parameter] == value


@pytest.mark.parametrize(("name", "text", "message"), [
    # The first four are the texts of recordings: conformance cases config-fatal.
    ("smtpd_helo_required", "maybe", "bad boolean configuration: smtpd_helo_required = maybe"),
    ("smtpd_hard_error_limit", "many", "bad numerical configuration: smtpd_hard_error_limit = many"),
    ("smtpd_forbid_bare_newline", "maybe", "bad parameter value: 'smtpd_forbid_bare_newline = maybe'"),
    ("smtpd_forbid_bare_newline_reject_code", "421",
     "invalid smtpd_forbid_bare_newline_reject_code parameter value 421 < 500"),
    ("smtpd_forbid_bare_newline_reject_code", "600",
     "invalid smtpd_forbid_bare_newline_reject_code parameter value 600 > 599"),
    ("smtpd_timeout", "soon", "parameter smtpd_timeout: bad time value or unit: soon"),
    ("smtpd_timeout", "5y", "parameter smtpd_timeout: bad time value or unit: 5y"),
    ("smtpd_timeout", "", "parameter smtpd_timeout: bad time value or unit: "),
    ("smtpd_timeout", "0", "invalid smtpd_timeout parameter value 0 < 1"),
    ("smtpd_recipient_limit", "10k", "bad numerical configuration: smtpd_recipient_limit = 10k"),
])
def test_bad_values(name: str, text: str, message: str) -> None:
    settings = loads(f"# one line before\n{name} = {text}\n", "", directory="d").main
    with pytest.raises(ConfigError) as caught:
        settings[p.DECLARED[name]]
    assert (caught.value.message, caught.value.span) == (message, Span("d/main.cf", 2, 1, len(name)))


def test_every_default_reads() -> None:
    for level in ("0", "1", "2", "3.6", "3.10"):
        settings = Settings.of({"compatibility_level": level})
        for parameter in p.DECLARED.values():
            settings[parameter]


def test_defaults_follow_the_compatibility_level() -> None:
    old, new = Settings.of({"compatibility_level": "0"}), Settings.of({"compatibility_level": "3.10"})
    assert old[p.SMTPD_RELAY_RESTRICTIONS] == ()
    assert [word.text for word in new[p.SMTPD_RELAY_RESTRICTIONS]] == [
        "permit_mynetworks", "permit_sasl_authenticated", "defer_unauth_destination"]
    assert (old[p.GATEPOST_LOG_SESSION_ID], new[p.GATEPOST_LOG_SESSION_ID]) == (False, True)


def test_stress_changes_limits() -> None:
    calm = Settings.of({})
    stressed = calm.replace({"stress": "yes"})
    assert (calm[p.SMTPD_TIMEOUT], stressed[p.SMTPD_TIMEOUT]) == (300, 10)
    assert (calm[p.SMTPD_HARD_ERROR_LIMIT], stressed[p.SMTPD_HARD_ERROR_LIMIT]) == (20, 1)


def test_postfix_compatibility_wants_only_buffered_evidence() -> None:
    assert Settings.of({})[p.GATEPOST_TURN_EVIDENCE] == "all"
    assert Settings.of({"gatepost_compatibility": "postfix"})[p.GATEPOST_TURN_EVIDENCE] == "buffered"


@pytest.mark.parametrize(("values", "mydomain", "myhostname"), [
    ({"myhostname": "a.b.c"}, "b.c", "a.b.c"),
    ({"myhostname": "a"}, "localdomain", "a"),
    ({"myhostname": "a.b", "mydomain": "x.y"}, "x.y", "a.b"),
])
def test_names_of_the_host(values: dict[str, str], mydomain: str, myhostname: str) -> None:
    settings = Settings.of(values)
    assert (settings[p.MYDOMAIN], settings[p.MYHOSTNAME]) == (mydomain, myhostname)


def test_a_value_is_computed_once() -> None:
    settings = Settings.of({"mydestination": "a b"})
    assert settings[p.MYDESTINATION] is settings[p.MYDESTINATION]


def test_places_of_settings_and_items() -> None:
    main_cf = "trusted = one,\n  two\nsmtpd_client_restrictions = zero $trusted\n"
    settings = loads(main_cf, "", directory="d").main
    assert settings.span(p.SMTPD_CLIENT_RESTRICTIONS) == Span("d/main.cf", 3, 1, 25)
    assert settings.span(p.SMTPD_HELO_RESTRICTIONS) is None
    assert settings[p.SMTPD_CLIENT_RESTRICTIONS] == (
        Word("zero", Span("d/main.cf", 3, 29, 4)), Word("one", Span("d/main.cf", 1, 11, 3)),
        Word("two", Span("d/main.cf", 2, 3, 3)))
    assert settings.words("trusted")[1] == Word("two", Span("d/main.cf", 2, 3, 3))


def test_names_that_are_no_parameters() -> None:
    settings = Settings.of({"accounts_query": "SELECT '$mail_name'", "ours": "a, $mail_name"})
    assert settings.text("accounts_query") == "SELECT 'Postfix'"
    assert [word.text for word in settings.words("ours")] == ["a", "Postfix"]
    assert settings.text("nobody_set_this") is None
    assert settings.words("nobody_set_this") == ()
    assert settings.text("line_length_limit") == "2048"  # a parameter's default
    assert settings.is_set("ours") and not settings.is_set(p.LINE_LENGTH_LIMIT)


def test_values_per_transport() -> None:
    settings = Settings.of({"default_destination_concurrency_limit": "9",
                            "slow_destination_concurrency_limit": "1", "slow_destination_recipient_limit": "60"})
    assert settings.of_transport(p.DEFAULT_DESTINATION_CONCURRENCY_LIMIT, "slow") == 1
    assert settings.of_transport(p.DEFAULT_DESTINATION_CONCURRENCY_LIMIT, "quick") == 9
    assert settings.of_transport(p.DEFAULT_DESTINATION_CONCURRENCY_LIMIT, "local") == 2  # has a default of its own
    assert settings.of_transport(p.DEFAULT_DESTINATION_RECIPIENT_LIMIT, "slow") == 60


def test_a_template_may_name_another() -> None:
    settings = Settings.of({"smtpd_reject_footer": "call $localtime", "default_rbl_reply": "$smtpd_reject_footer"})
    assert settings[p.DEFAULT_RBL_REPLY] == "call $localtime"


def test_lmtp_twins() -> None:
    assert p.lmtp(p.SMTP_HELO_NAME) is p.LMTP_LHLO_NAME
    assert p.lmtp(p.SMTP_TCP_PORT) is p.LMTP_TCP_PORT
    assert p.lmtp(p.RELAYHOST) is p.RELAYHOST
