"""Pixel data that was compressed without loss, back in its native form (PS3.5 8.2)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from typing import Any

PIXEL_DATA = 0x7FE00010


class NotConvertible(Exception):
    """The object cannot be converted without loss, or not here. The text is fit for a person."""


def decompressed(elements: Iterable[Any], syntax: str) -> Iterator[Any]:
    """Replace compressed pixel data, and what describes its layout, by the native form."""
    from pydicom.dataelem import RawDataElement  # pydicom is loaded when needed
    from pydicom.dataset import Dataset as Whole
    from pydicom.dataset import FileMetaDataset
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.tag import Tag
    from pydicom.uid import UID

    kept = list(elements)
    whole = Whole({element.tag: element for element in kept if element.tag.group in (0x0028, 0x7FE0)})
    if PIXEL_DATA not in whole:
        raise NotConvertible("the object has no pixel data, although its transfer syntax is a compression")
    whole.file_meta = FileMetaDataset()
    whole.file_meta.TransferSyntaxUID = UID(syntax)
    pixels, layout = get_decoder(syntax).as_buffer(whole)
    bits = int(layout["bits_allocated"])
    if bits != whole.BitsAllocated:
        raise NotConvertible("the pixels do not decompress to the declared number of bits")
    native = bytes(pixels) + b"\0" * (len(pixels) % 2)

    def raw(tag: int, vr: str, value: bytes) -> RawDataElement:
        return RawDataElement(Tag(tag), vr, len(value), value, 0, False, True)

    for element in kept:
        if element.tag == PIXEL_DATA:
            yield raw(PIXEL_DATA, "OB" if bits <= 8 else "OW", native)
        elif element.tag == 0x00280004:  # Photometric Interpretation
            name = str(layout["photometric_interpretation"]).encode("ascii")
            yield raw(0x00280004, "CS", name + b" " * (len(name) % 2))
        elif element.tag == 0x00280006:  # Planar Configuration
            yield raw(0x00280006, "US", struct.pack("<H", int(layout.get("planar_configuration", 0))))
        elif element.tag in (0x7FE00001, 0x7FE00002):
            continue  # Extended Offset Table and its lengths describe fragments that are no more
        else:
            yield element
