"""Parameters: where a message goes: transports, relaying, local and virtual mailboxes."""

from __future__ import annotations

from gatepost.config.parameter import number, text, words, yes_no

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
DISABLE_DNS_LOOKUPS = yes_no("disable_dns_lookups", "no", "Find next servers without the DNS?")
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
MAILBOX_TRANSPORT = text("mailbox_transport", "", "transport:nexthop that delivers to all local users.")
MAILBOX_TRANSPORT_MAPS = words("mailbox_transport_maps", "", "Tables user -> such a transport.")
FALLBACK_TRANSPORT = text("fallback_transport", "", "transport:nexthop for local users that do not exist.")
FALLBACK_TRANSPORT_MAPS = words("fallback_transport_maps", "", "Tables user -> such a transport.")
LUSER_RELAY = text("luser_relay", "", """
    Address for mail to local users that do not exist. $user, $extension and the like are filled in.""", raw=True)
ALLOW_MAIL_TO_FILES = words("allow_mail_to_files", "alias, forward", """
    Where /file/name may stand: alias, forward, include.""")
DELIVER_LOCK_ATTEMPTS = number("deliver_lock_attempts", "20", "How often a lock is tried.", low=1)
DEFAULT_PRIVS = text("default_privs", "nobody", "The user for files and commands in root's alias tables.")

VIRTUAL_MAILBOX_BASE = text("virtual_mailbox_base", "", "The directory below which virtual mailboxes are.")
VIRTUAL_UID_MAPS = words("virtual_uid_maps", "", "Tables recipient -> numerical user of its mailbox.")
VIRTUAL_GID_MAPS = words("virtual_gid_maps", "", "Tables recipient -> numerical group of its mailbox.")
VIRTUAL_MINIMUM_UID = number("virtual_minimum_uid", "100", "The least user that virtual_uid_maps may give.")
