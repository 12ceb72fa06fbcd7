"""A console made of bytes: a Storage SCU on a blocking socket, sharing no code with gateway or pynetdicom.

It exists for what the ready-made programs cannot do: send an object that is never held in memory, say exactly
which objects were acknowledged when the other side dies, and break off at any byte (PS3.8 9.3, PS3.7 9.3).
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Self

from tests.support.objects import EXPLICIT_LITTLE

VERIFICATION = "1.2.840.10008.1.1"
RT_BEAMS_RECORD = "1.2.840.10008.5.1.4.1.1.481.4"
RT_IMAGE = "1.2.840.10008.5.1.4.1.1.481.1"
CT_IMAGE = "1.2.840.10008.5.1.4.1.1.2"
_APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"


class ConsoleError(Exception):
    """The association did not come about or did not last."""


class Rejected(ConsoleError):
    """A-ASSOCIATE-RJ: (result, source, reason)."""


class Gone(ConsoleError):
    """The other side aborted or closed."""


def item(kind: int, body: bytes) -> bytes:
    """One item or sub-item of an association PDU."""
    return struct.pack(">BBH", kind, 0, len(body)) + body


def pdu(kind: int, body: bytes) -> bytes:
    """One PDU."""
    return struct.pack(">BBI", kind, 0, len(body)) + body


def associate_rq(
    called: bytes,
    calling: bytes,
    contexts: Sequence[tuple[int, str, Sequence[str]]],
    max_length: int = 0x20000,
) -> bytes:
    """A-ASSOCIATE-RQ (PS3.8 9.3.2). The titles are taken as they come, padded or cut to 16 bytes."""
    body = struct.pack(">HH", 1, 0) + called.ljust(16)[:16] + calling.ljust(16)[:16] + b"\0" * 32
    body += item(0x10, _APPLICATION_CONTEXT.encode())
    for number, abstract, syntaxes in contexts:
        inner = item(0x30, abstract.encode("latin-1"))
        inner += b"".join(item(0x40, uid.encode("latin-1")) for uid in syntaxes)
        body += item(0x20, bytes((number, 0, 0, 0)) + inner)
    user = item(0x51, struct.pack(">I", max_length)) + item(0x52, b"1.2.3.4") + item(0x55, b"BYTES")
    return pdu(1, body + item(0x50, user))


def _element(group: int, number: int, value: bytes) -> bytes:
    return struct.pack("<HHI", group, number, len(value)) + value


def _uid(value: str) -> bytes:
    raw = value.encode("latin-1")
    return raw + b"\0" * (len(raw) % 2)


def command_set(fields: Sequence[tuple[int, bytes]]) -> bytes:
    """A command set (PS3.7 6.3.1, Implicit VR Little Endian) with its group length."""
    body = b"".join(_element(0, number, value) for number, value in fields)
    return _element(0, 0, struct.pack("<I", len(body))) + body


def c_store_rq(message_id: int, sop_class: str, sop_instance: str, priority: int = 0) -> bytes:
    """The command set of a C-STORE-RQ."""
    return command_set(
        (
            (0x0002, _uid(sop_class)),
            (0x0100, struct.pack("<H", 0x0001)),
            (0x0110, struct.pack("<H", message_id)),
            (0x0700, struct.pack("<H", priority)),
            (0x0800, struct.pack("<H", 0x0000)),
            (0x1000, _uid(sop_instance)),
        )
    )


def c_echo_rq(message_id: int) -> bytes:
    """The command set of a C-ECHO-RQ."""
    return command_set(
        (
            (0x0002, _uid(VERIFICATION)),
            (0x0100, struct.pack("<H", 0x0030)),
            (0x0110, struct.pack("<H", message_id)),
            (0x0800, struct.pack("<H", 0x0101)),
        )
    )


def parse_command(raw: bytes) -> dict[int, bytes]:
    """Element number -> value of a command set."""
    fields = {}
    at = 0
    while at < len(raw):
        _, number, length = struct.unpack_from("<HHI", raw, at)
        fields[number] = raw[at + 8 : at + 8 + length]
        at += 8 + length
    return fields


@dataclass
class Console:
    """One association at a time to 127.0.0.1:`port`, in a with block or by connect() and release()."""

    port: int
    called: str
    calling: str = "LINAC1"
    sop_classes: Sequence[str] = (RT_BEAMS_RECORD, RT_IMAGE, CT_IMAGE)
    transfer_syntax: str = EXPLICIT_LITTLE
    timeout: float = 60.0
    _socket: socket.socket | None = None
    _contexts: dict[str, int] = field(default_factory=dict)
    _fragment: int = 16378
    _message: int = 0

    def connect(self) -> Self:
        """Open the connection and the association; raise Rejected or Gone when there is none."""
        proposed = [(1, VERIFICATION, [self.transfer_syntax])]
        proposed += [(3 + 2 * n, uid, [self.transfer_syntax]) for n, uid in enumerate(self.sop_classes)]
        try:
            self._socket = socket.create_connection(("127.0.0.1", self.port), timeout=self.timeout)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.sendall(associate_rq(self.called.encode(), self.calling.encode(), proposed))
        except OSError as error:
            raise Gone(str(error)) from error
        kind, body = self._read_pdu()
        if kind == 3:
            raise Rejected(*body[1:4])
        if kind != 2:
            raise Gone(f"PDU type {kind} in place of an answer")
        accepted = self._parse_answer(body)
        self._contexts = {uid: number for number, uid, _ in proposed if number in accepted}
        return self

    def _parse_answer(self, body: bytes) -> set[int]:
        accepted = set()
        at = 68
        while at < len(body):
            kind, _, length = struct.unpack_from(">BBH", body, at)
            inner = body[at + 4 : at + 4 + length]
            if kind == 0x21 and inner[2] == 0:
                accepted.add(inner[0])
            if kind == 0x50 and inner[0] == 0x51:
                (largest,) = struct.unpack_from(">I", inner, 4)
                self._fragment = min(largest or 0x20000, 0x20000) - 6
            at += 4 + length
        return accepted

    def _read_exactly(self, count: int) -> bytes:
        assert self._socket is not None
        parts = bytearray()
        while len(parts) < count:
            try:
                part = self._socket.recv(count - len(parts))
            except OSError as error:
                raise Gone(str(error)) from error
            if not part:
                raise Gone("connection closed")
            parts += part
        return bytes(parts)

    def _read_pdu(self) -> tuple[int, bytes]:
        kind, _, length = struct.unpack(">BBI", self._read_exactly(6))
        body = self._read_exactly(length)
        if kind == 7:
            raise Gone(f"A-ABORT, source {body[2]}, reason {body[3]}")
        return kind, body

    def send_raw(self, data: bytes) -> None:
        """Write bytes as they are."""
        assert self._socket is not None
        try:
            self._socket.sendall(data)
        except OSError as error:
            raise Gone(str(error)) from error

    def send_pdv(self, context: int, data: bytes, *, command: bool, last: bool) -> None:
        """One P-DATA-TF with one PDV."""
        control = (1 if command else 0) | (2 if last else 0)
        self.send_raw(pdu(4, struct.pack(">IBB", len(data) + 2, context, control) + data))

    def begin_store(self, sop_class: str, sop_instance: str) -> int:
        """Send the command of a C-STORE; return the presentation context id for its data."""
        self._message = self._message % 65535 + 1
        context = self._contexts[sop_class]
        self.send_pdv(context, c_store_rq(self._message, sop_class, sop_instance), command=True, last=True)
        return context

    def store(self, sop_class: str, sop_instance: str, data: bytes | Iterable[bytes]) -> int:
        """Send one object and return the status of the answer. Chunks pass through and are not kept."""
        context = self.begin_store(sop_class, sop_instance)
        held = b""
        for chunk in (data,) if isinstance(data, bytes) else data:
            for at in range(0, len(chunk), self._fragment):
                if held:
                    self.send_pdv(context, held, command=False, last=False)
                held = chunk[at : at + self._fragment]
        self.send_pdv(context, held, command=False, last=True)
        return self.response()

    def echo(self) -> int:
        """Send a C-ECHO and return the status of the answer."""
        self._message = self._message % 65535 + 1
        self.send_pdv(self._contexts[VERIFICATION], c_echo_rq(self._message), command=True, last=True)
        return self.response()

    def response(self) -> int:
        """Wait for one DIMSE response and return its status."""
        gathered = b""
        while True:
            kind, body = self._read_pdu()
            if kind != 4:
                raise Gone(f"PDU type {kind} in place of a response")
            at = 0
            while at < len(body):
                length, _, control = struct.unpack_from(">IBB", body, at)
                gathered += body[at + 6 : at + 4 + length]
                at += 4 + length
                if control & 2:
                    (status,) = struct.unpack("<H", parse_command(gathered)[0x0900])
                    return int(status)

    def accepts(self, sop_class: str) -> bool:
        """Say whether a presentation context for `sop_class` was accepted."""
        return sop_class in self._contexts

    def release(self) -> None:
        """A-RELEASE, wait for the answer, close."""
        if self._socket is not None:
            try:
                self.send_raw(pdu(5, b"\0" * 4))
                kind, _ = self._read_pdu()
                if kind != 6:
                    raise Gone(f"PDU type {kind} in place of A-RELEASE-RP")
            finally:
                self.drop()

    def drop(self) -> None:
        """Close the connection without a word."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            self.release()
        else:
            self.drop()
