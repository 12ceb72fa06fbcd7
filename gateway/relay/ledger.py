"""The books of one relay: which requests are under way, in both directions, and under which numbers. Pure.

A message ID belongs to whoever sends the request (PS3.7 9.3, 10.3), so the two directions have books of their
own. A number is changed only where the other side cannot have it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from gateway.dicom.command import Command, CommandField
from gateway.dicom.negotiation import AcceptedContext
from gateway.dicom.status import Category, category

_RESPONSE_BIT = 0x8000


class Side(enum.Enum):
    """Who sends: the caller, or the far end that was dialled for it."""

    NEAR = "near"
    FAR = "far"

    @property
    def other(self) -> Side:
        """Who gets it."""
        return Side.FAR if self is Side.NEAR else Side.NEAR


@dataclass(slots=True, eq=False)
class Exchange:
    """A request that was passed on and has no final response yet. Times are of the owner's clock."""

    asker: Side
    request: Command  # as the asker sent it
    context_id: int  # at the asker
    other_context_id: int  # at the other side
    other_id: int  # its message ID there
    touched: float  # when it last made progress
    complete: bool  # all of the request was passed on
    answered: bool = False  # a pending response came
    closed: bool = False  # it has its final response, or never will


class Ledger:
    """Requests under way between two associations whose contexts are paired."""

    def __init__(self, near_to_far: Mapping[int, int], *, most: int) -> None:
        """`most` bounds the requests of one side that are under way at the same time."""
        self._contexts = {
            Side.NEAR: dict(near_to_far),
            Side.FAR: {far: near for near, far in near_to_far.items()},
        }
        self._most = most
        # By who asked: by message ID at the asker, and by message ID at the other side.
        self._asked: dict[Side, dict[int, Exchange]] = {Side.NEAR: {}, Side.FAR: {}}
        self._given: dict[Side, dict[int, Exchange]] = {Side.NEAR: {}, Side.FAR: {}}

    def narrow(self, near: Mapping[int, AcceptedContext], far: Mapping[int, AcceptedContext]) -> None:
        """Keep only the pairs on which both associations agreed to the same transfer syntax.

        The caller may have been refused what the far end accepted, or got it from a service here.
        """
        kept = {
            near_id: far_id
            for near_id, far_id in self._contexts[Side.NEAR].items()
            if near_id in near
            and far_id in far
            and near[near_id].transfer_syntax == far[far_id].transfer_syntax
        }
        self._contexts = {
            Side.NEAR: kept,
            Side.FAR: {far_id: near_id for near_id, far_id in kept.items()},
        }

    def across(self, sender: Side, context_id: int) -> int | None:
        """Return the other side's context for one of the sender's; None when it is not paired."""
        return self._contexts[sender].get(context_id)

    def knows(self, asker: Side, message_id: int) -> bool:
        """Say whether this side has a request with this message ID under way."""
        return message_id in self._asked[asker]

    def gave(self, asker: Side, message_id: int) -> bool:
        """Say whether a request of this side is under way with this message ID at the other side."""
        return message_id in self._given[asker]

    def full(self, asker: Side, *, more: int = 0) -> bool:
        """Say whether this side has as many requests under way as it may; `more` of them are elsewhere."""
        return len(self._asked[asker]) + more >= self._most

    def open(self, asker: Side) -> Iterator[Exchange]:
        """The requests of one side that are under way, in the order in which they came."""
        return iter(tuple(self._asked[asker].values()))

    @property
    def empty(self) -> bool:
        """True when nothing is under way in either direction."""
        return not self._asked[Side.NEAR] and not self._asked[Side.FAR]

    def begin(self, asker: Side, context_id: int, request: Command, other_id: int, now: float) -> Exchange:
        """Enter a request; `other_id` is the message ID that is wanted at the other side.

        The caller has made sure that the request's own message ID is not under way (`knows`), that there is
        room (`full`), and that the context is paired.
        """
        other_context_id = self._contexts[asker][context_id]
        given = self._given[asker]
        while other_id in given:
            other_id = other_id % 0xFFFF + 1
        exchange = Exchange(
            asker=asker,
            request=request,
            context_id=context_id,
            other_context_id=other_context_id,
            other_id=other_id,
            touched=now,
            complete=not request.has_data_set,
        )
        self._asked[asker][request.message_id or 0] = exchange
        given[other_id] = exchange
        return exchange

    def answer(self, answerer: Side, context_id: int, response: Command) -> Exchange | None:
        """Find the request that this response belongs to, and close it when the response is final.

        None for a response to nothing: another message ID, another context or another operation.
        """
        exchange = self._given[answerer.other].get(response.message_id_responded_to or 0)
        if (
            exchange is None
            or exchange.other_context_id != context_id
            or response.command_field != exchange.request.command_field | _RESPONSE_BIT
        ):
            return None
        if category(response.status or 0) is Category.PENDING:
            exchange.answered = True
        else:
            self.close(exchange)
        return exchange

    def cancelled(self, asker: Side, cancel: Command) -> Exchange | None:
        """Find the request that a C-CANCEL names (PS3.7 9.3.2.3); None when it is over."""
        return self._asked[asker].get(cancel.message_id_responded_to or 0)

    def close(self, exchange: Exchange) -> None:
        """Take a request out; harmless when it is out already."""
        exchange.closed = True
        message_id = exchange.request.message_id or 0
        if self._asked[exchange.asker].get(message_id) is exchange:
            del self._asked[exchange.asker][message_id]
            del self._given[exchange.asker][exchange.other_id]

    def progressed(self, sender: Side, now: float) -> None:
        """The `sender` gave a sign of working on retrieves: sub-operations belong to a C-GET of the other."""
        for exchange in self._asked[sender.other].values():
            if exchange.request.command_field == CommandField.C_GET_RQ:
                exchange.touched = now
