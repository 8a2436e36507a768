"""Which clients are known to talk out of turn? The catalogue: one entry for each, with where that is on record.

An entry says what the client sends, byte for byte where the source shows it, and how it is recognised: by a pattern of
tolerance.py, or by none, and then what an operator can do. docs/turn-catalogue.md is printed from here by
tools/turn_catalogue.py. This file must not know configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class KnownClient:
    """A client that does not wait. `after`: the command behind which it talks (CONNECT: before the greeting), "" when
    nothing of it is ever early; `sends`: what is then said, or how that begins; `pattern`: the one that tolerates it,
    "" when none does; `told`: what it is and what to do; `source`: where it was reported; `since`: the year of that."""

    name: str
    after: str
    sends: bytes
    pattern: str
    told: str
    source: str
    since: int


_DMS = "GitHub docker-mailserver/docker-mailserver"

KNOWN_CLIENTS: Final = (
    KnownClient("Thunderbird, guessing an account's servers", "EHLO", b"QUIT\r\n", "hello-quit",
                "EHLO we-guess.mozilla.org and QUIT in one segment, on ports 25, 465 and 587. For its sake Postfix's "
                "own master.cf switches smtpd_forbid_unauth_pipelining off for submission (April 2024).",
                f"{_DMS} issue 2408; the name in GitHub nodemailer/smtp-server issue 104", 2018),
    KnownClient("Xymon's smtp, smtps and submission checks, up to 4.3.30", "CONNECT", b"ehlo xymonnet\r\nquit\r\n",
                "hello-quit", "Writes before it reads. Answered 554 it turns yellow, or stays green by luck.",
                "GitHub xymon-monitoring/xymon issue 450; mended by pull request 455", 2026),
    KnownClient("Health check of the docker-postfix image", "CONNECT", b"EHLO healthcheck\n", "early-hello",
                "printf into nc: the hello is there before the greeting, and nothing follows. By default it is "
                "flagged, and answered all the same.",
                "GitHub bokysan/docker-postfix issue 48; mended by pull request 171", 2020),
    KnownClient("PuTTY in telnet mode", "CONNECT",
                b"\xff\xfb\x1f\xff\xfb \xff\xfb\x18\xff\xfb'\xff\xfd\x01\xff\xfb\x03\xff\xfd\x03", "telnet",
                "Negotiates options as soon as it is connected. In raw mode it does not.",
                "GitHub loganmarchione/docker-postfixrelay issue 57", 2025),
    KnownClient("check_ssmtp of the Nagios plugins", "", b"", "",
                "Its TLS says good-bye (close_notify) in the segment of QUIT; Postfix sees bytes that it cannot show. "
                "For Gatepost records of TLS are no bytes of SMTP, so that nothing here is early.",
                "GitHub nagios-plugins/nagios-plugins issue 145", 2016),
    KnownClient("Xymon without its protocols.cfg", "CONNECT", b"mail\r\nquit\r\n", "",
                "A mail command, so not tolerated. Give Xymon its protocols.cfg, or exempt the monitor.",
                "GitHub xymon-monitoring/xymon pull request 455", 2026),
    KnownClient("testssl.sh in its fast mode", "CONNECT", b"EHLO testssl.sh\r\nSTARTTLS\r\n", "",
                "Not tolerated: a session with mail could follow. Refused, it tries again and waits "
                "(FAST_STARTTLS=false does so at once).",
                "GitHub testssl/testssl.sh issues 218 and 274", 2015),
    KnownClient("smtpsmug and testers on the web", "CONNECT", b"EHLO example.org\r\nMAIL FROM:<a@b.example>\r\n", "",
                "Take the first line of postscreen's greeting for all of it, as spam engines do. Test from an exempt "
                "address.",
                f"GitHub hannob/smtpsmug issue 5, {_DMS} issue 2919", 2022),
    KnownClient("XSIBackup's report", "HELO", b"ehlo hostname.example\r\nAUTH LOGIN\r\n", "",
                "Says everything at once, to send mail. Mend it, or exempt the hypervisor.",
                "GitHub 33hops/xsibackup issue 12", 2016),
    KnownClient("ghettoVCB's report", "HELO", b"MAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n", "",
                "A script around nc. Newer ones sleep between the lines, long enough or not. Exempt the hypervisor.",
                "GitHub lamw/ghettoVCB pull requests 39, 338 and 339", 2014),
    KnownClient("nc with a file", "CONNECT", b"EHLO mail\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n", "",
                "What everybody writes first, and what a spam engine does. Use swaks.",
                f"{_DMS} issue 3728, pull requests 3732 and 3744", 2024),
    KnownClient("A front end that speaks XCLIENT, as Mailu's", "XCLIENT", b"EHLO client.example\r\n", "",
                "XCLIENT and the next command in one segment; trusted by its address anyway. Exempt it.",
                "GitHub Mailu/Mailu pull request 3322", 2024),
)  # fmt: skip
