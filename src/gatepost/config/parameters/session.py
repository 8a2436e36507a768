"""Parameters: the conversation with a client: greeting, EHLO, commands, limits, XCLIENT, XFORWARD, PROXY."""

from __future__ import annotations

from gatepost.config.parameter import duration, number, one_of, text, words, yes_no

SMTPD_BANNER = text("smtpd_banner", "$myhostname ESMTP $mail_name", """
    The text of the 220 greeting. RFC 5321 4.2 wants the server's name first.""")
MAIL_NAME = text("mail_name", "Postfix", "The name of the mail system in greeting, Received: and notices.")
MAIL_VERSION = text("mail_version", "3.10.0", "The Postfix version whose behaviour is followed, for policy servers.")
SMTPD_TIMEOUT = duration("smtpd_timeout", "${stress?{10}:{300}}s", """
    How long the server waits for a command, or for a reply to be taken.""", low=1)
SMTPD_STARTTLS_TIMEOUT = duration("smtpd_starttls_timeout", "${stress?{10}:{300}}s", """
    How long a TLS handshake may take.""", low=1)
SMTPD_PER_REQUEST_DEADLINE = yes_no("smtpd_per_request_deadline",
    "${smtpd_per_record_deadline?{$smtpd_per_record_deadline}:{${stress?{yes}:{no}}}}", """
    Does smtpd_timeout limit a whole command or reply instead of each read and write?""")
SMTPD_MIN_DATA_RATE = number("smtpd_min_data_rate", "500", """
    Bytes a second that a client must send during DATA and BDAT when smtpd_per_request_deadline is on.""", low=1)
SMTPD_PEERNAME_LOOKUP = yes_no("smtpd_peername_lookup", "yes", "Look up the client's name in the DNS?")
SMTPD_CLIENT_PORT_LOGGING = yes_no("smtpd_client_port_logging", "no", "Log client ports too?")
SMTPD_HELO_REQUIRED = yes_no("smtpd_helo_required", "no", "Refuse MAIL, AUTH and ETRN before HELO or EHLO?")
SMTPD_DELAY_REJECT = yes_no("smtpd_delay_reject", "yes", """
    Wait with the verdicts of client, helo and sender restrictions until RCPT?""")
SMTPD_DISCARD_EHLO_KEYWORDS = words("smtpd_discard_ehlo_keywords", "", "EHLO keywords that are not announced.")
SMTPD_DISCARD_EHLO_KEYWORD_ADDRESS_MAPS = words("smtpd_discard_ehlo_keyword_address_maps", "", """
    Tables client address -> EHLO keywords that are not announced to it.""")
SMTPD_NOOP_COMMANDS = words("smtpd_noop_commands", "", "Commands that are answered 250 without doing anything.")
SMTPD_FORBIDDEN_COMMANDS = words("smtpd_forbidden_commands", "CONNECT GET POST regexp:{{/^[^A-Z]/ Bogus}}", """
    Commands that show that the client does not speak SMTP: the session ends.""")
SMTPD_COMMAND_FILTER = text("smtpd_command_filter", "", "Table that replaces command lines before they are read.")
SMTPD_REJECT_FOOTER = text("smtpd_reject_footer", "", """
    Text added to every 4xx and 5xx reply. Its $names are attributes of the session.""", raw=True)
SMTPD_REJECT_FOOTER_MAPS = words("smtpd_reject_footer_maps", "", "Tables reply -> footer; before smtpd_reject_footer.")
SMTPD_EXPANSION_FILTER = text("smtpd_expansion_filter",
    r"\t\40!" + '"' + r"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`"
    "abcdefghijklmnopqrstuvwxyz{|}~", """
    Characters that $names in reply templates may bring in; others become `_`.""", raw=True)
LINE_LENGTH_LIMIT = number("line_length_limit", "2048", "The longest command or header line kept, in bytes.", low=512)
SMTPD_SOFT_ERROR_LIMIT = number("smtpd_soft_error_limit", "10", """
    From this many errors in a session on, every reply is delayed by smtpd_error_sleep_time.""", low=1)
SMTPD_HARD_ERROR_LIMIT = number("smtpd_hard_error_limit", "${stress?{1}:{20}}", """
    At this many errors the session ends.""", low=1)
SMTPD_ERROR_SLEEP_TIME = duration("smtpd_error_sleep_time", "1s", "The delay after smtpd_soft_error_limit errors.")
SMTPD_JUNK_COMMAND_LIMIT = number("smtpd_junk_command_limit", "${stress?{1}:{100}}", """
    How many commands that bring no mail forward (NOOP, VRFY, ETRN, RSET, HELO) are free of error.""", low=1)
SMTPD_RECIPIENT_LIMIT = number("smtpd_recipient_limit", "1000", "Recipients in one message.", low=1)
SMTPD_RECIPIENT_OVERSHOOT_LIMIT = number("smtpd_recipient_overshoot_limit", "1000", """
    Recipients beyond smtpd_recipient_limit that are refused without counting as errors.""", low=1)
SMTPD_FORBID_UNAUTH_PIPELINING = yes_no("smtpd_forbid_unauth_pipelining", "yes", """
    End the session when a client talks out of turn, at the first command after it?""")
SMTPD_FORBID_BARE_NEWLINE = one_of("smtpd_forbid_bare_newline", "normalize",
                                   ("no", "yes", "normalize", "reject", "note"), """
    What to do about lines that end in LF without CR: take them as they are, take them as lines but want
    CRLF.CRLF at the end of a message (`normalize`, `yes`), refuse them, or only log them.""")
SMTPD_FORBID_BARE_NEWLINE_EXCLUSIONS = words("smtpd_forbid_bare_newline_exclusions", "$mynetworks", """
    Clients that smtpd_forbid_bare_newline does not concern. A match list.""")
SMTPD_FORBID_BARE_NEWLINE_REJECT_CODE = number("smtpd_forbid_bare_newline_reject_code", "550", """
    Reply code of smtpd_forbid_bare_newline = reject.""", low=500, high=599)
SMTPD_CLIENT_CONNECTION_COUNT_LIMIT = number("smtpd_client_connection_count_limit", "50", """
    Connections that one client may have open at a time. 0: no limit.""")
SMTPD_CLIENT_CONNECTION_RATE_LIMIT = number("smtpd_client_connection_rate_limit", "0", """
    Connections of one client in anvil_rate_time_unit. 0: no limit.""")
SMTPD_CLIENT_MESSAGE_RATE_LIMIT = number("smtpd_client_message_rate_limit", "0", """
    Messages of one client in anvil_rate_time_unit. 0: no limit.""")
SMTPD_CLIENT_RECIPIENT_RATE_LIMIT = number("smtpd_client_recipient_rate_limit", "0", """
    Recipients of one client in anvil_rate_time_unit, refused ones included. 0: no limit.""")
SMTPD_CLIENT_AUTH_RATE_LIMIT = number("smtpd_client_auth_rate_limit", "0", """
    AUTH commands of one client in anvil_rate_time_unit. 0: no limit.""")
SMTPD_CLIENT_NEW_TLS_SESSION_RATE_LIMIT = number("smtpd_client_new_tls_session_rate_limit", "0", """
    New TLS sessions of one client in anvil_rate_time_unit. 0: no limit.""")
SMTPD_CLIENT_EVENT_LIMIT_EXCEPTIONS = words("smtpd_client_event_limit_exceptions",
    "${smtpd_client_connection_limit_exceptions:$mynetworks}", """
    Clients without connection and rate limits. A match list.""")
SMTPD_CLIENT_IPV4_PREFIX_LENGTH = number("smtpd_client_ipv4_prefix_length", "32", """
    Bits of an IPv4 address that make one client for the limits.""", high=32)
SMTPD_CLIENT_IPV6_PREFIX_LENGTH = number("smtpd_client_ipv6_prefix_length", "84", """
    Bits of an IPv6 address that make one client for the limits.""", high=128)
ANVIL_RATE_TIME_UNIT = duration("anvil_rate_time_unit", "60s", "The length of a window for rate limits.", low=1)
SMTPD_AUTHORIZED_XCLIENT_HOSTS = words("smtpd_authorized_xclient_hosts", "", """
    Clients that may speak for another client (XCLIENT). A match list.""")
SMTPD_AUTHORIZED_XFORWARD_HOSTS = words("smtpd_authorized_xforward_hosts", "", """
    Clients that may name another client for logging (XFORWARD). A match list.""")
SMTPD_AUTHORIZED_VERP_CLIENTS = words("smtpd_authorized_verp_clients", "$authorized_verp_clients", """
    Clients that may ask for VERP delivery. A match list.""")
SMTPD_UPSTREAM_PROXY_PROTOCOL = one_of("smtpd_upstream_proxy_protocol", "", ("", "haproxy"), """
    The protocol by which a proxy before this server tells who the client is: `haproxy` or none.""")
SMTPD_UPSTREAM_PROXY_TIMEOUT = duration("smtpd_upstream_proxy_timeout", "5s", """
    How long the proxy may take to say it.""", low=1)
DISABLE_VRFY_COMMAND = yes_no("disable_vrfy_command", "no", "Answer VRFY with 502?")
STRICT_RFC821_ENVELOPES = yes_no("strict_rfc821_envelopes", "no", """
    Refuse addresses in MAIL and RCPT that are not in <> or have comments or phrases in them?""")
SMTPD_HIDE_CLIENT_SESSION = yes_no("smtpd_hide_client_session", "no", """
    Leave the client's name, address, TLS and login out of the Received: header?""")
SMTPD_SERVICE_NAME = text("smtpd_service_name", "smtpd", "The service that takes over connections after screening.")
STRESS = text("stress", "", "Set to yes while the server is overloaded; defaults of limits look at it.")
SOFT_BOUNCE = yes_no("soft_bounce", "no", "Answer 4xx wherever 5xx is meant, and keep mail in the queue?")
CLEANUP_REPLACE_STRAY_CR_LF = yes_no("cleanup_replace_stray_cr_lf", "yes", """
    Replace CR and LF that do not belong to a CRLF by blanks in messages, so that no later server sees a line end?""")
