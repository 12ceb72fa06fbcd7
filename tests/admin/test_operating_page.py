"""docs/operating.md quotes the page: what stands there in quotation marks is what the page says."""

from __future__ import annotations

import re
from pathlib import Path

from tools.messages import extracted

ROOT = Path(__file__).parents[2]
PAGE = " ".join((ROOT / "docs/operating.md").read_text(encoding="utf-8").split())


def messages() -> list[str]:
    found: list[str] = []
    for message in extracted():
        found += [message.id] if isinstance(message.id, str) else list(message.id)
    return [text for text in found if text]


def sayable(message: str) -> re.Pattern[str]:
    """Match the message with anything in its places."""
    pieces = re.split(r"%\(\w+\)s", message.replace("%%", "%"))
    return re.compile(".+".join(map(re.escape, pieces)))


def test_what_it_quotes_is_what_the_page_says() -> None:
    patterns = [sayable(text) for text in messages()]
    quoted = re.findall("“([^”]+)”", PAGE)
    assert len(quoted) > 10
    assert not any(each.fullmatch("This is said nowhere.") for each in patterns)
    unknown = [
        words
        for words in quoted
        if not any(each.fullmatch(words) or each.fullmatch(f"ARIA: {words}") for each in patterns)
    ]
    assert unknown == []


def test_the_buttons_it_names_are_there() -> None:
    known = set(messages())
    for button in ("Print", "Resume", "Try all of these again", "I know of it"):
        assert f"**{button}**" in PAGE
        assert button in known


def test_the_dots_are_those_of_the_legend() -> None:
    (legend,) = [text for text in messages() if text.startswith("The four dots:")]
    dots = [dot.strip() for dot in legend.partition(":")[2].split("·")]
    assert dots == re.findall(r"\d\. \*\*([^*]+)\*\*:", PAGE)
