"""docs/delivery-policy.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.delivery.classification import POLICY, Remedy

PAGE = Path(__file__).parents[2] / "docs" / "delivery-policy.md"

WORDS = {
    Remedy.AT_ONCE: "at once",
    Remedy.RETRY: "retry",
    Remedy.SLOW: "slow",
    Remedy.BUSY: "busy",
    Remedy.HOLD: "hold",
}


def test_every_cause_is_on_the_page_with_what_happens() -> None:
    rows = dict(re.findall(r"^\| `([a-z-]+)` \|[^|]+\| ([^|]+) \|$", PAGE.read_text(), re.MULTILINE))
    assert set(rows) == {cause.value for cause in POLICY}
    for cause, rule in POLICY.items():
        assert rows[cause.value].startswith(WORDS[rule.remedy]), cause


def test_what_pauses_the_destination_is_said() -> None:
    text = PAGE.read_text()
    for cause, rule in POLICY.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{cause.value}` |"))
        assert ("pause the destination" in row) is rule.pauses, cause
