"""The C-MOVEs under way through this gateway, and the sub-operations that come back through it.

The objects of a C-MOVE arrive on associations of their own (PS3.7 9.1.4), here too: they are a sign that the
move goes on, and they carry the message ID that the centre knows, which the console may know differently.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from gateway.dicom.command import Command


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

    def begin(self, far_title: str, far_id: int, move: Move) -> None:
        """A C-MOVE was passed on."""
        self._moves[far_title, far_id] = move

    def end(self, far_title: str, far_id: int) -> None:
        """It has its final response, or never will."""
        self._moves.pop((far_title, far_id), None)

    def originator_of(self, store: Command) -> Move | None:
        """Return the C-MOVE of which this C-STORE-RQ is a sub-operation, if it went through here."""
        return self._moves.get((store.move_originator_ae or "", store.move_originator_message_id or 0))

    def __len__(self) -> int:
        """How many are under way."""
        return len(self._moves)


def for_originator(store: Command, move: Move) -> Command:
    """Return the C-STORE-RQ with the originator as the console knows it (PS3.7 9.1.1.1)."""
    return replace(store, move_originator_ae=move.title, move_originator_message_id=move.message_id)
