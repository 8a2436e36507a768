"""Which names and values of a configuration cannot be right? Found at start-up, each with its place.

Names: neither declared here, nor known to Postfix, nor used as $name, nor a restriction class, nor one of the settings
of a transport or of a table that is configured in main.cf. Values: those that do not expand or do not read as their
parameter's kind. What restrictions and tables mean is for others to check.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import gatepost.config.parameters as p
from gatepost.config import expand, honesty
from gatepost.config.parameter import DECLARED
from gatepost.config.problem import Problem
from gatepost.config.settings import Settings
from gatepost.config.unsupported import UNSUPPORTED
from gatepost.span import ConfigError, Span

if TYPE_CHECKING:
    from gatepost.config.load import Configuration

HONOURED_PER_TRANSPORT = ("destination_concurrency_limit", "destination_recipient_limit")
"""What may be said for one transport, as TRANSPORT_... (postconf(5), default_...)."""
IGNORED_PER_TRANSPORT = ("destination_rate_delay", "transport_rate_delay", "initial_destination_concurrency",
                         "recipient_limit", "destination_concurrency_failed_cohort_limit", "time_limit",
                         "delivery_slot_cost", "delivery_slot_discount", "delivery_slot_loan", "minimum_delivery_slots",
                         "extra_recipient_limit", "recipient_refill_delay", "recipient_refill_limit",
                         "destination_concurrency_negative_feedback", "destination_concurrency_positive_feedback")
OF_NO_CONCERN = frozenset("""
    alias_database alternate_config_directories anvil_status_update_time berkeley_db_create_buffer_size
    berkeley_db_read_buffer_size biff cleanup_service_name command_directory daemon_directory daemon_timeout
    default_database_type delay_logging_resolution_limit dnsblog_service_name dont_remove duplicate_filter_limit
    fork_attempts fork_delay hash_queue_depth hash_queue_names html_directory in_flow_delay ipc_idle ipc_timeout
    ipc_ttl lmdb_map_size lmtp_connection_cache_destinations lmtp_skip_quit_response lmtp_tls_connection_reuse
    lmtp_tls_session_cache_database lmtp_tls_session_cache_timeout mail_release_date mailq_path manpage_directory
    max_idle max_use meta_directory multi_instance_directories multi_instance_enable multi_instance_group
    multi_instance_wrapper newaliases_path openssl_path postscreen_watchdog_timeout process_id_directory
    proxy_read_maps proxy_write_maps qmgr_message_recipient_limit readme_directory sample_directory sendmail_path
    service_throttle_time setgid_group shlib_directory smtp_connection_cache_destinations smtp_skip_quit_response
    smtp_tls_connection_reuse smtp_tls_session_cache_database smtp_tls_session_cache_timeout
    smtpd_tls_always_issue_session_ids smtpd_tls_session_cache_database sun_mailtool_compatibility
    tls_daemon_random_bytes tls_random_bytes tls_random_exchange_name tls_random_prng_update_period
    tls_random_reseed_period tls_random_source tlsproxy_service_name trigger_timeout
    """.split())  # noqa: SIM905 -- 69 names read better without quotes
"""Parameters about Postfix's own files, processes and caches: nothing is missed when they have no effect."""
ABOUT_MILTERS = "milter_"
"""How milters are spoken to: of no concern while to have one is an error (honesty.py)."""
SO_ANYWAY = {"notify_classes": "", "allow_mail_to_commands": "", "mailbox_size_limit": "0",
             "virtual_mailbox_limit": "0"}
"""Values of parameters that are not honoured by which an operator asks for what is done: no notices, no commands, no
limits."""
TABLE_IN_MAIN_CF = re.compile(r"\b(?:ldap|mysql|pgsql|sqlite|memcache|mongodb):([A-Za-z0-9_-]+)")


def problems(configuration: Configuration) -> list[Problem]:
    """Everything that is wrong with names and values, in the order of the files."""
    return [*_names(configuration), *_values(configuration), *honesty.problems(configuration)]


def _settings_written(configuration: Configuration) -> Iterator[tuple[str, str, Span]]:
    """Every setting in force: name, unexpanded value, place."""
    for entry in configuration.main_cf.last().values():
        yield entry.name, entry.value.text, entry.span
    for service in configuration.services:
        for override in service.overrides:
            yield override.name, override.value.text, override.span


@functools.cache
def _named_by_defaults() -> frozenset[str]:
    """Names that defaults refer to: older spellings, mostly."""
    return frozenset(name for parameter in DECLARED.values() if not parameter.raw
                     for name in expand.names(parameter.default))


def _known_names(configuration: Configuration) -> tuple[set[str], tuple[str, ...]]:
    """(names that may be set besides declared ones, prefixes of table settings)."""
    known = set(_named_by_defaults())
    tables: set[str] = set()
    for _, value, _ in _settings_written(configuration):
        known |= expand.names(value)
        tables |= set(TABLE_IN_MAIN_CF.findall(value))
    for service in configuration.services:
        known |= {f"{service.name}_{rest}" for rest in HONOURED_PER_TRANSPORT}
    for settings in (configuration.main, *map(configuration.settings, configuration.services)):
        with contextlib.suppress(ConfigError):  # reported among the values
            known |= {word.text for word in settings[p.SMTPD_RESTRICTION_CLASSES]}
    return known, tuple(f"{table}_" for table in tables)


def _names(configuration: Configuration) -> Iterator[Problem]:
    known, tables = _known_names(configuration)
    ignored = UNSUPPORTED.keys() | {f"{service.name}_{rest}" for service in configuration.services
                                    for rest in IGNORED_PER_TRANSPORT}
    for name, value, span in _settings_written(configuration):
        if name in DECLARED or name in known or name in OF_NO_CONCERN or name.startswith(ABOUT_MILTERS) or (
                tables and name.startswith(tables)):
            continue
        if name in ignored:
            expected = (UNSUPPORTED.get(name), SO_ANYWAY.get(name))
            if not any(_is_same(configuration.main, one, value) for one in expected):
                yield Problem("warning", f"parameter {name} is not supported: it has no effect here", span)
            continue
        near = difflib.get_close_matches(name, [*DECLARED, *UNSUPPORTED], n=1, cutoff=0.8)
        hint = f"; did you mean {near[0]}?" if near else ""
        yield Problem("warning", f"unknown parameter {name}, and nothing refers to ${name}{hint}", span)


def _is_same(settings: Settings, expected: str | None, value: str) -> bool:
    """Does the operator say what is expected? Written as Postfix writes it, or the same when expanded."""
    if expected is None:
        return False
    if value.split() == expected.split():
        return True
    try:
        return settings.expand(value).split() == settings.expand(expected).split()
    except ConfigError:
        return False


def _values(configuration: Configuration) -> Iterator[Problem]:
    for entry in configuration.main_cf.last().values():
        yield from _value(configuration.main, entry.name, entry.span)
    for service in configuration.services:
        settings = configuration.settings(service)
        for name in dict.fromkeys(override.name for override in service.overrides):
            span = settings.span(name)
            if span is not None:
                yield from _value(settings, name, span)


def _value(settings: Settings, name: str, span: Span) -> Iterator[Problem]:
    parameter = DECLARED.get(name)
    try:
        if parameter is not None:
            settings[parameter]
        elif name not in UNSUPPORTED:
            settings.text(name)
    except ConfigError as error:
        yield Problem("error", error.message, error.span or span, error.text)
