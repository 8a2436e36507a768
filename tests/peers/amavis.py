"""Debian's amavisd-new on loopback, with a configuration of the test's own and nothing that it would have to look for.

No virus scanner, no SpamAssassin, no database: it takes a message, stamps it, and forwards it.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.kit import free_port, program, wait_listening
from tests.lab import end

_CONFIG = """\
use strict;
$max_servers = 1;
$mydomain = 'example.test';
$myhostname = 'mx.example.test';
$MYHOME = '{home}';
$TEMPBASE = "$MYHOME/tmp";
$pid_file = "$MYHOME/amavisd.pid";
$lock_file = "$MYHOME/amavisd.lock";
$db_home = undef;
$enable_db = 0;
$enable_zmq = 0;
$QUARANTINEDIR = undef;
$DO_SYSLOG = 0;
$LOGFILE = "$MYHOME/amavis.log";
$log_level = 2;
$inet_socket_bind = '127.0.0.1';
$inet_socket_port = {port};
@inet_acl = qw(127.0.0.0/8);
$forward_method = 'smtp:[127.0.0.1]:{back}';
$notify_method = $forward_method;
@bypass_virus_checks_maps = (1);
@bypass_spam_checks_maps = (1);
@bypass_banned_checks_maps = (1);
@bypass_header_checks_maps = (1);
@local_domains_maps = (1);
@mynetworks = qw(127.0.0.0/8);
$enable_dkim_verification = 0;
$enable_dkim_signing = 0;
$virus_admin = undef;
1;
"""


@contextlib.contextmanager
def amavis(home: Path, back: int) -> Iterator[int]:
    """amavisd below `home`, forwarding to 127.0.0.1:`back` -> the port on which it takes messages."""
    port = free_port()
    home.mkdir()
    (home / "tmp").mkdir()
    config = home.with_suffix(".conf")
    config.write_text(_CONFIG.format(home=home, port=port, back=back), encoding="utf-8")
    config.chmod(0o644)
    command = [program("amavisd") or "amavisd", "-c", str(config)]
    if os.geteuid() == 0:
        user = pwd.getpwnam("amavis")
        for path in (home, home / "tmp"):
            os.chown(path, user.pw_uid, user.pw_gid)
        command[1:1] = ["-u", "amavis", "-g", "amavis"]
    with (home.with_suffix(".out")).open("wb") as output:
        process = subprocess.Popen(
            [*command, "foreground"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        if not wait_listening(port, 60, lambda: process.poll() is None):
            log = home / "amavis.log"
            said = [path.read_text(errors="replace") for path in (home.with_suffix(".out"), log) if path.exists()]
            raise RuntimeError("amavisd did not start: " + "\n".join(said))
        yield port
    finally:
        end(process, 10)
