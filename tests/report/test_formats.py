"""report/formats.py: every format by its name, and none loaded for nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gatepost.report import formats
from tests.report.samples import REPORT


@pytest.mark.parametrize("format", formats.FORMATS)
def test_each_format_tells_of_every_finding(format: str) -> None:
    written = formats.write(REPORT, format)
    assert "RLY-01" in written and "RLY-02" in written


def test_another_name_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        formats.write(REPORT, "finding")


def test_the_template_engine_waits_until_it_is_wanted() -> None:
    program = "import sys, gatepost.report.formats, gatepost.report.text; sys.exit('jinja2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
