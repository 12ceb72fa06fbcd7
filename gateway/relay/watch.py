"""The clock of one relay: gives up requests that make no progress, one timer for all of them.

A peer may need long to answer; its TCP acknowledges at once. While somebody waits, a connection on which
nothing is acknowledged for as long as it takes to open one is given up: a satellite link goes down without
a word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from gateway.association.association import Association
from gateway.dicom.command import CommandField
from gateway.relay.ledger import Exchange, Ledger, Side
from gateway.relay.patience import RelayTimeouts

_NEVER = float("inf")


class Watch:
    """Looks when the earliest of the open requests can be overdue, and not before."""

    def __init__(
        self,
        ledger: Ledger,
        timeouts: RelayTimeouts,
        at: Callable[[Side], Association | None],
        passing: Mapping[tuple[Side, int], Exchange | None],
    ) -> None:
        """`at` gives a side's association, None when it is over; `passing` whose data sets come."""
        self._ledger = ledger
        self._passing = passing
        self._timeouts = timeouts
        self._at = at
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._due = _NEVER
        self._held: set[Exchange] = set()  # whose data set was not read from when we last looked
        # Overdue ones: bytes written when that was noticed first, and bytes that the peer had taken at last.
        self._leaving: dict[Exchange, tuple[int, int]] = {}

    def begin(self, exchange: Exchange) -> None:
        """All of a request, or a response that is not the last, was passed on: somebody owes the next."""
        self._leaving.pop(exchange, None)
        self._arm(exchange.touched + min(self._patience(exchange), self._timeouts.connect))

    def begin_passing(self, exchange: Exchange) -> None:
        """A data set of the far side is coming: its pieces have to follow each other."""
        self._arm(exchange.touched + self._timeouts.between)

    def end(self) -> None:
        """The relay is over."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        self._due = _NEVER

    def _patience(self, exchange: Exchange) -> float:
        return self._timeouts.between if exchange.answered else self._timeouts.response

    def _arm(self, when: float) -> None:
        if when < self._due:
            self.end()
            self._due = when
            self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        """Give up what is overdue; sleep until the next can be."""
        self._timer = None
        self._due = _NEVER
        now = self._loop.time()
        still_open = set(self._ledger.open(Side.NEAR)) | set(self._ledger.open(Side.FAR))
        self._leaving = {each: marks for each, marks in self._leaving.items() if each in still_open}
        self._held.intersection_update(self._passing.values())
        if self._stopped_half_way(now):
            return
        for asker in Side:
            to = self._at(asker.other)
            for exchange in self._ledger.open(asker):
                if to is None or not exchange.complete:
                    continue
                due = exchange.touched + self._patience(exchange)
                if due <= now and (self._still_leaving(exchange, to) or self._waits_for_its_asker(exchange)):
                    exchange.touched = now
                    due = now + self._patience(exchange)
                if due <= now:
                    to.expire(f"no answer to {exchange.request.name} within {self._patience(exchange):g} s")
                    return
                silent = exchange.touched + self._timeouts.connect
                if silent <= now:
                    if to.stream.unacknowledged() >= self._timeouts.connect:
                        to.expire("the connection is dead: nothing that was sent is acknowledged any more")
                        return
                    silent = now + self._timeouts.connect
                self._arm(min(due, silent))

    def _stopped_half_way(self, now: float) -> bool:
        """Give up a far side that stops in the middle of a message: its receiver can be sent nothing else.

        A caller that does so runs into the time-out of an idle association.
        """
        far, near = self._at(Side.FAR), self._at(Side.NEAR)
        if far is None or near is None:
            return False
        for (sender, _), exchange in self._passing.items():
            if sender is not Side.FAR or exchange is None:
                continue
            held = not near.stream.writable  # then we do not read from the far side
            due = exchange.touched + self._timeouts.between
            if held or (due <= now and exchange in self._held):  # its time begins when it is read from again
                exchange.touched = now
                due = now + self._timeouts.between
            (self._held.add if held else self._held.discard)(exchange)
            if due <= now:
                far.expire(f"nothing came for {self._timeouts.between:g} s in the middle of a message")
                return True
            self._arm(due)
        return False

    def _still_leaving(self, exchange: Exchange, to: Association) -> bool:
        """A slow link is not a silent peer: the request may still be on its way out."""
        written = to.stream.bytes_out
        taken = written - to.stream.backlog()
        mark, before = self._leaving.get(exchange, (written, -1))
        self._leaving[exchange] = mark, taken
        return taken < mark if before < 0 else before < mark and taken > before

    def _waits_for_its_asker(self, exchange: Exchange) -> bool:
        """A retrieve cannot go on while its asker owes the answer to a sub-operation."""
        return exchange.request.command_field == CommandField.C_GET_RQ and any(
            each.complete and each.request.command_field == CommandField.C_STORE_RQ
            for each in self._ledger.open(exchange.asker.other)
        )
