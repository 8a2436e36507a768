"""Mail servers as clients: how are Exim and Postfix made to send so many messages, each over a connection of its own?

One message with many recipients goes in, and the server is told to give each recipient a connection. Both keep all they
have below a directory of their own; whoever calls is inside the client's host.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gatepost.dialogue.format import Dialogue
from tests.kit import program, wait_for
from tests.lab import running_master, write_config

SENDER, DOMAIN, NAME = "a@client.example", "example.test", "client.example"
SECONDS = 900
PORT = 2525  # where the Postfix that sends takes mail, on its own host


@dataclass(frozen=True, slots=True)
class Sending:
    """So many sessions with host:port, `parallel` at a time, with or without what the server offers."""

    host: str
    port: int
    sessions: int
    parallel: int
    pipelining: bool
    chunking: bool
    tls: bool


_EXIM = """\
exim_path = {path}
primary_hostname = {name}
spool_directory = {root}/spool
log_file_path = {root}/%slog
keep_environment =
tls_advertise_hosts =
remote_max_parallel = {parallel}
recipients_max = 0
message_logs = false
begin routers
send:
  driver = manualroute
  route_list = * {host}
  transport = out
begin transports
out:
  driver = smtp
  port = {port}
  helo_data = {name}
  max_rcpt = 1
  connection_max_messages = 1
  {pipelining}
  {chunking}
  {tls}
  tls_verify_hosts =
  tls_verify_certificates =
  tls_try_verify_hosts =
begin retry
* * F,1h,1s
"""


def exim(path: str, environment: Mapping[str, str], scratch: Path, sending: Sending) -> None:
    """Exim delivers one message to so many recipients, a fork and a connection for each.

    Debian's build wants its own user, which an unpacked program lacks: it is given one in a mount namespace."""
    root = scratch / "exim"
    root.mkdir()
    user, group = 64990, 64990
    (root / "conf").write_text(_EXIM.format(
        path=path, name=NAME, root=root, parallel=sending.parallel, host=sending.host, port=sending.port,
        pipelining="" if sending.pipelining else "hosts_avoid_pipelining = *",
        chunking="" if sending.chunking else "hosts_try_chunking =",
        tls="hosts_require_tls = *" if sending.tls else "hosts_avoid_tls = *",
    ))  # fmt: skip
    for kind, line in (("passwd", f"Debian-exim:x:{user}:{group}::/:/bin/false\n"),
                       ("group", f"Debian-exim:x:{group}:\n")):  # fmt: skip
        (root / kind).write_text(Path(f"/etc/{kind}").read_text() + line)
    os.chown(root, user, group)
    recipients = "".join(f"user{number}@{DOMAIN}\n" for number in range(sending.sessions))
    (root / "to").write_text(recipients)
    script = 'mount --bind "$0/passwd" /etc/passwd; mount --bind "$0/group" /etc/group; exec "$@"'
    words = [path, "-C", str(root / "conf"), "-odf", "-f", SENDER, "-t"]
    headers = f"From: <{SENDER}>\nSubject: wire\nBcc: " + recipients.strip().replace("\n", ",\n ")
    run = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, str(root), *words],
        input=headers + "\n\nbody\n.leading dot\n", text=True, capture_output=True, env=dict(environment),
        timeout=SECONDS, check=False,
    )  # fmt: skip
    (scratch / "out").write_text(run.stdout + run.stderr)


def postfix(scratch: Path, sending: Sending) -> None:
    """Postfix takes one message for so many recipients and delivers it to each over a connection of its own."""
    root = scratch / "postfix"
    many = str(sending.parallel)
    conf = write_config(root, Dialogue(config=[
        f"myhostname = {NAME}",
        "mydestination =",
        "virtual_mailbox_domains =",
        "virtual_alias_domains =",
        "relay_domains =",
        "mynetworks = 127.0.0.0/8",
        "local_recipient_maps =",
        "default_transport = smtp",
        "defer_transports =",
        f"relayhost = [{sending.host}]:{sending.port}",
        "default_destination_recipient_limit = 1",
        "smtp_destination_recipient_limit = 1",
        f"initial_destination_concurrency = {many}",
        f"default_destination_concurrency_limit = {many}",
        "default_destination_concurrency_failed_cohort_limit = 1000",
        f"default_process_limit = {many}",
        "smtp_connection_cache_on_demand = no",
        "smtpd_recipient_limit = 100000",
        f"smtp_discard_ehlo_keywords = {'' if sending.pipelining else 'pipelining'}",
        f"smtp_tls_security_level = {'encrypt' if sending.tls else 'none'}",
    ]), PORT)  # fmt: skip
    with (conf / "master.cf").open("a") as services:
        services.write("smtp unix - - n - - smtp\n")
    source = [program("smtp-source") or "", "-r", str(sending.sessions), "-f", SENDER, "-t", f"user@{DOMAIN}"]
    with running_master(conf, PORT):
        subprocess.run([*source, f"127.0.0.1:{PORT}"], capture_output=True, timeout=SECONDS, check=False)
        log = root / "maillog"
        wait_for(lambda: log.read_text(errors="replace").count(" status=") >= sending.sessions, SECONDS)
