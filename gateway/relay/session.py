"""One relay: a caller's association and the far one that was opened for it, message by message, both ways.

Commands are read and written anew with mapped numbers; data sets pass as they come, piece by piece, in the
call that read them: no task and no queue per message, and memory does not grow with what passes.

Time counts per request: until its first response, then from one sign of progress to the next. There is no
limit on a whole transfer.

When the far side is lost, each request it left unanswered gets a failure, and then the caller an A-ABORT. A
caller that also stores objects here keeps its association: what it stores is safe here, far end or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from gateway.association.association import LOST, TIMEOUT, Association, Closed
from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.negotiation import AcceptedContext
from gateway.model import Route
from gateway.notices import Notices, RelayBroken
from gateway.relay.failure import DUPLICATE_INVOCATION, RESOURCE_LIMITATION, failed
from gateway.relay.far_end import FarEnd
from gateway.relay.inspected import Inspected, Inspections
from gateway.relay.inspection import Inspector
from gateway.relay.ledger import Exchange, Ledger, Side
from gateway.relay.moves import Moves, OwnMoves
from gateway.relay.pressure import Pressure
from gateway.relay.watch import Watch

_FAR_GONE = "the far end cannot be reached any more"


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What one relay may hold."""

    max_exchanges: int = 64  # requests of one side under way at the same time
    max_inspected: int = 256 * 1024  # bytes of a data set that is looked at before it goes on


class RelaySession:
    """Passes messages between two associations until either ends. The `Relay` of an admission."""

    def __init__(
        self,
        far: FarEnd,
        *,
        route: Route,
        calling_ae: str,
        alone: bool,
        inspectors: Sequence[Inspector],
        moves: Moves,
        notices: Notices,
        limits: SessionLimits | None = None,
    ) -> None:
        """`alone`: nothing but the relay is served on the caller's association."""
        self._far: FarEnd | None = far
        self._far_association = far.association
        self._far_words = ""  # why it ended
        self._near: Association | None = None
        self._route = route
        self._calling_ae = calling_ae
        self._alone = alone
        self._notices = notices
        self._limits = limits or SessionLimits()
        self._rested: Callable[[], None] = _nothing
        self._ledger = Ledger(far.contexts, most=self._limits.max_exchanges)
        self._inspections = Inspections(inspectors, route, calling_ae, self._limits.max_inspected)
        # Whose data set is coming, by side and context there; None when it is thrown away.
        self._streams: dict[tuple[Side, int], Exchange | None] = {}
        self._answer_after: dict[int, Command] = {}  # a response that waits for the end of a near data set
        self._written: set[Side] = set()
        self._resting = False  # somebody is to be told that something came to its end
        self._loop = asyncio.get_running_loop()
        self._moves = OwnMoves(moves, calling_ae, far.association.calling_ae, self._loop.time)
        self._watch = Watch(self._ledger, far.timeouts, self._side, self._streams)
        self._pressure = Pressure()
        far.association.hold(self)

    # --- the acceptor's side (Relay) -----------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """True while a request of the caller has no final response, or a message is under way to it."""
        if any(True for _ in self._ledger.open(Side.NEAR)) or self._inspections:
            return True
        return bool(self._answer_after) or (self._near is not None and self._near.streaming)

    def attach(self, near: Association, rested: Callable[[], None]) -> None:
        """The caller's association is open."""
        self._near = near
        self._rested = rested
        self._ledger.narrow(near.contexts, self._far_association.contexts)
        if self._far is None:  # it ended while the caller was being answered
            self._far_lost()

    def knows(self, message_id: int) -> bool:
        """Say whether a request of the caller with this message ID is under way."""
        return self._ledger.knows(Side.NEAR, message_id) or message_id in self._inspections

    def asks(self, message_id: int) -> bool:
        """Say whether the caller owes the far end a response to a request with this message ID."""
        return self._ledger.gave(Side.FAR, message_id)

    def request(self, context: AcceptedContext, command: Command) -> None:
        """Pass a request of the caller on."""
        refusal = self._refusal(command)
        if refusal is not None:
            self._refuse(context.context_id, command, refusal)
            return
        inspected = self._inspections.begin(context, command)
        if inspected is None:
            self._pass_request(Side.NEAR, context.context_id, command)
        elif not command.has_data_set:
            self._inspect(inspected)

    def response(self, context: AcceptedContext, command: Command) -> bool:
        """Pass a response of the caller on."""
        if self._far is None:
            self._stream(Side.NEAR, context.context_id, command, None)
            return True  # to a far end that is gone
        return self._pass_response(Side.NEAR, context.context_id, command)

    def cancel(self, context: AcceptedContext, command: Command) -> None:
        """Pass a C-CANCEL of the caller on."""
        self._pass_cancel(Side.NEAR, context.context_id, command)

    def fragment(self, context_id: int, data: memoryview, is_last: bool) -> None:
        """Pass on a piece of the caller's data set."""
        inspected = self._inspections.receiving(context_id)
        if inspected is None:
            self._pass_data(Side.NEAR, context_id, data, is_last)
            return
        inspected.write(data)
        if is_last:
            self._inspections.received(context_id)
            self._inspect(inspected)

    def flush(self) -> None:
        """Write to the far end, and tell who waits; also what the caller's data led to on its own side."""
        self._flush()

    def give_up(self, reason: str) -> None:
        """Answer what is open as if the far end were lost, which it then is."""
        if self._far is not None:
            self._far.association.abort(f"aborted here: {reason}")

    def near_ending(self, released: bool) -> None:
        """The caller's association ends: let the far one go, whole when it is at rest."""
        self._near = None
        self._inspections.cancel()
        self._watch.end()
        far, self._far = self._far, None
        if far is None:
            return
        self._moves.end_all(self._ledger)
        association = far.association
        for exchange in self._ledger.open(Side.FAR):
            if exchange.complete and not association.streaming:
                answer = failed(exchange.request, "the system that was called went away")
                association.stream_command(exchange.context_id, answer)
        clean = self._ledger.empty and not self._streams and not association.streaming
        association.let_go()
        association.stream.flush()  # what came in the read that ended it: its memory is only lent
        self._pressure.end(association)
        if not clean:
            association.abort("aborted here: the caller's association ended")
        far.done(association, clean)

    # --- the far association's side (Holder) ---------------------------------------------------------

    def far_command(self, context: AcceptedContext, command: Command) -> None:
        """A command of the far end."""
        if command.is_response:
            if not self._pass_response(Side.FAR, context.context_id, command):
                self._far_association.abort("aborted here: the far end answered something it was not asked")
        elif command.command_field == CommandField.C_CANCEL_RQ:
            self._pass_cancel(Side.FAR, context.context_id, command)
        elif self._ledger.across(Side.FAR, context.context_id) is None:
            self._answer_far(context.context_id, command, 0x0122, "not offered by the caller")
        elif self._ledger.knows(Side.FAR, command.message_id or 0):
            self._answer_far(context.context_id, command, DUPLICATE_INVOCATION, "this message ID is in use")
        elif self._ledger.full(Side.FAR):
            self._answer_far(context.context_id, command, RESOURCE_LIMITATION, "too many requests at once")
        else:
            self._pass_request(Side.FAR, context.context_id, command)

    def far_fragment(self, context_id: int, data: memoryview, is_last: bool) -> None:
        """A piece of a data set of the far end."""
        self._pass_data(Side.FAR, context_id, data, is_last)

    def far_flush(self) -> None:
        """Write to the caller what one read brought."""
        self._flush()

    def far_ended(self, closed: Closed) -> None:
        """The far association is over, or is being ended by us."""
        far, self._far = self._far, None
        self._watch.end()
        if far is None:
            return
        self._moves.end_all(self._ledger)
        if closed.outcome in (LOST, TIMEOUT):
            far.lost(closed)
        self._far_words = closed.reason
        if self._near is not None:
            self._far_lost()
        far.done(far.association, False)

    # --- passing -------------------------------------------------------------------------------------

    def _side(self, side: Side) -> Association | None:
        if side is Side.NEAR:
            return self._near
        return self._far.association if self._far is not None else None

    def _pass_request(
        self, asker: Side, context_id: int, command: Command, data: bytes | None = None
    ) -> None:
        """Pass a request on; its data set follows piece by piece, unless all of it is here as `data`."""
        to = self._side(asker.other)
        if to is None:
            return
        wanted = command.message_id or 0
        if asker is Side.NEAR:
            wanted = self._moves.far_id(command, wanted)
        elif self._near is not None:
            wanted = self._near.message_id_for(wanted)
        exchange = self._ledger.begin(asker, context_id, command, wanted, self._loop.time())
        passed = command
        if command.command_field == CommandField.C_STORE_RQ:
            if asker is Side.FAR:
                self._ledger.progressed(Side.FAR, self._loop.time())
            else:
                passed = self._moves.sub_operation(context_id, command)
        elif asker is Side.NEAR:
            self._moves.begin(exchange)
        if exchange.other_id != passed.message_id:
            passed = replace(passed, message_id=exchange.other_id)
        if data is None:
            self._stream(asker, context_id, command, exchange)
            to.stream_command(exchange.other_context_id, passed)
        else:
            to.send_command(exchange.other_context_id, passed, data)
            exchange.complete = True
        self._written.add(asker.other)
        if asker is Side.NEAR and exchange.complete and self._near is not None:
            self._near.stream.begin()
        if exchange.complete:
            self._watch.begin(exchange)

    def _pass_response(self, answerer: Side, context_id: int, command: Command) -> bool:
        exchange = self._ledger.answer(answerer, context_id, command)
        to = self._side(answerer.other)
        if exchange is None or to is None:
            return False
        exchange.touched = self._loop.time()
        if answerer is Side.NEAR and command.command_field == CommandField.C_STORE_RSP:
            self._ledger.progressed(Side.FAR, self._loop.time())
        if exchange.closed:
            self._final(exchange, command)
        else:
            self._watch.begin(exchange)
        self._stream(answerer, context_id, command, exchange)
        message_id = exchange.request.message_id
        if command.message_id_responded_to != message_id:
            command = replace(command, message_id_responded_to=message_id)
        to.stream_command(exchange.context_id, command)
        self._written.add(answerer.other)
        return True

    def _final(self, exchange: Exchange, response: Command) -> None:
        """A request has its final response."""
        near = self._near
        if exchange.asker is Side.NEAR and near is not None:
            if exchange.complete:
                near.stream.end()
            if exchange.request.command_field == CommandField.C_STORE_RQ:
                near.count(response)
            self._resting = True
        self._moves.end(exchange)

    def _pass_cancel(self, asker: Side, context_id: int, command: Command) -> None:
        exchange = self._ledger.cancelled(asker, command)
        to = self._side(asker.other)
        # On the context it came on: that of its request may be in the middle of a data set.
        other_context_id = self._ledger.across(asker, context_id)
        if exchange is None or to is None or other_context_id is None or not exchange.complete:
            return
        passed = replace(command, message_id_responded_to=exchange.other_id)
        to.stream_command(other_context_id, passed)
        self._written.add(asker.other)

    def _stream(self, sender: Side, context_id: int, command: Command, exchange: Exchange | None) -> None:
        if command.has_data_set:
            self._streams[sender, context_id] = exchange
            if sender is Side.FAR and exchange is not None:
                self._watch.begin_passing(exchange)

    def _pass_data(self, sender: Side, context_id: int, data: memoryview, is_last: bool) -> None:
        exchange = self._streams.get((sender, context_id))
        if is_last:
            self._streams.pop((sender, context_id), None)
        to = self._side(sender.other)
        if exchange is not None and to is not None:
            now = exchange.touched = self._loop.time()
            self._progress(sender, context_id, exchange, is_last, now)
            other = exchange.other_context_id if sender is exchange.asker else exchange.context_id
            to.stream_data(other, data, is_last)
            self._written.add(sender.other)
        if is_last and sender is Side.NEAR:
            answer = self._answer_after.pop(context_id, None)
            if answer is not None:
                self._tell_near(context_id, answer)
        if is_last:
            self._resting = True

    def _progress(self, sender: Side, context_id: int, exchange: Exchange, is_last: bool, now: float) -> None:
        """Note what a piece of a data set says about requests that are under way."""
        if sender is Side.NEAR:
            self._moves.progressed(context_id, is_last)
        if sender is Side.FAR and exchange.asker is Side.FAR:
            self._ledger.progressed(Side.FAR, now)
        if is_last and sender is exchange.asker and not exchange.complete:
            exchange.complete = True
            if not exchange.closed:
                if sender is Side.NEAR and self._near is not None:
                    self._near.stream.begin()
                self._watch.begin(exchange)

    # --- turning down --------------------------------------------------------------------------------

    def _refusal(self, command: Command) -> Command | None:
        if self._far is None:
            return failed(command, _FAR_GONE)
        if self._ledger.full(Side.NEAR, more=len(self._inspections)):
            comment = "too many requests at once"
            return messages.response(command, RESOURCE_LIMITATION, error_comment=comment)
        return None

    def _refuse(self, context_id: int, command: Command, answer: Command) -> None:
        """Answer the caller ourselves, after the data set that comes with its request."""
        if command.has_data_set:
            self._streams[Side.NEAR, context_id] = None
            self._answer_after[context_id] = answer
        else:
            self._tell_near(context_id, answer)

    def _tell_near(self, context_id: int, answer: Command) -> None:
        near = self._near
        if near is not None and near.layer.can_send:
            near.send_command(context_id, answer)
            self._written.add(Side.NEAR)
            self._resting = True

    def _answer_far(self, context_id: int, command: Command, status: int, comment: str) -> None:
        self._stream(Side.FAR, context_id, command, None)
        answer = messages.response(command, status, error_comment=comment)
        self._far_association.send_command(context_id, answer)
        self._written.add(Side.FAR)

    # --- looking before passing ----------------------------------------------------------------------

    def _inspect(self, inspected: Inspected) -> None:
        """All of a request is here that somebody wants to look at."""
        if self._near is not None:
            self._near.stream.begin()
        task = self._inspections.start(inspected)
        task.add_done_callback(lambda task: self._inspection_ended(inspected, task))

    def _inspection_ended(self, inspected: Inspected, task: asyncio.Task[Command | None]) -> None:
        self._inspections.end(inspected)
        near = self._near
        if near is None or task.cancelled():
            return
        near.stream.end()
        command, context_id = inspected.command, inspected.context.context_id
        error = task.exception()
        if error is not None:
            near.abort("aborted here: internal error")
            self._loop.call_exception_handler(
                {
                    "message": "the inspection of a request failed unexpectedly",
                    "exception": error,
                    "protocol": near.stream,
                }
            )
            return
        answer = task.result() or self._refusal(command)
        if answer is not None:
            self._tell_near(context_id, answer)
        else:
            data = bytes(inspected.data) if command.has_data_set else None
            self._pass_request(Side.NEAR, context_id, command, data)
        self._flush()

    # --- writing and waiting -------------------------------------------------------------------------

    def _flush(self) -> None:
        while self._written:
            side = self._written.pop()
            to, source = self._side(side), self._side(side.other)
            if to is None:
                continue
            to.stream.flush()
            if source is not None:
                self._pressure.watch(source, to)
        if self._resting:
            self._resting = False
            self._rested()

    # --- the end of the far side ---------------------------------------------------------------------

    def _far_lost(self) -> None:
        """Tell the caller, request by request, and end its association if the relay was all it had."""
        near = self._near
        if near is None:
            return
        waiting = list(self._ledger.open(Side.NEAR))
        self._notices.publish(
            RelayBroken(
                association=near.id,
                far=self._far_association.id,
                peer=self._route.to[0],
                unanswered=len(waiting),
                reason=self._far_words,
            )
        )
        torn = near.streaming  # the caller has the beginning of a message whose end will never come
        for exchange in waiting:
            self._ledger.close(exchange)
            if exchange.complete:
                near.stream.end()
                if not torn:
                    self._tell_near(exchange.context_id, failed(exchange.request, _FAR_GONE))
            else:
                self._streams[Side.NEAR, exchange.context_id] = None
                self._answer_after[exchange.context_id] = failed(exchange.request, _FAR_GONE)
        for exchange in self._ledger.open(Side.FAR):
            self._ledger.close(exchange)
        near.stream.flush()
        self._pressure.end(near)
        if torn or self._alone:
            near.abort(f"aborted here: {_FAR_GONE}")
        else:
            self._flush()


def _nothing() -> None:
    """Nobody waits yet."""
