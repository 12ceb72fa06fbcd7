"""Whatever a peer sends is harmless in a log line; quantities read well."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.logs.text import harmless, quoted, size_words, time_words, without_uids


@given(st.text(max_size=200))
def test_nothing_in_a_harmless_text_can_end_the_line_or_steer_a_terminal(text: str) -> None:
    result = harmless(text)
    assert result.isprintable() or all(c.isprintable() or c == "\u3000" or c.isspace() for c in result)
    assert "\n" not in result
    assert "\x1b" not in result
    assert len(result.splitlines()) <= 1


def test_terminal_escapes_bidi_controls_and_newlines_are_spelt_out() -> None:
    assert harmless("a\x1b[2Jb\r\nc\u202ed\x9b") == "a\\x1b[2Jb\\x0d\\x0ac\\u202ed\\x9b"


def test_a_long_text_is_cut_and_its_length_told() -> None:
    assert harmless("x" * 600) == "x" * 500 + "… (600 characters)"


def test_readable_text_of_any_language_stays() -> None:
    assert harmless("Strålbehandling, 放射線") == "Strålbehandling, 放射線"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("object 1.2.826.0.1.3680043.8.498.1 is odd", "object (UID) is odd"),
        ("2.25.329800735698586629295641978511506172918", "(UID)"),
        ("class 1.2.840.10008.5.1.4.1.1.481.4", "class 1.2.840.10008.5.1.4.1.1.481.4"),
        ("192.0.2.7 and 198.100.200.254 said 3.6.7", "192.0.2.7 and 198.100.200.254 said 3.6.7"),
        ("1.3.12.2.1107.5.1.4.1001.30000", "(UID)"),
    ],
)
def test_instance_uids_are_blanked_out_and_the_standards_own_stay(text: str, expected: str) -> None:
    assert without_uids(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("plain", "plain"), ("", '""'), ("two words", '"two words"'), ('a"b', '"a\\"b"'), ("a=b", '"a=b"')],
)
def test_logfmt_values_are_quoted_when_they_must_be(text: str, expected: str) -> None:
    assert quoted(text) == expected


@pytest.mark.parametrize(
    ("amount", "expected"),
    [(0, "0B"), (999, "999B"), (24_000, "24.0kB"), (1_250_000_000, "1.25GB"), (512_000, "512kB")],
)
def test_sizes(amount: int, expected: str) -> None:
    assert size_words(amount) == expected


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.0084, "8ms"), (1.254, "1.25s"), (12.34, "12.3s"), (250, "4min10s"), (7500, "2h5min")],
)
def test_times(seconds: float, expected: str) -> None:
    assert time_words(seconds) == expected
