"""From the month's data to what may leave: bulk objects wait first, then images, records never. Pure."""

from __future__ import annotations

import datetime
import math
from dataclasses import dataclass

from gateway.model import Priority


@dataclass(frozen=True, slots=True)
class BudgetPlan:
    """The configured budget: bytes a month, the day it begins, whose data counts, and what waits when."""

    monthly: int | None
    day: int
    counted: tuple[str, ...]
    defer: bool = True  # False: it is only shown
    bulk_share: float = 0.8  # part of the month's data after which bulk objects wait for the next month
    image_share: float = 0.95  # the same for images

    def until(self, priority: Priority) -> int | None:
        """Return the used bytes from which objects of `priority` wait; None: they never do."""
        if self.monthly is None or not self.defer or priority is Priority.RECORD:
            return None
        share = self.image_share if priority is Priority.IMAGE else min(self.bulk_share, self.image_share)
        return math.ceil(share * self.monthly)


@dataclass(frozen=True, slots=True)
class Allowance:
    """What may leave: everything as urgent as `most` or more. `why` the rest waits, in words."""

    most: Priority = Priority.BULK
    why: str = ""

    def stricter(self, other: Allowance) -> Allowance:
        """Return the one that lets less leave; these when they let the same leave."""
        return other if other.most < self.most else self


EVERYTHING = Allowance()


def by_budget(plan: BudgetPlan, used: int, until: datetime.date) -> Allowance:
    """Return what the month's data still allows. `used`: bytes of the month that ends before `until`."""
    if plan.monthly is None or not plan.defer:
        return EVERYTHING
    held = [one for one in Priority if (least := plan.until(one)) is not None and used >= least]
    if not held:
        return EVERYTHING
    share = used / plan.monthly
    most = Priority.RECORD if Priority.IMAGE in held else Priority.IMAGE
    waiting = "images and bulk objects wait" if most is Priority.RECORD else "bulk objects wait"
    return Allowance(
        most, f"{share:.0%} of this month's data is used: {waiting} until {until.isoformat()}, records go on"
    )


def by_rate(rate: int | None, until: datetime.datetime | None) -> Allowance:
    """Return what a rate allows that holds until then; only a rate of 0 holds anything back."""
    if rate != 0:
        return EVERYTHING
    then = "" if until is None else f" until {until:%Y-%m-%d %H:%M}"
    return Allowance(
        Priority.RECORD, f"the schedule of [traffic] lets only treatment records leave{then}; the rest waits"
    )
