"""PDUs are cut out of the stream, skipped without memory, and dropped altogether once framing is lost."""

from __future__ import annotations

from gateway.dicom.frames import FrameReader


def put(frames: FrameReader, data: bytes) -> None:
    room = frames.writable()
    room[: len(data)] = data
    frames.wrote(len(data))


def test_a_body_waits_for_its_end() -> None:
    frames = FrameReader(64, 64)
    put(frames, b"\x04\0\0\0\0")
    assert frames.header() is None
    assert frames.partial
    put(frames, b"\x05abc")
    assert frames.header() == (4, 5)
    assert frames.body(5) is None
    put(frames, b"de")
    assert frames.header() == (4, 5)
    body = frames.body(5)
    assert body is not None
    assert bytes(body) == b"abcde"
    assert not frames.partial


def test_a_skipped_body_needs_no_memory() -> None:
    frames = FrameReader(64, 1 << 20)
    put(frames, b"\x04\0\0\x01\0\0")
    assert frames.header() == (4, 65536)
    frames.skip(65536)
    left = 65536
    while left:
        count = min(64, left)
        put(frames, bytes(count))
        assert frames.header() is None
        assert frames.partial == (left > count)
        left -= count
    assert frames.size == 64
    put(frames, b"\x05\0\0\0\0\x04....")
    assert frames.header() == (5, 4)


def test_deaf_means_everything_is_dropped_and_memory_given_back() -> None:
    frames = FrameReader(16, 1 << 20)
    for _ in range(4):
        put(frames, bytes(len(frames.writable())))
    assert frames.size > 16
    frames.deaf = True
    assert frames.header() is None
    assert (frames.size, frames.partial) == (16, False)
