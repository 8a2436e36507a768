"""What do the settings say about screening? One postscreen service's parameters made concrete, read once.

Shared by all its sessions, never changed. What depends on stress holds both values. This file must not know sockets nor
how a trial is made.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Any

from gatepost.config import parameters as p
from gatepost.config.parameter import Parameter, Word
from gatepost.config.settings import Settings
from gatepost.lookup.ask import ImmediateTable, LookupFailure, Lookups, is_immediate
from gatepost.lookup.tolerance import tolerated_patterns
from gatepost.screen.trials import BARE_NEWLINE, DNSBL, NON_SMTP, PIPELINING, PREGREET, TRIALS, Penalty, Trial
from gatepost.smtp.options import EVERY_EVIDENCE
from gatepost.span import ConfigError


class Promotion(enum.StrEnum):
    """gatepost_screen_promotion."""

    PROMOTE = "promote"
    DEFER = "defer"
    OBSERVE = "observe"


@dataclass(frozen=True, slots=True, eq=False)
class Rules:
    """Sizes in bytes, times in seconds. Pairs are (usual, under stress); tuples of five are in the order of TRIALS."""

    hostname: str = "localhost"
    banner: str = "localhost ESMTP"
    greet_banner: str = "localhost ESMTP"
    # trials
    enabled: int = PREGREET.bit
    penalties: tuple[Penalty, ...] = (Penalty.IGNORE, Penalty.IGNORE, Penalty.ENFORCE, Penalty.DROP, Penalty.IGNORE)
    ttls: tuple[int, ...] = (86400, 60, 2592000, 2592000, 2592000)  # of DNSBL: the least, also the TTL of no answer
    denylist_penalty: Penalty = Penalty.IGNORE
    greet_wait: tuple[int, int] = (6, 2)
    adaptive: bool = False  # the greeting waits no longer than needed
    greet_wait_minimum: float = 0.3
    dnsbl_threshold: int = 1
    dnsbl_allowlist_threshold: int = 0
    dnsbl_max_ttl: int = 3600
    dnsbl_timeout: int = 10
    forbidden_words: frozenset[str] = frozenset({"CONNECT", "GET", "POST"})  # upper case
    forbidden: tuple[ImmediateTable, ...] = ()
    evidence: frozenset[str] = EVERY_EVIDENCE
    tolerated: frozenset[str] = frozenset()  # patterns of early talk
    promotion: Promotion = Promotion.PROMOTE
    # the built-in engine
    command_time_limit: tuple[int, int] = (300, 10)
    command_count_limit: int = 20
    line_length_limit: int = 2048
    command_filter: ImmediateTable | None = None
    discarded: tuple[str, ...] = ()  # EHLO keywords, lower case
    discard_maps: tuple[ImmediateTable, ...] = ()
    helo_required: bool = False
    vrfy_disabled: bool = False
    vrfy_announced: bool = True
    smtputf8: bool = True
    message_size_limit: int = 10240000
    tls_offered: bool = False
    tls_required: bool = False
    tls_ready: bool = True  # a certificate could be loaded
    old_starttls_text: bool = False  # STARTTLS with an argument is answered as Postfix did before 3.8
    soft_bounce: bool = False  # only for what the log is told; replies are softened on their way out
    # limits, memory, log
    client_connection_count_limit: int = 50
    pre_queue_limit: int = 100
    post_queue_limit: int = 100
    cache_retention: int = 604800
    cache_cleanup_interval: int = 43200
    respectful: bool = True

    def penalty(self, trial: Trial) -> Penalty:
        """What failing it costs."""
        return self.penalties[trial.index]

    @property
    def ignored_ttl(self) -> int:
        """How long a deep trial that failed and was forgiven is not made again: the shortest TTL of all."""
        return min(self.ttls)

    @property
    def promotes(self) -> bool:
        """Does a client that passes go on to the real session in this connection?"""
        return self.promotion is not Promotion.DEFER

    @property
    def observes(self) -> bool:
        """Is nothing refused?"""
        return self.promotion is Promotion.OBSERVE

    def is_forbidden(self, word: str) -> bool:
        """postscreen_forbidden_commands. A table that cannot answer forbids nothing."""
        if word.upper() in self.forbidden_words:
            return True
        for table in self.forbidden:
            try:
                if table.get_now(word) is not None:
                    return True
            except LookupFailure:
                continue
        return False

    @classmethod
    def of(cls, settings: Settings, lookups: Lookups, *, tls_ready: bool = True) -> Rules:
        """One service's rules. ConfigError for a table that would have to wait."""
        promotion = Promotion(settings[p.GATEPOST_SCREEN_PROMOTION])
        rules = cls(
            hostname=settings[p.MYHOSTNAME],
            banner=settings[p.SMTPD_BANNER],
            greet_banner=settings[p.POSTSCREEN_GREET_BANNER],
            promotion=promotion,
            tls_ready=tls_ready,
            client_connection_count_limit=settings[p.POSTSCREEN_CLIENT_CONNECTION_COUNT_LIMIT],
            pre_queue_limit=settings[p.POSTSCREEN_PRE_QUEUE_LIMIT],
            post_queue_limit=settings[p.POSTSCREEN_POST_QUEUE_LIMIT],
            cache_retention=settings[p.POSTSCREEN_CACHE_RETENTION_TIME],
            cache_cleanup_interval=settings[p.POSTSCREEN_CACHE_CLEANUP_INTERVAL],
            respectful=settings[p.RESPECTFUL_LOGGING],
            **_of_trials(settings, lookups),
            **_of_the_engine(settings, lookups),
        )
        return rules.forgiving() if promotion is Promotion.OBSERVE else rules

    def forgiving(self) -> Rules:
        """The same, and nothing that fails costs anything."""
        return replace(self, penalties=(Penalty.IGNORE,) * len(TRIALS), denylist_penalty=Penalty.IGNORE)


def _of_trials(settings: Settings, lookups: Lookups) -> dict[str, Any]:
    """What the settings say of the trials."""
    words, tables = _forbidden(settings, lookups)
    return {
        "enabled": _enabled(settings),
        "penalties": tuple(Penalty.read(settings[action]) for action in (
            p.POSTSCREEN_GREET_ACTION, p.POSTSCREEN_DNSBL_ACTION, p.POSTSCREEN_PIPELINING_ACTION,
            p.POSTSCREEN_NON_SMTP_COMMAND_ACTION, p.POSTSCREEN_BARE_NEWLINE_ACTION)),
        "ttls": tuple(settings[ttl] for ttl in (
            p.POSTSCREEN_GREET_TTL, p.POSTSCREEN_DNSBL_MIN_TTL, p.POSTSCREEN_PIPELINING_TTL,
            p.POSTSCREEN_NON_SMTP_COMMAND_TTL, p.POSTSCREEN_BARE_NEWLINE_TTL)),
        "denylist_penalty": Penalty.read(settings[p.POSTSCREEN_DENYLIST_ACTION]),
        "greet_wait": _stressed(settings, p.POSTSCREEN_GREET_WAIT),
        "adaptive": settings[p.GATEPOST_GREET_WAIT] == "adaptive",
        "greet_wait_minimum": settings[p.GATEPOST_GREET_WAIT_MINIMUM] / 1000,
        "dnsbl_threshold": settings[p.POSTSCREEN_DNSBL_THRESHOLD],
        "dnsbl_allowlist_threshold": settings[p.POSTSCREEN_DNSBL_ALLOWLIST_THRESHOLD],
        "dnsbl_max_ttl": settings[p.POSTSCREEN_DNSBL_MAX_TTL],
        "dnsbl_timeout": settings[p.POSTSCREEN_DNSBL_TIMEOUT],
        "forbidden_words": words,
        "forbidden": tables,
        "evidence": frozenset({"buffered"}) if settings[p.GATEPOST_TURN_EVIDENCE] == "buffered" else EVERY_EVIDENCE,
        "tolerated": tolerated_patterns(settings),
    }


def _of_the_engine(settings: Settings, lookups: Lookups) -> dict[str, Any]:
    """What the settings say of the built-in engine."""
    level = settings[p.POSTSCREEN_TLS_SECURITY_LEVEL]
    encrypt = level not in ("", "none", "may") if level else settings[p.POSTSCREEN_ENFORCE_TLS]
    may = level not in ("", "none") if level else settings[p.POSTSCREEN_USE_TLS] or encrypt
    command_filter = settings[p.POSTSCREEN_COMMAND_FILTER]
    return {
        "command_time_limit": _stressed(settings, p.POSTSCREEN_COMMAND_TIME_LIMIT),
        "command_count_limit": settings[p.POSTSCREEN_COMMAND_COUNT_LIMIT],
        "line_length_limit": settings[p.LINE_LENGTH_LIMIT],
        "command_filter": _in_memory(settings, lookups, p.POSTSCREEN_COMMAND_FILTER, Word(command_filter))
        if command_filter else None,
        "discarded": tuple(word.text.lower() for word in settings[p.POSTSCREEN_DISCARD_EHLO_KEYWORDS]),
        "discard_maps": tuple(_in_memory(settings, lookups, p.POSTSCREEN_DISCARD_EHLO_KEYWORD_ADDRESS_MAPS, word)
                              for word in settings[p.POSTSCREEN_DISCARD_EHLO_KEYWORD_ADDRESS_MAPS]),
        "helo_required": settings[p.POSTSCREEN_HELO_REQUIRED],
        "vrfy_disabled": settings[p.POSTSCREEN_DISABLE_VRFY_COMMAND],
        "vrfy_announced": not settings[p.DISABLE_VRFY_COMMAND],
        "smtputf8": settings[p.SMTPUTF8_ENABLE],
        "message_size_limit": settings[p.MESSAGE_SIZE_LIMIT],
        "tls_offered": may,
        "tls_required": encrypt,
        "old_starttls_text": settings[p.GATEPOST_COMPATIBILITY] == "postfix",
        "soft_bounce": settings[p.SOFT_BOUNCE],
    }


def _enabled(settings: Settings) -> int:
    """The trials that are on. The greeting's has no switch of its own: a banner is needed."""
    on = (
        (PREGREET, bool(settings[p.POSTSCREEN_GREET_BANNER])),
        (DNSBL, bool(settings[p.POSTSCREEN_DNSBL_SITES])),
        (PIPELINING, settings[p.POSTSCREEN_PIPELINING_ENABLE]),
        (NON_SMTP, settings[p.POSTSCREEN_NON_SMTP_COMMAND_ENABLE]),
        (BARE_NEWLINE, settings[p.POSTSCREEN_BARE_NEWLINE_ENABLE]),
    )
    return sum(trial.bit for trial, enabled in on if enabled)


def _stressed(settings: Settings, parameter: Parameter[int]) -> tuple[int, int]:
    """The value without stress and with it; these parameters alone know stress."""
    return settings.replace({"stress": ""})[parameter], settings.replace({"stress": "yes"})[parameter]


def _forbidden(settings: Settings, lookups: Lookups) -> tuple[frozenset[str], tuple[ImmediateTable, ...]]:
    words: set[str] = set()
    tables: list[ImmediateTable] = []
    for word in settings[p.POSTSCREEN_FORBIDDEN_COMMANDS]:
        if ":" in word.text:
            tables.append(_in_memory(settings, lookups, p.POSTSCREEN_FORBIDDEN_COMMANDS, word))
        else:
            words.add(word.text.upper())
    return frozenset(words), tuple(tables)


def _in_memory(
    settings: Settings, lookups: Lookups, parameter: Parameter[str] | Parameter[tuple[Word, ...]], word: Word
) -> ImmediateTable:
    """Screening never waits for a table of its own: it would keep thousands waiting."""
    table = lookups.table(word.text)
    if not is_immediate(table):
        raise ConfigError(f"{parameter.name} takes tables that are in memory", word.span or settings.span(parameter),
                          word.text)
    return table
