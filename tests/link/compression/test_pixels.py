"""Planes and JPEG-LS: bit-exact for every shape, and deaf to what a codestream says of its size."""

from __future__ import annotations

import os
import random
import struct
import tracemalloc

import _CharLS
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.link.compression.pixels import Part, pack_image, pack_planes, unpack_image, unpack_planes
from gateway.link.compression.plan import Mode
from gateway.link.values import BLOCK, Undecodable
from tests.support.ct_noise import slice_pixels


@st.composite
def blocks(draw: st.DrawFn) -> tuple[bytes, Part]:
    """A block with samples somewhere in it, smooth or wild."""
    width = draw(st.sampled_from([1, 2, 4, 8]))
    columns = draw(st.integers(1, 40))
    step = draw(st.integers(1, min(4, columns)))
    samples = draw(st.integers(0, 300))
    jump = draw(st.sampled_from([0, 2, 60, 5000, 1 << 63]))
    rng = random.Random(draw(st.integers(0, 1 << 32)))
    values = (3 * n + rng.randint(-jump, jump) for n in range(samples))
    body = b"".join((value % (1 << 8 * width)).to_bytes(width, "little") for value in values)
    before, after = draw(st.binary(min_size=1, max_size=50)), draw(st.binary(max_size=50))
    stop = len(before) + len(body) + draw(st.integers(0, len(after)))
    return before + body + after, Part(len(before), width, columns, step, stop)


@given(blocks(), st.sampled_from(Mode))
def test_planes_come_back(block: tuple[bytes, Part], mode: Mode) -> None:
    data, part = block
    assert unpack_planes(pack_planes(data, part, mode, 1), len(data)) == data


@given(blocks())
def test_images_come_back(block: tuple[bytes, Part]) -> None:
    data, part = block
    if part.width > 2:
        return
    payload = pack_image(data, part)
    if payload is None:
        assert part.stop - part.skip < part.columns * part.width or len(data) < 200
    else:
        assert unpack_image(payload, len(data)) == data


@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("values", ["zeros", "ones", "extremes", "signed", "noise", "one level"])
def test_images_of_every_range(width: int, values: str) -> None:
    top = (1 << 8 * width) - 1
    samples = {
        "zeros": [0] * 256,
        "ones": [top] * 256,
        "extremes": [0, top] * 128,
        "signed": [n % (top + 1) for n in range(-128, 128)],
        "noise": [int.from_bytes(os.urandom(width), "little") for _ in range(256)],
        "one level": [77] * 255 + [78],
    }[values]
    data = b"".join(value.to_bytes(width, "little") for value in samples)
    payload = pack_image(data, Part(0, width, 16, 1, len(data)))
    assert payload is not None
    assert unpack_image(payload, len(data)) == data


def test_signed_pixels_cost_no_more_than_unsigned_ones() -> None:
    unsigned = slice_pixels(matrix=128)
    values = struct.unpack(f"<{len(unsigned) // 2}H", unsigned)
    signed = struct.pack(f"<{len(values)}h", *(value - 1024 for value in values))
    sizes = [len(pack_image(data, Part(0, 2, 128, 1, len(data))) or b"") for data in (unsigned, signed)]
    assert sizes[1] <= sizes[0] + 10


@pytest.mark.parametrize("kind", ["cbct", "ct"])
def test_noise_of_real_scans_shrinks_enough(kind: str) -> None:
    pixels = slice_pixels(kind)
    sizes = []
    for start in range(0, len(pixels), BLOCK):
        block = pixels[start : start + BLOCK]
        part = Part(0, 2, 512, 1, len(block))
        planes = pack_planes(block, part, Mode.LEFT, 1)
        image = pack_image(block, part)
        assert image is not None
        assert unpack_planes(planes, len(block)) == unpack_image(image, len(block)) == block
        sizes.append((len(planes), len(image)))
    assert len(pixels) / sum(size for size, _ in sizes) > 2.5
    assert len(pixels) / sum(size for _, size in sizes) > 2.8


def image_payload(rows: int = 16, columns: int = 16) -> bytes:
    data = os.urandom(512)
    payload = pack_image(data, Part(0, 2, 16, 1, 512))
    assert payload is not None
    skip, width, base, _, _, rest = struct.unpack_from(">IBHHHI", payload)
    return struct.pack(">IBHHHI", skip, width, base, rows, columns, rest) + payload[15:]


def test_an_image_that_says_it_is_huge_allocates_nothing() -> None:
    """The library would take what the header asks for, here 8 GiB, before it reads a pixel."""
    image = bytearray(_CharLS._encode(bytes(512), 0, 0, 16, 16, 1, 16))
    at = image.index(b"\xff\xf7")
    image[at + 5 : at + 9] = b"\xff\xff\xff\xff"  # lines and samples per line
    assert _CharLS.read_header(bytes(image))["width"] == 0xFFFF
    head = struct.pack(">IBHHHI", 0, 2, 0, 16, 16, 0)
    tracemalloc.start()
    try:
        with pytest.raises(Undecodable):
            unpack_image(head + image, 512)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        image_payload()[:14],
        image_payload()[:15],
        image_payload()[:200],
        image_payload(rows=15),
        image_payload(rows=17),
        image_payload(rows=8, columns=32),
        image_payload(rows=0),
        image_payload(rows=0xFFFF, columns=0xFFFF),
        struct.pack(">IBHHHI", 600, 2, 0, 16, 16, 0) + image_payload()[15:],
        struct.pack(">IBHHHI", 0, 1, 0, 16, 16, 0) + image_payload()[15:],
        struct.pack(">IBHHHI", 0, 3, 0, 16, 16, 0) + image_payload()[15:],
        struct.pack(">IBHHHI", 0, 2, 0, 16, 16, 0xFFFFFFFF) + image_payload()[15:],
    ],
)
def test_images_that_do_not_fit_are_undecodable(payload: bytes) -> None:
    with pytest.raises(Undecodable):
        unpack_image(payload, 512)


def planes_payload(*head: int) -> bytes:
    payload = pack_planes(bytes(range(256)), Part(0, 2, 16, 1, 256), Mode.GRADIENT, 1)
    return struct.pack(">IBBBII", *head) + payload[15:]


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        planes_payload(0, 2, 2, 1, 16, 128)[:14],
        planes_payload(0, 2, 2, 1, 16, 128)[:-1],
        planes_payload(0, 3, 2, 1, 16, 128),
        planes_payload(0, 0, 2, 1, 16, 128),
        planes_payload(0, 2, 3, 1, 16, 128),
        planes_payload(0, 2, 2, 0, 16, 128),
        planes_payload(0, 2, 2, 1, 0, 128),
        planes_payload(0, 2, 2, 1, 17, 128),
        planes_payload(1, 2, 2, 1, 16, 128),
        planes_payload(0, 8, 2, 1, 16, 128),
        planes_payload(0, 2, 2, 1, 16, 0xFFFFFFF0),
    ],
)
def test_planes_that_do_not_fit_are_undecodable(payload: bytes) -> None:
    assert unpack_planes(planes_payload(0, 2, 2, 1, 16, 128), 256) == bytes(range(256))
    with pytest.raises(Undecodable):
        unpack_planes(payload, 256)
