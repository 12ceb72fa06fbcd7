"""PDVs in any order with any content: messages come out, or one PeerProtocolError, and little is held."""

from __future__ import annotations

from random import Random

from hypothesis import strategies as st

from gateway.dicom.command import decode
from gateway.dicom.dimse import CommandReceived, MessageLimits, MessageReader, fragments
from gateway.dicom.errors import PeerProtocolError
from gateway.dicom.events import DataReceived
from tests.fuzz.runner import run
from tests.support.dicom_wire import commands

LIMITS = MessageLimits(max_command_length=512, max_open_messages=3)

_contexts = st.sampled_from([1, 3, 5, 7, 9])


@st.composite
def _legal(draw: st.DrawFn) -> list[DataReceived]:
    context_id, command = draw(_contexts), draw(commands)
    parts = [(True, command.encode())]
    if command.has_data_set:
        parts.append((False, draw(st.binary(max_size=50))))
    size = draw(st.integers(1, 200))
    return [
        DataReceived(context_id, is_command, is_last, piece)
        for is_command, whole in parts
        for piece, is_last in fragments(whole, size)
    ]


_any = st.builds(
    DataReceived, _contexts, st.booleans(), st.booleans(), st.binary(max_size=80).map(memoryview)
)
_runs = st.lists(_legal() | _any.map(lambda event: [event]), max_size=8).map(
    lambda groups: [event for group in groups for event in group]
)


@st.composite
def _bent_command(draw: st.DrawFn) -> bytes:
    raw = bytearray(draw(commands).encode())
    for position, value in draw(
        st.lists(st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 255)), max_size=4)
    ):
        raw[position] = value
    return bytes(raw[: draw(st.integers(0, len(raw)))] if draw(st.booleans()) else raw)


STRATEGIES = {
    "events": _runs,
    "random": st.randoms(use_true_random=False),
    "shuffle": st.booleans(),
    "bent": _bent_command(),
}


def check(events: list[DataReceived], random: Random, shuffle: bool, bent: bytes) -> None:
    """The message reader and the command codec under arbitrary fragments."""
    if shuffle:
        random.shuffle(events)
    reader = MessageReader(LIMITS)
    try:
        for event in events:
            message = reader.read(event)
            assert reader.open_messages <= LIMITS.max_open_messages
            if isinstance(message, CommandReceived):
                assert decode(message.command.encode()) == message.command
    except PeerProtocolError:
        pass
    try:
        command = decode(bent)
    except PeerProtocolError:
        return
    assert decode(command.encode()) == command


if __name__ == "__main__":
    run(check, STRATEGIES)
