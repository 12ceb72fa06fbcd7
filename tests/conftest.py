"""What a test needs from the machine: say so when it is missing, or fail where everything must be there."""

from __future__ import annotations

import os

import pytest

from tests.durability.tally_report import pytest_terminal_summary, tallies
from tests.support import machine

# What every folder of tests has: the counts of the proofs of durability, and their print at the end.
__all__ = ["pytest_runtest_setup", "pytest_terminal_summary", "tallies"]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests marked `peers`, `root`, `fuse` or `trace`, with the reason, where something is missing.

    With GATEWAY_REQUIRE_PEERS=1 (set by .ci/run) a missing thing is a failure instead.
    """
    missing = None
    if item.get_closest_marker("peers"):
        missing = machine.missing_peers()
    if missing is None and item.get_closest_marker("root"):
        missing = machine.missing_root()
    if missing is None and item.get_closest_marker("fuse"):
        missing = machine.missing_fuse()
    if missing is None and item.get_closest_marker("trace"):
        missing = machine.missing_trace()
    if missing is None:
        return
    if os.environ.get("GATEWAY_REQUIRE_PEERS") == "1":
        pytest.fail(missing, pytrace=False)
    pytest.skip(missing)
