"""Parameters: what a message may contain, and who inspects it: header checks, content filter, milters, proxy filter."""

from __future__ import annotations

from gatepost.config.parameter import duration, number, one_of, text, words, yes_no

CLEANUP_SERVICE_NAME = text("cleanup_service_name", "cleanup", """
    The master.cf service whose -o settings (header_checks and the like) apply to mail received here.""")
HEADER_CHECKS = words("header_checks", "", "Tables asked about each header of a message.")
MIME_HEADER_CHECKS = words("mime_header_checks", "$header_checks", "Tables asked about MIME part headers.")
NESTED_HEADER_CHECKS = words("nested_header_checks", "$header_checks", "The same for headers of attached messages.")
BODY_CHECKS = words("body_checks", "", "Tables asked about each line of a body.")
BODY_CHECKS_SIZE_LIMIT = number("body_checks_size_limit", "51200", "Bytes of a part that body_checks sees.")
HEADER_SIZE_LIMIT = number("header_size_limit", "102400", "The longest header kept, in bytes.", low=1)
HEADER_ADDRESS_TOKEN_LIMIT = number("header_address_token_limit", "10240", """
    Address tokens of one header that are rewritten.""", low=1)
MIME_NESTING_LIMIT = number("mime_nesting_limit", "100", "How deep MIME parts may nest.", low=1)
MIME_BOUNDARY_LENGTH_LIMIT = number("mime_boundary_length_limit", "2048", "The longest MIME boundary kept.", low=1)
DISABLE_MIME_INPUT_PROCESSING = yes_no("disable_mime_input_processing", "no", """
    Treat everything behind the first headers as body?""")
STRICT_7BIT_HEADERS = yes_no("strict_7bit_headers", "no", "Refuse mail with 8-bit characters in headers?")
STRICT_8BITMIME = yes_no("strict_8bitmime", "no", "Refuse such headers, and 8-bit bodies that are not declared?")
STRICT_8BITMIME_BODY = yes_no("strict_8bitmime_body", "no", "Refuse 8-bit bodies that are not declared?")
STRICT_MIME_ENCODING_DOMAIN = yes_no("strict_mime_encoding_domain", "no", """
    Refuse encodings where RFC 2045 forbids them?""")
MESSAGE_REJECT_CHARACTERS = text("message_reject_characters", "", "Characters that no message may have.", raw=True)
MESSAGE_STRIP_CHARACTERS = text("message_strip_characters", "", "Characters taken out of messages.", raw=True)
MESSAGE_DROP_HEADERS = words("message_drop_headers", "bcc, content-length, resent-bcc, return-path", """
    Headers taken out of messages.""")
ALWAYS_ADD_MISSING_HEADERS = yes_no("always_add_missing_headers", "no", """
    Add From:, Date: and Message-ID: to mail of strangers too?""")
UNDISCLOSED_RECIPIENTS_HEADER = text("undisclosed_recipients_header", "", "Added where no header names recipients.")
CONTENT_FILTER = text("content_filter", "", """
    transport:nexthop that inspects all mail after it was queued, and sends it back.""")
DEFAULT_FILTER_NEXTHOP = text("default_filter_nexthop", "", """
    The nexthop of content filters that name none; empty: the recipient's domain.""")
RECEIVE_OVERRIDE_OPTIONS = words("receive_override_options", "", """
    What is left out for mail of this service: no_unknown_recipient_checks, no_address_mappings,
    no_header_body_checks, no_milters.""")
SMTPD_PROXY_FILTER = text("smtpd_proxy_filter", "", "host:port of a filter that mail passes before it is queued.")
SMTPD_PROXY_EHLO = text("smtpd_proxy_ehlo", "$myhostname", "The name told to that filter.")
SMTPD_PROXY_TIMEOUT = duration("smtpd_proxy_timeout", "100s", "How long to wait for that filter.", low=1)
SMTPD_PROXY_OPTIONS = words("smtpd_proxy_options", "", "`speed_adjust`: connect when the message is complete.")

SMTPD_MILTERS = words("smtpd_milters", "", "Milters for mail that comes in over SMTP, in order.")
SMTPD_MILTER_MAPS = words("smtpd_milter_maps", "", "Tables client address -> milters instead; DISABLE: none.")
NON_SMTPD_MILTERS = words("non_smtpd_milters", "", "Milters for mail that does not come in over SMTP.")
MILTER_DEFAULT_ACTION = text("milter_default_action", "shutdown", """
    What happens when a milter fails: accept, reject, tempfail, quarantine or shutdown.""")
MILTER_PROTOCOL = text("milter_protocol", "6", "The milter protocol version.")
MILTER_CONNECT_TIMEOUT = duration("milter_connect_timeout", "30s", "How long connecting to a milter may take.", low=1)
MILTER_COMMAND_TIMEOUT = duration("milter_command_timeout", "30s", "How long a milter may take for a command.", low=1)
MILTER_CONTENT_TIMEOUT = duration("milter_content_timeout", "300s", "How long a milter may take for content.", low=1)
MILTER_HEADER_CHECKS = words("milter_header_checks", "", "Tables asked about headers that milters add.")
MILTER_MACRO_DAEMON_NAME = text("milter_macro_daemon_name", "$myhostname", "The {daemon_name} macro.")
MILTER_MACRO_V = text("milter_macro_v", "$mail_name $mail_version", "The {v} macro.")
MILTER_MACRO_DEFAULTS = words("milter_macro_defaults", "", "name=value for macros that have no value.")
MILTER_CONNECT_MACROS = words("milter_connect_macros", "j {daemon_name} {daemon_addr} v _", "Macros at connect.")
MILTER_HELO_MACROS = words("milter_helo_macros",
    "{tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer}", "Macros at HELO.")
MILTER_MAIL_MACROS = words("milter_mail_macros",
    "i {auth_type} {auth_authen} {auth_author} {mail_addr} {mail_host} {mail_mailer}", "Macros at MAIL.")
MILTER_RCPT_MACROS = words("milter_rcpt_macros", "i {rcpt_addr} {rcpt_host} {rcpt_mailer}", "Macros at RCPT.")
MILTER_DATA_MACROS = words("milter_data_macros", "i", "Macros at DATA.")
MILTER_END_OF_HEADER_MACROS = words("milter_end_of_header_macros", "i", "Macros at the end of headers.")
MILTER_END_OF_DATA_MACROS = words("milter_end_of_data_macros", "i", "Macros at the end of a message.")
MILTER_UNKNOWN_COMMAND_MACROS = words("milter_unknown_command_macros", "", "Macros at unknown commands.")
INTERNAL_MAIL_FILTER_CLASSES = words("internal_mail_filter_classes", "", "Own mail filtered too: bounce, notify.")
HEADER_FROM_FORMAT = one_of("header_from_format", "standard", ("standard", "obsolete"), """
    How a From: header that is added names the sender.""")
