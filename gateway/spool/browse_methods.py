"""The methods of the spool with which people look through deliveries and decide about many at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from gateway.errors import LocalError
from gateway.spool import deliveries, held, listing
from gateway.spool.access import Access
from gateway.spool.listing_values import Acted, HeldGroup, Listing, OperatorAction, Page, Total, Wanted
from gateway.spool.transaction import Transaction

SLICE = 100
"""Deliveries that one transaction moves: an object that arrives waits for one slice at most."""


class BrowseMethods(Access):
    """Part of Spool; see there. `who` is the person, and is kept in the history of each object."""

    async def browse(self, wanted: Wanted, page: Page) -> Listing:
        """Return a page of the deliveries that are wanted. Bounded in time, however much is here."""
        return await self._ask(lambda db: listing.listing(db, wanted, page))

    async def count_deliveries(self, wanted: Wanted, most: int) -> Total:
        """Count the deliveries that are wanted: to `most`, and within a bounded time."""
        return await self._ask(lambda db: listing.total(db, wanted, most))

    async def delivery_numbers(self, wanted: Wanted, most: int) -> list[int]:
        """Return the numbers of up to `most` deliveries that are wanted, the smallest first."""
        found: list[int] = []
        after: int | None = 0
        while after is not None and len(found) < most:
            some, after = await self._ask(
                partial(listing.numbers_of, wanted=wanted, after=after, limit=most - len(found))
            )
            found += some
        return found

    async def kinds(self) -> list[tuple[str, str]]:
        """Return which SOP classes (UID) have come from which calling AE titles; a thousand pairs at most."""
        return await self._ask(
            lambda db: db.execute(
                "SELECT sop_class_uid, calling_ae FROM kinds ORDER BY sop_class_uid, calling_ae"
            ).fetchall()
        )

    async def held_groups(self) -> list[HeldGroup]:
        """Return what is held, by destination and cause, the largest group first."""
        return await self._ask(held.held_groups)

    async def act_on_deliveries(
        self, numbers: Sequence[int], action: OperatorAction, reason: str = "", *, who: str = ""
    ) -> list[Acted]:
        """Do the same to many deliveries, each by itself: what one refuses does not stop the others."""
        acted: list[Acted] = []
        for start in range(0, len(numbers), SLICE):
            some = tuple(numbers[start : start + SLICE])
            acted += await self._submit(
                partial(_act, numbers=some, action=action, reason=reason, who=who), pages=8 * len(some)
            )
        return acted


def _act(
    tx: Transaction, numbers: Sequence[int], action: OperatorAction, reason: str, who: str
) -> list[Acted]:
    return [_act_on_one(tx, number, action, reason, who) for number in numbers]


def _act_on_one(tx: Transaction, number: int, action: OperatorAction, reason: str, who: str) -> Acted:
    # Each of them raises LocalError before its first write, or not at all (Transaction).
    if tx.one("SELECT 1 FROM deliveries WHERE number = ?", number) is None:
        return Acted(number, f"there is no delivery {number}", missing=True)
    try:
        match action:
            case "retry":
                deliveries.retry(tx, number, who)
            case "release":
                deliveries.release(tx, number, who)
            case "hold":
                deliveries.hold(tx, number, reason, who)
            case "discard":
                deliveries.discard(tx, number, reason, who)
    except LocalError as error:
        return Acted(number, str(error))
    return Acted(number)
