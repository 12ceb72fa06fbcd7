"""Cuts what arrives into PDUs: headers as soon as they are there, bodies only when they are wanted.

The owner judges a PDU by `header()` and then either takes its `body()`, which is buffered until it is
complete, or lets `skip()` throw it away as it comes, which needs no memory.
"""

from __future__ import annotations

import struct

from gateway.dicom.pdu import HEADER_LENGTH
from gateway.dicom.receive_buffer import ReceiveBuffer

_HEADER = struct.Struct(">BxI")


class FrameReader:
    """The receiving half of one transport connection, as PDUs (PS3.8 9.3.1)."""

    __slots__ = ("_buffer", "_need", "_skip", "deaf")

    def __init__(self, initial: int, ceiling: int) -> None:
        self._buffer = ReceiveBuffer(initial, HEADER_LENGTH + ceiling)
        self._need = HEADER_LENGTH  # how long the PDU at the start of the buffer is, as far as known
        self._skip = 0  # bytes of a refused PDU that have not arrived yet
        self.deaf = False
        """Nothing that arrives can matter or be understood any more: it is dropped."""

    @property
    def size(self) -> int:
        """Bytes of memory held."""
        return self._buffer.capacity

    @property
    def partial(self) -> bool:
        """True while a PDU has begun to arrive and is not complete."""
        return bool(self._skip) or self._buffer.end > self._buffer.start

    def allow(self, ceiling: int) -> None:
        """Let PDU bodies be up to `ceiling` bytes long from now on."""
        self._buffer.allow(HEADER_LENGTH + ceiling)

    def trim(self) -> None:
        """Give memory back if nothing is unconsumed."""
        self._buffer.trim()

    def writable(self) -> memoryview:
        """Where the transport writes next; never empty. Views handed out before are no longer valid."""
        return self._buffer.writable(self._need)

    def wrote(self, count: int) -> None:
        """Count `count` bytes that were written into `writable()`."""
        self._buffer.wrote(count)

    def header(self) -> tuple[int, int] | None:
        """Type and length of the PDU that is next, or None until its header is there."""
        buffer = self._buffer
        if self.deaf:
            buffer.clear()
            buffer.trim()
            self._need = HEADER_LENGTH
            return None
        if self._skip:
            skipped = min(self._skip, buffer.end - buffer.start)
            buffer.start += skipped
            self._skip -= skipped
        if self._skip or buffer.end - buffer.start < HEADER_LENGTH:
            self._need = HEADER_LENGTH
            return None
        kind, length = _HEADER.unpack_from(buffer.data, buffer.start)
        return kind, length

    def body(self, length: int) -> memoryview | None:
        """Take the variable field of the PDU whose header was given, or None until it is complete."""
        buffer = self._buffer
        start = buffer.start + HEADER_LENGTH
        stop = start + length
        if buffer.end < stop:
            self._need = HEADER_LENGTH + length
            return None
        buffer.start = stop
        return buffer.view[start:stop]

    def skip(self, length: int) -> None:
        """Throw the PDU whose header was given away, with the `length` bytes of its variable field."""
        self._buffer.start += HEADER_LENGTH
        self._skip = length
