"""What one connection can cost: lengths are judged before buffering, memory follows the bytes that came."""

from __future__ import annotations

import struct
import tracemalloc

import pytest

from gateway.dicom import pdu
from gateway.dicom.associate_pdu import encode_associate_rq
from gateway.dicom.events import Aborted, DataReceived
from gateway.dicom.limits import UpperLayerLimits
from gateway.dicom.state_table import Role, State
from gateway.dicom.upper_layer import UpperLayer
from tests.support.dicom_wire import REQUEST, feed, joined, layer_in

LIMITS = UpperLayerLimits()


def header(kind: int, length: int) -> bytes:
    return struct.pack(">BxI", kind, length)


@pytest.mark.parametrize(
    ("state", "kind", "length"),
    [
        (State.STA6, pdu.P_DATA, LIMITS.max_pdu_length + 1),
        (State.STA7, pdu.P_DATA, 0xFFFFFFFF),
        (State.STA5, pdu.ASSOCIATE_AC, LIMITS.max_associate_length + 1),
        (State.STA3, pdu.ABORT, 5),
        (State.STA6, pdu.ABORT, 3),
        (State.STA6, pdu.RELEASE_RQ, 0),
        (State.STA7, pdu.RELEASE_RP, 1 << 20),
        (State.STA5, pdu.ASSOCIATE_RJ, 8),
    ],
)
def test_a_length_that_cannot_be_is_answered_from_the_header(state: State, kind: int, length: int) -> None:
    layer = layer_in(state)
    size = layer.buffer_size
    [aborted] = feed(layer, header(kind, length))
    assert isinstance(aborted, Aborted)
    assert str(length) in aborted.words
    assert joined(layer) == pdu.encode_abort(2, 6)
    # Where the next PDU begins is unknown: what follows is dropped and answered with nothing.
    assert feed(layer, pdu.encode_abort(0, 0) * 1000) == []
    assert (joined(layer), layer.state, layer.buffer_size <= size) == (b"", State.STA13, True)


@pytest.mark.parametrize("length", [LIMITS.max_associate_length + 1, 0xFFFFFFFF])
def test_an_association_request_has_a_limit(length: int) -> None:
    layer = layer_in(State.STA2)
    [aborted] = feed(layer, header(pdu.ASSOCIATE_RQ, length))
    assert isinstance(aborted, Aborted)
    assert joined(layer) == pdu.encode_abort(0, 0)


def test_the_longest_pdu_that_we_announced_is_taken() -> None:
    layer = layer_in(State.STA6)
    data = bytes(LIMITS.max_pdu_length - pdu.PDV_OVERHEAD)
    [received] = feed(layer, pdu.data_header(1, False, True, len(data)) + data)
    assert isinstance(received, DataReceived)
    assert len(received.data) == len(data)


def test_before_association_only_a_request_is_buffered() -> None:
    layer = layer_in(State.STA2)
    feed(layer, header(pdu.P_DATA, 100_000))
    assert layer.state is State.STA13
    feed(layer, bytes(100_000))
    assert layer.buffer_size == LIMITS.initial_buffer
    # The refused PDU was skipped and the framing kept: the peer's own abort is still understood.
    feed(layer, pdu.encode_abort(0, 0))
    assert layer.state is State.STA1


def test_memory_follows_the_bytes_that_came() -> None:
    layer = layer_in(State.STA2)
    feed(layer, header(pdu.ASSOCIATE_RQ, LIMITS.max_associate_length))
    assert layer.buffer_size == LIMITS.initial_buffer
    feed(layer, bytes(10_000))
    assert layer.buffer_size <= 4 * 10_000
    feed(layer, bytes(LIMITS.max_associate_length - 10_000))
    assert layer.buffer_size <= LIMITS.max_associate_length + pdu.HEADER_LENGTH


def test_a_busy_association_is_bounded_and_a_quiet_one_is_small_again() -> None:
    layer = layer_in(State.STA6)
    fragment = layer.max_fragment
    one = pdu.data_header(1, False, False, fragment) + bytes(fragment)
    feed(layer, one * 8)
    most = LIMITS.max_pdu_length + pdu.HEADER_LENGTH + LIMITS.read_ahead
    assert fragment < layer.buffer_size <= most
    assert len(layer.buffer()) >= 65536  # one read takes a lot
    layer.trim()
    assert layer.buffer_size == LIMITS.initial_buffer
    feed(layer, one)
    feed(layer, one[:100])
    held = layer.buffer_size
    layer.trim()  # not while something is on its way
    assert layer.buffer_size == held


def test_a_thousand_silent_connections_cost_little() -> None:
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    layers = []
    for _ in range(1000):
        layer = UpperLayer(Role.ACCEPTOR)
        layer.connected()
        feed(layer, header(pdu.ASSOCIATE_RQ, LIMITS.max_associate_length) + b"\0\1")
        layers.append(layer)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert used / len(layers) < 8192


def test_a_second_request_while_closing_is_answered_once() -> None:
    layer = layer_in(State.STA13)
    request = encode_associate_rq(REQUEST)
    feed(layer, request * 50)
    assert joined(layer) == pdu.encode_abort(2, 2)


def test_the_number_of_values_in_a_pdu_is_bounded() -> None:
    limits = LIMITS.max_pdvs
    for count, state in ((limits, State.STA6), (limits + 1, State.STA13)):
        layer = layer_in(State.STA6)
        values = b"\0\0\0\x02\x01\x00" * count
        events = feed(layer, header(pdu.P_DATA, len(values)) + values)
        assert layer.state is state
        assert len(events) == (count if state is State.STA6 else 1)


@pytest.mark.parametrize(
    "garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03", bytes(64)]
)
def test_other_protocols_get_one_abort(garbage: bytes) -> None:
    layer = layer_in(State.STA2)
    [aborted] = feed(layer, garbage)
    assert isinstance(aborted, Aborted)
    assert "does not exist" in aborted.words
    assert joined(layer) == pdu.encode_abort(0, 0)


def test_a_deadline_can_see_a_pdu_that_does_not_complete() -> None:
    layer = layer_in(State.STA6)
    assert not layer.partial
    feed(layer, pdu.data_header(1, True, True, 100))
    assert layer.partial
    feed(layer, bytes(100))
    assert not layer.partial
