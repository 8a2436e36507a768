"""What the queue logs is read by pflogsumm as it reads Postfix's log."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from gatepost.deliver.envelope import Recipient
from gatepost.observe.log import FileSink, Log
from tests.deliver.queue_house import House


async def some_mail(h: House) -> None:
    """One delivered to two, one deferred, one bounced and reported."""
    h.post.fate("later@example.org", "deferred", "4.2.2", "host mx[192.0.2.7] said: 452 4.2.2 full (in reply to RCPT)")
    h.post.fate("never@example.org", "bounced", "5.1.1", 'unknown user: "never"', "local")
    await h.open()
    await h.give("a@example.org", Recipient("b@example.org", "alias@example.org"))
    await h.give("later@example.org")
    await h.give("never@example.org")
    await h.until(lambda: len(h.said("removed")) == 3)
    await h.quiet()
    await h.close()
    h.log.flush()


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("pflogsumm") is None, reason="pflogsumm is not installed")
def test_pflogsumm_counts_what_happened(tmp_path: Path) -> None:
    h = House(tmp_path)
    h.log = Log([h.lines, FileSink(str(tmp_path / "maillog"))], host="mx.example")
    asyncio.run(some_mail(h))
    report = subprocess.run(["pflogsumm", str(tmp_path / "maillog")], capture_output=True, text=True, check=True).stdout
    found = {name: int(count) for count, name in re.findall(r"^ +(\d+) +([a-z]+)(?: .*)?$", report, re.MULTILINE)}
    assert found["delivered"] == 3  # two recipients, and the report to the sender
    assert found["deferred"] == 1
    assert found["bounced"] == 1
    assert "452 4.2.2 full" in report and "unknown user" in report
