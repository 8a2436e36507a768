"""audit/write.py: a file is replaced whole or not at all."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gatepost.audit.write import Replaced, diff, write
from gatepost.span import ConfigError


def texts(*files: Path) -> dict[str, str]:
    return {str(file): file.read_bytes().decode("utf-8", "surrogateescape") for file in files}


def test_the_old_text_is_kept_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "main.cf"
    file.write_bytes(b"a = \xff\r\n")
    before = texts(file)
    assert write(before, {str(file): "a = \udcff b\r\n"}) == [Replaced(str(file), f"{file}.gatepost-backup")]
    assert file.read_bytes() == b"a = \xff b\r\n"
    assert Path(f"{file}.gatepost-backup").read_bytes() == b"a = \xff\r\n"
    assert write(texts(file), {str(file): "a = c\n"}) == [Replaced(str(file), f"{file}.gatepost-backup-2")]
    assert Path(f"{file}.gatepost-backup").read_bytes() == b"a = \xff\r\n"
    assert len(os.listdir(tmp_path)) == 3


def test_what_is_the_same_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "main.cf"
    file.write_text("a = b\n")
    assert write(texts(file), texts(file)) == []
    assert os.listdir(tmp_path) == ["main.cf"]


def test_mode_owner_and_links_are_kept(tmp_path: Path) -> None:
    file, link = tmp_path / "real.cf", tmp_path / "main.cf"
    file.write_text("a = b\n")
    file.chmod(0o640)
    if os.getuid() == 0:
        os.chown(file, 7, 8)
    link.symlink_to("real.cf")
    old = file.stat()
    write(texts(link), {str(link): "a = c\n"})
    assert link.is_symlink() and file.read_text() == "a = c\n"
    for each in (file, Path(f"{file}.gatepost-backup")):
        new = each.stat()
        assert (new.st_mode, new.st_uid, new.st_gid) == (old.st_mode, old.st_uid, old.st_gid)


def test_a_file_that_changed_since_is_not_touched_nor_is_another(tmp_path: Path) -> None:
    one, two = tmp_path / "main.cf", tmp_path / "master.cf"
    one.write_text("a = b\n")
    two.write_text("x\n")
    before = texts(one, two)
    two.write_text("y\n")
    with pytest.raises(ConfigError, match="changed since it was read") as caught:
        write(before, {str(one): "a = c\n", str(two): "z\n"})
    assert str(caught.value).startswith(f"{two}:1: ")
    assert (one.read_text(), two.read_text()) == ("a = b\n", "y\n")
    assert sorted(os.listdir(tmp_path)) == ["main.cf", "master.cf"]


FULL = """
import resource, signal, sys
from gatepost.audit.write import write
from gatepost.span import ConfigError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write({sys.argv[1]: "a = b\\n"}, {sys.argv[1]: "a = b\\n" * 1000})
except ConfigError as error:
    print(error)
"""


def test_a_full_disk_leaves_everything_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "main.cf"
    file.write_text("a = b\n")
    run = subprocess.run([sys.executable, "-c", FULL, str(file)], capture_output=True, text=True, check=True)
    assert "cannot be written, nothing was changed: File too large" in run.stdout
    assert file.read_text() == "a = b\n"
    assert os.listdir(tmp_path) == ["main.cf"]


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be written, nothing was changed"):
        write({}, {str(tmp_path / "no" / "main.cf"): "a = b\n"})


def test_diff() -> None:
    before = {"main.cf": "a = b\nc = d", "master.cf": "x\n"}
    assert diff(before, {"main.cf": "a = b\nc = e", "master.cf": "x\n"}) == (
        "--- main.cf\n+++ main.cf\n@@ -1,2 +1,2 @@\n a = b\n-c = d\n\\ No newline at end of file\n"
        "+c = e\n\\ No newline at end of file\n")
    assert diff(before, before) == ""
