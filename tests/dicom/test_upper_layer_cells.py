"""Every cell of Table 9-10 at work: next state, what is written, what the owner is told, ARTIM, closing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from gateway.dicom import pdu
from gateway.dicom.associate_pdu import encode_associate_ac, encode_associate_rq
from gateway.dicom.errors import LocalProtocolError
from gateway.dicom.events import (
    Aborted,
    AssociateAccepted,
    AssociateRejected,
    AssociateRequested,
    ConnectionLost,
    DataReceived,
    Event,
    ReleaseConfirmed,
    ReleaseRequested,
)
from gateway.dicom.negotiation import negotiate
from gateway.dicom.state_table import NEXT_STATES, TRANSITIONS, Action, Evt, Role, State
from gateway.dicom.upper_layer import UpperLayer
from tests.support.dicom_wire import (
    REQUEST,
    TAKE_FIRST,
    feed,
    joined,
    layer_in,
)

RQ = encode_associate_rq(REQUEST)
ANSWER = negotiate(REQUEST, TAKE_FIRST)
AC = encode_associate_ac(ANSWER, RQ[10:74])
RJ = pdu.encode_reject(2, 3, 1)
DATA = pdu.data_header(3, True, True, 4) + b"abcd"
USER_ABORT = pdu.encode_abort(0, 0)

PEER_PDUS: dict[Evt, bytes] = {
    Evt.ASSOCIATE_AC_PDU: AC,
    Evt.ASSOCIATE_RJ_PDU: RJ,
    Evt.ASSOCIATE_RQ_PDU: RQ,
    Evt.DATA_PDU: DATA,
    Evt.RELEASE_RQ_PDU: pdu.RELEASE_RQ_PDU,
    Evt.RELEASE_RP_PDU: pdu.RELEASE_RP_PDU,
    Evt.ABORT_PDU: USER_ABORT,
    Evt.INVALID_PDU: b"\x99\0\0\0\0\x04abcd",
}

LOCAL_REQUESTS: dict[Evt, Callable[[UpperLayer], object]] = {
    Evt.ASSOCIATE_REQUEST: lambda layer: layer.associate(REQUEST),
    Evt.TRANSPORT_CONFIRM: lambda layer: layer.connected(),
    Evt.TRANSPORT_INDICATION: lambda layer: layer.connected(),
    Evt.ASSOCIATE_ACCEPT: lambda layer: layer.accept(ANSWER),
    Evt.ASSOCIATE_REJECT: lambda layer: layer.reject(1, 1, 1),
    Evt.DATA_REQUEST: lambda layer: layer.send_pdv(3, True, True, b"abcd"),
    Evt.RELEASE_REQUEST: lambda layer: layer.release(),
}

# What an action makes us write.
WRITES: dict[Action, bytes] = {
    Action.AE_2: RQ,
    Action.AE_7: AC,
    Action.AE_8: pdu.encode_reject(1, 1, 1),
    Action.DT_1: DATA,
    Action.AR_1: pdu.RELEASE_RQ_PDU,
    Action.AR_4: pdu.RELEASE_RP_PDU,
    Action.AR_7: DATA,
    Action.AR_9: pdu.RELEASE_RP_PDU,
    Action.AA_1: USER_ABORT,
}

# What an action tells the owner.
TELLS: dict[Action, type[Event]] = {
    Action.AE_3: AssociateAccepted,
    Action.AE_4: AssociateRejected,
    Action.AE_6: AssociateRequested,
    Action.DT_2: DataReceived,
    Action.AR_2: ReleaseRequested,
    Action.AR_3: ReleaseConfirmed,
    Action.AR_6: DataReceived,
    Action.AR_8: ReleaseRequested,
    Action.AR_10: ReleaseConfirmed,
    Action.AA_3: Aborted,
    Action.AA_8: Aborted,
}

CLOSES = {Action.AE_4, Action.AR_3, Action.AA_2, Action.AA_3}
STARTS_ARTIM = {Action.AE_5, Action.AE_8, Action.AR_4, Action.AA_1, Action.AA_8}
STOPS_ARTIM = {Action.AE_6, Action.AA_2, Action.AA_5, Action.AR_5}


def check_after(layer: UpperLayer, action: Action, artim_before: bool) -> None:
    assert layer.state in NEXT_STATES[action]
    if action in CLOSES:
        assert layer.close_wanted
    if action in STARTS_ARTIM:
        assert layer.artim_wanted
    elif action in STOPS_ARTIM or layer.state is State.STA1:
        assert not layer.artim_wanted
    else:
        assert layer.artim_wanted == artim_before


@pytest.mark.parametrize(
    ("event", "state"), [key for key in TRANSITIONS if key[0] in PEER_PDUS], ids=lambda value: value.name
)
def test_every_cell_of_the_peers_pdus(event: Evt, state: State) -> None:
    action = TRANSITIONS[event, state]
    layer = layer_in(state)
    artim = layer.artim_wanted
    told = feed(layer, PEER_PDUS[event])
    check_after(layer, action, artim)
    written = joined(layer)
    if action in (Action.AA_7, Action.AA_8):
        assert written == pdu.encode_abort(2, 1 if event is Evt.INVALID_PDU else 2)
    else:
        assert written == WRITES.get(action, b"")
    if action is Action.AA_1:
        assert [type(event) for event in told] == [Aborted]  # beyond the standard: so that it can be logged
    else:
        assert [type(event) for event in told] == ([TELLS[action]] if action in TELLS else [])


@pytest.mark.parametrize("state", list(State), ids=lambda value: value.name)
@pytest.mark.parametrize("event", list(LOCAL_REQUESTS), ids=lambda value: value.name)
def test_every_cell_of_local_requests(event: Evt, state: State) -> None:
    as_requestor = event in (Evt.ASSOCIATE_REQUEST, Evt.TRANSPORT_CONFIRM)
    layer = layer_in(state, Role.REQUESTOR if as_requestor and state is State.STA1 else None)
    if layer.role is Role.REQUESTOR and event is Evt.TRANSPORT_INDICATION:
        event = Evt.TRANSPORT_CONFIRM
    elif layer.role is Role.ACCEPTOR and event is Evt.TRANSPORT_CONFIRM:
        event = Evt.TRANSPORT_INDICATION
    action = TRANSITIONS.get((event, state))
    artim = layer.artim_wanted
    if action is None:
        with pytest.raises(LocalProtocolError):
            LOCAL_REQUESTS[event](layer)
        assert layer.state is state
        assert joined(layer) == b""
        return
    LOCAL_REQUESTS[event](layer)
    check_after(layer, action, artim)
    assert joined(layer) == WRITES.get(action, b"")


@pytest.mark.parametrize("state", list(State), ids=lambda value: value.name)
def test_release_response_in_every_state(state: State) -> None:
    layer = layer_in(state)
    action = TRANSITIONS.get((Evt.RELEASE_RESPONSE, state))
    if action is not None:
        layer.release_response()
        check_after(layer, action, artim_before=False)
        assert joined(layer) == WRITES[action]
    elif state is State.STA10:
        layer.release_response()  # kept until Sta12
        assert (layer.state, joined(layer)) == (State.STA10, b"")
        with pytest.raises(LocalProtocolError):
            layer.release_response()
    else:
        with pytest.raises(LocalProtocolError):
            layer.release_response()


@pytest.mark.parametrize("state", list(State), ids=lambda value: value.name)
def test_abort_in_every_state(state: State) -> None:
    layer = layer_in(state)
    layer.abort()
    if TRANSITIONS.get((Evt.ABORT_REQUEST, state)) is Action.AA_1:
        assert (layer.state, layer.artim_wanted, joined(layer)) == (State.STA13, True, USER_ABORT)
    else:  # AA-2, or nothing to abort: the transport is closed
        assert (layer.state, layer.close_wanted, joined(layer)) == (State.STA1, True, b"")


@pytest.mark.parametrize("state", list(State), ids=lambda value: value.name)
def test_a_closed_transport_in_every_state(state: State) -> None:
    layer = layer_in(state)
    lost = TRANSITIONS.get((Evt.TRANSPORT_CLOSED, state)) is Action.AA_4
    assert layer.closed() == ([ConnectionLost()] if lost else [])
    assert (layer.state, layer.artim_wanted) == (State.STA1, False)
    assert layer.closed() == []


@pytest.mark.parametrize("state", list(State), ids=lambda value: value.name)
def test_artim_in_every_state(state: State) -> None:
    layer = layer_in(state)
    assert layer.artim_expired() == []
    if state in (State.STA2, State.STA13):
        assert (layer.state, layer.close_wanted, layer.artim_wanted) == (State.STA1, True, False)
    else:
        assert layer.state is state
