"""Frames to messages and back; what is no frame is refused in words."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.link import layout
from gateway.link.decoding import decode
from gateway.link.encoding import encode
from gateway.link.frames import Code, Frame, FrameError, Goodbye, HelloFrame, Reset, Unknown, printable
from gateway.link.limits import MAX_ENCODED, MAX_FRAME, MAX_WORDS
from gateway.link.values import BLOCK, INLINE
from tests.support.link_wire import frames


@given(frames)
def test_what_is_encoded_is_decoded(frame: Frame) -> None:
    assert decode(encode(frame)) == frame


@given(frames, st.integers(0, 200))
def test_a_frame_that_is_cut_short_is_refused_or_is_only_shorter_data(frame: Frame, keep: int) -> None:
    message = encode(frame)[:-1][:keep]
    with contextlib.suppress(FrameError):
        assert encode(decode(message)) == message


@given(st.binary(max_size=120))
def test_arbitrary_bytes_are_a_frame_or_a_reason(message: bytes) -> None:
    with contextlib.suppress(FrameError):
        frame = decode(message)
        assert isinstance(frame, Unknown | HelloFrame) or decode(encode(frame)) == frame


def data(flags: int, *fields: int, payload: bytes = b"") -> bytes:
    """A DATA frame; `fields`: offset, length, encoded, codec."""
    head = struct.pack(">BBIB", layout.DATA, flags, 1, 0)
    return head + (struct.pack(">QIIB", *fields) if fields else b"") + payload


def offer(
    flags: int = 0,
    *,
    priority: int = 0,
    size: int = 5,
    at: float = 0.0,
    texts: tuple[bytes, ...] | None = None,
) -> bytes:
    """An OFFER frame."""
    head = struct.pack(">BBIQBQ32sd", layout.OFFER, flags, 1, 1, priority, size, bytes(32), at)
    known = texts or (b"LINAC1", b"ARIA", b"1.2", b"1.2.3", b"1.2.840.10008.1.2")
    return head + b"".join(bytes((len(one),)) + one for one in known)


def test_the_examples_that_are_bent_below_are_good() -> None:
    decode(offer())
    decode(data(4 + 8, 0, 5, 3, 0, payload=b"abc"))


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"", "less than two bytes"),
        (b"\x03", "less than two bytes"),
        (bytes((0x77, 0)), "unknown frame type 0x77"),
        (bytes((layout.STREAM, 0)) + bytes(MAX_FRAME), f"{MAX_FRAME} is the most"),
        (bytes((layout.PING, 1, 0, 0, 0, 0)), "flags 0x01"),
        (bytes((layout.PING, 0, 0, 0, 0)), "too short"),
        (bytes((layout.PING, 0, 0, 0, 0, 0, 0)), "1 bytes too many"),
        (struct.pack(">BBBIQ", layout.CREDIT, 0, 0, 0, 9), "takes none"),
        (struct.pack(">BBBIQ", layout.CREDIT, 0, 5, 0, 9), "takes none"),
        (struct.pack(">BBBIQ", layout.CREDIT, 0, 1, 0, 9), "takes none"),
        (struct.pack(">BBBIQ", layout.CREDIT, 0, 2, 1, 9), "takes none"),
        (data(3, payload=b"x"), "impossible flags"),
        (data(32, payload=b"x"), "impossible flags"),
        (data(8), "without bytes"),
        (data(4, 0, BLOCK + 1, 9, 0, payload=b"x"), "too long"),
        (data(4 + 16, 0, INLINE + 1, 9, 0, payload=b"x"), "too long"),
        (data(4, 0, 9, MAX_ENCODED + 1, 0, payload=b"x"), "too long"),
        (data(4, 0, 0, 1, 0, payload=b"x"), "cannot be"),
        (data(4 + 8, 0, 1, 0, 0), "cannot be"),
        (data(4, 0, 9, 9, 0), "cannot be"),
        (data(4 + 16, 1, 9, 9, 0, payload=b"x"), "cannot be"),
        (data(4 + 8, 0, 9, 9, 0, payload=b"x"), "do not fit together"),
        (data(4, 0, 9, 1, 0, payload=b"x"), "do not fit together"),
        (data(4, 0, 9, 1, 0, payload=b"xy"), "do not fit together"),
        (offer(8), "cannot be"),
        (offer(priority=3), "cannot be"),
        (offer(at=float("inf")), "cannot be"),
        (offer(1 + 4), "contradicts itself"),
        (offer(2 + 4), "contradicts itself"),
        (offer(1, size=INLINE + 1), "contradicts itself"),
        (offer()[:-1], "ends within a text"),
        (offer() + b"x", "too many"),
        (offer(texts=(b"A" * 17, b"B", b"1", b"1", b"1")), "16 is the most"),
        (offer(texts=(b"A", b"B", b"1" * 65, b"1", b"1")), "64 is the most"),
        (offer(texts=(b" ", b"B", b"1", b"1", b"1")), "an AE title or a UID that is none"),
        (offer(texts=(b"A", b"B\n", b"1", b"1", b"1")), "an AE title or a UID that is none"),
        (offer(texts=(b"A", b"B", b"1", b"\xff", b"1")), "an AE title or a UID that is none"),
        (offer(texts=(b"A", b"B", b"1", b"1/../2", b"1")), "a UID that is none"),
        (struct.pack(">BBIBQ", layout.ACCEPT, 2, 1, 1, 0), "cannot be"),
        (struct.pack(">BBIBQ", layout.ACCEPT, 0, 1, 0, 0), "cannot be"),
        (struct.pack(">BBIBHd", layout.RECEIPT, 0, 1, 0, 1, 0.0) + b"\0", "with reasons"),
        (struct.pack(">BBIBHd", layout.RECEIPT, 0, 1, 9, 0, 0.0) + b"\0", "unknown kind 9"),
        (struct.pack(">BBIBHd", layout.RECEIPT, 0, 1, 0, 0, float("nan")) + b"\0", "without a time"),
        (struct.pack(">BBIBHd", layout.RECEIPT, 0, 1, 1, 0, 0.0) + b"\1x", "with reasons"),
        (
            struct.pack(">BBQ16sQ32sBHd", layout.REPORT, 0, 1, b"", 1, b"", 1, 0, float("inf")) + b"\0",
            "cannot be",
        ),
        (
            struct.pack(">BBQ16sQ32sBHd", layout.REPORT, 0, 1, b"", 1, b"", 9, 0, 0.0) + b"\0",
            "unknown stage 9",
        ),
        (struct.pack(">BBQ16sQ32sBHd", layout.REPORT, 0, 0, b"", 1, b"", 1, 0, 0.0) + b"\0", "cannot be"),
        (struct.pack(">BBI", layout.STREAM, 0, 1), "say nothing"),
        (struct.pack(">BBI", layout.STREAM, 2, 1) + b"x", "say nothing"),
        (struct.pack(">BBI", layout.RESET, 0, 1), "ends within a text"),
    ],
)
def test_what_is_no_frame_is_refused_in_words(message: bytes, reason: str) -> None:
    with pytest.raises(FrameError, match=reason):
        decode(message)


def test_a_frame_of_a_later_version_may_be_skipped() -> None:
    assert decode(bytes((0x80, 9, 1, 2, 3))) == Unknown(0x80)


def test_an_unknown_goodbye_is_a_goodbye() -> None:
    assert decode(struct.pack(">BBBH", layout.GOODBYE, 0, 77, 3) + b"\2ab") == Goodbye(Code.OTHER, 3, "ab")


def test_words_are_printable_and_bounded_on_both_sides() -> None:
    assert printable("a\nb\x1b[2Jc") == "a?b?[2Jc"
    long = Reset(1, "é" * 500)
    frame = decode(encode(long))
    assert isinstance(frame, Reset)
    assert frame.words == "é" * (MAX_WORDS // 2)
    raw = struct.pack(">BBI", layout.RESET, 0, 1) + b"\5a\nb\xffc"
    assert decode(raw) == Reset(1, "a?b\ufffdc")
