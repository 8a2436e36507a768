"""Parameters: who this server is, what it is responsible for, and how addresses are rewritten."""

from __future__ import annotations

from gatepost.config.parameter import number, one_of, text, words, yes_no

COMPATIBILITY_LEVEL = text("compatibility_level", "0", """
    The Postfix version whose defaults are wanted. Defaults that changed since compare themselves with it.""")
MYHOSTNAME = text("myhostname", "", """
    The name of this server, in full. Default: the name of the machine, with $mydomain behind it when it has no dot.""")
MYDOMAIN = text("mydomain", "", "The domain of this server. Default: $myhostname without its first label.")
MYORIGIN = text("myorigin", "$myhostname", "The domain put behind addresses that have none.")
MYDESTINATION = words("mydestination", "$myhostname, localhost.$mydomain, localhost", """
    Domains whose mail is delivered through $local_transport to the users of this machine. A match list.""")
MYNETWORKS = words("mynetworks", "", """
    Addresses of clients that are ours. Default: the networks of our own interfaces, by mynetworks_style.""")
MYNETWORKS_STYLE = one_of("mynetworks_style", "${{$compatibility_level} <level {2} ? {subnet} : {host}}",
                          ("class", "subnet", "host"), """
    How much around each of our own addresses the default of mynetworks takes in: that address, its subnet, or its
    historical network class.""")
INET_INTERFACES = words("inet_interfaces", "all", """
    Addresses or names this server receives mail on, or `all`, or `loopback-only`. Mail for user@[address] is local.""")
INET_PROTOCOLS = words("inet_protocols", "all", "IP versions in use: `ipv4`, `ipv6`, both, or `all`.")
PROXY_INTERFACES = words("proxy_interfaces", "", """
    Addresses that belong to this server but not to its interfaces: a proxy's or address translator's.""")
PARENT_DOMAIN_MATCHES_SUBDOMAINS = words("parent_domain_matches_subdomains",
    "debug_peer_list,fast_flush_domains,mynetworks,permit_mx_backup_networks,qmqpd_authorized_clients,relay_domains,"
    "smtpd_access_maps", """
    Lists in which `example.com` also stands for the domains below it; in other lists only `.example.com` does.""")
RELAY_DOMAINS = words("relay_domains", "${{$compatibility_level} <level {2} ? {$mydestination} : {}}", """
    Domains whose mail this server takes and passes on, whoever sends it. A match list.""")
RELAY_RECIPIENT_MAPS = words("relay_recipient_maps", "", """
    Tables of valid recipients in relay_domains. Empty: any recipient there is valid.""")
LOCAL_RECIPIENT_MAPS = words("local_recipient_maps", "proxy:unix:passwd.byname $alias_maps", """
    Tables of valid recipients in local domains. Empty: any recipient there is valid.""")
ALIAS_MAPS = words("alias_maps", "hash:/etc/aliases, nis:mail.aliases", """
    Alias tables of local delivery, in aliases(5) form.""")
RECIPIENT_DELIMITER = text("recipient_delimiter", "", """
    Characters that may stand between a user and an address extension: `+` in user+list@example.com.""")
DEFAULT_CACHE_DB_TYPE = text("default_cache_db_type", "btree", "Table type of cache files.")
VIRTUAL_ALIAS_MAPS = words("virtual_alias_maps", "$virtual_maps", """
    Tables that redirect addresses, of any domain, to other addresses.""")
VIRTUAL_ALIAS_DOMAINS = words("virtual_alias_domains", "$virtual_alias_maps", """
    Domains all of whose addresses are aliases. A match list.""")
VIRTUAL_ALIAS_EXPANSION_LIMIT = number("virtual_alias_expansion_limit", "1000", """
    How many recipients one recipient may become through virtual_alias_maps.""", low=1)
VIRTUAL_ALIAS_RECURSION_LIMIT = number("virtual_alias_recursion_limit", "1000", """
    How deep virtual_alias_maps may nest.""", low=1)
VIRTUAL_ALIAS_ADDRESS_LENGTH_LIMIT = number("virtual_alias_address_length_limit", "1000", """
    The longest address that virtual_alias_maps may produce, in characters.""", low=1)
VIRTUAL_MAILBOX_DOMAINS = words("virtual_mailbox_domains", "$virtual_mailbox_maps", """
    Domains whose mail goes to mailboxes of their own through $virtual_transport. A match list.""")
VIRTUAL_MAILBOX_MAPS = words("virtual_mailbox_maps", "", """
    Tables of valid recipients in virtual_mailbox_domains; the result is the mailbox below $virtual_mailbox_base.
    Empty: any recipient there is valid.""")
APPEND_AT_MYORIGIN = yes_no("append_at_myorigin", "yes", "Complete addresses without domain by @$myorigin?")
APPEND_DOT_MYDOMAIN = yes_no("append_dot_mydomain", "${{$compatibility_level} <level {1} ? {yes} : {no}}", """
    Complete domains without a dot by .$mydomain?""")
SWAP_BANGPATH = yes_no("swap_bangpath", "yes", "Read site!user as user@site?")
ALLOW_PERCENT_HACK = yes_no("allow_percent_hack", "yes", "Read user%domain as user@domain?")
RESOLVE_DEQUOTED_ADDRESS = yes_no("resolve_dequoted_address", "yes", """
    Look for @, % and ! inside a quoted local part too when an address is resolved?""")
RESOLVE_NULL_DOMAIN = yes_no("resolve_null_domain", "no", "Take user@ (nothing behind the @) as a local address?")
RESOLVE_NUMERIC_DOMAIN = yes_no("resolve_numeric_domain", "no", "Take user@1.2.3.4 as user@[1.2.3.4]?")
ALLOW_MIN_USER = yes_no("allow_min_user", "no", "Take addresses that begin with - as valid?")
EMPTY_ADDRESS_RECIPIENT = text("empty_address_recipient", "MAILER-DAEMON", """
    Who gets mail that is addressed to the null address.""")
LOCAL_HEADER_REWRITE_CLIENTS = words("local_header_rewrite_clients", "permit_inet_interfaces", """
    Clients whose header addresses are completed with this server's domain.""")
CANONICAL_MAPS = words("canonical_maps", "", "Tables that rewrite addresses in envelope and headers.")
SENDER_CANONICAL_MAPS = words("sender_canonical_maps", "", "Tables that rewrite sender addresses.")
RECIPIENT_CANONICAL_MAPS = words("recipient_canonical_maps", "", "Tables that rewrite recipient addresses.")
RELOCATED_MAPS = words("relocated_maps", "", "Tables of addresses that moved; the result is the new place.")
PROPAGATE_UNMATCHED_EXTENSIONS = words("propagate_unmatched_extensions", "canonical, virtual", """
    Tables that pass an address extension on to their result when it was not part of the key.""")
SENDER_BCC_MAPS = words("sender_bcc_maps", "", "Tables sender -> address that gets a copy.")
RECIPIENT_BCC_MAPS = words("recipient_bcc_maps", "", "Tables recipient -> address that gets a copy.")
ALWAYS_BCC = text("always_bcc", "", "Address that gets a copy of every message.")
SMTPUTF8_ENABLE = yes_no("smtputf8_enable", "${{$compatibility_level} <level {1} ? {no} : {yes}}", """
    Offer SMTPUTF8 (RFC 6531), and demand that commands are valid UTF-8?""")
STRICT_SMTPUTF8 = yes_no("strict_smtputf8", "no", "Refuse non-ASCII addresses without the SMTPUTF8 parameter?")
PERMIT_MX_BACKUP_NETWORKS = words("permit_mx_backup_networks", "", """
    Networks that the primary MX hosts of a domain must be in for permit_mx_backup.""")
FAST_FLUSH_DOMAINS = words("fast_flush_domains", "$relay_domains", "Domains that ETRN may ask about.")
CONFIG_DIRECTORY = text("config_directory", "/etc/postfix", "Where main.cf and master.cf are; set by -c.")
