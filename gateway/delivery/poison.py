"""Objects that make a peer cut the association: found, so that they cannot block the queue head. Pure.

A cut under an object proves nothing: links break under innocent objects all the time. So each cut is a strike
that stays unproven until another object passes, which shows that the destination is well. Only proven strikes
count; the last one needed is the one happening now. Strikes live in memory: after a restart the object is
simply found again, within minutes.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.delivery.classification import Strike
from gateway.delivery.policy import DeliveryPolicy

MAX_SUSPECTS = 1000
"""Objects watched at a time per destination; the longest watched is forgotten first."""


@dataclass(slots=True)
class _Record:
    aborts: int = 0
    losses: int = 0
    unproven: Strike = Strike.NONE
    strikes: int = 0


class Suspects:
    """The strikes against the objects of one destination, by delivery number."""

    def __init__(self, policy: DeliveryPolicy) -> None:
        self._policy = policy
        self._records: dict[int, _Record] = {}

    def __len__(self) -> int:
        return len(self._records)

    def strikes(self, delivery: int) -> int:
        """All cuts seen under this object, proven or not: the exponent of its backoff."""
        record = self._records.get(delivery)
        return record.strikes if record else 0

    def struck(self, delivery: int, strike: Strike) -> bool:
        """The association was cut under the object. True: enough proven strikes, hold it."""
        record = self._records.get(delivery)
        if record is None:
            if len(self._records) >= MAX_SUSPECTS:
                del self._records[next(iter(self._records))]
            record = self._records[delivery] = _Record()
        record.strikes += 1
        record.unproven = strike
        aborts = record.aborts + (strike is Strike.ABORT)
        losses = record.losses + (strike is Strike.LOSS)
        if not (record.aborts or record.losses):
            return False  # nothing proven yet: one cut alone never convicts
        return aborts >= self._policy.poison_aborts or aborts + losses >= self._policy.poison_losses

    def accepted(self, delivery: int) -> None:
        """An object passed: it is cleared, and strikes against others are proven."""
        self._records.pop(delivery, None)
        for record in self._records.values():
            record.aborts += record.unproven is Strike.ABORT
            record.losses += record.unproven is Strike.LOSS
            record.unproven = Strike.NONE

    def absolve(self) -> None:
        """The link turned out to be down: it did what was held against the objects."""
        for record in self._records.values():
            record.unproven = Strike.NONE

    def forget(self, delivery: int) -> None:
        """The object left the queue (held, discarded)."""
        self._records.pop(delivery, None)
