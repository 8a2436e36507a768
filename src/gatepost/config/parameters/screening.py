"""Parameters: screening of clients before they are served (postscreen), and how a client that passed goes on."""

from __future__ import annotations

from gatepost.config.parameter import duration, number, one_of, text, words, yes_no
from gatepost.config.parameters.security import SMTPD_TLS_SECURITY_LEVEL

ACTIONS = ("ignore", "enforce", "drop", "continue")
"""What follows from a failed trial; `continue` is an older word for `ignore`."""
_LEVELS = tuple(SMTPD_TLS_SECURITY_LEVEL.kind.removeprefix("one_of:").split(" "))[1:]

POSTSCREEN_ACCESS_LIST = words("postscreen_access_list", "permit_mynetworks", """
    Who is served or refused without trials: permit_mynetworks, permit, reject, dunno, tables client address -> the
    same words. The first decision counts.""")
POSTSCREEN_DENYLIST_ACTION = one_of("postscreen_denylist_action",
    "${postscreen_blacklist_action?{$postscreen_blacklist_action}:{ignore}}", ACTIONS, """
    What follows when postscreen_access_list says reject.""")
POSTSCREEN_ALLOWLIST_INTERFACES = words("postscreen_allowlist_interfaces",
    "${postscreen_whitelist_interfaces?{$postscreen_whitelist_interfaces}:{static:all}}", """
    Server addresses at which a client may pass; one that comes to another first (a backup MX) is put off. A match
    list.""")

POSTSCREEN_CACHE_MAP = text("postscreen_cache_map", "$default_cache_db_type:$data_directory/postscreen_cache", """
    Where it is kept who passed which trial until when. Empty: nowhere.""")
POSTSCREEN_CACHE_RETENTION_TIME = duration("postscreen_cache_retention_time", "7d", """
    How long a record is kept after one of its passes has expired.""", low=1)
POSTSCREEN_CACHE_CLEANUP_INTERVAL = duration("postscreen_cache_cleanup_interval", "12h", """
    How often old records are removed. 0: never.""")

POSTSCREEN_GREET_BANNER = text("postscreen_greet_banner", "$smtpd_banner", """
    The first line of a greeting in two lines, told before the wait that an impatient client does not sit out. Empty:
    no such trial.""")
POSTSCREEN_GREET_WAIT = duration("postscreen_greet_wait", "${stress?{2}:{6}}s", """
    How long the second line of the greeting waits.""", low=1)
POSTSCREEN_GREET_ACTION = one_of("postscreen_greet_action", "ignore", ACTIONS, """
    What follows when a client talks before the greeting is complete.""")
POSTSCREEN_GREET_TTL = duration("postscreen_greet_ttl", "1d", "How long a pass of this trial is good.", low=1)

POSTSCREEN_DNSBL_SITES = words("postscreen_dnsbl_sites", "", """
    DNS lists, each `domain[=filter][*weight]`; a negative weight speaks for the client.""")
POSTSCREEN_DNSBL_ACTION = one_of("postscreen_dnsbl_action", "ignore", ACTIONS, """
    What follows when the weights reach postscreen_dnsbl_threshold.""")
POSTSCREEN_DNSBL_THRESHOLD = number("postscreen_dnsbl_threshold", "1", """
    The sum of weights from which on a client is refused.""", low=1)
POSTSCREEN_DNSBL_ALLOWLIST_THRESHOLD = number("postscreen_dnsbl_allowlist_threshold",
    "${postscreen_dnsbl_whitelist_threshold?{$postscreen_dnsbl_whitelist_threshold}:{0}}", """
    The sum of weights, below zero, down from which a client passes all other trials. 0 or more: none does.""",
    low=-(2**31))
POSTSCREEN_DNSBL_REPLY_MAP = text("postscreen_dnsbl_reply_map", "", """
    Table DNS list -> name to tell clients, for lists whose names are secret.""")
POSTSCREEN_DNSBL_MIN_TTL = duration("postscreen_dnsbl_min_ttl", "60s", """
    How long a DNS list's word is good at least.""", low=1)
POSTSCREEN_DNSBL_MAX_TTL = duration("postscreen_dnsbl_max_ttl",
    "${postscreen_dnsbl_ttl?{$postscreen_dnsbl_ttl}:{1}}h", "How long a DNS list's word is good at most.", low=1)
POSTSCREEN_DNSBL_TIMEOUT = duration("postscreen_dnsbl_timeout", "10s", "How long to wait for a DNS list.", low=1)

POSTSCREEN_PIPELINING_ENABLE = yes_no("postscreen_pipelining_enable", "no", """
    Try whether a client sends commands together although PIPELINING was not offered?""")
POSTSCREEN_PIPELINING_ACTION = one_of("postscreen_pipelining_action", "enforce", ACTIONS, "What follows when it does.")
POSTSCREEN_PIPELINING_TTL = duration("postscreen_pipelining_ttl", "30d", "How long a pass is good.", low=1)
POSTSCREEN_NON_SMTP_COMMAND_ENABLE = yes_no("postscreen_non_smtp_command_enable", "no", """
    Try whether a client sends commands of other protocols, or headers?""")
POSTSCREEN_NON_SMTP_COMMAND_ACTION = one_of("postscreen_non_smtp_command_action", "drop", ACTIONS, """
    What follows when it does.""")
POSTSCREEN_NON_SMTP_COMMAND_TTL = duration("postscreen_non_smtp_command_ttl", "30d", "How long a pass is good.", low=1)
POSTSCREEN_BARE_NEWLINE_ENABLE = yes_no("postscreen_bare_newline_enable", "no", """
    Try whether a client ends lines with LF alone?""")
POSTSCREEN_BARE_NEWLINE_ACTION = one_of("postscreen_bare_newline_action", "ignore", ACTIONS, """
    What follows when it does.""")
POSTSCREEN_BARE_NEWLINE_TTL = duration("postscreen_bare_newline_ttl", "30d", "How long a pass is good.", low=1)
POSTSCREEN_FORBIDDEN_COMMANDS = words("postscreen_forbidden_commands", "$smtpd_forbidden_commands", """
    Commands of other protocols: names, or tables command -> anything.""")

POSTSCREEN_COMMAND_COUNT_LIMIT = number("postscreen_command_count_limit", "20", """
    How many commands a client has before it has passed.""", low=1)
POSTSCREEN_COMMAND_TIME_LIMIT = duration("postscreen_command_time_limit", "${stress?{10}:{300}}s", """
    How long one command line may take before the client has passed.""", low=1)
POSTSCREEN_COMMAND_FILTER = text("postscreen_command_filter", "", """
    Table that replaces command lines of clients that have not passed.""")
POSTSCREEN_DISCARD_EHLO_KEYWORDS = words("postscreen_discard_ehlo_keywords", "$smtpd_discard_ehlo_keywords", """
    EHLO keywords that are not announced before a client has passed.""")
POSTSCREEN_DISCARD_EHLO_KEYWORD_ADDRESS_MAPS = words("postscreen_discard_ehlo_keyword_address_maps",
    "$smtpd_discard_ehlo_keyword_address_maps", "Tables client address -> EHLO keywords not announced to it.")
POSTSCREEN_HELO_REQUIRED = yes_no("postscreen_helo_required", "$smtpd_helo_required", """
    Refuse MAIL and ETRN before HELO or EHLO, while a client has not passed?""")
POSTSCREEN_DISABLE_VRFY_COMMAND = yes_no("postscreen_disable_vrfy_command", "$disable_vrfy_command", """
    Answer VRFY with 502, while a client has not passed?""")
POSTSCREEN_REJECT_FOOTER = text("postscreen_reject_footer", "$smtpd_reject_footer", """
    Text added to screening's 4xx and 5xx replies. Its $names are attributes of the session.""", raw=True)
POSTSCREEN_REJECT_FOOTER_MAPS = words("postscreen_reject_footer_maps", "$smtpd_reject_footer_maps", """
    Tables reply -> footer; before postscreen_reject_footer.""")
POSTSCREEN_EXPANSION_FILTER = text("postscreen_expansion_filter", "$smtpd_expansion_filter", """
    Characters that $names in footers may bring in; others become `_`.""", raw=True)

POSTSCREEN_CLIENT_CONNECTION_COUNT_LIMIT = number("postscreen_client_connection_count_limit",
    "$smtpd_client_connection_count_limit", "Connections that one client may have in screening. 0: no limit.")
POSTSCREEN_PRE_QUEUE_LIMIT = number("postscreen_pre_queue_limit", "$default_process_limit", """
    Clients in screening at a time; more are told to come again.""", low=10)
POSTSCREEN_POST_QUEUE_LIMIT = number("postscreen_post_queue_limit", "$default_process_limit", """
    Clients that passed and wait to be served; when there are so many, new ones are told to come again.""", low=5)
POSTSCREEN_UPSTREAM_PROXY_PROTOCOL = text("postscreen_upstream_proxy_protocol", "", """
    The protocol by which a proxy before this server tells who the client is: `haproxy` or none.""")
POSTSCREEN_UPSTREAM_PROXY_TIMEOUT = duration("postscreen_upstream_proxy_timeout", "5s", """
    How long the proxy may take to say it.""", low=1)
RESPECTFUL_LOGGING = yes_no("respectful_logging", "${{$compatibility_level} <level {3.6} ? {no} : {yes}}", """
    Write ALLOWLISTED and DENYLISTED instead of the words of Postfix before 3.6?""")

POSTSCREEN_TLS_SECURITY_LEVEL = one_of("postscreen_tls_security_level", "$smtpd_tls_security_level", _LEVELS, """
    none: no TLS before a client has passed; may: STARTTLS is offered; encrypt: it is demanded. Empty:
    postscreen_use_tls and postscreen_enforce_tls say it.""")
POSTSCREEN_USE_TLS = yes_no("postscreen_use_tls", "$smtpd_use_tls", """
    Older way to say postscreen_tls_security_level = may.""")
POSTSCREEN_ENFORCE_TLS = yes_no("postscreen_enforce_tls", "$smtpd_enforce_tls", """
    Older way to say postscreen_tls_security_level = encrypt.""")
POSTSCREEN_STARTTLS_TIMEOUT = duration("postscreen_starttls_timeout", "$smtpd_starttls_timeout", """
    How long a TLS handshake may take before a client has passed.""", low=1)

GATEPOST_SCREEN_PROMOTION = one_of("gatepost_screen_promotion",
    "${{$gatepost_compatibility} == {postfix} ? {defer} : {promote}}", ("promote", "defer", "observe"), """
    What becomes of a client that passes the trials after the greeting: `promote` serves it at once, in the same
    session; `defer` answers 450 and serves it when it comes again, as Postfix does; `observe` is `promote`, and what
    fails is logged and not punished.""")
GATEPOST_GREET_WAIT = one_of("gatepost_greet_wait",
    "${{$gatepost_compatibility} == {postfix} ? {full} : {adaptive}}", ("adaptive", "full"), """
    How long the greeting waits: `full`: postscreen_greet_wait, as in Postfix; `adaptive`: no longer than
    gatepost_greet_wait_minimum when nothing is suspicious: the DNS lists have all answered and speak not against the
    client, its TCP has acknowledged the first line, and it was never caught before.""")
GATEPOST_GREET_WAIT_MINIMUM = number("gatepost_greet_wait_minimum", "300", """
    Milliseconds that the greeting waits at least, when gatepost_greet_wait is adaptive.""", high=60000)

GATEPOST_SCREEN_RETENTION = one_of("gatepost_screen_retention",
    "${{$gatepost_compatibility} == {postfix} ? {any} : {all}}", ("any", "all"), """
    When a record is old: when `any` of its passes has been over for postscreen_cache_retention_time, as in Postfix, or
    only when `all` have. With `any`, a pass of 30 days is forgotten with the pass of an hour beside it.""")
GATEPOST_SCREEN_HISTORY_LIMIT = number("gatepost_screen_history_limit", "10000", """
    How many catches are remembered, with trial, action and evidence, for `gatepost screen` and for an adaptive
    greeting. 0: none.""")
GATEPOST_SCREEN_HISTORY_TIME = duration("gatepost_screen_history_time", "30d", """
    How long a catch is remembered.""", low=1)
