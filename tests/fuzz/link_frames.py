"""Messages, whole, cut after every byte, bent and invented: a frame of the link, or a reason; never more."""

from __future__ import annotations

import contextlib

from hypothesis import strategies as st

from gateway.link.decoding import decode
from gateway.link.encoding import encode
from gateway.link.frames import Frame, FrameError, HelloFrame, Unknown
from gateway.link.hello import decode_hello
from gateway.link.layout import HELLO
from tests.fuzz.runner import run
from tests.support.link_wire import frames, hellos

_types = st.sampled_from([1, 2, 3, 4, 5, *range(0x10, 0x17), 0x20, 0x21, 0x22, 0x60, 0x80, 0xFF])
_messages = frames.map(encode) | hellos.map(lambda one: one.encode())
_invented = st.builds(
    lambda kind, flags, rest: bytes((kind, flags)) + rest, _types, st.integers(0, 31), st.binary(max_size=160)
)

STRATEGIES = {
    "message": _messages | _invented | st.binary(max_size=160),
    "bends": st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4),
}


def _read(message: bytes) -> Frame | None:
    frame: Frame | None = None
    with contextlib.suppress(FrameError):
        frame = decode(message)
        if isinstance(frame, HelloFrame):
            hello = decode_hello(frame.body)
            assert decode_hello(hello.encode()[2:]) == hello
        elif not isinstance(frame, Unknown):
            assert decode(encode(frame)) == frame
    return frame


def check(message: bytes, bends: list[tuple[int, int]]) -> None:
    """The frames of the link under arbitrary bytes."""
    for length in range(len(message) + 1):
        _read(message[:length])
    bent = bytearray(message)
    for place, value in bends:
        if place < len(bent):
            bent[place] = value
    frame = _read(bytes(bent))
    assert not isinstance(frame, HelloFrame) or bent[0] == HELLO


if __name__ == "__main__":
    run(check, STRATEGIES)
