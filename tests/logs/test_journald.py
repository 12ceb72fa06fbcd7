"""Journal entries, read back from a real datagram socket."""

from __future__ import annotations

import io
import logging
import os
import socket
import struct
from pathlib import Path

import pytest

from gateway.logs.formats import LogfmtFormatter
from gateway.logs.journald import JournaldHandler, entry, stderr_is_journal
from gateway.logs.values import Size, Words


def parsed(datagram: bytes) -> dict[str, str]:
    """Read a datagram of the journal's native protocol."""
    fields: dict[str, str] = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not equals:
            (length,) = struct.unpack("<Q", rest[:8])
            value, rest = rest[8 : 8 + length], rest[9 + length :]
        fields[name.decode()] = value.decode()
        datagram = rest
    return fields


def record(message: str = "object stored", level: int = logging.WARNING) -> logging.LogRecord:
    made = logging.LogRecord("gateway", level, "f.py", 1, message, None, None)
    made.fields = (("peer", "192.0.2.20"), ("size", Size(24_000)), ("reason", Words("a\nPRIORITY=0")))
    return made


def test_an_entry_has_a_readable_message_and_every_fact_as_a_field() -> None:
    assert parsed(entry(record())) == {
        "MESSAGE": 'object stored peer=192.0.2.20 size=24.0kB reason="a\\\\x0aPRIORITY=0"',
        "PRIORITY": "4",
        "SYSLOG_IDENTIFIER": "dicom-gateway",
        "LOGGER": "gateway",
        "DICOM_EVENT": "object stored",
        "DICOM_PEER": "192.0.2.20",
        "DICOM_SIZE": "24000",
        "DICOM_REASON": "a\\x0aPRIORITY=0",
    }


@pytest.mark.parametrize(
    ("level", "priority"),
    [(logging.DEBUG, "7"), (logging.INFO, "6"), (logging.ERROR, "3"), (logging.CRITICAL, "2")],
)
def test_priorities(level: int, priority: str) -> None:
    assert parsed(entry(record(level=level)))["PRIORITY"] == priority


def test_a_traceback_travels_in_the_message_with_its_length() -> None:
    made = record()
    try:
        raise RuntimeError("inner\nPRIORITY=0")  # noqa: TRY301 - this is the traceback under test
    except RuntimeError as error:
        made.exc_info = (RuntimeError, error, error.__traceback__)
    fields = parsed(entry(made))
    assert fields["MESSAGE"].endswith("RuntimeError: inner\\x0aPRIORITY=0")
    assert fields["PRIORITY"] == "4"


def test_entries_arrive_on_the_socket(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        journal.settimeout(5)
        handler = JournaldHandler(logging.NullHandler(), path)
        handler.handle(record())
        assert parsed(journal.recv(65536))["DICOM_PEER"] == "192.0.2.20"
        handler.close()


def test_without_a_journal_the_line_goes_to_the_fallback(tmp_path: Path) -> None:
    stream = io.StringIO()
    fallback = logging.StreamHandler(stream)
    fallback.setFormatter(LogfmtFormatter())
    handler = JournaldHandler(fallback, tmp_path / "nobody")
    handler.handle(record())
    handler.close()
    assert "object stored peer=192.0.2.20" in stream.getvalue()


def test_a_full_journal_does_not_block_and_the_line_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "journal"
    stream = io.StringIO()
    fallback = logging.StreamHandler(stream)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(path))
        handler = JournaldHandler(fallback, path)
        for _ in range(2000):  # nobody reads
            handler.handle(record())
            if stream.getvalue():
                break
        handler.close()
    assert "object stored" in stream.getvalue()


def test_stderr_is_the_journal_only_when_systemd_says_so_of_this_very_file(tmp_path: Path) -> None:
    with (tmp_path / "x").open("w") as file:
        status = os.fstat(file.fileno())
        assert stderr_is_journal(file.fileno(), f"{status.st_dev}:{status.st_ino}")
        assert not stderr_is_journal(file.fileno(), f"{status.st_dev}:{status.st_ino + 1}")
        assert not stderr_is_journal(file.fileno(), "")
    assert not stderr_is_journal(10_000_000, "1:2")
