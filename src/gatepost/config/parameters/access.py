"""Parameters: restriction lists, their reply codes, address verification, policy servers, DNS lists."""

from __future__ import annotations

from gatepost.config.parameter import duration, number, text, words, yes_no

SMTPD_CLIENT_RESTRICTIONS = words("smtpd_client_restrictions", "", "What to check about a client that connects.")
SMTPD_HELO_RESTRICTIONS = words("smtpd_helo_restrictions", "", "What to check about HELO and EHLO names.")
SMTPD_SENDER_RESTRICTIONS = words("smtpd_sender_restrictions", "", "What to check about MAIL FROM addresses.")
SMTPD_RELAY_RESTRICTIONS = words("smtpd_relay_restrictions",
    "${{$compatibility_level} <level {1} ? {} : {permit_mynetworks, permit_sasl_authenticated, "
    "defer_unauth_destination}}", "What to check about RCPT TO addresses to keep the relay closed.")
SMTPD_RECIPIENT_RESTRICTIONS = words("smtpd_recipient_restrictions", "", """
    What to check about RCPT TO addresses, besides smtpd_relay_restrictions.""")
SMTPD_DATA_RESTRICTIONS = words("smtpd_data_restrictions", "", """
    What to check at DATA, when all that was said before the message is known.""")
SMTPD_END_OF_DATA_RESTRICTIONS = words("smtpd_end_of_data_restrictions", "", """
    What to check when the message has been received.""")
SMTPD_ETRN_RESTRICTIONS = words("smtpd_etrn_restrictions", "", "What to check about ETRN domains.")
SMTPD_RESTRICTION_CLASSES = words("smtpd_restriction_classes", "", """
    Names of the operator's own lists, for use like restrictions. Each is a parameter of that name.""")
SMTPD_RELAY_BEFORE_RECIPIENT_RESTRICTIONS = yes_no("smtpd_relay_before_recipient_restrictions",
    "${{$compatibility_level} <level {3.6} ? {no} : {yes}}", "Run relay restrictions before recipient restrictions?")
SMTPD_REJECT_UNLISTED_RECIPIENT = yes_no("smtpd_reject_unlisted_recipient", "yes", """
    Refuse recipients that are not listed in their domain, whatever the lists say?""")
SMTPD_REJECT_UNLISTED_SENDER = yes_no("smtpd_reject_unlisted_sender", "no", """
    Refuse senders in our domains that are not listed there?""")
SMTPD_SENDER_LOGIN_MAPS = words("smtpd_sender_login_maps", "", "Tables sender -> logins that own it.")
SMTPD_NULL_ACCESS_LOOKUP_KEY = text("smtpd_null_access_lookup_key", "<>", "Access table key for the null sender.")
SMTPD_LOG_ACCESS_PERMIT_ACTIONS = words("smtpd_log_access_permit_actions", "", """
    Permit-like results of restrictions and tables that are logged.""")
SMTPD_DNS_REPLY_FILTER = words("smtpd_dns_reply_filter", "", "Tables that filter DNS answers for restrictions.")
DNS_RR_LIST_LIMIT = number("dns_rr_list_limit", "100", "Records of one DNS answer that are looked at.", low=1)
ALLOW_UNTRUSTED_ROUTING = yes_no("allow_untrusted_routing", "no", """
    Let strangers route mail through us with user%domain, user!domain or user@domain@domain?""")
SHOW_USER_UNKNOWN_TABLE_NAME = yes_no("show_user_unknown_table_name", "yes", """
    Tell the client in which table its recipient was not found?""")

REJECT_CODE = number("reject_code", "554", "Reply code of `reject`.", low=200, high=599)
DEFER_CODE = number("defer_code", "450", "Reply code of `defer`.", low=200, high=599)
ACCESS_MAP_REJECT_CODE = number("access_map_reject_code", "554", "Reply code of REJECT in a table.", low=200, high=599)
ACCESS_MAP_DEFER_CODE = number("access_map_defer_code", "450", "Reply code of DEFER in a table.", low=200, high=599)
INVALID_HOSTNAME_REJECT_CODE = number("invalid_hostname_reject_code", "501", """
    Reply code of reject_invalid_helo_hostname.""", low=200, high=599)
NON_FQDN_REJECT_CODE = number("non_fqdn_reject_code", "504", "Reply code of reject_non_fqdn_*.", low=200, high=599)
UNKNOWN_CLIENT_REJECT_CODE = number("unknown_client_reject_code", "450", """
    Reply code of reject_unknown_client_hostname.""", low=200, high=599)
UNKNOWN_HOSTNAME_REJECT_CODE = number("unknown_hostname_reject_code", "450", """
    Reply code of reject_unknown_helo_hostname.""", low=200, high=599)
UNKNOWN_ADDRESS_REJECT_CODE = number("unknown_address_reject_code", "450", """
    Reply code of reject_unknown_sender_domain and reject_unknown_recipient_domain.""", low=200, high=599)
RELAY_DOMAINS_REJECT_CODE = number("relay_domains_reject_code", "554", """
    Reply code of reject_unauth_destination.""", low=200, high=599)
MAPS_RBL_REJECT_CODE = number("maps_rbl_reject_code", "554", "Reply code of DNS list hits.", low=200, high=599)
MAPS_RBL_DOMAINS = words("maps_rbl_domains", "", "DNS lists of the outdated reject_maps_rbl.")
MULTI_RECIPIENT_BOUNCE_REJECT_CODE = number("multi_recipient_bounce_reject_code", "550", """
    Reply code of reject_multi_recipient_bounce.""", low=200, high=599)
PLAINTEXT_REJECT_CODE = number("plaintext_reject_code", "450", "Reply code of reject_plaintext_session.",
                               low=200, high=599)
UNKNOWN_LOCAL_RECIPIENT_REJECT_CODE = number("unknown_local_recipient_reject_code", "550", """
    Reply code for recipients that local_recipient_maps does not have.""", low=200, high=599)
UNKNOWN_RELAY_RECIPIENT_REJECT_CODE = number("unknown_relay_recipient_reject_code", "550", """
    Reply code for recipients that relay_recipient_maps does not have.""", low=200, high=599)
UNKNOWN_VIRTUAL_ALIAS_REJECT_CODE = number("unknown_virtual_alias_reject_code", "550", """
    Reply code for recipients that virtual_alias_maps does not have.""", low=200, high=599)
UNKNOWN_VIRTUAL_MAILBOX_REJECT_CODE = number("unknown_virtual_mailbox_reject_code", "550", """
    Reply code for recipients that virtual_mailbox_maps does not have.""", low=200, high=599)
REJECT_TEMPFAIL_ACTION = text("reject_tempfail_action", "defer_if_permit", """
    What a reject_... restriction does when the question it asks has no answer now.""")
UNKNOWN_ADDRESS_TEMPFAIL_ACTION = text("unknown_address_tempfail_action", "$reject_tempfail_action", """
    The same, for reject_unknown_sender_domain and reject_unknown_recipient_domain.""")
UNKNOWN_HELO_HOSTNAME_TEMPFAIL_ACTION = text("unknown_helo_hostname_tempfail_action", "$reject_tempfail_action", """
    The same, for reject_unknown_helo_hostname.""")
UNVERIFIED_SENDER_TEMPFAIL_ACTION = text("unverified_sender_tempfail_action", "$reject_tempfail_action", """
    The same, for reject_unverified_sender.""")
UNVERIFIED_RECIPIENT_TEMPFAIL_ACTION = text("unverified_recipient_tempfail_action", "$reject_tempfail_action", """
    The same, for reject_unverified_recipient.""")
UNVERIFIED_SENDER_REJECT_CODE = number("unverified_sender_reject_code", "450", """
    Reply code for senders whose own server refuses mail for them.""", low=200, high=599)
UNVERIFIED_SENDER_DEFER_CODE = number("unverified_sender_defer_code", "450", """
    Reply code while nothing is known about a sender.""", low=200, high=599)
UNVERIFIED_SENDER_REJECT_REASON = text("unverified_sender_reject_reason", "", """
    What to tell the client instead of the other server's words.""")
UNVERIFIED_RECIPIENT_REJECT_CODE = number("unverified_recipient_reject_code", "450", """
    Reply code for recipients that the next server refuses.""", low=200, high=599)
UNVERIFIED_RECIPIENT_DEFER_CODE = number("unverified_recipient_defer_code", "450", """
    Reply code while nothing is known about a recipient.""", low=200, high=599)
UNVERIFIED_RECIPIENT_REJECT_REASON = text("unverified_recipient_reject_reason", "", """
    What to tell the client instead of the other server's words.""")

ADDRESS_VERIFY_SENDER = text("address_verify_sender", "$double_bounce_sender", """
    Sender of address verification probes. Mail to it is thrown away when its domain is ours.""")
ADDRESS_VERIFY_SENDER_TTL = duration("address_verify_sender_ttl", "0s", """
    How often the probe sender's name changes with the time; 0: never.""")
ADDRESS_VERIFY_POLL_COUNT = number("address_verify_poll_count", "${stress?{1}:{3}}", """
    How many times to ask for the result of a probe before giving up for now.""", low=1)
ADDRESS_VERIFY_POLL_DELAY = duration("address_verify_poll_delay", "3s", "The pause between these questions.", low=1)
ADDRESS_VERIFY_MAP = text("address_verify_map", "$default_cache_db_type:$data_directory/verify_cache", """
    Where probe results are kept; empty: in memory.""")
ADDRESS_VERIFY_CACHE_CLEANUP_INTERVAL = duration("address_verify_cache_cleanup_interval", "12h", """
    How often results that no longer count are removed; 0: never.""")
ADDRESS_VERIFY_PENDING_REQUEST_LIMIT = number("address_verify_pending_request_limit", "5000", """
    Probes that run at a time; beyond it an address that is not known stays so.""", low=1)
ADDRESS_VERIFY_NEGATIVE_CACHE = yes_no("address_verify_negative_cache", "yes", "Keep failed probes too?")
ADDRESS_VERIFY_POSITIVE_EXPIRE_TIME = duration("address_verify_positive_expire_time", "31d", """
    When a good result is forgotten.""", low=1)
ADDRESS_VERIFY_POSITIVE_REFRESH_TIME = duration("address_verify_positive_refresh_time", "7d", """
    When a good result is probed again.""", low=1)
ADDRESS_VERIFY_NEGATIVE_EXPIRE_TIME = duration("address_verify_negative_expire_time", "3d", """
    When a bad result is forgotten.""", low=1)
ADDRESS_VERIFY_NEGATIVE_REFRESH_TIME = duration("address_verify_negative_refresh_time", "3h", """
    When a bad result is probed again.""", low=1)

SMTPD_POLICY_SERVICE_TIMEOUT = duration("smtpd_policy_service_timeout", "100s", """
    How long to wait for a policy server.""", low=1)
SMTPD_POLICY_SERVICE_MAX_IDLE = duration("smtpd_policy_service_max_idle", "300s", """
    When an unused policy connection is closed.""", low=1)
SMTPD_POLICY_SERVICE_MAX_TTL = duration("smtpd_policy_service_max_ttl", "1000s", """
    When a policy connection is closed however much it is used.""", low=1)
SMTPD_POLICY_SERVICE_REQUEST_LIMIT = number("smtpd_policy_service_request_limit", "0", """
    Questions asked over one policy connection. 0: no limit.""")
SMTPD_POLICY_SERVICE_TRY_LIMIT = number("smtpd_policy_service_try_limit", "2", """
    How many times to try one question.""", low=1)
SMTPD_POLICY_SERVICE_RETRY_DELAY = duration("smtpd_policy_service_retry_delay", "1s", """
    The pause between tries.""", low=1)
SMTPD_POLICY_SERVICE_DEFAULT_ACTION = text("smtpd_policy_service_default_action",
    "451 4.3.5 Server configuration problem", "The action when a policy server does not answer.")
SMTPD_POLICY_SERVICE_POLICY_CONTEXT = text("smtpd_policy_service_policy_context", "", """
    The text of the policy_context attribute.""")

DEFAULT_RBL_REPLY = text("default_rbl_reply",
    "$rbl_code Service unavailable; $rbl_class [$rbl_what] blocked using $rbl_domain${rbl_reason?; $rbl_reason}", """
    The reply to a DNS list hit. Its $names are attributes of the hit.""", raw=True)
RBL_REPLY_MAPS = words("rbl_reply_maps", "", "Tables DNS list -> reply template.")
