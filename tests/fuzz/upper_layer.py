"""Anything a peer may send, and anything an owner may ask, in any order and any cut.

The upper layer raises nothing but LocalProtocolError to its owner and nothing at all to the transport, is
always in a legal state, writes nothing but whole PDUs, holds bounded memory, and tells the same story
whether the bytes come whole or one at a time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from gateway.dicom import pdu
from gateway.dicom.associate_pdu import encode_associate_ac, encode_associate_rq
from gateway.dicom.errors import LocalProtocolError
from gateway.dicom.events import Event
from gateway.dicom.limits import UpperLayerLimits
from gateway.dicom.negotiation import negotiate
from gateway.dicom.state_table import Role, State
from gateway.dicom.upper_layer import UpperLayer
from tests.fuzz.runner import run
from tests.support.dicom_wire import REQUEST, TAKE_FIRST, answers, feed, requests

LIMITS = UpperLayerLimits(
    max_pdu_length=2048, max_associate_length=4096, initial_buffer=64, read_ahead=512, max_pdvs=16
)
ASKED = replace(REQUEST, max_pdu_length=LIMITS.max_pdu_length)
ANSWER = replace(negotiate(ASKED, TAKE_FIRST), max_pdu_length=LIMITS.max_pdu_length)


@dataclass(frozen=True)
class Send:
    """Bytes from the peer."""

    data: bytes


@dataclass(frozen=True)
class Ask:
    """A request of the owner, by name."""

    what: str


Step = Send | Ask

LOCAL: dict[str, Callable[[UpperLayer], object]] = {
    "connected": UpperLayer.connected,
    "associate": lambda layer: layer.associate(ASKED),
    "accept": lambda layer: layer.accept(ANSWER),
    "reject": lambda layer: layer.reject(1, 1, 1),
    "send": lambda layer: layer.send_pdv(1, True, True, b"abcd"),
    "release": UpperLayer.release,
    "answer release": UpperLayer.release_response,
    "abort": UpperLayer.abort,
    "closed": UpperLayer.closed,
    "artim": UpperLayer.artim_expired,
    "trim": UpperLayer.trim,
}

_bytes = st.integers(0, 255)
_values = st.builds(
    lambda length, context_id, control, data: (
        (len(data) + 2 if length is None else length).to_bytes(4, "big") + bytes((context_id, control)) + data
    ),
    st.none() | st.integers(0, 3000),
    st.sampled_from([1, 3, 5, 0]),
    _bytes,
    st.binary(max_size=30),
)
_data = (
    st.lists(_values, max_size=20)
    .map(b"".join)
    .map(lambda body: b"\4\0" + len(body).to_bytes(4, "big") + body)
)
_good = st.one_of(
    st.just(encode_associate_rq(ASKED)),
    st.just(encode_associate_ac(ANSWER, bytes(64))),
    requests.map(encode_associate_rq),
    answers.map(lambda answer: encode_associate_ac(answer, bytes(64))),
    st.just(pdu.data_header(1, True, True, 4) + b"abcd"),
    st.just(pdu.data_header(3, False, False, 1500) + bytes(1500)),
    st.just(pdu.RELEASE_RQ_PDU),
    st.just(pdu.RELEASE_RP_PDU),
    st.builds(pdu.encode_abort, _bytes, _bytes),
    st.builds(pdu.encode_reject, _bytes, _bytes, _bytes),
    _data,
)


@st.composite
def _bent(draw: st.DrawFn) -> bytes:
    """A good PDU with a few bytes changed, or cut."""
    raw = bytearray(draw(_good))
    for position, value in draw(st.lists(st.tuples(st.integers(0, len(raw) - 1), _bytes), max_size=4)):
        raw[position] = value
    return bytes(raw[: draw(st.integers(1, len(raw)))] if draw(st.booleans()) else raw)


_pieces = st.one_of(_good, _good, _bent(), st.binary(min_size=1, max_size=100))
_steps = st.lists(
    st.one_of(_pieces.map(Send), _pieces.map(Send), st.sampled_from(list(LOCAL)).map(Ask)), max_size=12
)
_OPENINGS: dict[Role, list[Step]] = {
    Role.ACCEPTOR: [Ask("connected"), Send(encode_associate_rq(ASKED)), Ask("accept")],
    Role.REQUESTOR: [Ask("associate"), Ask("connected"), Send(encode_associate_ac(ANSWER, bytes(64)))],
}
# Where an established association may go before the unexpected comes.
_SCRIPTS: list[list[Step]] = [
    [],
    [Send(pdu.data_header(1, True, True, 4) + b"abcd")],
    [Ask("release")],
    [Send(pdu.RELEASE_RQ_PDU)],
    [Ask("release"), Send(pdu.RELEASE_RQ_PDU)],
    [Ask("release"), Send(pdu.RELEASE_RQ_PDU), Ask("answer release")],
    [Ask("release"), Send(pdu.RELEASE_RQ_PDU), Send(pdu.RELEASE_RP_PDU)],
    [Ask("abort")],
]


def _play(layer: UpperLayer, steps: list[Step], sizes: list[int]) -> tuple[list[Event], bytes, list[State]]:
    events: list[Event] = []
    written = b""
    states = []
    most = 6 + max(LIMITS.max_associate_length, LIMITS.max_pdu_length + LIMITS.read_ahead)
    for step in steps:
        with contextlib.suppress(LocalProtocolError):  # the one documented error, of local requests
            if isinstance(step, Ask):
                told = LOCAL[step.what](layer)
                events += told if isinstance(told, list) else []
            elif layer.state not in (State.STA1, State.STA4):  # else the transport is not there
                events += feed(layer, step.data, sizes)
        output = layer.output()
        assert all(len(piece) > 0 for piece in output)
        written += b"".join(output)
        states.append(layer.state)
        assert layer.state in State
        assert layer.buffer_size <= most
        assert layer.artim_wanted == (layer.state in (State.STA2, State.STA13))
        assert layer.close_wanted <= (layer.state is State.STA1)
    return events, written, states


def _check_pdus(written: bytes) -> None:
    while written:
        length = int.from_bytes(written[2:6], "big")
        assert written[0] in pdu.PDU_NAMES
        assert len(written) >= 6 + length
        written = written[6 + length :]


STRATEGIES = {
    "role": st.sampled_from(Role),
    "opened": st.integers(0, 3),
    "script": st.sampled_from(_SCRIPTS),
    "steps": _steps,
    "sizes": st.lists(st.integers(1, 300), min_size=1, max_size=20),
}


def check(role: Role, opened: int, script: list[Step], steps: list[Step], sizes: list[int]) -> None:
    """The upper layer under arbitrary peers and owners."""
    steps = [*_OPENINGS[role][:opened], *(script if opened == 3 else []), *steps]
    whole = _play(UpperLayer(role, LIMITS), steps, [])
    by_byte = _play(UpperLayer(role, LIMITS), steps, [1] * 100_000)
    cut = _play(UpperLayer(role, LIMITS), steps, sizes)
    assert whole == by_byte == cut
    _check_pdus(whole[1])


if __name__ == "__main__":
    run(check, STRATEGIES)
