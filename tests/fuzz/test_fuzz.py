"""Every fuzz target for a moment; `python -m tests.fuzz.<name> --seconds N` goes on for longer."""

from __future__ import annotations

from types import ModuleType

import pytest

from tests.fuzz import (
    association_pdu,
    link_codecs,
    link_frames,
    link_session,
    messages,
    relay,
    salvage,
    treatment_records,
    upper_layer,
)
from tests.fuzz.runner import run


@pytest.mark.parametrize(
    "target",
    [
        association_pdu,
        link_codecs,
        link_frames,
        link_session,
        messages,
        relay,
        salvage,
        treatment_records,
        upper_layer,
    ],
    ids=lambda module: module.__name__,
)
def test_a_moment_of(target: ModuleType) -> None:
    assert run(target.check, target.STRATEGIES, ["--seconds", "2", "--seed", "2761"]) >= 1
