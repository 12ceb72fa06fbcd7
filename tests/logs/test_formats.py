"""One line per record whatever is in it; no patient data even in tracebacks."""

from __future__ import annotations

import json
import logging

import pydicom
import pytest

from gateway.logs.formats import JsonFormatter, LogfmtFormatter
from gateway.logs.values import Fields, Rate, Seconds, Size, Words

FIELDS: Fields = (
    ("object", 17),
    ("sop_class", "RT Beams Treatment Record Storage"),
    ("size", Size(24_000)),
    ("duration", Seconds(0.5)),
    ("rate", Rate(48_000)),
    ("reason", Words("it said \x1b[2J\nno")),
)


def record(message: str, fields: Fields = (), error: BaseException | None = None) -> logging.LogRecord:
    exc_info = (type(error), error, error.__traceback__) if error else None
    made = logging.LogRecord("gateway.x", logging.INFO, "f.py", 1, message, None, exc_info)
    made.created = 1_795_386_359.1237
    if fields:
        made.fields = fields
    return made


def raised(action: object) -> BaseException:
    try:
        action()  # type: ignore[operator]  # a callable that raises
    except (ValueError, RuntimeError) as error:
        return error
    raise AssertionError("it did not raise")


def test_logfmt_is_one_readable_line() -> None:
    assert LogfmtFormatter().format(record("object stored", FIELDS)) == (
        "2026-11-22T22:25:59.123Z INFO    object stored object=17"
        ' sop_class="RT Beams Treatment Record Storage" size=24.0kB duration=500ms rate=48.0kB/s'
        ' reason="it said \\\\x1b[2J\\\\x0ano"'
    )


def test_json_carries_numbers_as_numbers() -> None:
    entry = json.loads(JsonFormatter().format(record("object stored", FIELDS)))
    assert entry == {
        "time": "2026-11-22T22:25:59.123Z",
        "level": "info",
        "event": "object stored",
        "logger": "gateway.x",
        "object": 17,
        "sop_class": "RT Beams Treatment Record Storage",
        "size": 24000,
        "duration": 0.5,
        "rate": 48000,
        "reason": "it said \\x1b[2J\\x0ano",
    }


@pytest.mark.parametrize("formatter", [LogfmtFormatter(), JsonFormatter()])
def test_a_message_cannot_break_out_of_its_line(formatter: logging.Formatter) -> None:
    text = formatter.format(record("evil\n2026-01-01 ERROR forged \x1b[31m"))
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text


def test_a_traceback_keeps_to_lines_that_cannot_be_taken_for_entries() -> None:
    def fail() -> None:
        raise ValueError("first\n2026-01-01T00:00:00.000Z ERROR forged 1.2.826.0.1.3680043.8.498.1")

    lines = LogfmtFormatter().format(record("it broke", error=raised(fail))).splitlines()
    assert len(lines) > 2
    assert all(line.startswith("    | ") for line in lines[1:])
    assert lines[-1].endswith("ValueError: first\\x0a2026-01-01T00:00:00.000Z ERROR forged (UID)")


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_what_pydicom_says_about_a_data_set_is_withheld() -> None:
    def quote() -> None:
        dataset = pydicom.Dataset()
        dataset.NumberOfFrames = "DOE^JOHN"

    error = raised(quote)
    assert "DOE" in str(error)
    text = LogfmtFormatter().format(record("it broke", error=error))
    assert "DOE" not in text
    assert "text withheld" in text
    assert "valuerep.py" in text


def test_causes_are_told_first_and_a_suppressed_context_is_not() -> None:
    def fail() -> None:
        try:
            raise KeyError("cause")  # noqa: TRY301 - this is the traceback under test
        except KeyError as error:
            raise RuntimeError("effect") from error

    def hide() -> None:
        try:
            raise KeyError("hidden")  # noqa: TRY301 - this is the traceback under test
        except KeyError:
            raise RuntimeError("shown") from None

    lines = json.loads(JsonFormatter().format(record("x", error=raised(fail))))["traceback"]
    assert next(i for i, x in enumerate(lines) if "KeyError" in x) < next(
        i for i, x in enumerate(lines) if "RuntimeError" in x
    )
    assert "hidden" not in JsonFormatter().format(record("x", error=raised(hide)))


def test_a_long_chain_of_causes_is_bounded() -> None:
    error: Exception = ValueError("first")
    for number in range(20):
        following = ValueError(f"number {number}")
        following.__cause__ = error
        error = following
    lines = json.loads(JsonFormatter().format(record("x", error=error)))["traceback"]
    assert [line for line in lines if line.startswith("ValueError")] == [
        f"ValueError: number {number}" for number in (15, 16, 17, 18, 19)
    ]


def test_the_errors_of_a_group_are_told() -> None:
    def fail() -> None:
        raise ExceptionGroup("two", [ValueError("the first"), KeyError("the second")])

    with pytest.raises(ExceptionGroup) as caught:
        fail()
    lines = json.loads(JsonFormatter().format(record("x", error=caught.value)))["traceback"]
    assert "ValueError: the first" in lines
    assert "KeyError: 'the second'" in lines


def test_a_deep_traceback_is_bounded() -> None:
    def deep(depth: int) -> None:
        if depth == 0:
            raise ValueError("bottom")
        deep(depth - 1)

    text = LogfmtFormatter().format(record("x", error=raised(lambda: deep(200))))
    assert len(text.splitlines()) == 61
    assert text.endswith("ValueError: bottom")
