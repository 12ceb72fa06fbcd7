"""Lossless change of transfer syntax, element by element. Synchronous; pydicom reads, this writes.

What may change is the encoding of tags, lengths, VRs and byte order (and of pixel data that was compressed
without loss). The bytes of every value stay as they are; values are never decoded into text or numbers and
back,
because that normalizes what consoles wrote. Group lengths are left out: they would be wrong (PS3.5 7.2).

Memory: one element at a time, so about twice the largest element.
"""

from __future__ import annotations

import array
import hashlib
import io
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, Any, cast

from gateway.delivery.decompress import PIXEL_DATA, NotConvertible, decompressed

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
DEFLATED_LE = "1.2.840.10008.1.2.1.99"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
NATIVE = (EXPLICIT_LE, IMPLICIT_LE, DEFLATED_LE, EXPLICIT_BE)
"""Transfer syntaxes with uncompressed pixel data, the preferred target first."""

COMPRESSED = (
    "1.2.840.10008.1.2.5",  # RLE Lossless
    "1.2.840.10008.1.2.4.57",  # JPEG Lossless, Process 14
    "1.2.840.10008.1.2.4.70",  # JPEG Lossless, Process 14 SV1
    "1.2.840.10008.1.2.4.80",  # JPEG-LS Lossless
    "1.2.840.10008.1.2.4.90",  # JPEG 2000 Lossless Only
    "1.2.840.10008.1.2.4.201",  # HTJ2K Lossless
    "1.2.840.10008.1.2.4.202",  # HTJ2K Lossless RPCL
)
"""Compressions whose decoding gives back exactly what went in. Never one that may be lossy."""

UNDEFINED = 0xFFFFFFFF
_HEADER = 8  # bytes of tag, VR and length that the reader takes first (PS3.5 7.1.2, 7.1.3)
_CHUNK = 1 << 20
_SMALL = 1024  # elements up to this size are kept at hand to resolve VRs that depend on others
_WORDS = {
    **dict.fromkeys(("OW", "US", "SS", "AT"), 2),
    **dict.fromkeys(("UL", "SL", "FL", "OF", "OL"), 4),
    **dict.fromkeys(("FD", "OD", "OV", "SV", "UV"), 8),
}
_LONG = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
"""VRs with a 32-bit length (PS3.5 7.1.2)."""


def targets(source: str) -> tuple[str, ...]:
    """Transfer syntaxes that `source` can be converted to without loss in this installation."""
    if source in NATIVE:
        return tuple(syntax for syntax in NATIVE if syntax != source)
    if source in COMPRESSED:
        from pydicom.pixels.decoders.base import get_decoder  # 10 MB that an idle gateway does not need

        try:
            available = get_decoder(source).is_available
        except NotImplementedError:
            available = False
        return (EXPLICIT_LE, IMPLICIT_LE) if available else ()
    return ()


def transcode(source: IO[bytes], sink: IO[bytes], from_syntax: str, to_syntax: str, max_bytes: int) -> bytes:
    """Write the data set in `source` to `sink` in `to_syntax`, read it back, return its SHA-256.

    Both files are seekable and at their beginning. `max_bytes` bounds what a deflated data set may unfold to.
    Raises NotConvertible; also when what was read back is not what was written.
    """
    if to_syntax not in targets(from_syntax):
        raise NotConvertible(f"there is no lossless way from {_name(from_syntax)} to {_name(to_syntax)} here")
    import pydicom.errors  # see targets()

    try:
        plain = _inflated(source, max_bytes) if from_syntax == DEFLATED_LE else source
        body = io.BytesIO() if to_syntax == DEFLATED_LE else sink
        written = _write(plain, body, from_syntax, to_syntax)
        if to_syntax == DEFLATED_LE:
            _deflate(cast(io.BytesIO, body), sink)
        return _read_back(sink, to_syntax, written, max_bytes)
    except (ValueError, KeyError, AttributeError, TypeError, IndexError, EOFError) as error:
        raise NotConvertible(f"the data set cannot be parsed ({type(error).__name__})") from error
    except (struct.error, zlib.error, RecursionError, NotImplementedError, RuntimeError) as error:
        raise NotConvertible(f"the data set cannot be parsed ({type(error).__name__})") from error
    except pydicom.errors.InvalidDicomError as error:
        raise NotConvertible("the data set cannot be parsed") from error


def _write(source: IO[bytes], sink: IO[bytes], from_syntax: str, to_syntax: str) -> bytes:
    writer = _Writer(sink, from_syntax, to_syntax)
    elements = _elements(source, from_syntax)
    if from_syntax in COMPRESSED:
        elements = decompressed(elements, from_syntax)
    writer.data_set(elements)
    return writer.content.digest()


def _read_back(sink: IO[bytes], syntax: str, written: bytes, max_bytes: int) -> bytes:
    """Check that `sink` parses to exactly the values that were meant, and return its digest."""
    sink.seek(0)
    plain = _inflated(sink, max_bytes) if syntax == DEFLATED_LE else sink
    content = _Content()
    _walk(_elements(plain, syntax), content, swap=syntax == EXPLICIT_BE)
    if content.digest() != written:
        raise NotConvertible("the converted data set did not read back as what it should be")
    sink.seek(0)
    digest = hashlib.sha256()
    while data := sink.read(_CHUNK):
        digest.update(data)
    sink.seek(0)
    return digest.digest()


class _Content:
    """A digest of what a data set says, whatever its encoding: tags, values in little endian, nesting."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def value(self, tag: int, value: bytes | memoryview) -> None:
        self._hash.update(struct.pack("<IQ", tag, len(value)))
        self._hash.update(value)

    def mark(self, what: bytes) -> None:
        self._hash.update(what)

    def digest(self) -> bytes:
        return self._hash.digest()


class _Writer:
    def __init__(self, sink: IO[bytes], from_syntax: str, to_syntax: str) -> None:
        self._sink = sink
        self._implicit = to_syntax == IMPLICIT_LE
        self._order = ">" if to_syntax == EXPLICIT_BE else "<"
        self._from_big = from_syntax == EXPLICIT_BE
        self._to_big = to_syntax == EXPLICIT_BE
        self.content = _Content()

    def data_set(self, elements: Iterable[Any]) -> None:
        from pydicom.dataset import Dataset as Context  # see targets()

        self._level(elements, [Context()])

    def _level(self, elements: Iterable[Any], contexts: list[Dataset]) -> None:
        for element in elements:
            if element.tag.element == 0:
                continue
            vr = _vr(element, contexts)
            if vr == "SQ":
                self._sequence(element, contexts)
                continue
            value = cast(bytes, element.value) or b""
            if element.is_raw and element.length == UNDEFINED:
                raise NotConvertible("an element holds encapsulated fragments outside of the pixel data")
            if len(value) <= _SMALL and element.is_raw:
                contexts[0][element.tag] = element
            if self._from_big != self._to_big and element.tag == PIXEL_DATA and vr == "OW":
                self._refuse_wide_words(contexts[0])
            plain = _swapped(value, vr) if self._from_big else value
            self.content.value(element.tag, plain)
            self._header(element.tag, vr, len(plain))
            self._sink.write(_swapped(plain, vr) if self._to_big else plain)

    def _refuse_wide_words(self, context: Dataset) -> None:
        if context.get("BitsAllocated", 16) > 16:
            # PS3.5 says 16-bit words; writers of big endian disagree, so the meaning is not certain.
            raise NotConvertible("big endian pixel data of more than 16 bits is written in two ways")

    def _sequence(self, element: Any, contexts: list[Dataset]) -> None:
        from pydicom.dataset import Dataset as Context  # see targets()

        self.content.mark(b"sequence %d" % element.tag)
        self._header(element.tag, "SQ", UNDEFINED)
        for item in _items(element):
            self.content.mark(b"item")
            self._tag(0xFFFEE000, UNDEFINED)
            self._level((item.get_item(tag) for tag in sorted(item.keys())), [Context(), *contexts])
            self._tag(0xFFFEE00D, 0)
        self.content.mark(b"end")
        self._tag(0xFFFEE0DD, 0)

    def _header(self, tag: int, vr: str, length: int) -> None:
        if length != UNDEFINED and length > 0xFFFFFFFE:
            raise NotConvertible("an element is longer than 4 GiB")
        if self._implicit:
            self._tag(tag, length)
            return
        if vr not in _LONG and length > 0xFFFF:
            vr = "UN"  # PS3.5 6.2.2: too long for a 16-bit length field
        head = struct.pack(self._order + "HH", tag >> 16, tag & 0xFFFF) + vr.encode("ascii")
        if vr in _LONG:
            self._sink.write(head + struct.pack(self._order + "HI", 0, length))
        else:
            self._sink.write(head + struct.pack(self._order + "H", length))

    def _tag(self, tag: int, length: int) -> None:
        self._sink.write(struct.pack(self._order + "HHI", tag >> 16, tag & 0xFFFF, length))


def _walk(elements: Iterable[Any], content: _Content, *, swap: bool) -> None:
    for element in elements:
        if element.tag.element == 0:
            continue
        vr = element.VR
        if vr is None or vr == "UN":
            vr = _sequence_or(element, vr)
        if vr == "SQ":
            content.mark(b"sequence %d" % element.tag)
            for item in _items(element):
                content.mark(b"item")
                _walk((item.get_item(tag) for tag in sorted(item.keys())), content, swap=swap)
            content.mark(b"end")
        else:
            value = cast(bytes, element.value) or b""
            content.value(element.tag, _swapped(value, vr) if swap and vr else value)


def _elements(source: IO[bytes], syntax: str) -> Iterator[Any]:
    from pydicom.filereader import data_element_generator  # see targets()

    source.seek(0)
    whole = _WholeHeaders(source)
    last = -1
    element: Any
    implicit, little = syntax == IMPLICIT_LE, syntax != EXPLICIT_BE
    for element in data_element_generator(cast(Any, whole), implicit, little):
        if element.tag <= last:
            raise NotConvertible("the elements of the data set are not in order")
        last = element.tag
        if element.is_raw and element.length != UNDEFINED and len(element.value or b"") != element.length:
            raise NotConvertible("the data set ends in the middle of an element")
        yield element
    if source.read(1):
        raise NotConvertible("there is something behind the end of the data set")


class _WholeHeaders:
    """A file for pydicom's reader, which takes a header that is cut short for the end of the data set."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek = file.seek
        self.tell = file.tell

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        if size == _HEADER and 0 < len(data) < size:
            raise NotConvertible("the data set ends in the middle of an element")
        return data


def _items(element: Any) -> Iterable[Dataset]:
    from pydicom.dataelem import convert_raw_data_element  # see targets()

    if element.is_raw:
        element = convert_raw_data_element(element._replace(VR="SQ"))
    return cast("Iterable[Dataset]", element.value)


def _sequence_or(element: Any, vr: str | None) -> str | None:
    """A sequence keeps its nature under a VR that does not say so (implicit VR; UN, PS3.5 6.2.2 note 4)."""
    from pydicom.datadict import dictionary_VR  # see targets()

    if vr == "UN" and element.length != UNDEFINED:
        return vr  # opaque bytes
    try:
        return "SQ" if dictionary_VR(element.tag) == "SQ" else vr
    except KeyError:
        return vr


def _vr(element: Any, contexts: list[Dataset]) -> str:
    """The VR of an element, looked up when the encoding does not carry it (PS3.5 annex A, PS3.6)."""
    from pydicom.datadict import dictionary_VR, private_dictionary_VR  # see targets()

    if element.VR is not None:
        found = _sequence_or(element, element.VR) if element.VR == "UN" and element.is_raw else element.VR
        return cast(str, found)
    try:
        if element.tag.is_private_creator:
            return "LO"
        if element.tag.is_private:
            creator = contexts[0].get((element.tag.group, element.tag.element >> 8))
            vr = private_dictionary_VR(element.tag, creator.value) if creator else "UN"
        else:
            vr = dictionary_VR(element.tag)
    except KeyError:
        return "UN"
    if " or " not in vr:
        return vr
    if "OW" in vr:
        # PS3.5 A.1: in implicit VR these are words.
        return "OW"
    context = next((c for c in contexts if "PixelRepresentation" in c), None)
    return "SS" if context is not None and context.PixelRepresentation else "US"


def _swapped(value: bytes, vr: str) -> bytes:
    """Change the byte order of every word of `value`; its own inverse."""
    size = _WORDS.get(vr, 1)
    if size == 1 or not value:
        return value
    if len(value) % size:
        raise NotConvertible(f"a value of VR {vr} has an odd length")
    words = array.array({2: "H", 4: "I", 8: "Q"}[size], value)
    if words.itemsize != size:
        raise NotConvertible(f"this machine has no {size}-byte words")
    words.byteswap()
    return words.tobytes()


def _inflated(source: IO[bytes], max_bytes: int) -> IO[bytes]:
    """Unfold a deflated data set (PS3.5 A.5) into memory, bounded."""
    plain = io.BytesIO()
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    source.seek(0)
    data = b""
    while not inflater.eof and (data or (data := source.read(_CHUNK))):
        plain.write(inflater.decompress(data, _CHUNK))
        data = inflater.unconsumed_tail
        if plain.tell() > max_bytes:
            raise NotConvertible(f"the deflated data set unfolds to more than {max_bytes} bytes")
    plain.write(inflater.flush())
    if not inflater.eof:
        raise NotConvertible("the deflated data set is not complete")
    return plain


def _deflate(plain: io.BytesIO, sink: IO[bytes]) -> None:
    deflater = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    sink.write(deflater.compress(plain.getbuffer()))
    sink.write(deflater.flush())
    if sink.tell() % 2:
        sink.write(b"\0")  # PS3.5 A.5: padded to an even length


def _name(syntax: str) -> str:
    from pydicom.uid import UID  # see targets()

    return UID(syntax).name


def main(arguments: list[str]) -> int:
    """Child process: data set on descriptor 0, result on descriptor 1, digest or words on descriptor 2."""
    import resource

    from_syntax, to_syntax, max_bytes, max_memory = arguments
    resource.setrlimit(resource.RLIMIT_AS, (int(max_memory), int(max_memory)))
    try:
        with open(0, "rb", closefd=False) as source, open(1, "w+b", closefd=False) as sink:
            digest = transcode(source, sink, from_syntax, to_syntax, int(max_bytes))
    except NotConvertible as error:
        sys.stderr.write(str(error))
        return 3
    except MemoryError:
        sys.stderr.write("converting it takes more memory than this gateway grants")
        return 3
    sys.stderr.write(digest.hex())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
