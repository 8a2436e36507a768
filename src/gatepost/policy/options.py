"""What is a service's session told? Settings made into smtp.options.Options, and a client's rights by match lists.

This file must not know sockets nor restrictions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from gatepost.config import parameters as p
from gatepost.config.parameter import Parameter, Word
from gatepost.config.settings import Settings
from gatepost.lookup.ask import ImmediateTable, LookupFailure, Lookups, is_immediate
from gatepost.lookup.match import CACHED, AddressList, NameAddrList, matches_subdomains
from gatepost.lookup.tolerance import ExemptClients, tolerated_patterns
from gatepost.policy.facts import Client
from gatepost.smtp.actions import Stage
from gatepost.smtp.options import EVERY_EVIDENCE, BareLf, Options, Rights
from gatepost.span import ConfigError

_BARE_LF = {
    "no": BareLf.NO,
    "yes": BareLf.NORMALIZE,
    "normalize": BareLf.NORMALIZE,
    "note": BareLf.NOTE,
    "reject": BareLf.REJECT,
}
EHLO_KEYWORDS = frozenset({
    "8bitmime", "auth", "chunking", "dsn", "enhancedstatuscodes", "etrn", "pipelining", "requiretls", "size",
    "smtputf8", "starttls", "verp", "vrfy", "xclient", "xforward", "silent-discard",
})  # fmt: skip


def options_of(settings: Settings, lookups: Lookups, *, tls_ready: bool) -> Options:
    """The protocol settings of one service. ConfigError for forbidden commands that no table can be."""
    words, tables = _forbidden(settings, lookups)
    ours = settings[p.GATEPOST_COMPATIBILITY] != "postfix"
    level = settings[p.SMTPD_TLS_SECURITY_LEVEL]
    encrypt = level == "encrypt" if level else settings[p.SMTPD_ENFORCE_TLS]
    may = level not in ("", "none") if level else settings[p.SMTPD_USE_TLS] or encrypt
    wrapper = settings[p.SMTPD_TLS_WRAPPERMODE]
    evidence = settings[p.GATEPOST_TURN_EVIDENCE]
    return Options(
        hostname=settings[p.MYHOSTNAME],
        banner=settings[p.SMTPD_BANNER],
        helo_required=settings[p.SMTPD_HELO_REQUIRED],
        message_size_limit=settings[p.MESSAGE_SIZE_LIMIT],
        line_length_limit=settings[p.LINE_LENGTH_LIMIT],
        refuse_long_commands=ours,
        soft_bounce=settings[p.SOFT_BOUNCE],
        keep_refused=not ours,
        error_sleep_time=settings[p.SMTPD_ERROR_SLEEP_TIME],
        soft_error_limit=settings[p.SMTPD_SOFT_ERROR_LIMIT],
        hard_error_limit=settings[p.SMTPD_HARD_ERROR_LIMIT],
        junk_command_limit=settings[p.SMTPD_JUNK_COMMAND_LIMIT],
        recipient_limit=settings[p.SMTPD_RECIPIENT_LIMIT],
        recipient_overshoot_limit=settings[p.SMTPD_RECIPIENT_OVERSHOOT_LIMIT],
        forbid_pipelining=settings[p.SMTPD_FORBID_UNAUTH_PIPELINING],
        evidence=frozenset({"buffered"}) if evidence == "buffered" else EVERY_EVIDENCE,
        tolerated=tolerated_patterns(settings),
        strict_groups=evidence != "buffered",
        bare_lf_reject_code=settings[p.SMTPD_FORBID_BARE_NEWLINE_REJECT_CODE],
        replace_stray_cr_lf=settings[p.CLEANUP_REPLACE_STRAY_CR_LF]
        and "no_header_body_checks" not in {word.text for word in settings[p.RECEIVE_OVERRIDE_OPTIONS]},
        noop_commands=frozenset(word.text.upper() for word in settings[p.SMTPD_NOOP_COMMANDS]),
        forbidden_words=words,
        forbidden=tables,
        smtputf8=settings[p.SMTPUTF8_ENABLE],
        strict_smtputf8=settings[p.STRICT_SMTPUTF8],
        strict_envelopes=settings[p.STRICT_RFC821_ENVELOPES],
        vrfy_disabled=settings[p.DISABLE_VRFY_COMMAND],
        unknown_commands=frozenset() if ours else frozenset({"HELP"}),  # new in Postfix 3.9
        tls_offered=(may or wrapper),
        tls_ready=tls_ready,
        tls_enforced=encrypt or wrapper,
        tls_auth_only=settings[p.SMTPD_TLS_AUTH_ONLY] or encrypt or wrapper,
        sasl_enabled=settings[p.SMTPD_SASL_AUTH_ENABLE],
        sasl_response_limit=settings[p.SMTPD_SASL_RESPONSE_LIMIT],
        broken_sasl_clients=settings[p.BROKEN_SASL_AUTH_CLIENTS],
        command_filter=bool(settings[p.SMTPD_COMMAND_FILTER]),
        rate_limits=_rate_limits(settings),
    )


def _rate_limits(settings: Settings) -> frozenset[Stage]:
    limited: set[Stage] = set()
    if settings[p.SMTPD_CLIENT_MESSAGE_RATE_LIMIT]:
        limited.add(Stage.MAIL_RATE)
    if settings[p.SMTPD_CLIENT_RECIPIENT_RATE_LIMIT]:
        limited.add(Stage.RCPT_RATE)
    if settings[p.SMTPD_CLIENT_AUTH_RATE_LIMIT]:
        limited.add(Stage.AUTH_RATE)
    if settings[p.SMTPD_CLIENT_NEW_TLS_SESSION_RATE_LIMIT] or settings[p.SMTPD_TLS_REQ_CCERT]:
        limited.add(Stage.NEW_TLS)
    return frozenset(limited)


def _forbidden(settings: Settings, lookups: Lookups) -> tuple[frozenset[str], tuple[ImmediateTable, ...]]:
    """smtpd_forbidden_commands: plain words, and tables in memory."""
    words: set[str] = set()
    tables: list[ImmediateTable] = []
    for word in settings[p.SMTPD_FORBIDDEN_COMMANDS]:
        if ":" not in word.text:
            words.add(word.text.upper())
            continue
        table = lookups.table(word.text)
        if not is_immediate(table):
            raise ConfigError(
                "smtpd_forbidden_commands takes words and tables that are in memory",
                word.span or settings.span(p.SMTPD_FORBIDDEN_COMMANDS),
                word.text,
            )
        tables.append(table)
    return frozenset(words), tuple(tables)


class ClientLists:
    """The match lists that decide a client's rights under one service."""

    def __init__(self, settings: Settings, lookups: Lookups) -> None:
        strict = settings[p.GATEPOST_COMPATIBILITY] != "postfix"

        def names(parameter: Parameter[tuple[Word, ...]], parents_as: str = "") -> NameAddrList:
            parents = matches_subdomains(settings[p.PARENT_DOMAIN_MATCHES_SUBDOMAINS], parents_as or parameter.name)
            return NameAddrList.of(settings[parameter], parents, lookups, strict=strict)

        self.xclient = names(p.SMTPD_AUTHORIZED_XCLIENT_HOSTS)
        self.xforward = names(p.SMTPD_AUTHORIZED_XFORWARD_HOSTS)
        self.verp = names(p.SMTPD_AUTHORIZED_VERP_CLIENTS)
        self.bare_newline_exclusions = names(p.SMTPD_FORBID_BARE_NEWLINE_EXCLUSIONS, "mynetworks")
        self.limit_exceptions = names(p.SMTPD_CLIENT_EVENT_LIMIT_EXCEPTIONS)
        self.sasl_exceptions = AddressList.of(settings[p.SMTPD_SASL_EXCEPTIONS_NETWORKS], lookups, strict=strict)
        self.turn_exempt = ExemptClients(settings, lookups, strict=strict)
        self._discard_maps = [lookups.table(w.text) for w in settings[p.SMTPD_DISCARD_EHLO_KEYWORD_ADDRESS_MAPS]]
        self._discard = [w.text.lower() for w in settings[p.SMTPD_DISCARD_EHLO_KEYWORDS]]
        self._bare_lf = _BARE_LF[settings[p.SMTPD_FORBID_BARE_NEWLINE]]
        unknown = [w for w in settings[p.SMTPD_DISCARD_EHLO_KEYWORDS] if w.text.lower() not in EHLO_KEYWORDS]
        asked = (self.xclient, self.xforward, self.verp, self.sasl_exceptions, self.turn_exempt)
        self._fixed = (not self._discard_maps and all(clients.plain for clients in asked)
                       and (self._bare_lf is BareLf.NO or self.bare_newline_exclusions.plain))
        self._kept: dict[tuple[str, str, str, frozenset[Stage]], Rights] = {}
        if unknown and strict:
            raise ConfigError("unknown EHLO keyword in smtpd_discard_ehlo_keywords", unknown[0].span, unknown[0].text)

    def rights_now(self, client: Client, asks: frozenset[Stage]) -> Rights | None:
        """The rights of a client when there are no logins and no table has a say: found once for each client. None:
        ask `rights`."""
        if not self._fixed:
            return None
        key = (client.namaddr, client.name, client.address, asks)
        rights = self._kept.get(key)
        if rights is None:
            try:
                self.rights(client, {False: (), True: ()}, asks).send(None)
            except StopIteration as done:
                rights = done.value
            except LookupFailure:  # an item that could not be read
                return None
            assert rights is not None, "a list without tables waited"
            if len(self._kept) >= CACHED:
                self._kept.clear()
            self._kept[key] = rights
        return rights

    async def rights(
        self, client: Client, mechanisms: Mapping[bool, tuple[str, ...]], asks: frozenset[Stage]
    ) -> Rights:
        """What this client may do. LookupFailure when a table for EHLO keywords or XCLIENT cannot answer."""
        name, address = client.name, client.address
        excluded = self._bare_lf is not BareLf.NO and await _quietly(self.bare_newline_exclusions, name, address)
        hidden = await self.sasl_exceptions.matches(address)
        discarded = await self._discarded(address)
        return Rights(
            namaddr=client.namaddr,
            discarded=frozenset(discarded) - {"silent-discard"},
            silent_discard="silent-discard" in discarded,
            bare_lf=BareLf.NO if excluded else self._bare_lf,
            turn_exempt=await self.turn_exempt.hold(address),
            mechanisms=() if hidden else mechanisms[False],
            mechanisms_tls=() if hidden else mechanisms[True],
            xclient=await self.xclient.matches(name, address),
            xforward=await self.xforward.matches(name, address),
            verp=await self.verp.matches(name, address),
            asks=asks,
        )

    async def _discarded(self, address: str) -> list[str]:
        for table in self._discard_maps:
            found = await table.get(address)
            if found is not None:
                return [word.lower() for word in re.split(r"[,\s]+", found) if word]
        return self._discard


async def _quietly(matches: NameAddrList, name: str, address: str) -> bool:
    """A list that cannot be read excludes nobody."""
    try:
        return await matches.matches(name, address)
    except LookupFailure:
        return False
