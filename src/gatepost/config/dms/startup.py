"""What does docker-mailserver's start-up make of its image's configuration? Its edits, in its order, replayed.

Each edit is a function of the environment that changes texts of main.cf parameters or lines of master.cf, as the
release in question does it; where releases differ, the function says since when. Facts only a running container has
(its address and host name) are assumed, and said. This file must not know the operator's overrides.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from gatepost.config.dms import release as releases
from gatepost.config.dms.environment import Environment
from gatepost.config.dms.folder import Folder
from gatepost.config.dms.names import RECEIVE_ACCESS, SEND_ACCESS
from gatepost.config.dms.release import Release
from gatepost.config.problem import Problem

CONTAINER = "172.18.0.2"
"""The container's address on Docker's first own network: assumed where docker-mailserver asks the network interface."""
HOST_NAME = "mail.example.com"
INTERMEDIATE = (
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256:"
    "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-SHA256:ECDHE-RSA-AES128-SHA256:"
)
"""What TLS_LEVEL=intermediate begins with."""
SINCE_12 = "ECDHE-RSA-AES256-SHA384:ECDHE-ECDSA-AES256-SHA384:DHE-RSA-AES128-SHA256:DHE-RSA-AES256-SHA256"
BEFORE_12 = (
    "ECDHE-ECDSA-AES128-SHA:ECDHE-RSA-AES256-SHA384:ECDHE-RSA-AES128-SHA:ECDHE-ECDSA-AES256-SHA384:"
    "ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:DHE-RSA-AES128-SHA256:DHE-RSA-AES128-SHA:DHE-RSA-AES256-SHA256:"
    "DHE-RSA-AES256-SHA"
)
QUOTA = "check_policy_service inet:localhost:65265"
SPF = "check_policy_service unix:private/policyd-spf"
POSTGREY = "check_policy_service inet:127.0.0.1:10023"
INJECTED = {QUOTA: "ENABLE_QUOTAS", SPF: "ENABLE_POLICYD_SPF", POSTGREY: "ENABLE_POSTGREY"}
"""Checks that start-up puts into smtpd_recipient_restrictions -> the variable that asks for each."""
OLD_LIST = ", reject_rbl_client zen.spamhaus.org"
"""What ended the recipient list before v12."""
SAYS = {
    "inet_protocols": "POSTFIX_INET_PROTOCOLS", "message_size_limit": "POSTFIX_MESSAGE_SIZE_LIMIT",
    "mynetworks": "PERMIT_DOCKER", "postscreen_bare_newline_action": "POSTSCREEN_ACTION",
    "postscreen_dnsbl_action": "POSTSCREEN_ACTION", "postscreen_greet_action": "POSTSCREEN_ACTION",
    "relayhost": "DEFAULT_RELAY_HOST", "sender_canonical_classes": "SRS_SENDER_CLASSES",
    "virtual_transport": "POSTFIX_DAGENT",
}
"""Parameter -> the variable whose value it has, or whose value says what it has."""
COPIED = {"/etc/postfix/virtual": "postfix-virtual.cf", "/etc/postfix/regexp": "postfix-regexp.cf"}
"""Files of the container that are copies of the operator's."""
ACCESS_PATH = "texthash:/tmp/docker-mailserver/"  # inside the container


class Image:
    """The configuration inside the container on its way: `main` by name, `master` as physical lines."""

    def __init__(self, release: Release, folder: Folder) -> None:
        self.release = release
        self.env: Environment = folder.environment
        self.folder = folder
        self.main: dict[str, str] = {}
        for line in releases.image("main", release):
            name, _, value = line.partition("=")
            self.main[name.strip()] = value.strip()
        self.master = list(releases.image("master", release))
        self.assumed: list[Problem] = []

    def edit(self, name: str, change: Callable[[str], str]) -> None:
        """Change the value of a parameter that the file has."""
        if name in self.main:
            self.main[name] = change(self.main[name])

    def append(self, name: str, word: str) -> None:
        """Put a word behind a value, unless it is in it."""
        value = self.main.get(name, "")
        if word not in value.split():
            self.main[name] = f"{value} {word}".strip()

    def assume(self, message: str, variable: str = "") -> None:
        """Note something that only the running container knows."""
        span = self.env.span(variable) if variable else None
        self.assumed.append(Problem("warning", message, span, self.env[variable] if span else ""))


def replay(release: Release, folder: Folder) -> Image:
    """The image's configuration after every edit before the operator's overrides."""
    image = Image(release, folder)
    for step in STEPS:
        step(image)
    return image


def _quotas(image: Image) -> None:
    env = image.env
    if env["ACCOUNT_PROVISIONER"] != "FILE" or env.on("SMTP_ONLY") or not env.on("ENABLE_QUOTAS"):
        return
    if image.release.since("12.0"):
        for name, value in image.main.items():
            image.main[name] = value.replace("reject_unknown_recipient_domain",
                                             f"reject_unknown_recipient_domain, {QUOTA}")
    else:
        image.edit("smtpd_recipient_restrictions", lambda value: value.replace(
            f"reject_unknown_recipient_domain{OLD_LIST}", f"reject_unknown_recipient_domain, {QUOTA}{OLD_LIST}"))


def _ldap(image: Image) -> None:
    if image.env["ACCOUNT_PROVISIONER"] != "LDAP":
        return
    image.main["virtual_mailbox_maps"] = "ldap:/etc/postfix/ldap-users.cf"
    image.main["virtual_mailbox_domains"] = "/etc/postfix/vhost, ldap:/etc/postfix/ldap-domains.cf"
    image.main["virtual_alias_maps"] = "ldap:/etc/postfix/ldap-aliases.cf, ldap:/etc/postfix/ldap-groups.cf"
    image.edit("mydestination", lambda value: value.replace("$myhostname, ", "", 1))


def _saslauthd(image: Image) -> None:
    if not image.env.on("ENABLE_SASLAUTHD"):
        return
    image.main.pop("smtpd_sasl_path", None)
    image.main.pop("smtpd_sasl_type", None)
    image.master = [line for line in image.master if not re.search(r"smtpd_sasl_(type|path)", line)]


def _milters(image: Image) -> None:
    """DKIM before DMARC, Rspamd last. Before v12 the image had them."""
    if not image.release.since("12.0"):
        return
    for variable, name, port in (("ENABLE_OPENDKIM", "dkim", 8891), ("ENABLE_OPENDMARC", "dmarc", 8893),
                                 ("ENABLE_RSPAMD", "rspamd", 11332)):
        if image.env.on(variable):
            image.main[f"{name}_milter"] = f"inet:localhost:{port}"
            image.append("smtpd_milters", f"${name}_milter")
            if name == "dkim":
                image.append("non_smtpd_milters", "$dkim_milter")


def _policyd_spf(image: Image) -> None:
    if not image.release.since("12.1") or not image.env.on("ENABLE_POLICYD_SPF"):
        return
    image.master += ["policyd-spf unix - n n - 0 spawn", "  user=policyd-spf argv=/usr/bin/policyd-spf"]
    image.main["policyd-spf_time_limit"] = "3600"
    image.edit("smtpd_recipient_restrictions",
               lambda value: re.sub(r"^(.*reject_unauth_destination)", rf"\1, {SPF}", value, count=1))


def _postgrey(image: Image) -> None:
    if not image.env.on("ENABLE_POSTGREY"):
        return
    old = not image.release.since("11.3")

    def change(value: str) -> str:
        return f"{value}, {POSTGREY}" if not old or value.endswith(OLD_LIST) else value

    image.edit("smtpd_recipient_restrictions", change)


def _postscreen(image: Image) -> None:
    """Only actions that literally read `enforce` are replaced."""
    action = image.env["POSTSCREEN_ACTION"]
    for name in ("postscreen_dnsbl_action", "postscreen_greet_action", "postscreen_bare_newline_action"):
        image.edit(name, lambda value: action + value.removeprefix("enforce") if value.startswith("enforce") else value)
    if image.env["ENABLE_DNSBL"] != "0":
        return
    if not image.release.since("12.0"):
        words = OLD_LIST + ("=127.0.0.[2..11]" if image.release.since("11.3") else "")
        image.edit("smtpd_recipient_restrictions", lambda value: value.replace(words, "", 1))
    image.main["postscreen_dnsbl_action"] = "ignore"
    image.main["postscreen_dnsbl_sites"] = ""


def _amavis(image: Image) -> None:
    if image.env.on("ENABLE_AMAVIS"):
        image.master += releases.image("amavis", image.release)
        image.main["content_filter"] = "smtp-amavis:[127.0.0.1]:10024"
    elif "content_filter" in image.main:
        image.main["content_filter"] = ""


def _tls(image: Image) -> None:
    if image.env["TLS_LEVEL"] == "intermediate":
        image.main["tls_high_cipherlist"] = INTERMEDIATE + (SINCE_12 if image.release.since("12.0") else BEFORE_12)
        for name in () if image.release.since("12.0") else ("smtpd_tls_protocols", "smtp_tls_protocols",
                                                            "smtpd_tls_mandatory_protocols"):
            image.main[name] = "!SSLv2,!SSLv3"
    kind = image.env["SSL_TYPE"]
    if kind in ("letsencrypt", "custom", "manual", "self-signed"):
        image.main["smtpd_tls_chain_files"] = "/etc/dms/tls/key /etc/dms/tls/cert"
    if kind:
        return
    for name in ("smtpd_tls_security_level", "smtp_tls_security_level"):
        image.edit(name, lambda _: "none")
    for at, line in enumerate(image.master):
        if re.search(r"smtpd?_tls_security_level", line):
            image.master[at] = re.sub(r"=.*", "=none", line)
        elif re.search(r"smtpd?_tls_wrappermode", line):
            image.master[at] = line.replace("yes", "no", 1)


def _permit_docker(image: Image) -> None:
    """Every value but four, the default included, empties mynetworks."""
    first, second, *_ = CONTAINER.split(".")
    match image.env["PERMIT_DOCKER"]:
        case "container":
            image.append("mynetworks", f"{CONTAINER}/32")
            image.assume(f"the container's address is not known; {CONTAINER} assumed", "PERMIT_DOCKER")
        case "host":
            image.append("mynetworks", f"{first}.{second}.0.0/16")
            image.assume(f"the container's address is not known; {CONTAINER} assumed", "PERMIT_DOCKER")
        case "network":
            image.append("mynetworks", "172.16.0.0/12")
        case "connected-networks":
            image.append("mynetworks", f"{first}.{second}.0.0/16")
            image.assume("the container's networks are not known; one of Docker's usual /16 assumed", "PERMIT_DOCKER")
        case _:
            image.main["mynetworks"] = ""


def _early(image: Image) -> None:
    env, main = image.env, image.main
    compose = image.folder.compose
    host = env["OVERRIDE_HOSTNAME"] or (compose.hostname if compose else "")
    if not host:
        host = HOST_NAME
        image.assume(f"the container's host name is not known; {HOST_NAME} assumed")
    main["myhostname"] = host
    main["mydomain"] = host.partition(".")[2] if host.count(".") > 1 else host
    if env["POSTFIX_INET_PROTOCOLS"] != "all":
        main["inet_protocols"] = env["POSTFIX_INET_PROTOCOLS"]
    if not image.release.since("14.0"):
        main["smtputf8_enable"] = "no"
    if env.on("SMTP_ONLY") and not env.on("ENABLE_SASLAUTHD"):
        image.edit("smtpd_sasl_auth_enable", lambda _: "no")
        image.master = [re.sub(r"^(  -o smtpd_sasl_auth_enable=).*", r"\1no", line) for line in image.master]
    if "postfix-regexp.cf" in image.folder.files:
        image.append("virtual_alias_maps", "pcre:/etc/postfix/regexp")
    main["message_size_limit"] = env["POSTFIX_MESSAGE_SIZE_LIMIT"]
    main["mailbox_size_limit"] = main["virtual_mailbox_limit"] = env["POSTFIX_MAILBOX_SIZE_LIMIT"]
    if env.on("POSTFIX_REJECT_UNKNOWN_CLIENT_HOSTNAME") and image.release.since("12.1"):
        image.edit("dms_smtpd_sender_restrictions", lambda value: f"{value}, reject_unknown_client_hostname")
    if image.release.since("13.1") and not env.on("SMTP_ONLY"):
        if env["ACCOUNT_PROVISIONER"] == "FILE":
            main["virtual_mailbox_maps"] = "texthash:/etc/postfix/vmailbox"
        main["virtual_transport"] = "lmtp:unix:/var/run/dovecot/lmtp"
    if env["POSTFIX_DAGENT"] and (image.release.since("12.0") or env.on("ENABLE_POSTFIX_VIRTUAL_TRANSPORT")):
        main["virtual_transport"] = env["POSTFIX_DAGENT"]


def _spoof_protection(image: Image) -> None:
    if not image.env.on("SPOOF_PROTECTION"):
        if image.release.since("12.0"):
            image.main["mua_sender_restrictions"] = "$dms_smtpd_sender_restrictions"
        return
    if not image.release.since("12.0"):
        image.edit("smtpd_sender_restrictions", lambda value: f"reject_authenticated_sender_login_mismatch, {value}")
    if image.env["ACCOUNT_PROVISIONER"] != "LDAP":
        maps = ("unionmap:{ texthash:/etc/postfix/virtual, hash:/etc/aliases, "
                "pcre:/etc/postfix/maps/sender_login_maps.pcre, pcre:/etc/postfix/regexp }")
    elif image.env["LDAP_QUERY_FILTER_SENDERS"]:
        maps = "ldap:/etc/postfix/ldap-senders.cf"
    else:
        maps = "ldap:/etc/postfix/ldap-users.cf ldap:/etc/postfix/ldap-aliases.cf ldap:/etc/postfix/ldap-groups.cf"
    image.main["smtpd_sender_login_maps"] = maps


def _access_files(image: Image) -> None:
    """Until v15.0.0 the sender check went into both sender lists, the second being part of the first."""
    if SEND_ACCESS in image.folder.files:
        names = ["dms_smtpd_sender_restrictions"]
        if not image.release.since("15.0"):
            names.append("smtpd_sender_restrictions")
        for name in names:
            image.edit(name, lambda value: f"check_sender_access {ACCESS_PATH}{SEND_ACCESS}, {value}")
    if RECEIVE_ACCESS in image.folder.files:
        image.edit("smtpd_recipient_restrictions",
                   lambda value: f"check_recipient_access {ACCESS_PATH}{RECEIVE_ACCESS}, {value}")


def _relay_hosts(image: Image) -> None:
    env, files = image.env, image.folder.files
    if env["DEFAULT_RELAY_HOST"]:
        image.main["relayhost"] = env["DEFAULT_RELAY_HOST"]
    more = image.release.since("14.0") and (env["DEFAULT_RELAY_HOST"] or "postfix-relaymap.cf" in files)
    if not env["RELAY_HOST"] and not more:
        return
    if "postfix-sasl-password.cf" in files or (env["RELAY_USER"] and env["RELAY_PASSWORD"]):
        if "postfix-sasl-password.cf" in files:
            image.main["smtp_sender_dependent_authentication"] = "yes"
        image.main |= {"smtp_sasl_password_maps": "texthash:/etc/postfix/sasl_passwd", "smtp_sasl_auth_enable": "yes",
                       "smtp_sasl_security_options": "noanonymous", "smtp_tls_security_level": "encrypt"}
    image.main["sender_dependent_relayhost_maps"] = "texthash:/etc/postfix/relayhost_map"


STEPS: tuple[Callable[[Image], None], ...] = (
    _quotas, _ldap, _saslauthd, _policyd_spf, _postgrey, _postscreen, _amavis, _milters, _tls, _permit_docker, _early,
    _spoof_protection, _access_files, _relay_hosts,
)


def late(image: Image) -> dict[str, str]:
    """What start-up sets after the operator's overrides (before them until v12.0)."""
    if not image.env.on("ENABLE_SRS"):
        return {}
    return {"sender_canonical_maps": "tcp:localhost:10001",
            "sender_canonical_classes": image.env["SRS_SENDER_CLASSES"],
            "recipient_canonical_maps": "tcp:localhost:10002",
            "recipient_canonical_classes": "envelope_recipient,header_recipient"}


MTA_STS = ("smtp_tls_policy_maps", "socketmap:unix:/var/run/mta-sts/daemon.sock:postfix")
"""Put behind the operator's tables, from v13.3 on, with ENABLE_MTA_STS."""
