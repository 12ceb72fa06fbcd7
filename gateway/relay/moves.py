"""The C-MOVEs under way through this gateway, and the sub-operations that come back through it.

The objects of a C-MOVE arrive on associations of their own (PS3.7 9.1.4), here too: they are a sign that the
move goes on, and they carry the message ID that the centre knows, which the console may know differently.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.dicom.command import Command, CommandField
from gateway.relay.ledger import Exchange, Ledger, Side


@dataclass(frozen=True, slots=True)
class Move:
    """One C-MOVE, as its originator knows it."""

    title: str
    message_id: int
    touch: Callable[[], None]  # to be called when a sub-operation makes progress


class Moves:
    """By the originator's title and message ID as the far end knows them."""

    def __init__(self) -> None:
        self._moves: dict[tuple[str, int], Move] = {}

    def free(self, far_title: str, wanted: int) -> int:
        """Return `wanted`, or the next message ID under which this title has no C-MOVE under way.

        Two consoles may be known to the far end by one title, and every console begins with message ID 1.
        """
        while (far_title, wanted) in self._moves:
            wanted = wanted % 0xFFFF + 1
        return wanted

    def begin(self, far_title: str, far_id: int, move: Move) -> None:
        """A C-MOVE was passed on. The first one that has a message ID keeps it."""
        self._moves.setdefault((far_title, far_id), move)

    def end(self, far_title: str, far_id: int, move: Move) -> None:
        """It has its final response, or never will."""
        if self._moves.get((far_title, far_id)) is move:
            del self._moves[far_title, far_id]

    def originator_of(self, store: Command) -> Move | None:
        """Return the C-MOVE of which this C-STORE-RQ is a sub-operation, if it went through here."""
        return self._moves.get((store.move_originator_ae or "", store.move_originator_message_id or 0))

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._moves)


class OwnMoves:
    """The C-MOVEs of one relay, and the moves of others whose objects come through it."""

    def __init__(self, moves: Moves, near_title: str, far_title: str, clock: Callable[[], float]) -> None:
        """The caller's title, and the one that the far end knows it by."""
        self._moves = moves
        self._near_title = near_title
        self._far_title = far_title
        self._clock = clock
        self._own: dict[int, Move] = {}  # by message ID at the far end
        self._coming: dict[int, Move] = {}  # whose sub-operation's data set is coming, by near context

    def far_id(self, request: Command, wanted: int) -> int:
        """Return the message ID that a request of the caller is to have at the far end."""
        is_move = request.command_field == CommandField.C_MOVE_RQ
        return self._moves.free(self._far_title, wanted) if is_move else wanted

    def begin(self, exchange: Exchange) -> None:
        """A request of the caller was passed on."""
        if exchange.request.command_field == CommandField.C_MOVE_RQ:

            def touch() -> None:
                exchange.touched = self._clock()

            move = Move(self._near_title, exchange.request.message_id or 0, touch)
            self._own[exchange.other_id] = move
            self._moves.begin(self._far_title, exchange.other_id, move)

    def end(self, exchange: Exchange) -> None:
        """A request has its final response, or never will."""
        if exchange.asker is not Side.NEAR:
            return
        if exchange.request.command_field == CommandField.C_MOVE_RQ:
            self._moves.end(self._far_title, exchange.other_id, self._own.pop(exchange.other_id))
        elif exchange.request.command_field == CommandField.C_STORE_RQ:
            move = self._moves.originator_of(exchange.request)
            if move is not None:
                move.touch()  # the far end can go on with the next one

    def end_all(self, ledger: Ledger) -> None:
        """The relay is over."""
        for exchange in ledger.open(Side.NEAR):
            self.end(exchange)

    def sub_operation(self, context_id: int, store: Command) -> Command:
        """A C-STORE comes down: return it as the console knows its originator (PS3.7 9.1.1.1)."""
        move = self._moves.originator_of(store)
        if move is None:
            return store
        move.touch()
        if store.has_data_set:
            self._coming[context_id] = move
        return replace(store, move_originator_ae=move.title, move_originator_message_id=move.message_id)

    def progressed(self, context_id: int, is_last: bool) -> None:
        """A piece of an object came down."""
        move = self._coming.get(context_id)
        if move is not None:
            move.touch()
            if is_last:
                del self._coming[context_id]
