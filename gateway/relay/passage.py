"""The way between the two associations of a relay: what one says is said to the other, under its numbers.

Commands are read and written anew with mapped numbers; data sets pass as they come, piece by piece, in the
call that read them: no task and no queue per message, and memory does not grow with what passes. What is
passed is not copied, so whoever hands over a read flushes before the next.

Knows no service and decides nothing: that is the session's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from gateway.association.association import Association
from gateway.dicom.command import Command, CommandField
from gateway.relay.far_end import FarEnd
from gateway.relay.ledger import Exchange, Ledger, Side
from gateway.relay.moves import Moves, OwnMoves
from gateway.relay.pressure import Pressure
from gateway.relay.watch import Watch


class Passage:
    """Passes messages both ways. A side that is None takes nothing any more."""

    def __init__(self, far: FarEnd, *, calling_ae: str, moves: Moves, most: int) -> None:
        """`most` requests of one side at once."""
        self.near: Association | None = None
        self.far: Association | None = far.association
        self.ledger = Ledger(far.contexts, most=most)
        self._rested: Callable[[], None] = _nothing
        # Whose data set is coming, by side and context there; None when it is thrown away.
        self._streams: dict[tuple[Side, int], Exchange | None] = {}
        self._answer_after: dict[int, Command] = {}  # a response that waits for the end of a near data set
        self._written: set[Side] = set()
        self._resting = False  # something came to its end
        self._loop = asyncio.get_running_loop()
        self._moves = OwnMoves(moves, calling_ae, far.association.calling_ae, self._loop.time)
        self._watch = Watch(self.ledger, far.timeouts, self._at, self._streams)
        self._pressure = Pressure()

    def _at(self, side: Side) -> Association | None:
        return self.near if side is Side.NEAR else self.far

    @property
    def owes_near(self) -> bool:
        """True while the caller has a request under way, or the beginning of a message."""
        if any(True for _ in self.ledger.open(Side.NEAR)) or self._answer_after:
            return True
        return self.near is not None and self.near.streaming

    @property
    def at_rest(self) -> bool:
        """True when nothing at all is under way: the far association may serve another caller."""
        far_streams = self.far is not None and self.far.streaming
        return self.ledger.empty and not self._streams and not far_streams

    def begin(self, near: Association, rested: Callable[[], None]) -> None:
        """The caller's association is open. `rested` is called after a write that ended something."""
        self.near = near
        self._rested = rested
        if self.far is not None:
            self.ledger.narrow(near.contexts, self.far.contexts)

    def end(self) -> None:
        """No answer is waited for any more."""
        self._watch.end()
        self._moves.end_all(self.ledger)

    def ease(self, side: Association) -> None:
        """Read from `side` again: the other one is gone."""
        self._pressure.end(side)

    # --- messages ------------------------------------------------------------------------------------

    def request(self, asker: Side, context_id: int, command: Command, data: bytes | None = None) -> None:
        """Pass a request on; its data set follows piece by piece, unless all of it is here as `data`."""
        to = self._at(asker.other)
        if to is None:
            return
        wanted = command.message_id or 0
        if asker is Side.NEAR:
            wanted = self._moves.far_id(command, wanted)
        elif self.near is not None:
            wanted = self.near.message_id_for(wanted)
        exchange = self.ledger.begin(asker, context_id, command, wanted, self._loop.time())
        passed = command
        if command.command_field == CommandField.C_STORE_RQ:
            if asker is Side.FAR:
                self.ledger.progressed(Side.FAR, self._loop.time())
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
        if exchange.complete:
            self._completed(exchange)

    def response(self, answerer: Side, context_id: int, command: Command) -> bool:
        """Pass a response on; False when it answers nothing."""
        exchange = self.ledger.answer(answerer, context_id, command)
        to = self._at(answerer.other)
        if exchange is None or to is None:
            return False
        exchange.touched = self._loop.time()
        if answerer is Side.NEAR and command.command_field == CommandField.C_STORE_RSP:
            self.ledger.progressed(Side.FAR, self._loop.time())
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

    def cancel(self, asker: Side, context_id: int, command: Command) -> None:
        """Pass a C-CANCEL on; without effect when what it names is over."""
        exchange = self.ledger.cancelled(asker, command)
        to = self._at(asker.other)
        # On the context it came on: that of its request may be in the middle of a data set.
        other_context_id = self.ledger.across(asker, context_id)
        if exchange is None or to is None or other_context_id is None or not exchange.complete:
            return
        passed = replace(command, message_id_responded_to=exchange.other_id)
        to.stream_command(other_context_id, passed)
        self._written.add(asker.other)

    def data(self, sender: Side, context_id: int, data: memoryview, is_last: bool) -> None:
        """Pass on, or throw away, a piece of the data set of the sender's last message on this context."""
        exchange = self._streams.get((sender, context_id))
        if is_last:
            self._streams.pop((sender, context_id), None)
        to = self._at(sender.other)
        if exchange is not None and to is not None:
            now = exchange.touched = self._loop.time()
            self._progress(sender, context_id, exchange, is_last, now)
            other = exchange.other_context_id if sender is exchange.asker else exchange.context_id
            to.stream_data(other, data, is_last)
            self._written.add(sender.other)
        if is_last and sender is Side.NEAR:
            answer = self._answer_after.pop(context_id, None)
            if answer is not None:
                self.say(Side.NEAR, context_id, answer)
        if is_last:
            self._resting = True

    def throw_away(self, sender: Side, context_id: int, command: Command) -> None:
        """The data set that comes with a message of the sender is for nobody."""
        if command.has_data_set:
            self._streams[sender, context_id] = None

    def say(self, to: Side, context_id: int, answer: Command) -> None:
        """Say something of our own to one side."""
        association = self._at(to)
        if association is not None and association.layer.can_send:
            association.send_command(context_id, answer)
            self._written.add(to)
            self._resting = True

    def refuse(self, context_id: int, command: Command, answer: Command) -> None:
        """Answer a request of the caller ourselves, after the data set that comes with it."""
        if command.has_data_set:
            self.throw_away(Side.NEAR, context_id, command)
            self._answer_after[context_id] = answer
        else:
            self.say(Side.NEAR, context_id, answer)

    def close(self, exchange: Exchange, answer: Command | None) -> None:
        """Nothing will come of a request of the caller: `answer` it, as soon as all of it is here."""
        self.ledger.close(exchange)
        if not exchange.complete:
            if answer is not None:
                self.refuse(exchange.context_id, exchange.request, answer)
            return
        if self.near is not None:
            self.near.stream.end()
        if answer is not None:
            self.say(Side.NEAR, exchange.context_id, answer)

    def flush(self) -> None:
        """Write what was passed, and tell who waits for something to end."""
        while self._written:
            side = self._written.pop()
            to, source = self._at(side), self._at(side.other)
            if to is None:
                continue
            to.stream.flush()
            if source is not None:
                self._pressure.watch(source, to)
        if self._resting:
            self._resting = False
            self._rested()

    # --- books ---------------------------------------------------------------------------------------

    def _stream(self, sender: Side, context_id: int, command: Command, exchange: Exchange) -> None:
        if command.has_data_set:
            self._streams[sender, context_id] = exchange
            if sender is Side.FAR:
                self._watch.begin_passing(exchange)

    def _completed(self, exchange: Exchange) -> None:
        """All of a request was passed on: its asker waits, and is not idle."""
        if exchange.asker is Side.NEAR and self.near is not None:
            self.near.stream.begin()
        self._watch.begin(exchange)

    def _final(self, exchange: Exchange, response: Command) -> None:
        """A request has its final response."""
        near = self.near
        if exchange.asker is Side.NEAR and near is not None:
            if exchange.complete:
                near.stream.end()
            if exchange.request.command_field == CommandField.C_STORE_RQ:
                near.count(response)
            self._resting = True
        self._moves.end(exchange)

    def _progress(self, sender: Side, context_id: int, exchange: Exchange, is_last: bool, now: float) -> None:
        """Note what a piece of a data set says about requests that are under way."""
        if sender is Side.NEAR:
            self._moves.progressed(context_id, is_last)
        if sender is Side.FAR and exchange.asker is Side.FAR:
            self.ledger.progressed(Side.FAR, now)
        if is_last and sender is exchange.asker and not exchange.complete:
            exchange.complete = True
            if not exchange.closed:
                self._completed(exchange)


def _nothing() -> None:
    """Nobody waits yet."""
