"""Parameters: screening of clients (postscreen), with the names from before Postfix 3.6 where those differ."""

from __future__ import annotations

from gatepost.config.parameter import Parameter, duration, number, one_of, text, words, yes_no

ACTIONS = ("ignore", "enforce", "drop", "continue")
"""What a failed test leads to; `continue` is an old spelling of `ignore`."""


def _action(name: str, default: str, doc: str) -> Parameter[str]:
    return one_of(name, default, ACTIONS, doc)


POSTSCREEN_ACCESS_LIST = words("postscreen_access_list", "permit_mynetworks", """
    Permanent lists of clients that are served or refused without tests.""")
POSTSCREEN_BLACKLIST_ACTION = text("postscreen_blacklist_action", "", "Older name of postscreen_denylist_action.")
POSTSCREEN_DENYLIST_ACTION = _action("postscreen_denylist_action",
    "${postscreen_blacklist_action?{$postscreen_blacklist_action}:{ignore}}", "What refused clients meet.")
POSTSCREEN_WHITELIST_INTERFACES = text("postscreen_whitelist_interfaces", "", """
    Older name of postscreen_allowlist_interfaces.""")
POSTSCREEN_ALLOWLIST_INTERFACES = words("postscreen_allowlist_interfaces",
    "${postscreen_whitelist_interfaces?{$postscreen_whitelist_interfaces}:{static:all}}", """
    Our addresses on which a client may pass tests; on others it must have passed before. A match list.""")
POSTSCREEN_CACHE_MAP = text("postscreen_cache_map", "$default_cache_db_type:$data_directory/postscreen_cache", """
    Where it is kept who passed which test; empty: nowhere.""")
POSTSCREEN_CACHE_RETENTION_TIME = duration("postscreen_cache_retention_time", "7d", """
    How long an expired result is kept.""", low=1)
POSTSCREEN_CACHE_CLEANUP_INTERVAL = duration("postscreen_cache_cleanup_interval", "12h", """
    How often old results are removed. 0: never.""")
POSTSCREEN_GREET_BANNER = text("postscreen_greet_banner", "$smtpd_banner", """
    The text of the teaser before the greeting; empty: none is sent.""")
POSTSCREEN_GREET_WAIT = duration("postscreen_greet_wait", "${stress?{2}:{6}}s", """
    How long the greeting is withheld.""", low=1)
POSTSCREEN_GREET_ACTION = _action("postscreen_greet_action", "ignore", "When a client speaks before the greeting.")
POSTSCREEN_GREET_TTL = duration("postscreen_greet_ttl", "1d", "How long waiting for the greeting is believed.", low=1)
POSTSCREEN_DNSBL_SITES = words("postscreen_dnsbl_sites", "", "DNS lists to ask: domain[=filter][*weight].")
POSTSCREEN_DNSBL_ACTION = _action("postscreen_dnsbl_action", "ignore", """
    When the score reaches postscreen_dnsbl_threshold.""")
POSTSCREEN_DNSBL_THRESHOLD = number("postscreen_dnsbl_threshold", "1", "The score that fails the test.", low=1)
POSTSCREEN_DNSBL_WHITELIST_THRESHOLD = text("postscreen_dnsbl_whitelist_threshold", "", """
    Older name of postscreen_dnsbl_allowlist_threshold.""")
POSTSCREEN_DNSBL_ALLOWLIST_THRESHOLD = number("postscreen_dnsbl_allowlist_threshold",
    "${postscreen_dnsbl_whitelist_threshold?{$postscreen_dnsbl_whitelist_threshold}:{0}}", """
    The score at or below which a client needs no other tests. Only below zero; 0 or more: off.""", low=-2**31)
POSTSCREEN_DNSBL_REPLY_MAP = text("postscreen_dnsbl_reply_map", "", """
    Table DNS list -> name told to clients, for lists with secrets in their name.""")
POSTSCREEN_DNSBL_MIN_TTL = duration("postscreen_dnsbl_min_ttl", "60s", "The least time a good score lasts.", low=1)
POSTSCREEN_DNSBL_TTL = text("postscreen_dnsbl_ttl", "", "Older name of postscreen_dnsbl_max_ttl.")
POSTSCREEN_DNSBL_MAX_TTL = duration("postscreen_dnsbl_max_ttl",
    "${postscreen_dnsbl_ttl?{$postscreen_dnsbl_ttl}:{1}}h", "The longest time a good score lasts.", low=1)
POSTSCREEN_DNSBL_TIMEOUT = duration("postscreen_dnsbl_timeout", "10s", "How long to wait for DNS lists.", low=1)
POSTSCREEN_PIPELINING_ENABLE = yes_no("postscreen_pipelining_enable", "no", "Test for commands out of turn?")
POSTSCREEN_PIPELINING_ACTION = _action("postscreen_pipelining_action", "enforce", "When that test fails.")
POSTSCREEN_PIPELINING_TTL = duration("postscreen_pipelining_ttl", "30d", "How long its pass is believed.", low=1)
POSTSCREEN_NON_SMTP_COMMAND_ENABLE = yes_no("postscreen_non_smtp_command_enable", "no", """
    Test for commands of other protocols?""")
POSTSCREEN_NON_SMTP_COMMAND_ACTION = _action("postscreen_non_smtp_command_action", "drop", "When that test fails.")
POSTSCREEN_NON_SMTP_COMMAND_TTL = duration("postscreen_non_smtp_command_ttl", "30d", """
    How long its pass is believed.""", low=1)
POSTSCREEN_BARE_NEWLINE_ENABLE = yes_no("postscreen_bare_newline_enable", "no", "Test for lines without CR?")
POSTSCREEN_BARE_NEWLINE_ACTION = _action("postscreen_bare_newline_action", "ignore", "When that test fails.")
POSTSCREEN_BARE_NEWLINE_TTL = duration("postscreen_bare_newline_ttl", "30d", "How long its pass is believed.", low=1)
POSTSCREEN_FORBIDDEN_COMMANDS = words("postscreen_forbidden_commands", "$smtpd_forbidden_commands", """
    Commands of other protocols.""")
POSTSCREEN_COMMAND_COUNT_LIMIT = number("postscreen_command_count_limit", "20", """
    Commands in a session under test.""", low=1)
POSTSCREEN_COMMAND_TIME_LIMIT = duration("postscreen_command_time_limit", "${stress?{10}:{300}}s", """
    How long to wait for a command under test.""", low=1)
POSTSCREEN_COMMAND_FILTER = text("postscreen_command_filter", "", "Table that replaces command lines under test.")
POSTSCREEN_DISCARD_EHLO_KEYWORDS = words("postscreen_discard_ehlo_keywords", "$smtpd_discard_ehlo_keywords", """
    EHLO keywords not announced under test.""")
POSTSCREEN_DISCARD_EHLO_KEYWORD_ADDRESS_MAPS = words("postscreen_discard_ehlo_keyword_address_maps",
    "$smtpd_discard_ehlo_keyword_address_maps", "Tables client address -> such keywords.")
POSTSCREEN_HELO_REQUIRED = yes_no("postscreen_helo_required", "$smtpd_helo_required", """
    smtpd_helo_required under test.""")
POSTSCREEN_DISABLE_VRFY_COMMAND = yes_no("postscreen_disable_vrfy_command", "$disable_vrfy_command", """
    disable_vrfy_command under test.""")
POSTSCREEN_REJECT_FOOTER = text("postscreen_reject_footer", "$smtpd_reject_footer", """
    smtpd_reject_footer under test.""", raw=True)
POSTSCREEN_REJECT_FOOTER_MAPS = words("postscreen_reject_footer_maps", "$smtpd_reject_footer_maps", """
    smtpd_reject_footer_maps under test.""")
POSTSCREEN_EXPANSION_FILTER = text("postscreen_expansion_filter", "$smtpd_expansion_filter", """
    smtpd_expansion_filter under test.""", raw=True)
POSTSCREEN_TLS_SECURITY_LEVEL = text("postscreen_tls_security_level", "$smtpd_tls_security_level", """
    smtpd_tls_security_level under test.""")
POSTSCREEN_USE_TLS = yes_no("postscreen_use_tls", "$smtpd_use_tls", "smtpd_use_tls under test.")
POSTSCREEN_ENFORCE_TLS = yes_no("postscreen_enforce_tls", "$smtpd_enforce_tls", "smtpd_enforce_tls under test.")
POSTSCREEN_CLIENT_CONNECTION_COUNT_LIMIT = number("postscreen_client_connection_count_limit",
    "$smtpd_client_connection_count_limit", "Connections of one client under test at a time. 0: no limit.")
POSTSCREEN_PRE_QUEUE_LIMIT = number("postscreen_pre_queue_limit", "$default_process_limit", """
    Clients under test at a time.""", low=10)
POSTSCREEN_POST_QUEUE_LIMIT = number("postscreen_post_queue_limit", "$default_process_limit", """
    Clients that passed and wait for service at a time.""", low=5)
POSTSCREEN_WATCHDOG_TIMEOUT = duration("postscreen_watchdog_timeout", "10s", """
    How long one event may take; read, and not needed here.""", low=10)
POSTSCREEN_UPSTREAM_PROXY_PROTOCOL = one_of("postscreen_upstream_proxy_protocol", "", ("", "haproxy"), """
    The protocol by which a proxy before this server tells who the client is.""")
POSTSCREEN_UPSTREAM_PROXY_TIMEOUT = duration("postscreen_upstream_proxy_timeout", "5s", """
    How long the proxy may take to say it.""", low=1)
DNSBLOG_REPLY_DELAY = duration("dnsblog_reply_delay", "0s", "An artificial delay of DNS list answers, for tests.")
DNSBLOG_SERVICE_NAME = text("dnsblog_service_name", "dnsblog", "The DNS list service; built in here.")
TLSPROXY_SERVICE_NAME = text("tlsproxy_service_name", "tlsproxy", "The TLS service for screening; built in here.")
DNS_NCACHE_TTL_FIX_ENABLE = yes_no("dns_ncache_ttl_fix_enable", "no", """
    Take the time to live of negative DNS answers from resolvers that cache?""")
