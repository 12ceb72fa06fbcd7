"""Lines of the log out of systemd's journal: what was logged before the gateway's last start.

`journalctl` is asked, with a bound on time and on output; where it is not there, or may not be read, the page
says so.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.operator.sections.logs import LogField, LogLine

IDENTIFIER = "dicom-gateway"  # as gateway.logs.journald writes it
_PATH = "/usr/bin:/bin"
_PATIENCE = 10.0  # seconds
_MAX_OUTPUT = 8 * 2**20  # bytes
_MAX_CURSOR = 300  # characters
_EXAMINED = 5000  # entries looked at for one page
_PRIORITY = {"debug": 7, "info": 6, "warning": 4, "error": 3, "critical": 2}
_LEVELS = {0: "critical", 1: "critical", 2: "critical", 3: "error", 4: "warning", 5: "info", 6: "info"}
_OURS = "DICOM_"


class NoJournal(Exception):
    """The journal cannot be read; the text says why."""


@dataclass(frozen=True, slots=True)
class JournalPage:
    """Lines in the order in which they were written."""

    lines: tuple[LogLine, ...]
    previous: str  # cursor to go on to older ones; empty: there are none


class Journal:
    """Asks journalctl."""

    def __init__(self, program: str = "journalctl") -> None:
        self._program = program

    async def page(
        self, *, level: str = "debug", text: str = "", before: float | None = None, cursor: str = "",
        limit: int = 200,
    ) -> JournalPage:  # fmt: skip
        """Return the newest lines before a time, or older than `cursor`. NoJournal when it cannot be read."""
        program = shutil.which(self._program, path=_PATH) or shutil.which(self._program)
        if program is None:
            raise NoJournal("there is no journal on this system (journalctl)")
        arguments = [
            program, "--output=json", "--no-pager", "--quiet", "--reverse", f"--lines={_EXAMINED}",
            f"--priority={_PRIORITY.get(level, 7)}",
        ]  # fmt: skip
        if cursor:
            arguments.append(f"--cursor={_checked(cursor)}")
        elif before is not None:
            arguments.append(f"--until=@{before:.3f}")
        arguments.append(f"SYSLOG_IDENTIFIER={IDENTIFIER}")
        entries = _parsed(await _output(arguments))
        if cursor and entries and entries[0].get("__CURSOR") == cursor:
            entries = entries[1:]  # journalctl begins with the entry of the cursor itself
        return _page(entries, text.casefold(), limit)


def _page(entries: list[Mapping[str, Any]], text: str, limit: int) -> JournalPage:
    found: list[LogLine] = []
    at = 0
    for at, entry in enumerate(entries, 1):  # noqa: B007 - how far we came is used below
        line = line_of(entry)
        if text and text not in searched(line).casefold():
            continue
        found.append(line)
        if len(found) >= limit:
            break
    more = at < len(entries) or len(entries) >= _EXAMINED - 1
    previous = str(entries[at - 1].get("__CURSOR", "")) if entries and more else ""
    return JournalPage(tuple(reversed(found)), previous)


def line_of(entry: Mapping[str, Any]) -> LogLine:
    """Return an entry of the journal as a line of the log."""
    message, *traceback = _text(entry.get("MESSAGE")).split("\n")
    event = _text(entry.get(f"{_OURS}EVENT"))
    fields = [
        LogField(name.removeprefix(_OURS).lower(), _text(value))
        for name, value in entry.items()
        if name.startswith(_OURS) and name != f"{_OURS}EVENT"
    ]
    priority, at = _number(entry.get("PRIORITY"), 6), _number(entry.get("__REALTIME_TIMESTAMP"), 0)
    return LogLine(
        0,
        at / 1e6,
        _LEVELS.get(priority, "debug"),
        _text(entry.get("LOGGER")),
        event or message,
        tuple(fields),
        tuple(traceback),
    )


def searched(line: LogLine) -> str:
    """Return what a search looks at."""
    return "\n".join([line.event, *(f"{one.name}={one.value}" for one in line.fields), *line.traceback])


async def _output(arguments: list[str]) -> bytes:
    process = await asyncio.create_subprocess_exec(
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"LC_ALL": "C", "PATH": _PATH},
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            assert process.stdout is not None  # noqa: S101 - asked for above
            assert process.stderr is not None  # noqa: S101 - asked for above
            told = asyncio.ensure_future(process.stderr.read(2000))
            output = bytearray()
            while len(output) < _MAX_OUTPUT and (chunk := await process.stdout.read(65536)):
                output += chunk
            if len(output) >= _MAX_OUTPUT:
                told.cancel()
                return bytes(output)
            words, status = (await told).decode(errors="replace").strip(), await process.wait()
    except TimeoutError:
        raise NoJournal("the journal does not answer in time") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    if status != 0 or (not output and words):
        raise NoJournal(words.splitlines()[0][:300] if words else f"journalctl ended with {status}")
    return bytes(output)


def _parsed(output: bytes) -> list[Mapping[str, Any]]:
    entries: list[Mapping[str, Any]] = []
    for line in output.splitlines():
        try:
            entry = json.loads(line)
        except ValueError:
            continue  # the last one may be cut off
        if isinstance(entry, dict):
            entries.append(entry)
    return entries


def _checked(cursor: str) -> str:
    if len(cursor) > _MAX_CURSOR or not cursor.isprintable():
        raise NoJournal("this place in the journal is not known")
    return cursor


def _text(value: Any) -> str:
    """Return a field's text; what is not UTF-8 comes as a list of bytes (systemd.journal-fields(7))."""
    if isinstance(value, list):
        numbers = [one for one in value if isinstance(one, int) and 0 <= one < 256]
        return bytes(numbers).decode(errors="replace")[:4000]
    return value[:4000] if isinstance(value, str) else ""


def _number(value: Any, otherwise: int) -> int:
    return int(value) if isinstance(value, str) and value.isascii() and value.isdigit() else otherwise
