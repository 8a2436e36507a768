"""Parameters: what a message may contain, and who inspects it: header checks, content filter, milters, proxy filter."""

from __future__ import annotations

from gatepost.config.parameter import number, text, words, yes_no

HEADER_CHECKS = words("header_checks", "", "Tables asked about each header of a message.")
MIME_HEADER_CHECKS = words("mime_header_checks", "$header_checks", "Tables asked about MIME part headers.")
NESTED_HEADER_CHECKS = words("nested_header_checks", "$header_checks", "The same for headers of attached messages.")
BODY_CHECKS = words("body_checks", "", "Tables asked about each line of a body.")
BODY_CHECKS_SIZE_LIMIT = number("body_checks_size_limit", "51200", "Bytes of a part that body_checks sees.")
HEADER_SIZE_LIMIT = number("header_size_limit", "102400", "The longest header kept, in bytes.", low=1)
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

SMTPD_MILTERS = words("smtpd_milters", "", "Milters for mail that comes in over SMTP, in order.")
SMTPD_MILTER_MAPS = words("smtpd_milter_maps", "", "Tables client address -> milters instead; DISABLE: none.")
