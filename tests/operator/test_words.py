from __future__ import annotations

import pytest

from gateway.operator import words


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 ms"), (0.0123, "12 ms"), (0.4, "0.4 s"), (9.94, "9.9 s"), (12.4, "12 s"), (89, "89 s"),
        (90, "2 min"), (14 * 60, "14 min"), (7200, "2 h"), (7500, "2 h 5 min"), (273_600, "3 d 4 h"),
        (7 * 86400, "7 d"),
    ],
)  # fmt: skip
def test_durations_have_their_largest_useful_units(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (20_480, "20.5 kB"), (1.25e9, "1.2 GB"), (5e15, "5000.0 TB")],
)
def test_sizes_are_decimal(count: float, text: str) -> None:
    assert words.size(count) == text


def test_counts_agree_with_their_noun() -> None:
    assert words.count_of(1, "record") == "1 record"
    assert words.count_of(1204, "image") == "1,204 images"
    assert words.count_of(2, "held delivery", "held deliveries") == "2 held deliveries"


@pytest.mark.parametrize(
    "bad", ["\x1b[2J", "\r", "\n", "\x00", "\u202e", "\u2066", "\u200b", "\u2028", "\ud800", "\x9b"]
)
def test_nothing_that_steers_a_terminal_is_printed(bad: str) -> None:
    shown = words.printable(f"before{bad}after")
    assert bad[0] not in shown
    assert shown.startswith("before")
    assert shown.endswith("after")


def test_letters_of_all_languages_are_printed_and_length_is_bounded() -> None:
    assert words.printable("Strahlentherapie Köln 放射") == "Strahlentherapie Köln 放射"
    assert len(words.printable("x" * 10_000)) == 400
