"""How long does `gatepost audit` take, start-up included? A configuration of 5 000 lines with 200 services.

`make bench` prints it; `python -m bench.auditing` measures it alone.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from tests.serving import GATEPOST

LARGE_SERVICES, LARGE_LINES = 200, 5000
TARGET = 1.0  # seconds
ROUNDS = 5


def large(place: Path) -> None:
    """A configuration of 5 000 lines with 200 services, lists and overrides of every kind."""
    listed = "permit_mynetworks,$own_list_100,reject_unauth_destination"
    checks = ["permit_mynetworks", "reject_unknown_sender_domain", "reject_rbl_client zen.example.org",
              "check_sender_access hash:/etc/postfix/senders", "reject_non_fqdn_recipient", "strict"]
    lines = ["mail_version = 3.8.6", "smtpd_restriction_classes = strict", "strict = reject_unknown_client_hostname"]
    for name in ("client", "helo", "sender", "recipient", "data"):
        lines += [f"smtpd_{name}_restrictions =", *(f"  {check}," for check in checks), "  reject_unauth_destination"]
    while len(lines) < LARGE_LINES - LARGE_SERVICES * 10:
        lines += ["# a comment", f"own_list_{len(lines)} = one, two,", "  three, four", ""]
    master = []
    for number in range(LARGE_SERVICES):
        master += [f"127.0.{number // 100}.1:{20000 + number} inet n - n - - smtpd" if number % 2 else
                   f"{20000 + number} inet n - n - - smtpd", f"  -o syslog_name=postfix/{number}",
                   "  -o smtpd_client_restrictions=permit_mynetworks,reject_unknown_client_hostname",
                   "  -o smtpd_tls_security_level=may", "  # a comment",
                   f"  -o smtpd_recipient_restrictions={listed},n{number}", "  -o smtpd_sasl_auth_enable=no",
                   "  -o content_filter=", "  -o receive_override_options=no_milters", ""]
    (place / "main.cf").write_text("\n".join(lines) + "\n")
    (place / "master.cf").write_text("\n".join(master) + "\n")


def measured() -> tuple[float, float]:
    """Seconds by the clock and seconds of the processor, medians."""
    clock, processor = [], []
    with tempfile.TemporaryDirectory() as place:
        large(Path(place))
        for _ in range(ROUNDS):
            before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
            done = subprocess.run([GATEPOST, "audit", place, "--format", "json"], capture_output=True, check=False)
            if done.returncode not in (0, 1):
                raise RuntimeError(done.stderr.decode(errors="replace"))
            clock.append(time.monotonic() - began)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            processor.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(clock), statistics.median(processor)


def line() -> str:
    """What is printed."""
    clock, processor = measured()
    verdict = "reached" if clock < TARGET else "missed"
    return (f"gatepost audit, {LARGE_LINES} lines with {LARGE_SERVICES} services: {clock:.2f} s, {processor:.2f} of "
            f"the processor (target below {TARGET:.0f}: {verdict})")


if __name__ == "__main__":
    print(line())
