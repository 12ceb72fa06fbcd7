"""Payloads of every codec of the link, whole, bent and invented: as many bytes as said, or undecodable."""

from __future__ import annotations

import contextlib
import functools
import hashlib

from hypothesis import strategies as st

from gateway.link.compression.codecs import FEATURES, Codec, pack_after
from gateway.link.compression.decoder import Restorer
from gateway.link.compression.jobs import DecodeJob, EncodeJob
from gateway.link.compression.layout import PixelLayout
from gateway.link.compression.plan import RECIPES
from gateway.link.compression.references import References
from gateway.link.compression.shared import SharedCompressor
from gateway.link.compression.worker import Bench
from gateway.link.values import Undecodable
from tests.fuzz.runner import run

_EARLIER = b"earlier fraction " * 40
_PIXELS = b"".join((1000 + (7 * n) % 60).to_bytes(2, "little") for n in range(1500))
_LAYOUT = PixelLayout(100, 2980, 2, 48, 1)


@functools.cache
def _real() -> list[tuple[int, int, bytes]]:
    """Codec, length and payload of real blocks."""
    bench, found = Bench(), []
    for number in range(1, len(RECIPES)):
        job = EncodeJob(number, FEATURES, 1e6, 0.5, 0, _LAYOUT, _PIXELS)
        used, payload = bench.encode(job)
        if used:
            found.append((int(RECIPES[used].codec), len(_PIXELS), payload))
    shared = SharedCompressor(17)
    found += [(int(Codec.SHARED), len(_EARLIER), shared.compress(0, _EARLIER)) for _ in range(2)]
    after = hashlib.sha256(_EARLIER).digest() + pack_after(_PIXELS, _EARLIER)
    return [*found, (int(Codec.AFTER), len(_PIXELS), after)]


@st.composite
def _payloads(draw: st.DrawFn) -> tuple[int, int, bytes]:
    codec, length, payload = draw(st.sampled_from(_real()))
    bent = bytearray(payload)
    for place, value in draw(
        st.lists(st.tuples(st.integers(0, len(bent) - 1), st.integers(0, 255)), max_size=4)
    ):
        bent[place] = value
    cut = draw(st.integers(0, len(bent)) | st.just(len(bent)))
    tail = draw(st.just(b"") | st.binary(max_size=40))
    length = draw(st.just(length) | st.integers(-1, 140_000))
    return codec, length, bytes(bent[:cut]) + tail


_invented = st.tuples(st.integers(0, 8), st.integers(-1, 140_000), st.binary(max_size=200))
STRATEGIES = {"payloads": st.lists(_payloads() | _invented, max_size=3)}


def check(payloads: list[tuple[int, int, bytes]]) -> None:
    """Decoders of the link under arbitrary payloads."""
    restorer = Restorer()
    restorer.references = References(1 << 20, 1.0)
    restorer.references.put("site", b"key", hashlib.sha256(_EARLIER).digest(), _EARLIER)
    decoder = restorer.decoder("site")
    for codec, length, payload in payloads:
        with contextlib.suppress(Undecodable):
            assert len(decoder.inline(codec, memoryview(payload), length)) == length
        with contextlib.suppress(Undecodable):
            assert len(Bench.decode(DecodeJob(codec, length, payload))) == length


if __name__ == "__main__":
    run(check, STRATEGIES)
