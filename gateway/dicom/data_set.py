"""A reader and a writer for small data sets: action and event information, query keys (PS3.5 7). Pure.

For what the gateway itself has to understand or say; objects pass through it as bytes. The reader accounts
for every byte or raises, and holds nothing beyond its limits. Values stay encoded until they are asked for;
what is a sequence may be known to the caller only, so items are read when they are asked for too.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from gateway.dicom.elements import DataSetCut, DataSetError, DataSetLimits, Element, ElementReader
from gateway.dicom.encoding import LONG_VRS, SHORT_VRS, Encoding
from gateway.errors import LocalError

__all__ = [
    "DEFLATED",
    "EXPLICIT_BIG",
    "EXPLICIT_LITTLE",
    "IMPLICIT_LITTLE",
    "SYNTAXES",
    "DataSet",
    "DataSetCut",
    "DataSetError",
    "DataSetLimits",
    "Elements",
    "Value",
    "encode",
    "parse",
    "parse_head",
]

IMPLICIT_LITTLE: Final = "1.2.840.10008.1.2"
EXPLICIT_LITTLE: Final = "1.2.840.10008.1.2.1"
DEFLATED: Final = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG: Final = "1.2.840.10008.1.2.2"

SYNTAXES: Final = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, DEFLATED, EXPLICIT_BIG)
"""The transfer syntaxes that can be written, best first. Those of compressed images can be read as well."""

_DEFLATES: Final = frozenset({DEFLATED, "1.2.840.10008.1.2.4.95", "1.2.840.10008.1.2.4.205"})
_OTHER_STANDARD: Final = "1.2.840.10008.1.2."  # PS3.5 annex A: all encode the data set as Explicit VR LE

_NUMBERS: Final = {"US": "H", "UL": "I", "SS": "h", "SL": "i"}

Value = bytes | str | int | Sequence[Mapping[int, tuple[str, "Value"]]]
Elements = Mapping[int, tuple[str, Value]]
"""What is to be written: tag -> (VR, value). Items of a sequence are of the same form."""


class DataSet:
    """The elements of a data set, or of one item, by tag (32 bits, group first)."""

    __slots__ = ("_depth", "_elements", "_encoding", "_items", "_reader")

    def __init__(
        self, elements: Mapping[int, Element], encoding: Encoding, reader: ElementReader, depth: int
    ) -> None:
        """Not to be called: use `parse` or `parse_head`."""
        self._elements = elements
        self._encoding = encoding
        self._reader = reader
        self._depth = depth
        self._items: dict[int, tuple[DataSet, ...]] = {}  # what was read already

    def __contains__(self, tag: int) -> bool:
        """Say whether the element is there, with or without a value."""
        return tag in self._elements

    def __iter__(self) -> Iterator[int]:
        """Give the tags, in the order of the bytes."""
        return iter(self._elements)

    def get(self, tag: int) -> bytes | None:
        """Return the value as encoded, padding included; None when the element is not there."""
        element = self._elements.get(tag)
        return None if element is None else element.value

    def text(self, tag: int) -> str:
        """Return a UID, a code or another plain text without its padding; "" when it is not there."""
        return (self.get(tag) or b"").decode("latin-1").strip("\0 ")

    def number(self, tag: int) -> int | None:
        """Return an unsigned number of 16 or 32 bits (US, UL); None when there is none of that form."""
        value = self.get(tag)
        if value is None or len(value) not in (2, 4):
            return None
        return int.from_bytes(value, "big" if self._encoding.big else "little")

    def items(self, tag: int) -> tuple[DataSet, ...]:
        """Return the items of a sequence, none when it is not there. Raises DataSetError when it is none."""
        element = self._elements.get(tag)
        if element is None:
            return ()
        if element.vr not in ("", "SQ", "UN"):
            raise DataSetError("an element that should be a sequence is none")
        if tag not in self._items:
            self._items[tag] = tuple(
                DataSet(item, element.encoding, self._reader, self._depth + 1)
                for item in self._reader.items(element, self._depth)
            )
        return self._items[tag]


def parse(data: bytes, transfer_syntax_uid: str, limits: DataSetLimits | None = None) -> DataSet:
    """Read a whole data set. Raises DataSetError."""
    limits = limits or DataSetLimits()
    encoding = _encoding(transfer_syntax_uid)
    if transfer_syntax_uid in _DEFLATES:
        data = _inflate(data, limits, cut=False)
    elif len(data) > limits.max_bytes:
        raise DataSetError(f"the data set has more than {limits.max_bytes} bytes")
    reader = ElementReader(limits)
    return DataSet(reader.read(data, encoding), encoding, reader, 0)


def parse_head(
    data: bytes, transfer_syntax_uid: str, last: int, limits: DataSetLimits | None = None
) -> DataSet:
    """Read the elements up to tag `last`, from the first bytes of a data set.

    Raises DataSetCut when the bytes end before it is certain that nothing up to `last` comes any more: give
    more of them, or, when there are no more, `parse` all.
    """
    limits = limits or DataSetLimits()
    encoding = _encoding(transfer_syntax_uid)
    if transfer_syntax_uid in _DEFLATES:
        data = _inflate(data, limits, cut=True)
    reader = ElementReader(limits)
    return DataSet(reader.read(data[: limits.max_bytes], encoding, last=last), encoding, reader, 0)


def _encoding(transfer_syntax_uid: str) -> Encoding:
    if transfer_syntax_uid == IMPLICIT_LITTLE:
        return Encoding(explicit=False)
    if transfer_syntax_uid == EXPLICIT_BIG:
        return Encoding(explicit=True, big=True)
    if transfer_syntax_uid.startswith(_OTHER_STANDARD):
        return Encoding(explicit=True)
    raise DataSetError("the encoding of this transfer syntax is not known")


def _inflate(data: bytes, limits: DataSetLimits, *, cut: bool) -> bytes:
    """PS3.5 A.5: a raw deflate stream (RFC 1951), padded to an even length."""
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(data, limits.max_bytes)
        more = b"" if cut or inflater.eof else inflater.decompress(inflater.unconsumed_tail, 1)
    except zlib.error:
        raise DataSetError("the deflated data set is damaged") from None
    if more:
        raise DataSetError(f"the data set has more than {limits.max_bytes} bytes")
    if not cut and not inflater.eof:
        raise DataSetError("the deflated data set is cut short")
    return inflated


# ---- writing ----------------------------------------------------------------------------------------------


def encode(elements: Elements, transfer_syntax_uid: str) -> bytes:
    """Write a data set in one of `SYNTAXES`, in the order of the tags, sequences with defined lengths.

    A text is padded as its VR demands, a number (US, UL, SS, SL) is written in the byte order of the syntax,
    bytes are taken as they are. Raises LocalError for what cannot be written.
    """
    if transfer_syntax_uid not in SYNTAXES:
        raise LocalError(f"data sets are not written in transfer syntax {transfer_syntax_uid}")
    written = _write(elements, _encoding(transfer_syntax_uid))
    if transfer_syntax_uid != DEFLATED:
        return written
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    deflated = deflater.compress(written) + deflater.flush()
    return deflated + b"\0" * (len(deflated) % 2)


def _write(elements: Elements, encoding: Encoding) -> bytes:
    pieces: list[bytes] = []
    order = encoding.order
    for tag, (vr, value) in sorted(elements.items()):
        raw = _raw(vr, value, encoding)
        head = struct.pack(f"{order}HH", tag >> 16, tag & 0xFFFF)
        if not encoding.explicit:
            head += struct.pack(f"{order}I", len(raw))
        elif vr in LONG_VRS:
            head += vr.encode("ascii") + struct.pack(f"{order}HI", 0, len(raw))
        elif vr not in SHORT_VRS or len(raw) > 0xFFFF:
            raise LocalError(f"element {tag:08X} cannot be written as {vr!r}")
        else:
            head += vr.encode("ascii") + struct.pack(f"{order}H", len(raw))
        pieces += (head, raw)
    return b"".join(pieces)


def _raw(vr: str, value: Value, encoding: Encoding) -> bytes:
    if isinstance(value, int):
        form = _NUMBERS.get(vr)
        try:
            return struct.pack(f"{encoding.order}{form}", value)
        except struct.error:
            raise LocalError(f"a number that does not fit into VR {vr!r}") from None
    if isinstance(value, str):
        try:
            raw = value.encode("latin-1")
        except UnicodeEncodeError:
            raise LocalError(
                "a text beyond Latin-1 needs a character set, and this writer has none"
            ) from None
        return raw + (b"\0" if vr == "UI" else b" ") * (len(raw) % 2)
    if isinstance(value, bytes):
        return value + b"\0" * (len(value) % 2)
    if vr != "SQ":
        raise LocalError(f"items are to be written into an element that is no sequence but {vr!r}")
    order = encoding.order
    items = (_write(item, encoding) for item in value)
    return b"".join(struct.pack(f"{order}HHI", 0xFFFE, 0xE000, len(item)) + item for item in items)
