"""Maildir and mbox files: complete or not there, and never outside of their directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gatepost.deliver.mailbox import Owner, open_mailbox

ME = Owner(os.getuid(), os.getgid())
HEADER = b"Return-Path: <a b@c>\nDelivered-To: d@e\n"


def store(root: Path, path: str, *pieces: bytes) -> None:
    writing = open_mailbox(str(root), path, ME, HEADER, attempts=1)
    for piece in pieces:
        writing.write(piece)
    writing.finish()


def test_a_maildir_message_has_local_line_ends_and_its_size_in_its_name(tmp_path: Path) -> None:
    store(tmp_path, "u/Maildir/", b"Subject: x\r", b"\n\r\nbo\rdy\r\n")
    [message] = (tmp_path / "u/Maildir/new").iterdir()
    text = message.read_bytes()
    assert text == HEADER + b"Subject: x\n\nbo\rdy\n"
    assert message.name.endswith(f",S={len(text)}") and oct(message.stat().st_mode)[-3:] == "600"
    assert list((tmp_path / "u/Maildir/tmp").iterdir()) == [] and (tmp_path / "u/Maildir/cur").is_dir()


def test_an_abandoned_message_leaves_nothing(tmp_path: Path) -> None:
    writing = open_mailbox(str(tmp_path), "M/", ME, HEADER)
    writing.write(b"x")
    writing.abandon()
    assert list((tmp_path / "M/tmp").iterdir()) == list((tmp_path / "M/new").iterdir()) == []


def test_names_are_never_given_twice(tmp_path: Path) -> None:
    for _ in range(50):
        store(tmp_path, "M/", b"x\r\n")
    assert len(list((tmp_path / "M/new").iterdir())) == 50


def test_mbox_messages_are_quoted_and_end_in_an_empty_line(tmp_path: Path) -> None:
    (tmp_path / "box").write_bytes(b"From old\n\n")
    store(tmp_path, "box", b"Subject: x\r\n\r\nFr", b"om here\r", b"\nFrom there\r\nend")
    lines = (tmp_path / "box").read_bytes().split(b"\n")
    assert lines[2].startswith(b"From a-b@c  ")
    assert lines[5:] == [b"Subject: x", b"", b">From here", b">From there", b"end", b"", b""]
    assert not (tmp_path / "box.lock").exists()


def test_an_abandoned_mbox_message_is_cut_off_again(tmp_path: Path) -> None:
    store(tmp_path, "box", b"one\r\n")
    before = (tmp_path / "box").read_bytes()
    writing = open_mailbox(str(tmp_path), "box", ME, HEADER)
    writing.write(b"two\r\n")
    writing.abandon()
    assert (tmp_path / "box").read_bytes() == before


def test_a_locked_mbox_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "box.lock").touch()
    with pytest.raises(OSError, match="unable to lock"):
        store(tmp_path, "box", b"x")
    assert not (tmp_path / "box").exists()


@pytest.mark.parametrize("path", ["../x/", "a/../../x/", "./x/", "", "/", "a/./b", "..", "a\0b/"])
def test_paths_that_lead_outside_are_refused(tmp_path: Path, path: str) -> None:
    with pytest.raises(OSError, match="unsafe"):
        store(tmp_path, path, b"x")


def test_links_are_not_followed(tmp_path: Path) -> None:
    base, outside = tmp_path / "base", tmp_path / "outside"
    base.mkdir()
    outside.mkdir()
    (outside / "file").write_bytes(b"precious")
    (base / "u").symlink_to(outside)
    (base / "box").symlink_to(outside / "file")
    os.link(outside / "file", base / "hard")
    os.mkfifo(base / "pipe")
    (base / "M").mkdir()
    (base / "M/new").symlink_to(outside)
    for path in ("u/", "u/M/", "box", "hard", "pipe", "M/"):
        with pytest.raises(OSError):
            store(base, path, b"x")
    assert (outside / "file").read_bytes() == b"precious"
    assert [found.name for found in outside.iterdir()] == ["file"]
