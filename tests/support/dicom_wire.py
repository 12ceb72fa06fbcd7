"""For tests of the DICOM core: an upper layer brought to any state, bytes fed in any cut, and hypothesis
strategies for everything that goes over the wire."""

from __future__ import annotations

import string
from collections.abc import Callable, Iterable
from dataclasses import replace

from hypothesis import strategies as st

from gateway.dicom import pdu
from gateway.dicom.command import Command, CommandField
from gateway.dicom.events import AssociateRequested, DataReceived, Event
from gateway.dicom.negotiation import (
    AcceptedContext,
    AcceptorPolicy,
    AssociateAccept,
    AssociateRequest,
    CommonExtended,
    ContextAnswer,
    ProposedContext,
    UserIdentity,
    negotiate,
)
from gateway.dicom.upper_layer import Role, State, UpperLayer, UpperLayerLimits

VERIFICATION = "1.2.840.10008.1.1"
BEAMS_RECORD = "1.2.840.10008.5.1.4.1.1.481.4"
IMPLICIT = "1.2.840.10008.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"

REQUEST = AssociateRequest(
    "ARIA",
    "LINAC1",
    (ProposedContext(1, VERIFICATION, (IMPLICIT,)), ProposedContext(3, BEAMS_RECORD, (EXPLICIT, IMPLICIT))),
)
TAKE_FIRST = AcceptorPolicy(choose=lambda context: ContextAnswer.accept(context.transfer_syntaxes[0]))


def joined(layer: UpperLayer) -> bytes:
    """Everything the layer wants written, as one string."""
    return b"".join(layer.output())


def feed(layer: UpperLayer, data: bytes, sizes: Iterable[int] = ()) -> list[Event]:
    """Give `data` in pieces of `sizes` (the rest in one), as a transport does: into `buffer()`."""
    events: list[Event] = []
    pieces = iter(sizes)
    offset = 0
    while offset < len(data):
        room = layer.buffer()
        count = min(next(pieces, len(data)), len(room), len(data) - offset)
        room[:count] = data[offset : offset + count]
        offset += count
        events += [kept(event) for event in layer.received(count)]
    return events


def kept(event: Event) -> Event:
    """The event with its data copied, so that it stays comparable."""
    return replace(event, data=memoryview(bytes(event.data))) if isinstance(event, DataReceived) else event


def associated_pair(
    request: AssociateRequest = REQUEST,
    policy: AcceptorPolicy = TAKE_FIRST,
    limits: UpperLayerLimits | None = None,
) -> tuple[UpperLayer, UpperLayer]:
    """(requestor, acceptor), both in Sta6 after a real negotiation between them."""
    requestor, acceptor = UpperLayer(Role.REQUESTOR, limits), UpperLayer(Role.ACCEPTOR, limits)
    requestor.associate(request)
    requestor.connected()
    acceptor.connected()
    [asked] = feed(acceptor, joined(requestor))
    assert isinstance(asked, AssociateRequested)
    acceptor.accept(negotiate(asked.request, policy))
    feed(requestor, joined(acceptor))
    assert (requestor.state, acceptor.state) == (State.STA6, State.STA6)
    return requestor, acceptor


def _unconnected_requestor() -> UpperLayer:
    layer = UpperLayer(Role.REQUESTOR)
    layer.associate(REQUEST)
    return layer


def _connected(role: Role) -> UpperLayer:
    layer = UpperLayer(Role.ACCEPTOR) if role is Role.ACCEPTOR else _unconnected_requestor()
    layer.connected()
    return layer


def _asked() -> UpperLayer:
    layer = _connected(Role.ACCEPTOR)
    requestor = _connected(Role.REQUESTOR)
    feed(layer, joined(requestor))
    return layer


def _established(role: Role) -> UpperLayer:
    requestor, acceptor = associated_pair()
    return requestor if role is Role.REQUESTOR else acceptor


def _after(layer: UpperLayer, *steps: Callable[[UpperLayer], object]) -> UpperLayer:
    for step in steps:
        step(layer)
    return layer


def _release_asked(layer: UpperLayer) -> None:
    feed(layer, pdu.RELEASE_RQ_PDU)


def _release_answered(layer: UpperLayer) -> None:
    feed(layer, pdu.RELEASE_RP_PDU)


def layer_in(state: State, role: Role | None = None) -> UpperLayer:
    """An upper layer that reached `state` by what its peer sent and its owner asked; nothing left to write.

    `role` matters where both can be in the state.
    """
    requestor, acceptor = Role.REQUESTOR, Role.ACCEPTOR
    makers: dict[State, Callable[[], UpperLayer]] = {
        State.STA1: lambda: UpperLayer(role or acceptor),
        State.STA2: lambda: _connected(acceptor),
        State.STA3: _asked,
        State.STA4: _unconnected_requestor,
        State.STA5: lambda: _connected(requestor),
        State.STA6: lambda: _established(role or acceptor),
        State.STA7: lambda: _after(_established(role or requestor), UpperLayer.release),
        State.STA8: lambda: _after(_established(role or acceptor), _release_asked),
        State.STA9: lambda: _after(_established(requestor), UpperLayer.release, _release_asked),
        State.STA10: lambda: _after(_established(acceptor), UpperLayer.release, _release_asked),
        State.STA11: lambda: _after(
            _established(requestor), UpperLayer.release, _release_asked, UpperLayer.release_response
        ),
        State.STA12: lambda: _after(
            _established(acceptor), UpperLayer.release, _release_asked, _release_answered
        ),
        State.STA13: lambda: _after(_established(role or acceptor), UpperLayer.abort),
    }
    layer = makers[state]()
    layer.output()
    assert layer.state is state
    return layer


# ---- strategies -------------------------------------------------------------------------------------------

_PLAIN = "".join(c for c in string.printable if " " <= c <= "~" and c != "\\")

uids = st.lists(st.integers(0, 99999), min_size=2, max_size=9).map(lambda parts: ".".join(map(str, parts)))
ae_titles = st.text(_PLAIN, min_size=1, max_size=16).map(str.strip).filter(bool)
us = st.integers(0, 0xFFFF)
tags = st.integers(0, 0xFFFFFFFF)
flags = st.booleans()

user_identities = st.builds(
    UserIdentity,
    kind=st.integers(1, 5),
    primary=st.binary(max_size=40),
    secondary=st.binary(max_size=40),
    response_requested=flags,
)

_pairs = st.lists(st.tuples(uids, st.lists(uids, min_size=1, max_size=4).map(tuple)), min_size=1, max_size=12)


def _proposed(pairs: list[tuple[str, tuple[str, ...]]]) -> tuple[ProposedContext, ...]:
    return tuple(ProposedContext(2 * i + 1, uid, syntaxes) for i, (uid, syntaxes) in enumerate(pairs))


_windows = st.none() | st.tuples(us, us)
_lengths = st.just(0) | st.integers(128, 0xFFFFFFFF)
_roles = st.dictionaries(uids, st.tuples(flags, flags), max_size=4)
_extended = st.dictionaries(uids, st.binary(max_size=20), max_size=3)

requests = st.builds(
    AssociateRequest,
    called_ae=ae_titles,
    calling_ae=ae_titles,
    contexts=_pairs.map(_proposed),
    max_pdu_length=_lengths,
    application_context=uids,
    implementation_class_uid=uids,
    implementation_version=ae_titles,
    roles=_roles,
    extended=_extended,
    common_extended=st.dictionaries(
        uids, st.builds(CommonExtended, uids, st.lists(uids, max_size=3).map(tuple)), max_size=3
    ),
    user_identity=st.none() | user_identities,
    async_window=_windows,
)


@st.composite
def _answers(draw: st.DrawFn) -> tuple[AcceptedContext, ...]:
    count = draw(st.integers(1, 12))
    return tuple(
        AcceptedContext(2 * index + 1, "", draw(uids), draw(st.integers(0, 4))) for index in range(count)
    )


answers = st.builds(
    AssociateAccept,
    called_ae=ae_titles,
    calling_ae=ae_titles,
    contexts=_answers(),
    max_pdu_length=_lengths,
    application_context=uids,
    implementation_class_uid=uids,
    implementation_version=ae_titles,
    roles=_roles,
    extended=_extended,
    user_identity_response=st.none() | st.binary(max_size=40),
    async_window=_windows,
)

_comments = st.text(_PLAIN, min_size=1, max_size=64).map(str.rstrip).filter(bool)
_DEFINED = {
    0x0000, 0x0002, 0x0003, 0x0100, 0x0110, 0x0120, 0x0600, 0x0700, 0x0800, 0x0900, 0x0901, 0x0902, 0x0903,
    0x1000, 0x1001, 0x1002, 0x1005, 0x1008, 0x1020, 0x1021, 0x1022, 0x1023, 0x1030, 0x1031,
}  # fmt: skip
_unknown = st.dictionaries(
    us.filter(lambda element: element not in _DEFINED), st.binary(max_size=16), max_size=3
)
_tag_lists = st.lists(tags, max_size=4).map(tuple)

commands = st.builds(
    Command,
    command_field=st.sampled_from(CommandField).map(int) | us,
    has_data_set=flags,
    message_id=us,
    message_id_responded_to=us,
    affected_sop_class_uid=st.none() | uids,
    affected_sop_instance_uid=st.none() | uids,
    requested_sop_class_uid=st.none() | uids,
    requested_sop_instance_uid=st.none() | uids,
    priority=st.none() | us,
    status=us,
    offending_element=_tag_lists,
    error_comment=st.none() | _comments,
    error_id=st.none() | us,
    move_destination=st.none() | ae_titles,
    move_originator_ae=st.none() | ae_titles,
    move_originator_message_id=st.none() | us,
    event_type_id=st.none() | us,
    action_type_id=st.none() | us,
    attribute_identifier_list=_tag_lists,
    number_of_remaining=st.none() | us,
    number_of_completed=st.none() | us,
    number_of_failed=st.none() | us,
    number_of_warning=st.none() | us,
    unknown=_unknown.map(lambda elements: tuple(sorted(elements.items()))),
)
