"""Messages out of fragments, interleaved as PS3.8 allows, and what is not allowed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dicom.dimse import (
    CommandReceived,
    DataSetFragment,
    Message,
    MessageLimits,
    MessageReader,
    c_echo_rq,
    c_store_rq,
    c_store_rsp,
    fragments,
)
from gateway.dicom.errors import PeerProtocolError
from gateway.dicom.events import DataReceived
from tests.support.dicom_wire import BEAMS_RECORD

STORE = c_store_rq(1, BEAMS_RECORD, "1.2.3")
RAW = STORE.encode()


def pdv(context_id: int, is_command: bool, is_last: bool, data: bytes) -> DataReceived:
    return DataReceived(context_id, is_command, is_last, memoryview(data))


def read_all(reader: MessageReader, *events: DataReceived) -> list[Message]:
    return [message for event in events if (message := reader.read(event)) is not None]


def test_a_store_in_one_fragment_each() -> None:
    reader = MessageReader()
    assert read_all(reader, pdv(1, True, True, RAW), pdv(1, False, True, b"data")) == [
        CommandReceived(1, STORE),
        DataSetFragment(1, memoryview(b"data"), True),
    ]
    assert reader.open_messages == 0


def test_a_command_without_a_data_set_is_complete_by_itself() -> None:
    reader = MessageReader()
    echo = c_echo_rq(5)
    assert read_all(reader, pdv(1, True, True, echo.encode()), pdv(1, True, True, echo.encode())) == [
        CommandReceived(1, echo),
        CommandReceived(1, echo),
    ]
    assert reader.open_messages == 0


def test_an_empty_last_fragment_ends_a_message() -> None:
    reader = MessageReader()
    got = read_all(
        reader,
        pdv(1, True, False, RAW),
        pdv(1, True, True, b""),
        pdv(1, False, False, b"data"),
        pdv(1, False, True, b""),
    )
    assert got[0] == CommandReceived(1, STORE)
    assert got[-1] == DataSetFragment(1, memoryview(b""), True)


def test_a_reused_receive_buffer_does_not_change_a_command_in_progress() -> None:
    reader = MessageReader()
    buffer = bytearray(RAW[:50])
    reader.read(DataReceived(1, True, False, memoryview(buffer)))
    buffer[:] = bytes(50)
    assert reader.read(pdv(1, True, True, RAW[50:])) == CommandReceived(1, STORE)


@given(st.data())
def test_any_legal_interleaving_reads_the_same(data: st.DataObject) -> None:
    streams: dict[int, list[DataReceived]] = {}
    for context_id in data.draw(st.lists(st.sampled_from([1, 3, 5, 7]), min_size=1, unique=True)):
        streams[context_id] = []
        for number in range(data.draw(st.integers(1, 3))):
            command = c_store_rq(number, BEAMS_RECORD, f"1.2.{context_id}.{number}").encode()
            body = data.draw(st.binary(max_size=60))
            size = data.draw(st.integers(1, 80))
            for is_command, whole in ((True, command), (False, body)):
                for piece, is_last in fragments(whole, size):
                    streams[context_id].append(DataReceived(context_id, is_command, is_last, piece))
    alone = {context_id: read_all(MessageReader(), *stream) for context_id, stream in streams.items()}
    reader = MessageReader()
    mixed: dict[int, list[Message]] = {context_id: [] for context_id in streams}
    left = {context_id: list(stream) for context_id, stream in streams.items()}
    while any(left.values()):
        context_id = data.draw(st.sampled_from([key for key, value in left.items() if value]))
        message = reader.read(left[context_id].pop(0))
        if message is not None:
            mixed[context_id].append(message)
    assert mixed == alone
    assert reader.open_messages == 0


@pytest.mark.parametrize(
    "events",
    [
        [pdv(1, False, True, b"data")],  # data from nowhere
        [pdv(1, True, True, c_echo_rq(1).encode()), pdv(1, False, True, b"data")],  # data nobody announced
        [pdv(1, True, True, RAW), pdv(3, False, True, b"data")],  # data on another context
        [pdv(1, True, False, RAW[:20]), pdv(1, False, True, b"data")],  # data inside a command
        [pdv(1, True, True, RAW), pdv(1, True, True, RAW)],  # a command instead of the data
        [pdv(1, True, True, RAW), pdv(1, False, False, b"x"), pdv(1, True, False, RAW)],
        [pdv(1, True, True, RAW), pdv(1, False, True, b"x"), pdv(1, False, True, b"x")],  # data after its end
        [pdv(1, True, True, b"garbage")],
    ],
)
def test_what_cannot_follow_is_a_violation(events: list[DataReceived]) -> None:
    reader = MessageReader()
    for event in events[:-1]:
        reader.read(event)
    with pytest.raises(PeerProtocolError):
        reader.read(events[-1])


def test_a_command_set_has_a_limit() -> None:
    limits = MessageLimits(max_command_length=len(RAW))
    assert MessageReader(limits).read(pdv(1, True, True, RAW))
    with pytest.raises(PeerProtocolError, match="more than"):
        MessageReader(limits).read(pdv(1, True, True, RAW + b"\0"))
    reader = MessageReader(limits)
    reader.read(pdv(1, True, False, RAW))
    with pytest.raises(PeerProtocolError, match="more than"):
        reader.read(pdv(1, True, False, b"\0"))


@pytest.mark.parametrize(
    "begun", [pdv(0, True, False, RAW[:1]), pdv(0, True, True, RAW)], ids=["command", "data set"]
)
def test_unfinished_messages_have_a_limit(begun: DataReceived) -> None:
    reader = MessageReader(MessageLimits(max_open_messages=2))
    for context_id in (1, 3):
        reader.read(DataReceived(context_id, True, begun.is_last, begun.data))
    assert reader.open_messages == 2
    with pytest.raises(PeerProtocolError, match="unfinished"):
        reader.read(DataReceived(5, True, begun.is_last, begun.data))


def test_responses_are_read_like_requests() -> None:
    answer = c_store_rsp(STORE, 0xA700, error_comment="no room")
    assert MessageReader().read(pdv(9, True, True, answer.encode())) == CommandReceived(9, answer)


@given(st.binary(max_size=100), st.integers(1, 40))
def test_fragments_are_the_whole(data: bytes, most: int) -> None:
    pieces = list(fragments(data, most))
    assert b"".join(bytes(piece) for piece, _ in pieces) == data
    assert [is_last for _, is_last in pieces] == [False] * (len(pieces) - 1) + [True]
    assert all(len(piece) == most for piece, _ in pieces[:-1])
    assert len(pieces) == max(1, -(-len(data) // most))
