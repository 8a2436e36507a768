"""Parameters that Postfix does not have. Each may be absent, and its default keeps to what a polite client expects."""

from __future__ import annotations

from gatepost.config.parameter import duration, number, one_of, text, words, yes_no

GATEPOST_COMPATIBILITY = one_of("gatepost_compatibility", "gatepost", ("gatepost", "postfix"), """
    `postfix`: every behaviour that differs on purpose takes Postfix's form. `gatepost`: stricter where no polite client
    is harmed, and broken configuration is found at start-up instead of at the first client.""")
GATEPOST_TURN_EVIDENCE = one_of("gatepost_turn_evidence",
    "${{$gatepost_compatibility} == {postfix} ? {buffered} : {all}}", ("all", "buffered"), """
    What counts as talking out of turn: `buffered` only what lay behind a command when it was read, as in Postfix; `all`
    also what came before the client can have had our reply, by the acknowledgements of its TCP.""")
GATEPOST_TURN_TOLERANCE = words("gatepost_turn_tolerance",
    "${{$gatepost_compatibility} == {postfix} ? {} : {hello-quit, telnet}}", """
    Harmless probes that are logged and not punished when they talk out of turn: neither reject_unauth_pipelining nor
    smtpd_forbid_unauth_pipelining nor a trial of postscreen's holds them against a client. The patterns, and which
    clients talk like that, stand in docs/turn-catalogue.md. An offence that begins like one counts from the first byte
    that shows that it is none. Empty: nothing is tolerated, as in Postfix.""")
GATEPOST_TURN_EXEMPT_CLIENTS = words("gatepost_turn_exempt_clients", "", """
    Clients that may talk out of turn: addresses, networks, tables, as in mynetworks. What they say is logged and not
    punished, whatever it is. For old devices and scripts of one's own that cannot be mended.""")
GATEPOST_LOG_FORMAT = one_of("gatepost_log_format", "postfix", ("postfix", "json"), """
    Log lines as Postfix writes them, or one JSON object a line.""")
GATEPOST_LOG_SESSION_ID = yes_no("gatepost_log_session_id",
    "${{$compatibility_level} >=level {3.10} ? {yes} : {no}}", """
    Begin lines about lost connections, timeouts and too many errors with the queue id or NOQUEUE, as Postfix does
    since 3.10?""")
GATEPOST_TRUSTED_PROXIES = words("gatepost_trusted_proxies", "", """
    Addresses of proxies that may say who the client is (PROXY protocol). Empty: whoever connects to a service that
    expects it, as in Postfix. A match list.""")
GATEPOST_ACCEPT_UNFILTERED = yes_no("gatepost_accept_unfiltered", "no", """
    Serve although milters or smtpd_proxy_filter are configured, which are not supported yet: mail passes without them,
    and start-up says so. `no`: that is an error.""")
GATEPOST_USER = text("gatepost_user", "$mail_owner", """
    The user to become once the ports are bound, when started as root; empty: stay root.""")
GATEPOST_DNS_SERVERS = words("gatepost_dns_servers", "", """
    Name servers to ask, each `address`, `address:port` or `[address]:port`. Empty: those of /etc/resolv.conf.""")
GATEPOST_DNS_TIMEOUT = duration("gatepost_dns_timeout", "5s", "How long to wait for one name server.", low=1)
GATEPOST_DNS_TIME_LIMIT = duration("gatepost_dns_time_limit", "20s", """
    How long to wait for the answer to one DNS question, however many name servers are tried.""", low=1)
GATEPOST_GREET_PAUSE = number("gatepost_greet_pause", "${{$gatepost_compatibility} == {postfix} ? {5} : {1}}", """
    Milliseconds between taking a connection and the greeting, so that a client that talks at once is seen to do so.
    Postfix takes that long anyway.""", high=10000)
