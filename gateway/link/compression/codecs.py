"""Blocks and small objects by themselves, alone or after an earlier object: zstd, bounded both ways."""

from __future__ import annotations

import enum
import functools
from dataclasses import dataclass
from typing import Final

import zstandard

from gateway.link.values import BLOCK, Undecodable

DIGEST: Final = 32

ZSTD: Final = "zstd"
REFS: Final = "refs"
PIXELS: Final = "pixels"
FEATURES: Final = frozenset({ZSTD, REFS, PIXELS})
"""What HELLO says of the codecs this end can decode."""


class Codec(enum.IntEnum):
    """The numbers on the line: FORMAT.md."""

    PLAIN = 0
    ZSTD = 1
    SHARED = 2
    AFTER = 3
    PLANES = 4
    JPEG_LS = 5


FEATURE_OF: Final = {
    Codec.ZSTD: ZSTD,
    Codec.SHARED: ZSTD,
    Codec.AFTER: REFS,
    Codec.PLANES: PIXELS,
    Codec.JPEG_LS: PIXELS,
}


@dataclass(frozen=True, slots=True)
class CompressionLimits:
    """What compression may cost. Bytes, seconds and counts."""

    window_log: int = 20  # of a shared stream: 2 ** this bytes on either side, for each priority class
    references: int = 4 << 20  # at a site: earlier records kept for the next fraction, compressed; 0: none
    hub_references: int = 64 << 20  # at a hub, of all sites together
    reference_days: float = 14.0
    workers: int = 1  # processes for blocks; each takes at most one core, at the lowest priority
    worker_memory: int = 96 << 20  # of one worker beyond what its libraries take
    worker_idle: float = 60.0  # then it ends and gives its memory back
    job_time: float = 10.0  # one block; far more than a small board needs
    share: float = 0.5  # of one worker's time that may go into keeping up with the link


def check_length(length: int) -> None:
    """Raise Undecodable for a length that no block has."""
    if not 0 < length <= BLOCK:
        raise Undecodable(f"a block of {length} bytes")


def pack(data: bytes | memoryview, level: int) -> bytes:
    """Return one zstd frame of `data`."""
    return _packer(level).compress(data)


def unpack(frame: bytes | memoryview, length: int) -> bytes:
    """Return the `length` bytes in `frame`, and hold no more than these. Raises Undecodable."""
    return _unpack(_unpacker(), frame, length)


def pack_after(data: bytes, earlier: bytes) -> bytes:
    """Return one zstd frame of `data` that can be read by whoever has `earlier`."""
    prefix = zstandard.ZstdCompressionDict(earlier, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    parameters = zstandard.ZstdCompressionParameters.from_level(
        7, window_log=17, hash_log=16, chain_log=16, write_content_size=False, write_dict_id=False
    )
    return zstandard.ZstdCompressor(dict_data=prefix, compression_params=parameters).compress(data)


def unpack_after(frame: bytes | memoryview, earlier: bytes, length: int) -> bytes:
    """The other half of `pack_after`. Raises Undecodable."""
    prefix = zstandard.ZstdCompressionDict(earlier, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return _unpack(zstandard.ZstdDecompressor(dict_data=prefix, max_window_size=1 << 20), frame, length)


def incompressible(data: bytes) -> bool:
    """Say, from a few kilobytes in its middle, whether trying `data` is a waste."""
    middle = max(0, len(data) // 2 - 2048)
    sample = data[middle : middle + 4096]
    return len(pack(sample, 1)) > 0.97 * len(sample)


def _unpack(unpacker: zstandard.ZstdDecompressor, frame: bytes | memoryview, length: int) -> bytes:
    try:
        # The library allocates what a frame says of its content, before it looks at anything else.
        said = zstandard.get_frame_parameters(frame).content_size
        if said not in (zstandard.CONTENTSIZE_UNKNOWN, length):
            raise Undecodable("a frame that states another length")
        data = unpacker.decompress(frame, max_output_size=length, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise Undecodable(f"zstd: {error}") from None
    if len(data) != length:
        raise Undecodable(f"{len(data)} bytes in place of {length}")
    return data


@functools.lru_cache(maxsize=8)
def _packer(level: int) -> zstandard.ZstdCompressor:
    return zstandard.ZstdCompressor(level=level, write_content_size=False, write_dict_id=False)


@functools.lru_cache(maxsize=1)
def _unpacker() -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor(max_window_size=1 << 20)
