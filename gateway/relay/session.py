"""One relay: a caller's association and the far one that was opened for it, from beginning to end.

What passes between the two is `passage`'s. Here is decided what does not pass, and what happens when one of
them ends. Time counts per request: until its first response, then from one sign of progress to the next.
There is no limit on a whole transfer.

When the far side is lost, each request it left unanswered gets a failure, and then the caller an A-ABORT. A
caller that also stores objects here keeps its association: what it stores is safe here, far end or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.association.association import LOST, TIMEOUT, Association, Closed
from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.negotiation import AcceptedContext
from gateway.model import Route
from gateway.notices import Notices, RelayBroken
from gateway.relay.failure import (
    DUPLICATE_INVOCATION,
    RESOURCE_LIMITATION,
    SOP_CLASS_NOT_SUPPORTED,
    failed,
)
from gateway.relay.far_end import FarEnd
from gateway.relay.inspected import Inspected, Inspections
from gateway.relay.inspection import Inspector
from gateway.relay.ledger import Side
from gateway.relay.moves import Moves
from gateway.relay.passage import Passage

_FAR_GONE = "the far end cannot be reached any more"


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What one relay may hold."""

    max_exchanges: int = 64  # requests of one side under way at the same time
    max_inspected: int = 256 * 1024  # bytes of a data set that is looked at before it goes on


class RelaySession:
    """Keeps two associations together until either ends. The `Relay` of an admission."""

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
        limits = limits or SessionLimits()
        self._far: FarEnd | None = far
        self._far_id = far.association.id
        self._far_words = ""  # why it ended
        self._near: Association | None = None
        self._route = route
        self._alone = alone
        self._notices = notices
        self._passage = Passage(
            far,
            calling_ae=calling_ae,
            moves=moves,
            most=limits.max_exchanges,
        )
        self._inspections = Inspections(inspectors, route, calling_ae, limits.max_inspected)
        far.association.hold(self)

    # --- the acceptor's side (Relay) -----------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """True while a request of the caller has no final response, or a message is under way to it."""
        return bool(self._inspections) or self._passage.owes_near

    def attach(self, near: Association, rested: Callable[[], None]) -> None:
        """The caller's association is open."""
        self._near = near
        self._passage.begin(near, rested)
        if self._far is None:  # it ended while the caller was being answered
            self._far_lost()

    def knows(self, message_id: int) -> bool:
        """Say whether a request of the caller with this message ID is under way."""
        return self._passage.ledger.knows(Side.NEAR, message_id) or message_id in self._inspections

    def asks(self, message_id: int) -> bool:
        """Say whether the caller owes the far end a response to a request with this message ID."""
        return self._passage.ledger.gave(Side.FAR, message_id)

    def request(self, context: AcceptedContext, command: Command) -> None:
        """Pass a request of the caller on."""
        refusal = self._refusal(command)
        if refusal is not None:
            self._passage.refuse(context.context_id, command, refusal)
            return
        inspected = self._inspections.begin(context, command)
        if inspected is None:
            self._passage.request(Side.NEAR, context.context_id, command)
        elif not command.has_data_set:
            self._inspect(inspected)

    def response(self, context: AcceptedContext, command: Command) -> bool:
        """Pass a response of the caller on."""
        if self._far is None:
            self._passage.throw_away(Side.NEAR, context.context_id, command)
            return True  # to a far end that is gone
        return self._passage.response(Side.NEAR, context.context_id, command)

    def cancel(self, context: AcceptedContext, command: Command) -> None:
        """Pass a C-CANCEL of the caller on."""
        self._passage.cancel(Side.NEAR, context.context_id, command)

    def fragment(self, context_id: int, data: memoryview, is_last: bool) -> None:
        """Pass on a piece of the caller's data set."""
        inspected = self._inspections.receiving(context_id)
        if inspected is None:
            self._passage.data(Side.NEAR, context_id, data, is_last)
            return
        inspected.write(data)
        if is_last:
            self._inspections.received(context_id)
            self._inspect(inspected)

    def flush(self) -> None:
        """Write to the far end, and tell who waits; also what the caller's data led to on its own side."""
        self._passage.flush()

    def give_up(self, reason: str) -> None:
        """Answer what is open as if the far end were lost, which it then is."""
        if self._far is not None:
            self._far.association.abort(f"aborted here: {reason}")

    def near_ending(self, released: bool) -> None:
        """The caller's association ends: let the far one go, whole when it is at rest."""
        passage = self._passage
        self._near = passage.near = None
        self._inspections.cancel()
        passage.end()
        far, self._far = self._far, None
        if far is None:
            return
        association = far.association
        for exchange in passage.ledger.open(Side.FAR):
            if exchange.complete and not association.streaming:
                answer = failed(exchange.request, "the system that was called went away")
                association.stream_command(exchange.context_id, answer)
        clean = passage.at_rest
        passage.far = None
        association.let_go()
        association.stream.flush()  # what came in the read that ended it: its memory is only lent
        passage.ease(association)
        if not clean:
            association.abort("aborted here: the caller's association ended")
        far.done(association, clean)

    # --- the far association's side (Holder) ---------------------------------------------------------

    def far_command(self, context: AcceptedContext, command: Command) -> None:
        """A command of the far end."""
        passage, context_id = self._passage, context.context_id
        if command.is_response:
            if not passage.response(Side.FAR, context_id, command) and self._far is not None:
                self._far.association.abort("aborted here: the far end answered something it was not asked")
        elif command.command_field == CommandField.C_CANCEL_RQ:
            passage.cancel(Side.FAR, context_id, command)
        elif passage.ledger.across(Side.FAR, context_id) is None:
            self._turn_far_down(context_id, command, SOP_CLASS_NOT_SUPPORTED, "not offered by the caller")
        elif passage.ledger.knows(Side.FAR, command.message_id or 0):
            self._turn_far_down(context_id, command, DUPLICATE_INVOCATION, "this message ID is in use")
        elif passage.ledger.full(Side.FAR):
            self._turn_far_down(context_id, command, RESOURCE_LIMITATION, "too many requests at once")
        else:
            passage.request(Side.FAR, context_id, command)

    def far_fragment(self, context_id: int, data: memoryview, is_last: bool) -> None:
        """A piece of a data set of the far end."""
        self._passage.data(Side.FAR, context_id, data, is_last)

    def far_flush(self) -> None:
        """Write to the caller what one read brought."""
        self._passage.flush()

    def far_ended(self, closed: Closed) -> None:
        """The far association is over, or is being ended by us."""
        far, self._far = self._far, None
        self._passage.far = None
        self._passage.end()
        if far is None:
            return
        if closed.outcome in (LOST, TIMEOUT):
            far.lost(closed)
        self._far_words = closed.reason
        if self._near is not None:
            self._far_lost()
        far.done(far.association, False)

    # --- turning down --------------------------------------------------------------------------------

    def _refusal(self, command: Command) -> Command | None:
        if self._far is None:
            return failed(command, _FAR_GONE)
        if self._passage.ledger.full(Side.NEAR, more=len(self._inspections)):
            comment = "too many requests at once"
            return messages.response(command, RESOURCE_LIMITATION, error_comment=comment)
        return None

    def _turn_far_down(self, context_id: int, command: Command, status: int, comment: str) -> None:
        self._passage.throw_away(Side.FAR, context_id, command)
        self._passage.say(Side.FAR, context_id, messages.response(command, status, error_comment=comment))

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
        if task.exception() is not None:
            near.surface(task)
            return
        answer = task.result() or self._refusal(command)
        if answer is not None:
            self._passage.say(Side.NEAR, context_id, answer)
        else:
            data = bytes(inspected.data) if command.has_data_set else None
            self._passage.request(Side.NEAR, context_id, command, data)
        self._passage.flush()

    # --- the end of the far side ---------------------------------------------------------------------

    def _far_lost(self) -> None:
        """Tell the caller, request by request, and end its association if the relay was all it had."""
        near, passage = self._near, self._passage
        if near is None:
            return
        waiting = list(passage.ledger.open(Side.NEAR))
        self._notices.publish(
            RelayBroken(
                association=near.id,
                far=self._far_id,
                peer=self._route.to[0],
                unanswered=len(waiting),
                reason=self._far_words,
            )
        )
        torn = near.streaming  # the caller has the beginning of a message whose end will never come
        for exchange in waiting:
            passage.close(exchange, None if torn else failed(exchange.request, _FAR_GONE))
        for exchange in passage.ledger.open(Side.FAR):
            passage.ledger.close(exchange)
        near.stream.flush()
        passage.ease(near)
        if torn or self._alone:
            near.abort(f"aborted here: {_FAR_GONE}")
        else:
            passage.flush()
