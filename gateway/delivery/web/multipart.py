"""The body of a Store Instances request: Part 10 files in a row (PS3.18 8.6.1.2.1, RFC 2046 5.1). Pure.

Its length is known before the first byte leaves, because every part's is: a request then needs no chunked
coding, which not every server takes.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.dicom.part10 import file_meta
from gateway.model import Instance

_TYPE = "application/dicom"
TAIL = b"\r\n"


def content_type(boundary: str) -> str:
    """Return the Content-Type of the request."""
    return f'multipart/related; type="{_TYPE}"; boundary="{boundary}"'


def closing(boundary: str) -> bytes:
    """Return what comes after the last part."""
    return f"--{boundary}--\r\n".encode("ascii")


@dataclass(frozen=True, slots=True)
class Part:
    """One instance: `head` comes before the bytes of its data set, TAIL behind them."""

    head: bytes
    size: int  # of the data set

    @classmethod
    def of(cls, instance: Instance, size: int, boundary: str) -> Part:
        """Return the part for `size` bytes of data set.

        Its header says the media type and nothing else. The transfer syntax might be there (PS3.18 8.7.3.5),
        but a known server (Orthanc's plugin, 1.7) takes such a part for something else: it answers 200, and
        has stored nothing. The file says its transfer syntax itself.
        """
        header = f"--{boundary}\r\nContent-Type: {_TYPE}\r\n\r\n"
        return cls(header.encode("ascii") + file_meta(instance), size)

    @property
    def length(self) -> int:
        """Bytes of the whole part."""
        return len(self.head) + self.size + len(TAIL)


def length_of(parts: list[Part], boundary: str) -> int:
    """Bytes of a whole body."""
    return sum(part.length for part in parts) + len(closing(boundary))
