"""A gateway as the peer tests want it: takes mail for example.test into a Maildir, logs to a file."""

from __future__ import annotations

import contextlib
import os
import pwd
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gatepost.dialogue.format import Dialogue
from tests.kit import free_port, wait_for
from tests.lab import directory, write_config
from tests.serving import program

_VIRTUAL = (
    "mydestination =",
    "virtual_mailbox_domains = example.test, virt.test",
    "virtual_mailbox_maps = inline:{ user@example.test=user/, other@example.test=other/ }",
    "virtual_transport = virtual",
    "defer_transports =",
)


@dataclass(frozen=True, slots=True)
class Place:
    """A running gateway. Mail for user@example.test ends in root/mail/user/new."""

    port: int
    root: Path

    def mailbox(self, user: str = "user") -> list[str]:
        """The messages that have arrived for a user, as text."""
        folder = self.root / "mail" / user / "new"
        return [p.read_text(errors="replace") for p in sorted(folder.iterdir())] if folder.is_dir() else []

    def arrived(self, count: int = 1, user: str = "user", seconds: float = 20) -> list[str]:
        """The messages, once there are so many. AssertionError with the log when they do not come."""
        assert wait_for(lambda: len(self.mailbox(user)) >= count, seconds), self.log()
        return self.mailbox(user)

    def log(self) -> str:
        return (self.root / "maillog").read_text(errors="replace")

    def logged(self, text: str, seconds: float = 10) -> str:
        """The log, once it holds `text`."""
        assert wait_for(lambda: text in self.log(), seconds), f"{text!r} is not in the log:\n{self.log()}"
        return self.log()


def _owner_of_mail() -> tuple[int, int]:
    """Whom the mailboxes belong to: the user that the gateway becomes after binding its ports."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    user = pwd.getpwnam("postfix")
    return user.pw_uid, user.pw_gid


@contextlib.contextmanager
def gateway(config: Sequence[str] = (), master: str = "", ports: Sequence[int] = ()) -> Iterator[Place]:
    """`gatepost serve` on a port of its own. `master` is appended to master.cf, its services listen on `ports`."""
    port = free_port()
    with directory() as root:
        mail = root / "mail"
        mail.mkdir()
        user, group = _owner_of_mail()
        os.chown(mail, user, group)
        ids = [f"virtual_uid_maps = static:{user}", f"virtual_gid_maps = static:{group}", "virtual_minimum_uid = 50"]
        base = [*_VIRTUAL, *ids, f"virtual_mailbox_base = {mail}"]
        conf = write_config(root, Dialogue(config=[*base, *config]), port)
        with (conf / "master.cf").open("a", encoding="utf-8") as lines:
            lines.write("virtual unix - n n - - virtual\nsmtp unix - - n - - smtp\n" + master)
        with program(conf, port, *ports):
            yield Place(port, root)
