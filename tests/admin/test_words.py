"""Times, amounts and rates, in every language."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin import words
from gateway.admin.language import LANGUAGES

AT = datetime(2026, 11, 23, 14, 2, 31, tzinfo=UTC).timestamp()


def plain(text: str) -> str:
    """With ordinary spaces."""
    return text.replace("\u00a0", " ").replace("\u202f", " ")


@pytest.mark.parametrize(
    ("lang", "amount", "shown"),
    [
        ("en", 0, "0 byte"),
        ("en", 512, "512 byte"),
        ("en", 4_200, "4.2 kB"),
        ("en", 999_960, "1 MB"),
        ("en", 240_000_000, "240 MB"),
        ("en", 5e13, "50 TB"),
        ("fr", 4_200, "4,2 ko"),
        ("es", 4_200, "4,2 kB"),
        ("pt", 4_200, "4,2 kB"),
        ("en", None, "–"),
    ],
)
def test_bytes(lang: str, amount: float | None, shown: str) -> None:
    assert plain(words.size(lang, amount)) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (0, "0 s"), (0.012, "12 ms"), (0.9996, "1 s"), (1.25, "1.2 s"), (9.96, "10 s"), (59.6, "1 min"),
        (200, "3 min 20 s"), (840, "14 min"), (7384, "2 h 3 min"), (187_200, "2 days 4 h"), (None, "–"),
        (-5, "0 s"), (math.inf, "–"),
    ],
)  # fmt: skip
def test_spans(seconds: float | None, shown: str) -> None:
    assert plain(words.span("en", seconds)) == shown


def test_rates_are_in_the_units_of_line_contracts() -> None:
    assert plain(words.rate("en", 1_312_500)) == "10.5 Mbit/s"
    assert plain(words.rate("fr", 1_312_500)) == "10,5 Mbit/s"
    assert plain(words.rate("en", 30)) == "240 bit/s"


def test_a_time_says_its_zone() -> None:
    assert plain(words.when("en", AT, UTC)) == "23 Nov 2026, 14:02:31 UTC"
    assert plain(words.when("en", AT, ZoneInfo("Europe/Lisbon"))) == "23 Nov 2026, 14:02:31 WET"
    assert plain(words.when("fr", AT, ZoneInfo("Europe/Paris"))) == "23 nov. 2026, 15:02:31 CET"
    assert plain(words.when("en", AT, timezone(timedelta(hours=5, minutes=45)))) == (
        "23 Nov 2026, 19:47:31 UTC+05:45"
    )
    assert plain(words.when("en", AT, ZoneInfo("America/Sao_Paulo"))) == "23 Nov 2026, 11:02:31 UTC-03:00"


def test_what_is_no_time_is_a_dash() -> None:
    for epoch in (None, math.nan, math.inf, -1.0, 1e18):
        assert words.when("en", epoch) == words.clock("en", epoch) == words.date("en", epoch) == "–"


def test_how_long_ago() -> None:
    assert words.ago("en", AT - 180, AT) == "3 minutes ago"
    assert words.ago("en", AT + 7200, AT) == "in 2 hours"
    assert words.ago("pt", AT - 180, AT) == "há 3 minutos"
    assert words.ago("en", AT, AT) == words.ago("en", AT + 1.4, AT) == "1 second ago"
    assert words.ago("en", None, AT) == "–"


def test_what_is_due_is_no_longer_coming() -> None:
    assert words.is_coming(AT + 30, AT)
    assert not words.is_coming(AT + 1.9, AT)
    assert not words.is_coming(AT - 30, AT)


def test_numbers_and_shares() -> None:
    assert words.number("en", 12_345) == "12,345"
    assert plain(words.number("fr", 12_345.678, 1)) == "12 345,7"
    assert words.percent("en", 0.256) == "26%"
    assert plain(words.percent("fr", 0.2561, 1)) == "25,6 %"


@given(st.sampled_from(list(LANGUAGES)), st.floats() | st.none())
def test_nothing_that_a_gateway_may_say_breaks_a_format(lang: str, value: float | None) -> None:
    for show in (words.number, words.percent, words.size, words.rate, words.span, words.when, words.clock):
        assert show(lang, value)
    assert words.ago(lang, value, AT)
    if value is not None:
        words.iso(value)
