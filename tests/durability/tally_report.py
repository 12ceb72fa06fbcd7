"""The counts of the proofs of durability, printed at the end of a test run by tests/conftest.py."""

from __future__ import annotations

import pytest

from tests.durability.campaign import Tallies

_KEY = pytest.StashKey[Tallies]()


@pytest.fixture(scope="session")
def tallies(request: pytest.FixtureRequest) -> Tallies:
    """Where a test that tries to make the gateway lose something says what it has counted."""
    return request.config.stash.setdefault(_KEY, Tallies())


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Print what was counted, whether everything ran or only a part of it."""
    lines = config.stash.get(_KEY, Tallies()).lines()
    if lines:
        terminalreporter.section("nothing acknowledged is lost")
        for line in lines:
            terminalreporter.write_line(line)
