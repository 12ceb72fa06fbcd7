"""What needs a link of its own says so where it cannot have one."""

from __future__ import annotations

import os

import pytest

from gateway.demo import lab


@pytest.fixture
def possible() -> None:
    """Skip, visibly, where there can be no long link."""
    reason = lab.missing()
    if reason is not None:
        if os.environ.get("GATEWAY_REQUIRE_PEERS") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
