"""Parameters: the SMTP client that passes mail on."""

from __future__ import annotations

from gatepost.config.parameter import duration, number, one_of, text, words, yes_no

LEVELS = ("", "none", "may", "encrypt", "dane", "dane-only", "fingerprint", "verify", "secure")
"""TLS security levels of a client, weakest first."""

SMTP_HELO_NAME = text("smtp_helo_name", "$myhostname", "The name told in EHLO and HELO.")
SMTP_TCP_PORT = text("smtp_tcp_port", "smtp", "The port to connect to where none is named.")
SMTP_BIND_ADDRESS = text("smtp_bind_address", "", "Our IPv4 address for outgoing connections.")
SMTP_BIND_ADDRESS6 = text("smtp_bind_address6", "", "Our IPv6 address for outgoing connections.")
SMTP_DNS_SUPPORT_LEVEL = one_of("smtp_dns_support_level", "", ("", "disabled", "enabled", "dnssec"), """
    Whether and how the DNS is asked; empty: disable_dns_lookups says it.""")
SMTP_HOST_LOOKUP = words("smtp_host_lookup", "dns", "How host names are looked up: dns, native.")
SMTP_RANDOMIZE_ADDRESSES = yes_no("smtp_randomize_addresses", "yes", "Shuffle addresses of equal preference?")
SMTP_MX_ADDRESS_LIMIT = number("smtp_mx_address_limit", "5", "Addresses tried in one delivery. 0: no limit.")
SMTP_MX_SESSION_LIMIT = number("smtp_mx_session_limit", "2", "Sessions tried in one delivery. 0: no limit.")
SMTP_CONNECT_TIMEOUT = duration("smtp_connect_timeout", "30s", "How long connecting may take. 0: as the system does.")
SMTP_HELO_TIMEOUT = duration("smtp_helo_timeout", "300s", "How long to wait for greeting and EHLO reply.", low=1)
SMTP_STARTTLS_TIMEOUT = duration("smtp_starttls_timeout", "300s", "How long a TLS handshake may take.", low=1)
SMTP_MAIL_TIMEOUT = duration("smtp_mail_timeout", "300s", "How long to wait for the reply to MAIL.", low=1)
SMTP_RCPT_TIMEOUT = duration("smtp_rcpt_timeout", "300s", "How long to wait for the reply to RCPT.", low=1)
SMTP_DATA_INIT_TIMEOUT = duration("smtp_data_init_timeout", "120s", "How long to wait for the reply to DATA.", low=1)
SMTP_DATA_XFER_TIMEOUT = duration("smtp_data_xfer_timeout", "180s", "How long one write of content may take.", low=1)
SMTP_DATA_DONE_TIMEOUT = duration("smtp_data_done_timeout", "600s", """
    How long to wait for the reply to the end of a message.""", low=1)
SMTP_RSET_TIMEOUT = duration("smtp_rset_timeout", "20s", "How long to wait for the reply to RSET.", low=1)
SMTP_QUIT_TIMEOUT = duration("smtp_quit_timeout", "300s", "How long to wait for the reply to QUIT.", low=1)
SMTP_XFORWARD_TIMEOUT = duration("smtp_xforward_timeout", "300s", "How long to wait for the reply to XFORWARD.", low=1)
SMTP_SEND_XFORWARD_COMMAND = yes_no("smtp_send_xforward_command", "no", """
    Tell the next server who the client was, when it offers XFORWARD?""")
SMTP_LINE_LENGTH_LIMIT = number("smtp_line_length_limit", "998", """
    Longer lines of content are broken. RFC 5321 4.5.3.1.6. 0: never.""")
SMTP_DISCARD_EHLO_KEYWORDS = words("smtp_discard_ehlo_keywords", "", "EHLO keywords of servers to overlook.")
SMTP_ADDRESS_VERIFY_TARGET = one_of("smtp_address_verify_target", "rcpt", ("rcpt", "data"), """
    How far an address probe goes.""")
SMTP_CONNECTION_CACHE_ON_DEMAND = yes_no("smtp_connection_cache_on_demand", "yes", """
    Use a connection again while there is much mail for its destination?""")
SMTP_CONNECTION_CACHE_TIME_LIMIT = duration("smtp_connection_cache_time_limit", "2s", """
    How long a connection is kept unused.""", low=1)
SMTP_CONNECTION_REUSE_TIME_LIMIT = duration("smtp_connection_reuse_time_limit", "300s", """
    How long a connection is used again.""", low=1)
SMTP_CONNECTION_REUSE_COUNT_LIMIT = number("smtp_connection_reuse_count_limit", "0", """
    How often a connection is used. 0: no limit.""")
SMTP_SENDER_DEPENDENT_AUTHENTICATION = yes_no("smtp_sender_dependent_authentication", "no", """
    Look up passwords by sender first?""")
SMTP_SASL_AUTH_ENABLE = yes_no("smtp_sasl_auth_enable", "no", "Log in at servers that offer AUTH?")
SMTP_SASL_PASSWORD_MAPS = words("smtp_sasl_password_maps", "", "Tables server -> user:password.")
SMTP_SASL_SECURITY_OPTIONS = words("smtp_sasl_security_options", "noplaintext, noanonymous", """
    Mechanisms not wanted.""")
SMTP_SASL_TLS_SECURITY_OPTIONS = words("smtp_sasl_tls_security_options", "$smtp_sasl_security_options", """
    Mechanisms not wanted within TLS.""")

SMTP_TLS_SECURITY_LEVEL = one_of("smtp_tls_security_level", "", LEVELS, """
    How much TLS is wanted. Empty: smtp_use_tls and smtp_enforce_tls say it.""")
SMTP_USE_TLS = yes_no("smtp_use_tls", "no", "Older way to say smtp_tls_security_level = may.")
SMTP_ENFORCE_TLS = yes_no("smtp_enforce_tls", "no", "Older way to say encrypt (smtp_tls_enforce_peername: verify).")
SMTP_TLS_WRAPPERMODE = yes_no("smtp_tls_wrappermode", "no", "Does TLS begin before the greeting?")
SMTP_TLS_POLICY_MAPS = words("smtp_tls_policy_maps", "", "Tables next server -> TLS level and attributes.")
SMTP_TLS_CAFILE = text("smtp_tls_CAfile", "", "PEM file of authorities trusted to sign server certificates.")
SMTP_TLS_CAPATH = text("smtp_tls_CApath", "", "Directory of such authorities, by hash.")
SMTP_TLS_CERT_FILE = text("smtp_tls_cert_file", "", "PEM file with our client certificate.")
SMTP_TLS_KEY_FILE = text("smtp_tls_key_file", "$smtp_tls_cert_file", "PEM file with its key.")
SMTP_TLS_CHAIN_FILES = words("smtp_tls_chain_files", "", "PEM files with a key and its certificate chain each.")
SMTP_TLS_PROTOCOLS = words("smtp_tls_protocols", ">=TLSv1", "TLS versions where TLS is optional.")
SMTP_TLS_MANDATORY_PROTOCOLS = words("smtp_tls_mandatory_protocols", ">=TLSv1", "TLS versions where it is required.")
SMTP_TLS_VERIFY_CERT_MATCH = words("smtp_tls_verify_cert_match", "hostname", """
    What the certificate must name at level verify: hostname, nexthop, dot-nexthop, or a name.""")
SMTP_TLS_SECURE_CERT_MATCH = words("smtp_tls_secure_cert_match", "nexthop, dot-nexthop", """
    What the certificate must name at level secure.""")
