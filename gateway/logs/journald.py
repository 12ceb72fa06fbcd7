"""Records as journal entries with fields, over journald's own socket (systemd.io/JOURNAL_NATIVE_PROTOCOL).

The protocol is one datagram of `FIELD=value` lines, so no library is needed for it.
"""

from __future__ import annotations

import logging
import os
import socket
import struct
from pathlib import Path

from gateway.logs.formats import fields_of, message_of, raw, sentence, traceback_lines

SOCKET = Path("/run/systemd/journal/socket")
IDENTIFIER = "dicom-gateway"

_PRIORITIES = ((logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6))


def stderr_is_journal(stream_fd: int = 2, variable: str | None = None) -> bool:
    """Say whether stderr goes to the journal: systemd names its device and inode in JOURNAL_STREAM."""
    named = os.environ.get("JOURNAL_STREAM", "") if variable is None else variable
    try:
        status = os.fstat(stream_fd)
    except OSError:
        return False
    return named == f"{status.st_dev}:{status.st_ino}"


def entry(record: logging.LogRecord) -> bytes:
    """Return `record` as the datagram journald wants."""
    fields = [
        ("MESSAGE", "\n".join([sentence(record), *traceback_lines(record)])),
        ("PRIORITY", str(next((code for level, code in _PRIORITIES if record.levelno >= level), 7))),
        ("SYSLOG_IDENTIFIER", IDENTIFIER),
        ("LOGGER", record.name),
    ]
    if told := fields_of(record):
        fields.append(("DICOM_EVENT", message_of(record)))
        fields += [(f"DICOM_{name.upper()}", str(raw(value))) for name, value in told]
    return b"".join(_field(name, value.encode("utf-8", "replace")) for name, value in fields)


def _field(name: str, value: bytes) -> bytes:
    if b"\n" not in value:
        return name.encode() + b"=" + value + b"\n"
    # A value of several lines carries its length, so nothing in it can pass for a field.
    return name.encode() + b"\n" + struct.pack("<Q", len(value)) + value + b"\n"


class JournaldHandler(logging.Handler):
    """Sends records to journald. What journald does not take is written to stderr by `fallback`."""

    def __init__(self, fallback: logging.Handler, path: Path = SOCKET) -> None:
        super().__init__()
        self._fallback = fallback
        self._path = str(path)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)

    def emit(self, record: logging.LogRecord) -> None:
        """Send one entry."""
        try:
            # MSG_DONTWAIT: a journal that is being restarted must not stop the gateway.
            self._socket.sendto(entry(record), socket.MSG_DONTWAIT, self._path)
        except OSError:
            self._fallback.emit(record)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()
        super().close()
