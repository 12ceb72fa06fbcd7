"""A console that asks and takes the time: C-ECHO and C-FIND on a blocking socket, the same on every way.

Made of the test console's bytes, it adds next to nothing of its own: no threads, no polling, no decoding of
what is found.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from dataclasses import dataclass
from typing import Self

from tests.support.console import VERIFICATION, associate_rq, c_echo_rq, command_set, parse_command, pdu

STUDY_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
_IMPLICIT_LITTLE = "1.2.840.10008.1.2"
_ECHO, _FIND = 1, 3  # presentation context IDs
_PENDING = (0xFF00, 0xFF01)


class AskingFailed(Exception):
    """The other side did not do what was asked; a time would mean nothing."""


def images_of(study: str, series: str) -> bytes:
    """The identifier of a C-FIND for every image of a series (PS3.4 C.6.2), Implicit VR Little Endian."""

    def element(group: int, number: int, value: str, pad: bytes = b" ") -> bytes:
        raw = value.encode()
        raw += pad * (len(raw) % 2)
        return struct.pack("<HHI", group, number, len(raw)) + raw

    return b"".join(
        (
            element(0x0008, 0x0018, ""),
            element(0x0008, 0x0052, "IMAGE"),
            element(0x0020, 0x000D, study, b"\0"),
            element(0x0020, 0x000E, series, b"\0"),
            element(0x0020, 0x0013, ""),
        )
    )


def _find_rq(message_id: int) -> bytes:
    return command_set(
        (
            (0x0002, STUDY_ROOT_FIND.encode() + b"\0"),
            (0x0100, struct.pack("<H", 0x0020)),
            (0x0110, struct.pack("<H", message_id)),
            (0x0700, struct.pack("<H", 0)),
            (0x0800, struct.pack("<H", 0x0001)),
        )
    )


def _data_pdu(context: int, data: bytes, control: int) -> bytes:
    return pdu(4, struct.pack(">IBB", len(data) + 2, context, control) + data)


@dataclass(slots=True)
class Found:
    """What a C-FIND brought, byte for byte, and when (seconds after the request)."""

    matches: list[bytes]
    first: float
    last: float


class Asker:
    """One association; `with` opens and releases it."""

    def __init__(self, address: str, port: int, called: str, calling: str = "CONSOLE") -> None:
        self._to = (address, port)
        self._titles = (called.encode(), calling.encode())
        self._socket: socket.socket | None = None
        self._message = 0

    def connect(self) -> Self:
        """Open the connection and the association, with both contexts or not at all."""
        self._socket = socket.create_connection(self._to, timeout=60)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        contexts = [(_ECHO, VERIFICATION, [_IMPLICIT_LITTLE]), (_FIND, STUDY_ROOT_FIND, [_IMPLICIT_LITTLE])]
        with contextlib.ExitStack() as failed:
            failed.callback(self.close)
            self._socket.sendall(associate_rq(*self._titles, contexts))
            kind, body = self._read_pdu()
            if kind != 2:
                raise AskingFailed(f"PDU type {kind} in place of an association: {body[:4]!r}")
            if _accepted(body) != {_ECHO, _FIND}:
                raise AskingFailed("not every presentation context was accepted")
            failed.pop_all()
        return self

    def echo(self) -> float:
        """Seconds for one C-ECHO."""
        self._message = self._message % 65535 + 1
        started = time.perf_counter()
        self._send(_data_pdu(_ECHO, c_echo_rq(self._message), 3))
        command, _ = self._read_message()
        if command != 0x0000:
            raise AskingFailed(f"C-ECHO: status {command:04X}")
        return time.perf_counter() - started

    def find(self, identifier: bytes) -> Found:
        """One C-FIND, with everything it finds."""
        self._message = self._message % 65535 + 1
        request = _data_pdu(_FIND, _find_rq(self._message), 3) + _data_pdu(_FIND, identifier, 2)
        matches: list[bytes] = []
        first = 0.0
        started = time.perf_counter()
        self._send(request)
        while True:
            status, data = self._read_message()
            first = first or time.perf_counter() - started
            if status in _PENDING:
                matches.append(data)
            elif status == 0x0000:
                return Found(matches, first, time.perf_counter() - started)
            else:
                raise AskingFailed(f"C-FIND: status {status:04X}")

    def release(self) -> None:
        """A-RELEASE and its answer."""
        self._send(pdu(5, b"\0" * 4))
        kind, _ = self._read_pdu()
        if kind != 6:
            raise AskingFailed(f"PDU type {kind} in place of A-RELEASE-RP")

    def close(self) -> None:
        """Close the connection without a word."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, data: bytes) -> None:
        assert self._socket is not None
        self._socket.sendall(data)

    def _read_exactly(self, count: int) -> bytes:
        assert self._socket is not None
        parts = bytearray()
        while len(parts) < count:
            part = self._socket.recv(count - len(parts))
            if not part:
                raise AskingFailed("the connection was closed")
            parts += part
        return bytes(parts)

    def _read_pdu(self) -> tuple[int, bytes]:
        kind, _, length = struct.unpack(">BBI", self._read_exactly(6))
        return kind, self._read_exactly(length)

    def _read_message(self) -> tuple[int, bytes]:
        """Status and data set of the next response; b"" where none comes."""
        command, data, expecting = b"", b"", False
        while True:
            kind, body = self._read_pdu()
            if kind != 4:
                raise AskingFailed(f"PDU type {kind} in place of a response")
            at = 0
            while at < len(body):
                length, _, control = struct.unpack_from(">IBB", body, at)
                piece = body[at + 6 : at + 4 + length]
                at += 4 + length
                if control & 1:
                    command += piece
                    if control & 2:
                        fields = parse_command(command)
                        status = int.from_bytes(fields[0x0900], "little")
                        expecting = fields[0x0800] != b"\x01\x01"
                        if not expecting:
                            return status, b""
                else:
                    data += piece
                    if control & 2:
                        return status, data

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(self, kind: object, *_: object) -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(self.close)
            if kind is None:
                self.release()


def _accepted(body: bytes) -> set[int]:
    """The accepted context IDs of an A-ASSOCIATE-AC (PS3.8 9.3.3.2)."""
    found = set()
    at = 68
    while at < len(body):
        kind, _, length = struct.unpack_from(">BBH", body, at)
        if kind == 0x21 and body[at + 6] == 0:
            found.add(body[at + 4])
        at += 4 + length
    return found
