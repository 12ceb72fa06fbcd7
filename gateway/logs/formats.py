"""How a record looks: logfmt for people, JSON for machines. One line per record, whatever is in it."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from types import TracebackType

from gateway.logs.text import harmless, quoted, without_uids
from gateway.logs.values import Fields, Rate, Seconds, Size, Value

# Their exceptions may quote the data set they choked on.
_LIBRARIES_THAT_QUOTE = ("pydicom", "pynetdicom")
_WITHHELD = "(text withheld: it may quote a data set)"
_MAX_TRACEBACK_LINES = 60
_MAX_CHAIN = 5


def fields_of(record: logging.LogRecord) -> Fields:
    """Return the typed fields of a record; records of ordinary loggers have none."""
    fields: Fields = getattr(record, "fields", ())
    return fields


def message_of(record: logging.LogRecord) -> str:
    """Return the record's message on one line, harmless and without instance UIDs."""
    return harmless(without_uids(record.getMessage()), 2000)


def written(value: Value) -> str:
    """Return a field's value as people read it."""
    return value.words() if isinstance(value, Size | Seconds | Rate) else harmless(str(value))


def raw(value: Value) -> str | int | float:
    """Return a field's value as machines read it: bytes, seconds and bytes per second as numbers."""
    if isinstance(value, float):
        return round(float(value), 6)
    return int(value) if isinstance(value, int) else harmless(str(value))


def sentence(record: logging.LogRecord) -> str:
    """Return event and fields in logfmt, without time and level."""
    parts = [message_of(record)]
    parts += [f"{name}={quoted(written(value))}" for name, value in fields_of(record)]
    return " ".join(parts)


class LogfmtFormatter(logging.Formatter):
    """`2026-11-22T22:25:59.123Z INFO  object stored object=17 peer=192.0.2.20 ...`; times in UTC."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a traceback follows in lines of its own that cannot be taken for entries."""
        text = f"{moment(record)} {record.levelname:<7} {sentence(record)}"
        return "\n".join([text, *(f"    | {line}" for line in traceback_lines(record))])


class JsonFormatter(logging.Formatter):
    """One JSON object per line: time, level, event, logger, then the fields."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the object, in ASCII."""
        entry: dict[str, object] = {
            "time": moment(record),
            "level": record.levelname.lower(),
            "event": message_of(record),
            "logger": record.name,
        }
        entry.update((name, raw(value)) for name, value in fields_of(record))
        if lines := traceback_lines(record):
            entry["traceback"] = lines
        return json.dumps(entry)


def moment(record: logging.LogRecord) -> str:
    """Return when it happened, in UTC, to the millisecond."""
    when = datetime.fromtimestamp(record.created, UTC)
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond // 1000:03d}Z"


def traceback_lines(record: logging.LogRecord) -> list[str]:
    """Return the traceback of a record, if it has one: places always, texts unless they may quote data."""
    if not record.exc_info or record.exc_info[1] is None:
        return []
    lines: list[str] = []
    error: BaseException | None = record.exc_info[1]
    for _ in range(_MAX_CHAIN):
        if error is None:
            break
        cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
        lines = [*_one(error), *(["during handling of it, or because of it:"] if lines else []), *lines]
        error = cause
    return [harmless(line) for line in lines[-_MAX_TRACEBACK_LINES:]]


def _one(error: BaseException) -> list[str]:
    lines = [
        f"{frame.filename}:{frame.lineno} in {frame.name}"
        for frame in traceback.extract_tb(error.__traceback__)
    ]
    text = _WITHHELD if _came_through(error.__traceback__) else without_uids(str(error))
    lines.append(f"{type(error).__qualname__}: {text}")
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions[:_MAX_CHAIN]:
            lines += ["one of them:", *_one(inner)]
    return lines


def _came_through(trace: TracebackType | None) -> bool:
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] in _LIBRARIES_THAT_QUOTE:
            return True
        trace = trace.tb_next
    return False
