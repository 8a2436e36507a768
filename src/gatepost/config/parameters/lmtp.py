"""Parameters: the LMTP client. Each has an SMTP twin in client.py that tells more; `lmtp` finds it by its twin."""

from __future__ import annotations

from typing import TypeVar

from gatepost.config.parameter import DECLARED, Parameter, duration, number, one_of, text, words, yes_no
from gatepost.config.parameters.client import LEVELS

T = TypeVar("T")

LMTP_LHLO_NAME = text("lmtp_lhlo_name", "$myhostname", "smtp_helo_name, over LMTP.")
LMTP_TCP_PORT = text("lmtp_tcp_port", "24", "smtp_tcp_port, over LMTP.")
LMTP_BIND_ADDRESS = text("lmtp_bind_address", "", "smtp_bind_address, over LMTP.")
LMTP_BIND_ADDRESS6 = text("lmtp_bind_address6", "", "smtp_bind_address6, over LMTP.")
LMTP_DNS_SUPPORT_LEVEL = one_of("lmtp_dns_support_level", "", ("", "disabled", "enabled", "dnssec"),
    "smtp_dns_support_level, over LMTP.")
LMTP_HOST_LOOKUP = words("lmtp_host_lookup", "dns", "smtp_host_lookup, over LMTP.")
LMTP_RANDOMIZE_ADDRESSES = yes_no("lmtp_randomize_addresses", "yes", "smtp_randomize_addresses, over LMTP.")
LMTP_MX_ADDRESS_LIMIT = number("lmtp_mx_address_limit", "5", "smtp_mx_address_limit, over LMTP.")
LMTP_MX_SESSION_LIMIT = number("lmtp_mx_session_limit", "2", "smtp_mx_session_limit, over LMTP.")
LMTP_CONNECT_TIMEOUT = duration("lmtp_connect_timeout", "0s", "smtp_connect_timeout, over LMTP.")
LMTP_LHLO_TIMEOUT = duration("lmtp_lhlo_timeout", "300s", "smtp_helo_timeout, over LMTP.", low=1)
LMTP_STARTTLS_TIMEOUT = duration("lmtp_starttls_timeout", "300s", "smtp_starttls_timeout, over LMTP.", low=1)
LMTP_MAIL_TIMEOUT = duration("lmtp_mail_timeout", "300s", "smtp_mail_timeout, over LMTP.", low=1)
LMTP_RCPT_TIMEOUT = duration("lmtp_rcpt_timeout", "300s", "smtp_rcpt_timeout, over LMTP.", low=1)
LMTP_DATA_INIT_TIMEOUT = duration("lmtp_data_init_timeout", "120s", "smtp_data_init_timeout, over LMTP.", low=1)
LMTP_DATA_XFER_TIMEOUT = duration("lmtp_data_xfer_timeout", "180s", "smtp_data_xfer_timeout, over LMTP.", low=1)
LMTP_DATA_DONE_TIMEOUT = duration("lmtp_data_done_timeout", "600s", "smtp_data_done_timeout, over LMTP.", low=1)
LMTP_RSET_TIMEOUT = duration("lmtp_rset_timeout", "20s", "smtp_rset_timeout, over LMTP.", low=1)
LMTP_QUIT_TIMEOUT = duration("lmtp_quit_timeout", "300s", "smtp_quit_timeout, over LMTP.", low=1)
LMTP_XFORWARD_TIMEOUT = duration("lmtp_xforward_timeout", "300s", "smtp_xforward_timeout, over LMTP.", low=1)
LMTP_SEND_XFORWARD_COMMAND = yes_no("lmtp_send_xforward_command", "no", "smtp_send_xforward_command, over LMTP.")
LMTP_LINE_LENGTH_LIMIT = number("lmtp_line_length_limit", "998", "smtp_line_length_limit, over LMTP.")
LMTP_DISCARD_LHLO_KEYWORDS = words("lmtp_discard_lhlo_keywords", "", "smtp_discard_ehlo_keywords, over LMTP.")
LMTP_ADDRESS_VERIFY_TARGET = one_of("lmtp_address_verify_target", "rcpt", ("rcpt", "data"),
    "smtp_address_verify_target, over LMTP.")
LMTP_CONNECTION_CACHE_ON_DEMAND = yes_no("lmtp_connection_cache_on_demand", "yes",
    "smtp_connection_cache_on_demand, over LMTP.")
LMTP_CONNECTION_CACHE_TIME_LIMIT = duration("lmtp_connection_cache_time_limit", "2s",
    "smtp_connection_cache_time_limit, over LMTP.", low=1)
LMTP_CONNECTION_REUSE_TIME_LIMIT = duration("lmtp_connection_reuse_time_limit", "300s",
    "smtp_connection_reuse_time_limit, over LMTP.", low=1)
LMTP_CONNECTION_REUSE_COUNT_LIMIT = number("lmtp_connection_reuse_count_limit", "0",
    "smtp_connection_reuse_count_limit, over LMTP.")
LMTP_SENDER_DEPENDENT_AUTHENTICATION = yes_no("lmtp_sender_dependent_authentication", "no",
    "smtp_sender_dependent_authentication, over LMTP.")
LMTP_SASL_AUTH_ENABLE = yes_no("lmtp_sasl_auth_enable", "no", "smtp_sasl_auth_enable, over LMTP.")
LMTP_SASL_PASSWORD_MAPS = words("lmtp_sasl_password_maps", "", "smtp_sasl_password_maps, over LMTP.")
LMTP_SASL_SECURITY_OPTIONS = words("lmtp_sasl_security_options", "noplaintext, noanonymous",
    "smtp_sasl_security_options, over LMTP.")
LMTP_SASL_TLS_SECURITY_OPTIONS = words("lmtp_sasl_tls_security_options", "$lmtp_sasl_security_options",
    "smtp_sasl_tls_security_options, over LMTP.")
LMTP_TLS_SECURITY_LEVEL = one_of("lmtp_tls_security_level", "", LEVELS, "smtp_tls_security_level, over LMTP.")
LMTP_USE_TLS = yes_no("lmtp_use_tls", "no", "smtp_use_tls, over LMTP.")
LMTP_ENFORCE_TLS = yes_no("lmtp_enforce_tls", "no", "smtp_enforce_tls, over LMTP.")
LMTP_TLS_WRAPPERMODE = yes_no("lmtp_tls_wrappermode", "no", "smtp_tls_wrappermode, over LMTP.")
LMTP_TLS_POLICY_MAPS = words("lmtp_tls_policy_maps", "", "smtp_tls_policy_maps, over LMTP.")
LMTP_TLS_CAFILE = text("lmtp_tls_CAfile", "", "smtp_tls_CAfile, over LMTP.")
LMTP_TLS_CAPATH = text("lmtp_tls_CApath", "", "smtp_tls_CApath, over LMTP.")
LMTP_TLS_CERT_FILE = text("lmtp_tls_cert_file", "", "smtp_tls_cert_file, over LMTP.")
LMTP_TLS_KEY_FILE = text("lmtp_tls_key_file", "$lmtp_tls_cert_file", "smtp_tls_key_file, over LMTP.")
LMTP_TLS_CHAIN_FILES = words("lmtp_tls_chain_files", "", "smtp_tls_chain_files, over LMTP.")
LMTP_TLS_PROTOCOLS = words("lmtp_tls_protocols", ">=TLSv1", "smtp_tls_protocols, over LMTP.")
LMTP_TLS_MANDATORY_PROTOCOLS = words("lmtp_tls_mandatory_protocols", ">=TLSv1",
    "smtp_tls_mandatory_protocols, over LMTP.")
LMTP_TLS_VERIFY_CERT_MATCH = words("lmtp_tls_verify_cert_match", "hostname", "smtp_tls_verify_cert_match, over LMTP.")
LMTP_TLS_SECURE_CERT_MATCH = words("lmtp_tls_secure_cert_match", "nexthop", "smtp_tls_secure_cert_match, over LMTP.")

_NAMES = {
    "smtp_helo_name": "lmtp_lhlo_name",
    "smtp_helo_timeout": "lmtp_lhlo_timeout",
    "smtp_discard_ehlo_keywords": "lmtp_discard_lhlo_keywords",
    "smtp_discard_ehlo_keyword_address_maps": "lmtp_discard_lhlo_keyword_address_maps",
}


def lmtp(parameter: Parameter[T]) -> Parameter[T]:
    """The LMTP twin of an SMTP client parameter; the parameter itself when it has none."""
    name = _NAMES.get(parameter.name, parameter.name.replace("smtp_", "lmtp_", 1))
    return DECLARED.get(name, parameter)  # type: ignore[return-value]  # twins are of one type
