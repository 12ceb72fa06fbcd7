"""One association as a state machine: bytes and local requests in, events and bytes out (PS3.8 section 9).

The table is in `state_table`; each action of Tables 9-6 to 9-9 is one method here. No sockets, no clock: the
owner writes what `output()` returns, reads into `buffer()`, runs the ARTIM timer while `artim_wanted`, and
closes the transport, after the output is written, when `close_wanted`.

Choices the standard leaves open, or that differ from it:
- A PDU's type and length are judged from its 6 header bytes: one that is too long, unknown or unexpected
  is answered at once and its body is never buffered.
- After a PDU whose length cannot be trusted nothing the peer sends can be understood; it is thrown away until
  the connection closes or ARTIM expires. So AA-7 sends at most one more A-ABORT per association.
- A fault in Sta2 (AA-1) also returns `Aborted`, so that the owner can say why the connection ended.
- `release_response()` during a release collision may be called at once by either side: the acceptor's is
  kept until the table allows it (Sta12).
- `abort()` where there is no association to abort (Sta1, Sta2, Sta13) just wants the transport closed.
- ARTIM is not restarted when it already runs (Sta2 to Sta13): the peer gets no second period by misbehaving.
- A requestor in Sta5 has no timer in the standard; its owner sets one.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from gateway.dicom import associate_pdu, negotiation, pdu
from gateway.dicom.errors import LocalProtocolError, PeerProtocolError
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
from gateway.dicom.frames import FrameReader
from gateway.dicom.limits import UpperLayerLimits
from gateway.dicom.negotiation import AcceptedContext, AssociateAccept, AssociateRequest
from gateway.dicom.state_table import EVENT_OF_PDU, TRANSITIONS, Action, Evt, Role, State

__all__ = ["TRANSITIONS", "Action", "Evt", "Role", "State", "UpperLayer", "UpperLayerLimits"]

_PDV = struct.Struct(">IBB")
_DATA_STATES: Final = (State.STA6, State.STA7)
_NO_REQUEST: Final = AssociateRequest("", "", ())
_REFUSALS: Final = frozenset({Action.AA_1, Action.AA_6, Action.AA_7, Action.AA_8})


class UpperLayer:
    """One association, from connecting to closing. Not reusable.

    Every method that takes local requests raises LocalProtocolError, having done nothing, when the state does
    not allow it. What a peer sends never raises. A batch of events describes the past: after it, `state` is
    that of the last one, so an owner that answers an earlier event looks at `can_send` or at `state` first.
    """

    def __init__(self, role: Role, limits: UpperLayerLimits | None = None) -> None:
        self.role = role
        self.limits = limits or UpperLayerLimits()
        self.state = State.STA1
        self.artim_wanted = False
        self.close_wanted = False
        self.max_fragment = 0  # bytes that fit into one PDV; known once established
        self._frames = FrameReader(self.limits.initial_buffer, self.limits.max_associate_length)
        self._max_data = self.limits.max_pdu_length
        self._output: list[pdu.Buffer] = []
        self._contexts: Mapping[int, AcceptedContext] = {}
        self._request = _NO_REQUEST  # ours or the peer's, from Sta3 and Sta4 on
        self._echo = b""
        self._answer_kept = False

    # ---- transport ----------------------------------------------------------------------------------------

    def connected(self) -> list[Event]:
        """The transport connection is open (requestor: sends the A-ASSOCIATE-RQ; acceptor: starts ARTIM)."""
        if self.role is Role.REQUESTOR:
            self._local(Evt.TRANSPORT_CONFIRM, Action.AE_2)
            self._output.append(associate_pdu.encode_associate_rq(self._request))
            self.state = State.STA5
        else:
            self._local(Evt.TRANSPORT_INDICATION, Action.AE_5)
            self.artim_wanted = True
            self.state = State.STA2
        return []

    def buffer(self, hint: int = 0) -> memoryview:
        """Where the transport writes next; never empty. `hint` is ignored: the buffer knows what it needs.

        Ends the validity of every memoryview handed out before.
        """
        return self._frames.writable()

    def received(self, count: int) -> list[Event]:
        """`count` bytes were written into `buffer()`: say what they mean."""
        frames = self._frames
        if self.state in (State.STA1, State.STA4) and not frames.deaf:
            raise LocalProtocolError("bytes cannot arrive before the transport is connected")
        frames.wrote(count)
        events: list[Event] = []
        while (header := frames.header()) is not None:
            kind, length = header
            is_data = kind == pdu.P_DATA and length <= self._max_data and self.state in _DATA_STATES
            if not is_data and self._refused(kind, length, events):
                frames.skip(length)
                continue
            body = frames.body(length)
            if body is None:
                break
            if is_data:
                self._data(body, events)
            else:
                self._pdu(kind, bytes(body), events)
        return events

    def receive(self, data: pdu.Buffer) -> list[Event]:
        """Copy `data` through `buffer()`, in as many steps as it takes, and the data of the events out again.

        For bytes that are in memory already; a transport reads into `buffer()` and copies nothing.
        """
        events: list[Event] = []
        view = memoryview(data)
        while True:
            room = self.buffer(len(view))
            count = min(len(room), len(view))
            room[:count] = view[:count]
            view = view[count:]
            events += [
                replace(event, data=memoryview(bytes(event.data)))
                if isinstance(event, DataReceived)
                else event
                for event in self.received(count)
            ]
            if not view:
                return events

    def closed(self) -> list[Event]:
        """The transport connection is gone, whoever closed it."""
        action = TRANSITIONS.get((Evt.TRANSPORT_CLOSED, self.state))
        self._finish()
        return [ConnectionLost()] if action is Action.AA_4 else []

    def artim_expired(self) -> list[Event]:
        """The ARTIM timer ran out; in a state where it does not run that is a late tick and means nothing."""
        if (Evt.ARTIM_EXPIRED, self.state) in TRANSITIONS:
            self._finish()  # AA-2
        return []

    def trim(self) -> None:
        """Return the receive buffer's memory between bursts; call it when the association has been quiet."""
        self._frames.trim()

    @property
    def buffer_size(self) -> int:
        """Bytes of memory the receive buffer holds at present."""
        return self._frames.size

    @property
    def partial(self) -> bool:
        """True while a PDU has begun to arrive and is not complete: what a per-PDU deadline watches."""
        return self._frames.partial

    def output(self) -> list[pdu.Buffer]:
        """Take what is to be written, in order."""
        taken, self._output = self._output, []
        return taken

    # ---- local requests -----------------------------------------------------------------------------------

    @property
    def can_send(self) -> bool:
        """True in the states in which P-DATA may be sent (Sta6, Sta8)."""
        return self.state in (State.STA6, State.STA8)

    @property
    def can_answer_release(self) -> bool:
        """True while `release_response` is possible: the peer asked, and nothing has ended it since."""
        known = (Evt.RELEASE_RESPONSE, self.state) in TRANSITIONS
        return known and not self.close_wanted

    @property
    def contexts(self) -> Mapping[int, AcceptedContext]:
        """The accepted presentation contexts by ID; empty until established."""
        return self._contexts

    def associate(self, request: AssociateRequest) -> None:
        """A-ASSOCIATE request (requestor): `request` goes out when the transport is connected."""
        if self.role is not Role.REQUESTOR:
            raise LocalProtocolError("an acceptor does not send A-ASSOCIATE-RQ")
        self._check_announced(request.max_pdu_length)
        associate_pdu.encode_associate_rq(request)  # refuse now what could not be sent then
        self._local(Evt.ASSOCIATE_REQUEST, Action.AE_1)
        self._request = request
        self.state = State.STA4

    def accept(self, answer: AssociateAccept) -> None:
        """A-ASSOCIATE response (accept): the association is established."""
        self._check_announced(answer.max_pdu_length)
        encoded = associate_pdu.encode_associate_ac(answer, self._echo)
        self._local(Evt.ASSOCIATE_ACCEPT, Action.AE_7)
        self._output.append(encoded)
        self._establish(answer, self._request.max_pdu_length)

    def reject(self, result: int, source: int, diagnostic: int) -> None:
        """A-ASSOCIATE response (reject): A-ASSOCIATE-RJ, then wait for the peer to close."""
        self._local(Evt.ASSOCIATE_REJECT, Action.AE_8)
        self._output.append(pdu.encode_reject(result, source, diagnostic))
        self._await_close()

    def send_pdv(self, context_id: int, is_command: bool, is_last: bool, data: pdu.Buffer) -> None:
        """P-DATA request: one PDU with one PDV. `data`, at most `max_fragment` bytes, is not copied."""
        if not self.can_send:
            raise LocalProtocolError(f"no data can be sent in {self.state.name}")
        length = len(data)
        if length > self.max_fragment or context_id not in self._contexts:
            raise LocalProtocolError(f"{length} bytes on context {context_id} cannot be sent")
        self._output.append(pdu.data_header(context_id, is_command, is_last, length))
        if length:
            self._output.append(data)

    def release(self) -> None:
        """A-RELEASE request: no more data is sent; `ReleaseConfirmed` follows."""
        self._local(Evt.RELEASE_REQUEST, Action.AR_1)
        self._output.append(pdu.RELEASE_RQ_PDU)
        self.state = State.STA7

    def release_response(self) -> None:
        """A-RELEASE response, after `ReleaseRequested`."""
        if self.state is State.STA10 and not self._answer_kept:
            self._answer_kept = True
            return
        action = self._local(Evt.RELEASE_RESPONSE, Action.AR_4, Action.AR_9)
        self._output.append(pdu.RELEASE_RP_PDU)
        if action is Action.AR_9:
            self.state = State.STA11
        else:
            self._await_close()

    def abort(self, source: int = pdu.ABORT_BY_USER, reason: int = pdu.REASON_NOT_SPECIFIED) -> None:
        """A-ABORT request, in any state. `source` 2 says that our protocol layers, not the user, gave up."""
        if TRANSITIONS.get((Evt.ABORT_REQUEST, self.state)) is Action.AA_1:
            self._output.append(pdu.encode_abort(source, reason))
            self._await_close()
        else:
            self._finish()  # AA-2

    # ---- what the peer sent -------------------------------------------------------------------------------

    def _refused(self, kind: int, length: int, events: list[Event]) -> bool:
        """Act on a header alone where that is enough to know; True when it has been dealt with."""
        try:
            pdu.check_header(kind, length, self.limits)
        except PeerProtocolError as error:
            self._refuse(Evt.INVALID_PDU, error.reason, str(error), events)
            self._frames.deaf = True
            return True
        event = EVENT_OF_PDU[kind]
        if TRANSITIONS[event, self.state] not in _REFUSALS:
            return False
        words = f"an unexpected {pdu.PDU_NAMES[kind]} PDU came"
        self._refuse(event, pdu.REASON_UNEXPECTED_PDU, words, events)
        return True

    def _refuse(self, event: Evt, reason: int, words: str, events: list[Event]) -> None:
        action = TRANSITIONS[event, self.state]
        if action is Action.AA_1:
            self._output.append(pdu.encode_abort(pdu.ABORT_BY_USER, pdu.REASON_NOT_SPECIFIED))
            events.append(Aborted(pdu.ABORT_BY_USER, pdu.REASON_NOT_SPECIFIED, False, words))
        elif action is Action.AA_8:
            self._output.append(pdu.encode_abort(pdu.ABORT_BY_PROVIDER, reason))
            events.append(Aborted(pdu.ABORT_BY_PROVIDER, reason, False, words))
        elif action is Action.AA_7:
            self._output.append(pdu.encode_abort(pdu.ABORT_BY_PROVIDER, reason))
            self._frames.deaf = True
        self._await_close()

    def _data(self, body: memoryview, events: list[Event]) -> None:
        """DT-2 and AR-6: a complete P-DATA-TF PDU in a state that expects it (PS3.8 9.3.5)."""
        contexts, most = self._contexts, self.limits.max_pdvs
        found: list[Event] = []
        offset, stop = 0, len(body)
        while stop - offset >= pdu.PDV_OVERHEAD:
            length, context_id, control = _PDV.unpack_from(body, offset)
            following = offset + 4 + length
            if length < 2 or context_id not in contexts or len(found) == most:
                break
            piece = body[offset + pdu.PDV_OVERHEAD : following]
            found.append(DataReceived(context_id, bool(control & 1), bool(control & 2), piece))
            offset = following
        if offset == stop and found:  # the last value ends where the PDU does
            events += found
            return
        words = "a P-DATA-TF PDU does not consist of data values on accepted contexts"
        self._refuse(Evt.INVALID_PDU, pdu.REASON_INVALID_PARAMETER, words, events)

    def _pdu(self, kind: int, body: bytes, events: list[Event]) -> None:
        action = TRANSITIONS[EVENT_OF_PDU[kind], self.state]
        try:
            _ACTIONS[action](self, body, events)
        except PeerProtocolError as error:
            self._refuse(Evt.INVALID_PDU, error.reason, str(error), events)

    def _ae_3(self, body: bytes, events: list[Event]) -> None:
        received = associate_pdu.decode_associate_ac(body, self.limits.negotiation)
        answer = negotiation.settle(self._request, received)
        self._establish(answer, answer.max_pdu_length)
        events.append(AssociateAccepted(answer))

    def _ae_4(self, body: bytes, events: list[Event]) -> None:
        result, source, diagnostic = body[1:4]
        self._finish()
        events.append(
            AssociateRejected(result, source, diagnostic, pdu.reject_words(result, source, diagnostic))
        )

    def _ae_6(self, body: bytes, events: list[Event]) -> None:
        if not associate_pdu.protocol_version(body) & associate_pdu.PROTOCOL_VERSION_BIT:
            answer = (1, 2, 2)
            self._output.append(pdu.encode_reject(*answer))
            self._await_close()
            events.append(AssociateRejected(*answer, pdu.reject_words(*answer)))
            return
        request = associate_pdu.decode_associate_rq(body, self.limits.negotiation)
        self._request = request
        self._echo = associate_pdu.title_block(body)
        self.artim_wanted = False
        self.state = State.STA3
        events.append(AssociateRequested(request))

    def _ar_2(self, _body: bytes, events: list[Event]) -> None:
        self.state = State.STA8
        events.append(ReleaseRequested())

    def _ar_3(self, _body: bytes, events: list[Event]) -> None:
        self._finish()
        events.append(ReleaseConfirmed())

    def _ar_8(self, _body: bytes, events: list[Event]) -> None:
        self.state = State.STA9 if self.role is Role.REQUESTOR else State.STA10
        events.append(ReleaseRequested(collision=True))

    def _ar_10(self, _body: bytes, events: list[Event]) -> None:
        self.state = State.STA12
        events.append(ReleaseConfirmed())
        if self._answer_kept:
            self.release_response()

    def _aa_2(self, _body: bytes, _events: list[Event]) -> None:
        self._finish()

    def _aa_3(self, body: bytes, events: list[Event]) -> None:
        source, reason = body[2:4]
        self._finish()
        events.append(Aborted(source, reason, True, pdu.abort_words(source, reason)))

    # ---- small steps --------------------------------------------------------------------------------------

    def _local(self, event: Evt, *expected: Action) -> Action:
        action = TRANSITIONS.get((event, self.state))
        if action is None or action not in expected or self.close_wanted:
            raise LocalProtocolError(f"{event.name} is not possible in {self.state.name}")
        return action

    def _check_announced(self, length: int) -> None:
        if not 0 < length <= self._max_data:
            raise LocalProtocolError(f"a maximum PDU length of {length} cannot be announced")

    def _establish(self, answer: AssociateAccept, peer_length: int) -> None:
        limits = self.limits
        length = min(peer_length or limits.max_send_length, limits.max_send_length)
        self.max_fragment = (length - pdu.PDV_OVERHEAD) & ~1  # fragments have even length (PS3.8 E.2)
        self._contexts = answer.accepted_contexts()
        self._frames.allow(limits.max_pdu_length + limits.read_ahead)
        self.state = State.STA6

    def _await_close(self) -> None:
        self.state = State.STA13
        self.artim_wanted = True

    def _finish(self) -> None:
        self.state = State.STA1
        self.artim_wanted = False
        self.close_wanted = True
        self._frames.deaf = True


_ACTIONS: Final[Mapping[Action, Callable[[UpperLayer, bytes, list[Event]], None]]] = {
    Action.AE_3: UpperLayer._ae_3,
    Action.AE_4: UpperLayer._ae_4,
    Action.AE_6: UpperLayer._ae_6,
    Action.AR_2: UpperLayer._ar_2,
    Action.AR_3: UpperLayer._ar_3,
    Action.AR_8: UpperLayer._ar_8,
    Action.AR_10: UpperLayer._ar_10,
    Action.AA_2: UpperLayer._aa_2,
    Action.AA_3: UpperLayer._aa_3,
}
