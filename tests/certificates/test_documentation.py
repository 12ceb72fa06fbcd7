"""docs/certificates.md names every finding, and none that does not exist."""

from __future__ import annotations

import re
from pathlib import Path

from gateway.certificates.checking import WORDS

PAGE = (Path(__file__).parents[2] / "docs" / "certificates.md").read_text()


def test_every_finding_is_on_the_page() -> None:
    table = PAGE[PAGE.index("## Findings") :]
    rows = re.findall(r"^\| (`.*`) \|", table, re.MULTILINE)
    assert set(re.findall(r"`([a-z-]+)`", " ".join(rows))) == set(WORDS)
