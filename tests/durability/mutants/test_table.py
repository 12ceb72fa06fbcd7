"""docs/durability.md lists every mutant with what catches it, and names things that are there."""

from __future__ import annotations

import re

from tests.durability.campaign import CAMPAIGNS
from tests.durability.mutants.mutation import REPOSITORY
from tests.durability.mutants.table import BEGIN, END, table

PAGE = (REPOSITORY / "docs/durability.md").read_text(encoding="utf-8")


def test_the_table_is_the_catalogue() -> None:
    there = PAGE.partition(BEGIN)[2].partition(END)[0].strip()
    assert there == table(), "python -m tests.durability.mutants.table prints what belongs there"


def test_every_campaign_is_explained() -> None:
    assert [name for name in CAMPAIGNS if f"`{name}`" not in PAGE] == []


def test_what_it_names_is_there() -> None:
    named = re.findall(r"`((?:tests|gateway|docs)/[\w/.-]+)`", PAGE)
    assert named
    assert [path for path in named if not (REPOSITORY / path).exists()] == []
