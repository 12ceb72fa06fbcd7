"""Items of the association PDUs, and the fields inside them (PS3.8 annex D, PS3.7 annex D.3).

What may be wrong with an item is either its presence (reason 5) or its value (reason 6, also for anything
cut short or too long).
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from typing import Final

from gateway.dicom import pdu
from gateway.dicom.errors import LocalProtocolError, PeerProtocolError
from gateway.dicom.limits import NegotiationLimits

_ITEM = struct.Struct(">BxH")
_LENGTH = struct.Struct(">H")
_MAX_LENGTH: Final = 0xFFFF
_NOT_PLAIN = re.compile(r"[^\x20-\x5b\x5d-\x7e]")


def printable(raw: bytes) -> str:
    """Show `raw` with every character that no AE title and no UID may hold as a backslash escape."""
    return _NOT_PLAIN.sub(lambda found: f"\\x{ord(found.group()):02x}", raw.decode("latin-1"))


def invalid(words: str) -> PeerProtocolError:
    """A value that cannot be: A-ABORT reason 6."""
    return PeerProtocolError(words, reason=pdu.REASON_INVALID_PARAMETER)


def unexpected(words: str) -> PeerProtocolError:
    """An item that may not be here, or not twice: A-ABORT reason 5."""
    return PeerProtocolError(words, reason=pdu.REASON_UNEXPECTED_PARAMETER)


def item(kind: int, value: bytes) -> bytes:
    """One item or sub-item: type, reserved, 16-bit length, value."""
    if len(value) > _MAX_LENGTH:
        raise LocalProtocolError(f"association item 0x{kind:02X} does not fit into its 16-bit length")
    return _ITEM.pack(kind, len(value)) + value


def ascii_text(value: str) -> bytes:
    """`value` as it goes on the wire; LocalProtocolError when it is not ASCII."""
    try:
        return value.encode("ascii")
    except UnicodeEncodeError as error:
        raise LocalProtocolError(f"not ASCII: {value!r}") from error


def counted(value: bytes) -> bytes:
    """`value` after its 16-bit length."""
    if len(value) > _MAX_LENGTH:
        raise LocalProtocolError("a field does not fit into its 16-bit length")
    return _LENGTH.pack(len(value)) + value


def items(data: bytes, offset: int) -> Iterator[tuple[int, bytes]]:
    """Type and value of each item in `data` from `offset` to the end."""
    end = len(data)
    while offset < end:
        if end - offset < _ITEM.size:
            raise invalid("an item is cut short")
        kind, length = _ITEM.unpack_from(data, offset)
        offset += _ITEM.size
        if offset + length > end:
            raise invalid(f"item 0x{kind:02X} is longer than what holds it")
        yield kind, data[offset : offset + length]
        offset += length


def read_uid(raw: bytes, limits: NegotiationLimits) -> str:
    """A UID as text, printable whatever it is; whether it is a UID is for the negotiation to judge."""
    # Some implementations pad UIDs to even length here too, against PS3.8 annex F.
    text = raw.rstrip(b"\0 ")
    if len(text) > limits.max_uid_length:
        raise invalid(f"a UID has more than {limits.max_uid_length} characters")
    return printable(text)


class Fields:
    """Reads length-prefixed fields of one sub-item, in order."""

    __slots__ = ("_data", "_offset")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0

    def take(self, count: int) -> bytes:
        """The next `count` bytes."""
        start, self._offset = self._offset, self._offset + count
        if self._offset > len(self._data):
            raise invalid("a user information sub-item is cut short")
        return self._data[start : self._offset]

    def counted(self) -> bytes:
        """The next field that is preceded by its 16-bit length."""
        return self.take(int.from_bytes(self.take(2), "big"))

    def rest(self) -> bytes:
        """Everything that is left."""
        return self.take(len(self._data) - self._offset)

    @property
    def more(self) -> bool:
        """True while something is left."""
        return self._offset < len(self._data)
