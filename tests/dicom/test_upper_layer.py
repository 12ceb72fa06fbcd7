"""Playbooks: what is sent and received, in order, for each role. Every cell is in test_upper_layer_cells."""

from __future__ import annotations

import pytest

from gateway.dicom import pdu
from gateway.dicom.associate_pdu import encode_associate_ac, encode_associate_rq
from gateway.dicom.errors import LocalProtocolError
from gateway.dicom.events import (
    Aborted,
    AssociateAccepted,
    AssociateRejected,
    AssociateRequested,
    DataReceived,
    ReleaseConfirmed,
    ReleaseRequested,
)
from gateway.dicom.negotiation import AssociateAccept, AssociateRequest, ProposedContext, negotiate
from gateway.dicom.state_table import Role, State
from gateway.dicom.upper_layer import UpperLayer, UpperLayerLimits
from tests.support.dicom_wire import (
    BEAMS_RECORD,
    EXPLICIT,
    IMPLICIT,
    REQUEST,
    TAKE_FIRST,
    VERIFICATION,
    associated_pair,
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


def test_acceptor_from_connection_to_release() -> None:
    layer = UpperLayer(Role.ACCEPTOR)
    assert layer.connected() == []
    assert (layer.state, layer.artim_wanted) == (State.STA2, True)

    assert feed(layer, RQ) == [AssociateRequested(REQUEST)]
    assert (layer.state, layer.artim_wanted) == (State.STA3, False)

    layer.accept(ANSWER)
    assert joined(layer) == AC
    assert layer.max_fragment == 131066
    assert set(layer.contexts) == {1, 3}

    [data] = feed(layer, DATA)
    assert data == DataReceived(3, True, True, memoryview(b"abcd"))

    layer.send_pdv(3, False, True, b"xyz!")
    assert joined(layer) == b"\x04\0\0\0\0\x0a\0\0\0\x06\x03\x02xyz!"

    assert feed(layer, pdu.RELEASE_RQ_PDU) == [ReleaseRequested()]
    assert layer.can_send
    layer.release_response()
    assert joined(layer) == pdu.RELEASE_RP_PDU
    assert (layer.state, layer.artim_wanted, layer.close_wanted) == (State.STA13, True, False)
    assert layer.closed() == []
    assert not layer.artim_wanted


def test_requestor_from_request_to_release() -> None:
    layer = UpperLayer(Role.REQUESTOR)
    layer.associate(REQUEST)
    assert layer.output() == []
    layer.connected()
    assert joined(layer) == RQ
    [accepted] = feed(layer, AC)
    assert accepted == AssociateAccepted(ANSWER)
    assert layer.contexts[3].abstract_syntax == BEAMS_RECORD
    assert layer.contexts[3].transfer_syntax == EXPLICIT
    layer.release()
    assert joined(layer) == pdu.RELEASE_RQ_PDU
    [late] = feed(layer, DATA)  # AR-6: what was on its way still arrives
    assert isinstance(late, DataReceived)
    assert feed(layer, pdu.RELEASE_RP_PDU) == [ReleaseConfirmed()]
    assert (layer.state, layer.close_wanted) == (State.STA1, True)


def test_requestor_is_rejected() -> None:
    layer = layer_in(State.STA5)
    assert feed(layer, RJ) == [
        AssociateRejected(2, 3, 1, "rejected for now: temporary congestion"),
    ]
    assert layer.close_wanted


@pytest.mark.parametrize("early", [True, False], ids=["acceptor answers at once", "acceptor answers late"])
def test_release_collision(early: bool) -> None:
    requestor, acceptor = associated_pair()
    requestor.release()
    acceptor.release()
    assert feed(acceptor, joined(requestor)) == [ReleaseRequested(collision=True)]
    assert acceptor.state is State.STA10
    if early:
        acceptor.release_response()
    assert feed(requestor, joined(acceptor)) == [ReleaseRequested(collision=True)]
    assert requestor.state is State.STA9
    requestor.release_response()
    assert requestor.state is State.STA11
    assert feed(acceptor, joined(requestor)) == [ReleaseConfirmed()]
    if not early:
        assert acceptor.state is State.STA12
        acceptor.release_response()
    assert (acceptor.state, acceptor.artim_wanted) == (State.STA13, True)
    assert feed(requestor, joined(acceptor)) == [ReleaseConfirmed()]
    assert (requestor.state, requestor.close_wanted) == (State.STA1, True)


def test_a_protocol_version_that_is_not_ours_is_rejected_by_the_provider() -> None:
    layer = layer_in(State.STA2)
    told = feed(layer, RQ[:6] + b"\0\2" + RQ[8:])
    assert told == [AssociateRejected(1, 2, 2, "rejected permanently: protocol version not supported")]
    assert joined(layer) == pdu.encode_reject(1, 2, 2)
    assert (layer.state, layer.artim_wanted) == (State.STA13, True)


def test_other_version_bits_are_not_tested() -> None:
    [asked] = feed(layer_in(State.STA2), RQ[:6] + b"\xff\xff" + RQ[8:])
    assert isinstance(asked, AssociateRequested)


def test_titles_and_reserved_bytes_come_back_as_they_came() -> None:
    layer = layer_in(State.STA2)
    titles = b"ARIA\xe9\0\0\0        " + b"  LINAC1        " + bytes(range(32))
    [asked] = feed(layer, RQ[:10] + titles + RQ[74:])
    assert isinstance(asked, AssociateRequested)
    assert (asked.request.called_ae, asked.request.calling_ae) == ("ARIA\\xe9\\x00\\x00\\x00", "LINAC1")
    layer.accept(negotiate(asked.request, TAKE_FIRST))
    assert joined(layer)[10:74] == titles


def test_an_acceptor_does_not_associate() -> None:
    with pytest.raises(LocalProtocolError):
        UpperLayer(Role.ACCEPTOR).associate(REQUEST)


@pytest.mark.parametrize("length", [0, 131073])
def test_only_an_enforced_pdu_length_is_announced(length: int) -> None:
    request = AssociateRequest("A", "B", REQUEST.contexts, max_pdu_length=length)
    with pytest.raises(LocalProtocolError):
        UpperLayer(Role.REQUESTOR).associate(request)
    layer = layer_in(State.STA3)
    with pytest.raises(LocalProtocolError):
        layer.accept(AssociateAccept("A", "B", ANSWER.contexts, max_pdu_length=length))
    assert layer.state is State.STA3


@pytest.mark.parametrize(
    ("announced", "fragment"), [(0, 131066), (16384, 16378), (16385, 16378), (1 << 31, 131066), (128, 122)]
)
def test_the_peers_pdu_length_bounds_our_fragments(announced: int, fragment: int) -> None:
    layer = layer_in(State.STA5)
    feed(layer, encode_associate_ac(AssociateAccept("A", "B", ANSWER.contexts, announced), bytes(64)))
    assert layer.max_fragment == fragment
    layer.send_pdv(1, False, False, bytes(fragment))
    with pytest.raises(LocalProtocolError):
        layer.send_pdv(1, False, False, bytes(fragment + 1))


def test_data_goes_only_on_accepted_contexts() -> None:
    layer = layer_in(State.STA6)
    with pytest.raises(LocalProtocolError):
        layer.send_pdv(5, False, True, b"ab")


def test_data_is_handed_on_without_a_copy() -> None:
    layer = layer_in(State.STA6)
    data = memoryview(bytes(1000))
    layer.send_pdv(1, False, True, data)
    layer.send_pdv(1, False, True, b"")
    header, same, empty = layer.output()
    assert (len(header), same is data, len(empty)) == (12, True, 12)
    assert layer.output() == []


def test_several_values_in_one_pdu_and_several_pdus_in_one_read() -> None:
    layer = layer_in(State.STA6)
    values = b"\0\0\0\x03\x01\x01a" + b"\0\0\0\x02\x03\x03" + b"\0\0\0\x04\x01\xfcbc"
    both = b"\x04\0" + len(values).to_bytes(4, "big") + values + DATA + pdu.RELEASE_RQ_PDU
    assert feed(layer, both) == [
        DataReceived(1, True, False, memoryview(b"a")),
        DataReceived(3, True, True, memoryview(b"")),
        DataReceived(1, False, False, memoryview(b"bc")),  # the reserved bits are not tested
        DataReceived(3, True, True, memoryview(b"abcd")),
        ReleaseRequested(),
    ]


@pytest.mark.parametrize(
    "values",
    [
        b"",
        b"\0\0\0\x02\x01",  # cut short
        b"\0\0\0\x01\x01\x03",  # too short for its own header
        b"\0\0\0\x01\x01" + b"\0\0\0\x03\x01\x03a",  # the same, and something that could follow
        b"\0\0\0\x06\x01\x03ab",  # longer than the PDU
        b"\xff\xff\xff\xff\x01\x03ab",
        b"\0\0\0\x04\x05\x03ab",  # a context that was never proposed
        b"\0\0\0\x04\x00\x03ab",
        b"\0\0\0\x04\x01\x03ab" + b"\0",  # something left over
    ],
)
def test_data_values_that_cannot_be(values: bytes) -> None:
    layer = layer_in(State.STA6)
    [aborted] = feed(layer, b"\x04\0" + len(values).to_bytes(4, "big") + values)
    assert aborted == Aborted(2, 6, False, aborted.words)  # type: ignore[union-attr]  # only Aborted has words here
    assert joined(layer) == pdu.encode_abort(2, 6)
    assert layer.state is State.STA13


def test_contexts_that_were_refused_carry_nothing() -> None:
    request = AssociateRequest(
        "A", "B", (ProposedContext(1, VERIFICATION, (IMPLICIT,)), ProposedContext(3, "1.2.3", (IMPLICIT,)))
    )
    layer = layer_in(State.STA2)
    feed(layer, encode_associate_rq(request))
    answer = negotiate(request, TAKE_FIRST)
    refused = AssociateAccept("A", "B", (answer.contexts[0],))
    layer.accept(refused)
    layer.output()
    feed(layer, DATA)
    assert joined(layer) == pdu.encode_abort(2, 6)


@pytest.mark.parametrize(("source", "reason"), [(0, 0), (2, 6), (0, 5)])
def test_our_abort_says_what_it_was_told(source: int, reason: int) -> None:
    layer = layer_in(State.STA6)
    layer.abort(source, reason)
    # With source 0 the reason is not significant and so 0 (PS3.8 9.3.8).
    assert joined(layer) == bytes((7, 0, 0, 0, 0, 4, 0, 0, source, reason if source else 0))


@pytest.mark.parametrize(
    ("source", "reason", "words"),
    [
        (0, 0, "the peer's application aborted the association"),
        (2, 1, "the peer's DICOM layer aborted the association: it does not recognise a PDU"),
        (2, 77, "the peer's DICOM layer aborted the association: reason 77"),
        (1, 0, "the peer aborted the association (source 1): no reason given"),
    ],
)
def test_the_peers_abort_in_words(source: int, reason: int, words: str) -> None:
    layer = layer_in(State.STA6)
    raw = bytes((7, 0, 0, 0, 0, 4, 0xFF, 0xFF, source, reason))  # reserved bytes are not tested
    assert feed(layer, raw) == [Aborted(source, reason, True, words)]
    assert layer.close_wanted


def test_a_bad_association_pdu_is_an_invalid_pdu() -> None:
    requestor = layer_in(State.STA5)
    feed(requestor, b"\x02\0\0\0\0\x04abcd")
    assert joined(requestor) == pdu.encode_abort(2, 6)
    acceptor = layer_in(State.STA2)
    [told] = feed(acceptor, b"\x01\0\0\0\0\x04abcd")
    assert isinstance(told, Aborted)
    assert "shorter than its fixed fields" in told.words
    assert joined(acceptor) == USER_ABORT  # AA-1: in Sta2 the source is the service-user


def test_bytes_before_the_transport_is_connected_are_our_mistake() -> None:
    for state in (State.STA1, State.STA4):
        layer = layer_in(state)
        layer.buffer()[:1] = b"x"
        with pytest.raises(LocalProtocolError):
            layer.received(1)


def test_an_association_is_not_used_twice() -> None:
    layer = layer_in(State.STA6)
    layer.closed()
    with pytest.raises(LocalProtocolError):
        layer.connected()
    assert feed(layer, RQ) == []  # what still comes means nothing


def test_limits_have_sane_defaults() -> None:
    limits = UpperLayerLimits()
    assert limits.initial_buffer <= 16384
    assert limits.max_pdu_length == limits.max_send_length == 131072
