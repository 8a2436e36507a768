"""What pytest must know about this test tree: it tests the sources, and long tests run only when asked for.

With GATEPOST_TEST_COMPILED set it tests the compiled modules (tests/test_compiled.py does so for some).
"""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

from gatepost import compiled

settings.register_profile("unhurried", deadline=None)  # a machine that pauses is no failure of what is tested
settings.load_profile("unhurried")

if os.environ.get("GATEPOST_TEST_COMPILED"):
    if not compiled.use():
        raise pytest.UsageError("GATEPOST_TEST_COMPILED is set, but nothing is compiled for these sources: make fast")
    collect_ignore = ["test_dialogues_in_process.py"]  # its connection is a stand-in, and compiled code takes no other
else:
    os.environ[compiled.SWITCH] = "1"  # for the programs that tests start, too


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `long` unless GATEPOST_TEST_LONG is set."""
    if os.environ.get("GATEPOST_TEST_LONG"):
        return
    skip = pytest.mark.skip(reason="long: set GATEPOST_TEST_LONG=1 to run it")
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(skip)
