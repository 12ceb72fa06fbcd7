"""What a test needs from the machine: say so when it is missing, or fail where everything must be there."""

from __future__ import annotations

import os

import pytest

from tests.support import machine


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked `peers` or `root`, with the reason and the remedy, where the machine lacks something.

    With GATEWAY_REQUIRE_PEERS=1 (set by .ci/run) a missing thing is a failure instead.
    """
    missing = None
    if item.get_closest_marker("peers"):
        missing = machine.missing_peers()
    if missing is None and item.get_closest_marker("root"):
        missing = machine.missing_root()
    if missing is None:
        return
    if os.environ.get("GATEWAY_REQUIRE_PEERS") == "1":
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)
