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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from gateway.association.association import LOST, TIMEOUT, Association, Closed
from gateway.association.far import FarAssociation
from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.negotiation import AcceptedContext
from gateway.model import Route
from gateway.notices import Notices, RelayBroken
from gateway.relay.failure import DUPLICATE_INVOCATION, RESOURCE_LIMITATION, failed
from gateway.relay.inspected import Inspected, Inspections
from gateway.relay.inspection import Inspector
from gateway.relay.ledger import Exchange, Ledger, Side
from gateway.relay.moves import Move, Moves, for_originator
from gateway.relay.patience import RelayTimeouts
from gateway.relay.profile import Profile

_HOLD = "relay"
_FAR_GONE = "the far end cannot be reached any more"


Far = FarAssociation[Profile]
"""An association with a far end, which knows what it was opened for."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What one relay may hold."""

    max_exchanges: int = 64  # requests of one side under way at the same time
    max_inspected: int = 256 * 1024  # bytes of a data set that is looked at before it goes on


@dataclass(frozen=True, slots=True)
class FarEnd:
    """A far association with what belongs to it, as the dialer hands it over."""

    association: Far
    contexts: Mapping[int, int]  # the caller's context -> the far one, accepted ones
    timeouts: RelayTimeouts
    done: Callable[[Far, bool], None]  # (association, fit to be used again); exactly once
    lost: Callable[[Closed], None]  # it ended while it was used


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
        self._moves = moves
        self._notices = notices
        self._limits = limits or SessionLimits()
        self._timeouts = far.timeouts
        self._rested: Callable[[], None] = _nothing
        self._ledger = Ledger(far.contexts, most=self._limits.max_exchanges)
        self._inspections = Inspections(inspectors, route, calling_ae, self._limits.max_inspected)
        # Whose data set is coming, by side and context there; None when it is thrown away.
        self._streams: dict[tuple[Side, int], Exchange | None] = {}
        self._answer_after: dict[int, Command] = {}  # a response that waits for the end of a near data set
        self._move_of: dict[int, Move] = {}  # C-MOVE whose sub-operation is coming, by near context
        self._written: set[Side] = set()
        self._resting = False  # somebody is to be told that something came to its end
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        self._backlog = 0
        self._easing: dict[Association, asyncio.Task[None]] = {}  # who is waited for until it has taken more
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
        if self._far is None:  # it ended while the caller was being answered
            self._far_lost()

    def knows(self, message_id: int) -> bool:
        """Say whether a request of the caller with this message ID is under way."""
        return self._ledger.knows(Side.NEAR, message_id) or message_id in self._inspections

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
        self._pass_cancel(Side.NEAR, command)

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

    def near_ending(self, released: bool) -> None:
        """The caller's association ends: let the far one go, whole when it is at rest."""
        self._near = None
        self._inspections.cancel()
        self._cancel_timer()
        for task in tuple(self._easing.values()):
            task.cancel()
        far, self._far = self._far, None
        if far is None:
            return
        self._forget_moves()
        association = far.association
        for exchange in self._ledger.open(Side.FAR):
            if exchange.complete and not association.streaming:
                answer = failed(exchange.request, "the system that was called went away")
                association.stream_command(exchange.context_id, answer)
        clean = self._ledger.empty and not self._streams and not association.streaming
        association.let_go()
        association.stream.resume_reading(_HOLD)
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
            self._pass_cancel(Side.FAR, command)
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
        self._cancel_timer()
        if far is None:
            return
        self._forget_moves()
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

    def _pass_request(self, asker: Side, context_id: int, command: Command) -> None:
        to = self._side(asker.other)
        if to is None:
            return
        wanted = command.message_id or 0
        if asker is Side.FAR and self._near is not None:
            wanted = self._near.message_id_for(wanted)
        exchange = self._ledger.begin(asker, context_id, command, wanted, self._loop.time())
        passed = command
        if command.command_field == CommandField.C_STORE_RQ:
            if asker is Side.FAR:
                self._ledger.progressed(Side.FAR, self._loop.time())
            else:
                passed = self._sub_operation(context_id, command)
        elif command.command_field == CommandField.C_MOVE_RQ and asker is Side.NEAR:
            self._begin_move(exchange)
        if exchange.other_id != passed.message_id:
            passed = replace(passed, message_id=exchange.other_id)
        self._stream(asker, context_id, command, exchange)
        to.stream_command(exchange.other_context_id, passed)
        self._written.add(asker.other)
        if asker is Side.NEAR and exchange.complete and self._near is not None:
            self._near.stream.begin()
        self._arm(exchange)

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
        self._end_move(exchange)

    def _pass_cancel(self, asker: Side, command: Command) -> None:
        exchange = self._ledger.cancelled(asker, command)
        to = self._side(asker.other)
        if exchange is None or to is None:
            return
        passed = replace(command, message_id_responded_to=exchange.other_id)
        to.stream_command(exchange.other_context_id, passed)
        self._written.add(asker.other)

    def _stream(self, sender: Side, context_id: int, command: Command, exchange: Exchange | None) -> None:
        if command.has_data_set:
            self._streams[sender, context_id] = exchange

    def _pass_data(self, sender: Side, context_id: int, data: memoryview, is_last: bool) -> None:
        exchange = self._streams.get((sender, context_id))
        if is_last:
            self._streams.pop((sender, context_id), None)
        to = self._side(sender.other)
        if exchange is not None and to is not None:
            now = exchange.touched = self._loop.time()
            self._progress(sender, context_id, exchange, is_last, now)
            other = exchange.other_context_id if sender is exchange.asker else exchange.context_id
            to.stream_data(other, bytes(data), is_last)
            self._written.add(sender.other)
        if is_last and sender is Side.NEAR:
            answer = self._answer_after.pop(context_id, None)
            if answer is not None:
                self._tell_near(context_id, answer)
        if is_last:
            self._resting = True

    def _progress(self, sender: Side, context_id: int, exchange: Exchange, is_last: bool, now: float) -> None:
        """Note what a piece of a data set says about requests that are under way."""
        if sender is Side.NEAR and context_id in self._move_of:
            self._move_of[context_id].touch()
            if is_last:
                del self._move_of[context_id]
        if sender is Side.FAR and exchange.asker is Side.FAR:
            self._ledger.progressed(Side.FAR, now)
        if is_last and sender is exchange.asker and not exchange.complete:
            exchange.complete = True
            if not exchange.closed:
                if sender is Side.NEAR and self._near is not None:
                    self._near.stream.begin()
                self._arm(exchange)

    # --- C-MOVE --------------------------------------------------------------------------------------

    def _begin_move(self, exchange: Exchange) -> None:
        def touch() -> None:
            exchange.touched = self._loop.time()

        move = Move(self._calling_ae, exchange.request.message_id or 0, touch)
        self._moves.begin(self._far_association.calling_ae, exchange.other_id, move)

    def _end_move(self, exchange: Exchange) -> None:
        if exchange.asker is Side.NEAR and exchange.request.command_field == CommandField.C_MOVE_RQ:
            self._moves.end(self._far_association.calling_ae, exchange.other_id)

    def _forget_moves(self) -> None:
        for exchange in self._ledger.open(Side.NEAR):
            self._end_move(exchange)

    def _sub_operation(self, context_id: int, command: Command) -> Command:
        move = self._moves.originator_of(command)
        if move is None:
            return command
        move.touch()
        if command.has_data_set:
            self._move_of[context_id] = move
        return for_originator(command, move)

    # --- turning down --------------------------------------------------------------------------------

    def _refusal(self, command: Command) -> Command | None:
        if self._far is None:
            return failed(command, _FAR_GONE)
        if self._ledger.full(Side.NEAR):
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
            self._pass_request(Side.NEAR, context_id, command)
            if command.has_data_set:
                self._pass_data(Side.NEAR, context_id, memoryview(inspected.data), True)
        self._flush()

    # --- writing and waiting -------------------------------------------------------------------------

    def _flush(self) -> None:
        while self._written:
            side = self._written.pop()
            to, source = self._side(side), self._side(side.other)
            if to is None:
                continue
            to.stream.flush()
            if not to.stream.writable and source is not None:
                self._ease(source, to)
        if self._resting:
            self._resting = False
            self._rested()

    def _ease(self, source: Association, to: Association) -> None:
        """Read no more from one side until the other has taken what waits for it."""
        if to in self._easing:
            return
        source.stream.hold_reading(_HOLD)

        async def ease() -> None:
            while to.stream.connected and not to.stream.writable:
                await to.stream.drained()
            source.stream.resume_reading(_HOLD)

        task = self._easing[to] = self._loop.create_task(ease())
        task.add_done_callback(lambda _: self._easing.pop(to, None))

    def _patience(self, exchange: Exchange) -> float:
        return self._timeouts.between if exchange.answered else self._timeouts.response

    def _arm(self, exchange: Exchange) -> None:
        if exchange.complete:
            self._arm_at(exchange.touched + self._patience(exchange))

    def _arm_at(self, when: float) -> None:
        if when < self._timer_at:
            self._cancel_timer()
            self._timer_at = when
            self._timer = self._loop.call_at(when, self._look)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._timer_at = float("inf")

    def _look(self) -> None:
        """Give up what has made no progress for too long; sleep until the next can have."""
        self._timer = None
        self._timer_at = float("inf")
        now = self._loop.time()
        for asker in Side:
            to = self._side(asker.other)
            for exchange in self._ledger.open(asker):
                if to is None or not exchange.complete:
                    continue
                due = exchange.touched + self._patience(exchange)
                if due <= now and self._still_leaving(to):
                    exchange.touched = now
                    due = now + self._patience(exchange)
                if due <= now:
                    words = f"no answer to {exchange.request.name} within {self._patience(exchange):g} s"
                    to.expire(words)
                    return
                self._arm_at(due)

    def _still_leaving(self, to: Association) -> bool:
        """A slow link is not a silent peer: the request may still be on its way out."""
        before, self._backlog = self._backlog, to.stream.backlog()
        return self._backlog > 0 and (before == 0 or self._backlog < before)

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
        near.stream.resume_reading(_HOLD)
        if torn or self._alone:
            near.abort(f"aborted here: {_FAR_GONE}")
        else:
            self._flush()


def _nothing() -> None:
    """Nobody waits yet."""
