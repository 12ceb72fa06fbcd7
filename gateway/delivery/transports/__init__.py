"""How objects reach a destination. One contract, several implementations; none of them imports another.

A transport *pulls*: it asks for the next object at the moment it could send one, so what leaves next is
decided
as late as possible and a record overtakes every image that is not on the wire yet. A transport classifies
failure; it never retries (the courier does).

The contract, run against every implementation by tests/delivery/transport_contract.py:

- `send` takes jobs while `work.first()` gives any, and settles each job it took exactly once, in any order.
- A job is settled with a Receipt only when the destination answered success or a warning for these very
  bytes, whose digest was checked before the last of them left.
- When the destination cannot be reached, `send` raises the DeliveryFailure with `link` True. A job that was
  under way when an association ended is settled with what happened to it.
- Whatever a peer does leads to one of these; any other exception is a defect and ends the process.
- Cancelled, it lets go of its association at once; jobs it did not settle are put back by the courier.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gateway.errors import DeliveryFailure
from gateway.model import Receipt
from gateway.spool import Job


class Work(Protocol):
    """What a transport may send now. The answers change whenever the event loop runs."""

    def first(self) -> Job | None:
        """The job that should leave next; None: nothing, come to an end. It is not taken yet."""

    def upcoming(self) -> Sequence[Job]:
        """The jobs in sight, best first; the first is `first()`. For negotiation."""

    def take(self) -> Job:
        """Take what `first()` shows. From now on the transport owes a `settled`."""

    async def more(self) -> None:
        """Return when something new may be on offer: for who could take more and has something under way."""

    def settled(self, job: Job, outcome: Receipt | DeliveryFailure, seconds: float) -> None:
        """How it ended, `seconds` after the first byte was sent."""


class Transport(Protocol):
    """The way to one destination."""

    async def send(self, work: Work) -> None:
        """Send until there is nothing to send. Called up to `max_associations` times concurrently."""

    async def probe(self) -> float | None:
        """Find out cheaply whether the destination lives; return the round-trip time in seconds, if measured.

        Raises DeliveryFailure with `link` True when it does not.
        """

    async def close(self) -> None:
        """Let go of everything, politely, within a bound."""
