"""What runs in the container: image, start-up, overrides and patches in docker-mailserver's order.

Expected values were compared with what the start-up of each release makes of the same folders and variables.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gatepost.config import load
from gatepost.config.dms import effective, folder, names
from gatepost.config.dms.environment import DEFAULTS, Environment, Variable
from gatepost.config.dms.master_lines import Ignored
from gatepost.config.dms.release import NEWEST, RELEASES, release
from gatepost.span import ConfigError, Span
from tests.config.dms import house
from tests.config.dms.house import VOLUME, override, places, understood, value

QUOTA = "check_policy_service inet:localhost:65265"
SPF = "check_policy_service unix:private/policyd-spf"


@pytest.mark.parametrize(("tag", "middle"), [("v13.1.0", "reject_unauth_pipelining, "), ("v13.2.0", ""), ("edge", "")])
def test_the_recipient_list_at_run_time(tag: str, middle: str, tmp_path: Path) -> None:
    assert value(understood(tmp_path, tag), "smtpd_recipient_restrictions") == (
        f"permit_sasl_authenticated, permit_mynetworks, reject_unauth_destination, {SPF}, {middle}"
        f"reject_invalid_helo_hostname, reject_non_fqdn_helo_hostname, reject_unknown_recipient_domain, {QUOTA}")


def test_what_the_image_says_has_a_place_in_its_own_text(tmp_path: Path) -> None:
    found = understood(tmp_path, "v13.1.0")
    span = found.main_cf.last()["smtpd_client_restrictions"].span
    assert span.file == "docker-mailserver v13.1.0: main.cf"
    assert found.files[span.file].split("\n")[span.line - 1].startswith("smtpd_client_restrictions = permit_mynetworks")
    assert not found.is_operators(span.file)
    service = next(each for each in found.master_cf.services if each.name == "127.0.0.1:10025")
    assert service.span.file == "docker-mailserver v13.1.0: master.cf"
    assert found.files[service.span.file].split("\n")[service.span.line - 1].startswith("127.0.0.1:10025 inet")


@pytest.mark.parametrize(("env", "name", "expected"), [
    ("PERMIT_DOCKER=network", "mynetworks", "127.0.0.0/8 [::1]/128 [fe80::]/64 172.16.0.0/12"),
    ("PERMIT_DOCKER=nonsense", "mynetworks", ""),
    ("", "mynetworks", ""),
    ("ENABLE_DNSBL=1", "postscreen_dnsbl_action", "enforce"),
    ("", "postscreen_dnsbl_sites", ""),
    ("POSTSCREEN_ACTION=drop", "postscreen_greet_action", "drop"),
    ("", "smtpd_tls_security_level", "none"),
    ("SSL_TYPE=letsencrypt", "smtpd_tls_security_level", "may"),
    ("", "content_filter", "smtp-amavis:[127.0.0.1]:10024"),
    ("ENABLE_AMAVIS=0", "content_filter", None),
    ("", "smtpd_milters", "$dkim_milter $dmarc_milter"),
    ("ENABLE_RSPAMD=1\nENABLE_OPENDMARC=0", "smtpd_milters", "$dkim_milter $rspamd_milter"),
    ("SPOOF_PROTECTION=1", "mua_sender_restrictions",
     "reject_authenticated_sender_login_mismatch, $dms_smtpd_sender_restrictions"),
    ("", "mua_sender_restrictions", "$dms_smtpd_sender_restrictions"),
    ("OVERRIDE_HOSTNAME=mail.a.example", "mydomain", "a.example"),
    ("ENABLE_SRS=1", "sender_canonical_maps", "tcp:localhost:10001"),
    ("ENABLE_MTA_STS=1", "smtp_tls_policy_maps", "socketmap:unix:/var/run/mta-sts/daemon.sock:postfix"),
    ("POSTFIX_INET_PROTOCOLS=ipv4", "inet_protocols", "ipv4"),
    ("POSTFIX_REJECT_UNKNOWN_CLIENT_HOSTNAME=1", "dms_smtpd_sender_restrictions",
     "permit_sasl_authenticated, permit_mynetworks, reject_unknown_sender_domain, reject_unknown_client_hostname"),
    ("ACCOUNT_PROVISIONER=LDAP", "mydestination", "localhost.$mydomain, localhost"),
    ("ENABLE_SASLAUTHD=1", "smtpd_sasl_type", None),
    ("DEFAULT_RELAY_HOST=[r]:25", "relayhost", "[r]:25"),
])
def test_start_up_follows_the_environment(env: str, name: str, expected: str | None, tmp_path: Path) -> None:
    assert value(understood(tmp_path, env=f"{env}\n"), name) == expected


def test_greylisting_is_appended_and_quotas_go_with_the_provisioner(tmp_path: Path) -> None:
    found = understood(tmp_path, env="ENABLE_POSTGREY=1\nACCOUNT_PROVISIONER=LDAP\n")
    assert (value(found, "smtpd_recipient_restrictions") or "").endswith(
        ", reject_unknown_recipient_domain, check_policy_service inet:127.0.0.1:10023")


@pytest.mark.parametrize(("tag", "twice"), [("v14.0.0", True), ("v15.1.0", False)])
def test_access_files_are_prepended(tag: str, twice: bool, tmp_path: Path) -> None:
    found = understood(tmp_path, tag, send_access="a@b REJECT\n", receive_access="c@d REJECT\n")
    assert (value(found, "dms_smtpd_sender_restrictions") or "").startswith("check_sender_access texthash:")
    assert (value(found, "smtpd_sender_restrictions") or "").startswith("check_sender_access") is twice
    assert (value(found, "smtpd_recipient_restrictions") or "").startswith("check_recipient_access texthash:/tmp/")


def test_the_operators_value_replaces_the_list_and_has_its_own_place(tmp_path: Path) -> None:
    found = understood(tmp_path, main=(
        "# mine\nmax_idle = 600s\nsmtpd_recipient_restrictions =\n  permit_mynetworks\n  reject\n"))
    assert value(found, "smtpd_recipient_restrictions") == "permit_mynetworks  reject"
    assert places(found, "smtpd_recipient_restrictions") == ("postfix-main.cf", 3)
    assert QUOTA in found.image["smtpd_recipient_restrictions"]


@pytest.mark.parametrize(("tag", "dropped"), [("v13.3.1", ["lonely", "custom"]), ("v14.0.0", ["lonely"])])
def test_names_nothing_refers_to_are_dropped(tag: str, dropped: list[str], tmp_path: Path) -> None:
    found = understood(tmp_path, tag, main="lonely = 1\ncustom = reject\nused = 2\nsmtpd_banner = $used\n",
                       master="submission/inet/smtpd_client_restrictions=$custom\n")
    assert [entry.name for entry in found.dropped] == dropped
    assert value(found, "lonely") is None and value(found, "used") == "2"


def test_overrides_of_services(tmp_path: Path) -> None:
    found = understood(tmp_path, master=(
        "# note\nsubmission/inet/smtpd_data_restrictions=reject\nsmtps/inet/smtpd_banner=x\n"
        "submissions/inet/smtpd_helo_restrictions=permit_mynetworks, reject\n"))
    assert override(found, "submission/inet", "smtpd_data_restrictions") == "reject"
    assert [line.ignored for line in found.master_lines] == [None, Ignored.SERVICE, Ignored.BLANK]
    service = next(each for each in found.master_cf.services if str(each) == "submission/inet")
    assert service.overrides[-1].span.line == 2 and service.overrides[-1].span.file.endswith("postfix-master.cf")


def test_srs_wins_over_the_operator_and_the_operator_over_it_before_12_1(tmp_path: Path) -> None:
    main = "sender_canonical_maps = hash:/etc/postfix/mine\n"
    found = understood(tmp_path / "a", env="ENABLE_SRS=1\n", main=main)
    assert value(found, "sender_canonical_maps") == "tcp:localhost:10001"
    assert [(entry.name, by) for entry, by in found.overwritten] == [("sender_canonical_maps", "ENABLE_SRS")]
    assert value(understood(tmp_path / "b", "v12.0.0", env="ENABLE_SRS=1\n", main=main),
                 "sender_canonical_maps") == "hash:/etc/postfix/mine"


def test_mta_sts_is_put_behind_the_operators_tables(tmp_path: Path) -> None:
    found = understood(tmp_path, env="ENABLE_MTA_STS=1\n", main="smtp_tls_policy_maps = hash:/x\n")
    assert value(found, "smtp_tls_policy_maps") == "hash:/x socketmap:unix:/var/run/mta-sts/daemon.sock:postfix"
    assert found.overwritten == ()


def test_patches_come_last(tmp_path: Path) -> None:
    found = understood(tmp_path, main="soft_bounce = yes\n",
                       patches="postconf soft_bounce=no\nmagic >/etc/postfix/main.cf\n")
    assert value(found, "soft_bounce") == "no" and places(found, "soft_bounce") == ("user-patches.sh", 1)
    assert [by for _, by in found.overwritten] == ["user-patches.sh"]
    assert [problem.span.line for problem in found.unknown if problem.span] == [2]


def test_the_release_is_the_image_of_the_compose_file(tmp_path: Path) -> None:
    text = "services:\n  m:\n    image: mailserver/docker-mailserver:13.1\n    environment: {PERMIT_DOCKER: host}\n"
    named = house.folder(tmp_path, compose=text)
    found = effective.read(named)
    assert str(found.release) == "v13.1.0" and found.release_from == "image mailserver/docker-mailserver:13.1"
    assert found.folder.environment["PERMIT_DOCKER"] == "host"
    assert str(effective.read(named, "v12").release) == "v12.1.0"


def test_an_unknown_tag_is_the_newest_and_said(tmp_path: Path) -> None:
    found = effective.read(house.folder(tmp_path, compose="services: {m: {image: 'x/docker-mailserver:99'}}\n"))
    assert found.release is NEWEST and found.release_from == ""
    assert any(problem.text == "99" for problem in found.unknown)


def test_the_volume_itself_finds_what_stands_above(tmp_path: Path) -> None:
    house.folder(tmp_path, env="PERMIT_DOCKER=network\n", main="soft_bounce = yes\n")
    found = effective.read(str(tmp_path / VOLUME))
    assert found.folder.environment["PERMIT_DOCKER"] == "network" and value(found, "soft_bounce") == "yes"


def test_an_environment_file_may_be_named(tmp_path: Path) -> None:
    named = house.folder(tmp_path, env="PERMIT_DOCKER=network\n")
    (tmp_path / "other.env").write_text("PERMIT_DOCKER=host\n")
    assert effective.read(named, env=str(tmp_path / "other.env")).folder.environment["PERMIT_DOCKER"] == "host"


def test_folders_are_recognised(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    assert not names.recognised(str(tmp_path / "plain"))
    (tmp_path / "plain" / "postfix-main.cf").write_text("")
    assert names.recognised(str(tmp_path / "plain"))
    (tmp_path / "plain" / "main.cf").write_text("")
    assert not names.recognised(str(tmp_path / "plain"))
    assert names.recognised(house.folder(tmp_path / "root"))
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "compose.yaml").write_text("services: {web: {image: nginx}}")
    assert not names.recognised(str(tmp_path / "other"))


def test_a_main_that_does_not_read_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="missing '='") as error:
        understood(tmp_path, main="soft_bounce = yes\nno assignment\n")
    assert error.value.span is not None and error.value.span.line == 2


def test_other_texts_for_the_same_folder(tmp_path: Path) -> None:
    found = understood(tmp_path, main="soft_bounce = yes\n")
    other = found.with_texts({"user-patches.sh": "postconf soft_bounce=no\n"})
    assert value(other, "soft_bounce") == "no" and value(found, "soft_bounce") == "yes"
    assert other.folder.path("user-patches.sh") in other.files and other.override is None


def test_the_configuration_is_one_that_can_be_run(tmp_path: Path) -> None:
    found = understood(tmp_path, main="soft_bounce = yes\n")
    configuration = found.configuration
    service = configuration.service("submission", "inet")
    assert service is not None
    settings = configuration.settings(service)
    assert settings.text("smtpd_sender_restrictions") == (
        "permit_sasl_authenticated, permit_mynetworks, reject_unknown_sender_domain")
    assert configuration.main.text("soft_bounce") == "yes"
    assert load.load(str(tmp_path)).main.text("soft_bounce") == "yes"


@pytest.mark.parametrize("each", RELEASES, ids=str)
def test_every_release_is_understood(each: object, tmp_path: Path) -> None:
    found = understood(tmp_path, str(each), env="ENABLE_POSTGREY=1\nSPOOF_PROTECTION=1\nSSL_TYPE=snakeoil\n",
                       main="smtpd_helo_required = no\n")
    assert found.release is each and value(found, "smtpd_helo_required") == "no"
    assert "reject_unauth_destination" in (value(found, "smtpd_recipient_restrictions") or "")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(main=st.text(), master=st.text(), patches=st.text(), tag=st.sampled_from(["11", "13.1", "14", "edge"]))
def test_any_texts_are_understood_or_said(main: str, master: str, patches: str, tag: str, tmp_path: Path) -> None:
    if not (tmp_path / VOLUME).exists():
        house.folder(tmp_path)
    base = effective.effective(folder.find(str(tmp_path)), release(tag))
    try:
        found = base.with_texts({"postfix-main.cf": main, "postfix-master.cf": master, "user-patches.sh": patches})
    except ConfigError as error:
        assert error.span is not None and error.span.file.endswith("postfix-main.cf")
        return
    assert len(found.master_cf.services) >= 1 and found.main_cf.last()


def test_what_a_variable_says_has_the_variables_place(tmp_path: Path) -> None:
    found = understood(tmp_path, env="# who is trusted\nPERMIT_DOCKER=network\nPOSTSCREEN_ACTION=drop\n")
    assert places(found, "postscreen_greet_action") == ("mailserver.env", 3)
    networks = found.main_cf.last()["mynetworks"].value
    first, last = networks.span(0), networks.span(networks.text.index("172"))
    assert first is not None and not found.is_operators(first.file)
    assert last is not None and (last.file.rpartition("/")[2], last.line) == ("mailserver.env", 2)


def test_files_of_the_container_that_are_the_operators(tmp_path: Path) -> None:
    found = understood(tmp_path, receive_access="a@b REJECT\n")
    assert found.host_path("/tmp/docker-mailserver/postfix-receive-access.cf") == (
        found.folder.path("postfix-receive-access.cf"))
    assert found.host_path("/etc/postfix/virtual") == "" == found.host_path("/etc/aliases")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(values=st.dictionaries(st.sampled_from(sorted(DEFAULTS)), st.text() | st.sampled_from(["0", "1", "LDAP"])),
       tag=st.sampled_from(["11", "12", "13.1", "14", "edge"]))
def test_any_variables_are_understood(values: dict[str, str], tag: str, tmp_path: Path) -> None:
    found = folder.find(str(tmp_path))
    env = Environment({name: Variable(value, Span("compose.yaml", 1)) for name, value in values.items()})
    understood_ = effective.effective(replace(found, environment=env), release(tag))
    assert len(understood_.main_cf.last()) > 60 and len(understood_.master_cf.services) > 20
    assert understood_.main_cf.problems == ()
