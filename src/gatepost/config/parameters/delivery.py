"""Parameters: where a message goes: transports, relaying, local and virtual mailboxes."""

from __future__ import annotations

from gatepost.config.parameter import duration, number, one_of, text, words, yes_no

TRANSPORT_MAPS = words("transport_maps", "", "Tables recipient or domain -> transport:nexthop.")
DEFAULT_TRANSPORT = text("default_transport", "smtp", "transport[:nexthop] for domains that are not ours.")
LOCAL_TRANSPORT = text("local_transport", "local:$myhostname", "transport:nexthop for mydestination.")
VIRTUAL_TRANSPORT = text("virtual_transport", "virtual", "transport[:nexthop] for virtual_mailbox_domains.")
RELAY_TRANSPORT = text("relay_transport", "relay", "transport[:nexthop] for relay_domains.")
RELAYHOST = text("relayhost", "", """
    The next server for all mail that is not for us: domain, [host] (no MX lookup), either with :port.""")
SENDER_DEPENDENT_RELAYHOST_MAPS = words("sender_dependent_relayhost_maps", "", "Tables sender -> relayhost.")
SENDER_DEPENDENT_DEFAULT_TRANSPORT_MAPS = words("sender_dependent_default_transport_maps", "", """
    Tables sender -> default_transport.""")
EMPTY_ADDRESS_RELAYHOST_MAPS_LOOKUP_KEY = text("empty_address_relayhost_maps_lookup_key", "<>", """
    Key of the null sender in sender_dependent_relayhost_maps.""")
EMPTY_ADDRESS_DEFAULT_TRANSPORT_MAPS_LOOKUP_KEY = text("empty_address_default_transport_maps_lookup_key", "<>", """
    Key of the null sender in sender_dependent_default_transport_maps.""")
FALLBACK_RELAY = text("fallback_relay", "", "Older name of smtp_fallback_relay.")
DISABLE_DNS_LOOKUPS = yes_no("disable_dns_lookups", "no", "Find next servers without the DNS?")
IGNORE_MX_LOOKUP_ERROR = yes_no("ignore_mx_lookup_error", "no", "Try the address record when the MX lookup failed?")
BEST_MX_TRANSPORT = text("best_mx_transport", "", """
    transport:nexthop for mail whose best MX host is this server; empty: it loops back, and is returned.""")
ADDRESS_VERIFY_TRANSPORT_MAPS = words("address_verify_transport_maps", "$transport_maps", """
    transport_maps for address probes.""")
ADDRESS_VERIFY_DEFAULT_TRANSPORT = text("address_verify_default_transport", "$default_transport", """
    default_transport for address probes.""")
ADDRESS_VERIFY_LOCAL_TRANSPORT = text("address_verify_local_transport", "$local_transport", """
    local_transport for address probes.""")
ADDRESS_VERIFY_VIRTUAL_TRANSPORT = text("address_verify_virtual_transport", "$virtual_transport", """
    virtual_transport for address probes.""")
ADDRESS_VERIFY_RELAY_TRANSPORT = text("address_verify_relay_transport", "$relay_transport", """
    relay_transport for address probes.""")
ADDRESS_VERIFY_RELAYHOST = text("address_verify_relayhost", "$relayhost", "relayhost for address probes.")

HOME_MAILBOX = text("home_mailbox", "", """
    A local user's mailbox below the home directory; with / at its end a Maildir. Empty: mail_spool_directory.""")
MAIL_SPOOL_DIRECTORY = text("mail_spool_directory", "/var/mail", """
    Where local users' mailboxes are; with / at its end, each is a Maildir.""")
MAILBOX_COMMAND = text("mailbox_command", "", "Command that delivers to local users.", raw=True)
MAILBOX_COMMAND_MAPS = words("mailbox_command_maps", "", "Tables user -> such a command.")
MAILBOX_TRANSPORT = text("mailbox_transport", "", "transport:nexthop that delivers to all local users.")
MAILBOX_TRANSPORT_MAPS = words("mailbox_transport_maps", "", "Tables user -> such a transport.")
FALLBACK_TRANSPORT = text("fallback_transport", "", "transport:nexthop for local users that do not exist.")
FALLBACK_TRANSPORT_MAPS = words("fallback_transport_maps", "", "Tables user -> such a transport.")
LUSER_RELAY = text("luser_relay", "", """
    Address for mail to local users that do not exist. $user, $extension and the like are filled in.""", raw=True)
FORWARD_PATH = text("forward_path", "$home/.forward${recipient_delimiter}${extension}, $home/.forward", """
    Where a local user may say where the mail goes; its $names are the user's.""", raw=True)
ALLOW_MAIL_TO_COMMANDS = words("allow_mail_to_commands", "alias, forward", """
    Where |command may stand: alias, forward, include.""")
ALLOW_MAIL_TO_FILES = words("allow_mail_to_files", "alias, forward", """
    Where /file/name may stand: alias, forward, include.""")
EXPAND_OWNER_ALIAS = yes_no("expand_owner_alias", "no", "Is owner-list expanded when it becomes the sender?")
OWNER_REQUEST_SPECIAL = yes_no("owner_request_special", "yes", "Are owner-list and list-request special names?")
RESET_OWNER_ALIAS = yes_no("reset_owner_alias", "no", "Is owner-list reset in nested alias expansion?")
MAILBOX_SIZE_LIMIT = number("mailbox_size_limit", "51200000", "The largest local mailbox file, in bytes. 0: no limit.")
MAILBOX_DELIVERY_LOCK = words("mailbox_delivery_lock", "fcntl, dotlock", "How mailbox files are locked.")
DELIVER_LOCK_ATTEMPTS = number("deliver_lock_attempts", "20", "How often a lock is tried.", low=1)
DELIVER_LOCK_DELAY = duration("deliver_lock_delay", "1s", "The pause between these tries.", low=1)
STALE_LOCK_TIME = duration("stale_lock_time", "500s", "The age at which a lock file is broken.", low=1)
DEFAULT_PRIVS = text("default_privs", "nobody", "The user for files and commands in root's alias tables.")
REQUIRE_HOME_DIRECTORY = yes_no("require_home_directory", "no", "Wait when a user's home directory is missing?")
BIFF = yes_no("biff", "yes", "Tell local users of new mail? Read, and never done.")
COMMAND_TIME_LIMIT = duration("command_time_limit", "1000s", "How long a delivery command may run.", low=1)
COMMAND_EXPANSION_FILTER = text("command_expansion_filter",
    "1234567890!@%-_=+:,./abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", """
    Characters that $names may bring into commands.""", raw=True)
PREPEND_DELIVERED_HEADER = words("prepend_delivered_header", "command, file, forward", """
    Deliveries that get a Delivered-To: header.""")
FROZEN_DELIVERED_TO = yes_no("frozen_delivered_to", "yes", "Keep Delivered-To: the same through alias expansion?")
STRICT_MAILBOX_OWNERSHIP = yes_no("strict_mailbox_ownership", "yes", "Must a mailbox file belong to its user?")

VIRTUAL_MAILBOX_BASE = text("virtual_mailbox_base", "", "The directory below which virtual mailboxes are.")
VIRTUAL_UID_MAPS = words("virtual_uid_maps", "", "Tables recipient -> numerical user of its mailbox.")
VIRTUAL_GID_MAPS = words("virtual_gid_maps", "", "Tables recipient -> numerical group of its mailbox.")
VIRTUAL_MINIMUM_UID = number("virtual_minimum_uid", "100", "The least user that virtual_uid_maps may give.")
VIRTUAL_MAILBOX_LIMIT = number("virtual_mailbox_limit", "51200000", """
    The largest virtual mailbox file, or file in a Maildir, in bytes. 0: no limit.""")
VIRTUAL_MAILBOX_LOCK = words("virtual_mailbox_lock", "fcntl, dotlock", "How virtual mailbox files are locked.")
VIRTUAL_DELIVERY_STATUS_FILTER = text("virtual_delivery_status_filter", "$default_delivery_status_filter", """
    Table that replaces the status and text of virtual deliveries.""")
LOCAL_DELIVERY_STATUS_FILTER = text("local_delivery_status_filter", "$default_delivery_status_filter", """
    Table that replaces the status and text of local deliveries.""")
EXPORT_ENVIRONMENT = words("export_environment", "TZ MAIL_CONFIG LANG", "Environment that commands get.")
IMPORT_ENVIRONMENT = words("import_environment",
    "MAIL_CONFIG MAIL_DEBUG MAIL_LOGTAG TZ XAUTHORITY DISPLAY LANG=C POSTLOG_SERVICE POSTLOG_HOSTNAME", """
    Environment that the server keeps.""")
SENDMAIL_FIX_LINE_ENDINGS = one_of("sendmail_fix_line_endings", "always", ("always", "strict", "never"), """
    How the sendmail command treats line ends.""")
LOCAL_LOGIN_SENDER_MAPS = words("local_login_sender_maps", "static:*", "Tables login -> senders it may use.")
