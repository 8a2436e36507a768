"""What is served when no configuration is given? A main.cf and a master.cf, as text, like any operator's.

One port on loopback, no relaying, every recipient of this host accepted into one Maildir below the state directory. It
is read by the same code as a configuration directory, and `gatepost config` shows it.
"""

from __future__ import annotations

import os

from gatepost.config.load import Configuration, loads

DIRECTORY = "(built-in)"

MAIN_CF = """\
# The configuration of `gatepost serve` without -c: for trying it out, and for tests of mail software.
compatibility_level = 3.10

# State: the queue, caches, and the mail itself.
queue_directory = {state}/queue
data_directory = {state}/cache
maillog_file = /dev/stdout
gatepost_user =

# No DNS is needed to accept mail.
smtpd_peername_lookup = no

# Nobody is trusted, and nothing is passed on, not even notices.
mynetworks =
smtpd_relay_restrictions = reject_unauth_destination
default_transport = error:5.7.1 this server passes no mail on

# All addresses of this host exist, and their mail goes into one Maildir.
mydestination =
alias_maps =
local_recipient_maps =
virtual_mailbox_domains = localhost, $myhostname
virtual_mailbox_base = {state}/mail
virtual_mailbox_maps = static:inbox/
virtual_transport = virtual
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = {minimum_uid}

# Clients are screened, also by the trials after the greeting: whoever passes is served at once, in the same session, so
# that they cost a good client nothing. What was learned is kept below data_directory.
postscreen_greet_action = enforce
postscreen_pipelining_enable = yes
postscreen_non_smtp_command_enable = yes
postscreen_bare_newline_enable = yes
postscreen_bare_newline_action = enforce

# A client that talks out of turn is not speaking SMTP. The check stands at DATA because only there everything that was
# said before the message is known, a body sent before the 354 included; in an earlier list it sees less, and with
# smtpd_delay_reject it would only be made twice.
smtpd_data_restrictions = reject_unauth_pipelining
smtpd_forbid_unauth_pipelining = yes

# A bare newline is a line end, but only CRLF.CRLF ends a message.
smtpd_forbid_bare_newline = normalize
"""

MASTER_CF = """\
# service           type  private unpriv chroot wakeup maxproc command
{listen:<19} inet  n       -      n      -      1       postscreen
smtpd               pass  -       -      n      -      -       smtpd
virtual             unix  -       n      n      -      -       virtual
error               unix  -       -      n      -      -       error
"""


def configuration(state: str, listen: str = "127.0.0.1:2525") -> Configuration:
    """The built-in configuration with its state below the directory `state`, listening on `host:port`."""
    uid = os.getuid()
    main_cf = MAIN_CF.format(state=os.path.abspath(state), uid=uid, gid=os.getgid(), minimum_uid=min(uid, 100))
    return loads(main_cf, MASTER_CF.format(listen=listen), directory=DIRECTORY)
