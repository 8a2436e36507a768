"""What pytest must know about this test tree: long tests run only when asked for."""

from __future__ import annotations

import os

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked `long` unless GATEPOST_TEST_LONG is set."""
    if os.environ.get("GATEPOST_TEST_LONG"):
        return
    skip = pytest.mark.skip(reason="long: set GATEPOST_TEST_LONG=1 to run it")
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(skip)
