"""Every fuzz target for a moment; `python -m tests.fuzz.<name> --seconds N` goes on for longer."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.fuzz import association_pdu, messages, upper_layer
from tests.fuzz.runner import run

TARGETS = {
    "upper_layer": upper_layer.fuzz,
    "association_pdu": association_pdu.fuzz,
    "messages": messages.fuzz,
}


@pytest.mark.parametrize("name", list(TARGETS))
def test_a_moment_of(name: str) -> None:
    target: Callable[[], None] = TARGETS[name]
    assert run(target, ["--seconds", "2", "--seed", "2761"]) >= 1
