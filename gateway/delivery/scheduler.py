"""What leaves next, over how many associations. Pure.

The spool keeps a million objects in order; only a handful are claimed ahead into a `ReadyQueue`, from
which each
association (a *lane*) takes one object at a time. So the choice of what leaves next is made at the last
moment:

- A record that becomes ready waits at most until one lane has finished the one object it is sending. With two
  lanes or more, one is kept for records (`plan_lanes`), and it does not wait for images at all unless that
  many records are already under way.
- At most `claim_objects` objects of any priority, plus `claim_objects` records, are claimed ahead; the
  bytes of
  the first kind are bounded by `claim_bytes`, except that a single larger object is always let through.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from gateway.delivery.policy import DeliveryPolicy
from gateway.model import Delivery, Priority, StoredObject

FAR = 0.020
"""Seconds of turnaround from which waiting for answers, not bandwidth, is what limits an association."""

PER_LANE_FAR = 2
"""Objects waiting per lane beyond which another pays: opening it costs two to four round trips, as much as
two objects. (Many a peer needs two for each: with Nagle on, the second part of its answer waits until we have
acknowledged the first.)"""

PER_LANE_NEAR = 16
"""The same on a LAN, where one association already fills the line."""

LANES_NEAR = 4
"""Associations beyond which nothing is won on a LAN, however many the peer would grant."""


class Ready(Protocol):
    """What the queue needs of a claimed job."""

    @property
    def delivery(self) -> Delivery: ...
    @property
    def object(self) -> StoredObject: ...


J = TypeVar("J", bound=Ready)


class ReadyQueue(Generic[J]):
    """Claimed jobs, best first: priority, then journal number (order of arrival)."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, J]] = []
        self.bytes = 0
        self.records = 0

    def __len__(self) -> int:
        return len(self._heap)

    def push(self, job: J) -> None:
        """Add a claimed job."""
        priority = job.delivery.priority
        heapq.heappush(self._heap, (priority, job.object.number, job.delivery.number, job))
        self.bytes += job.object.size
        self.records += priority is Priority.RECORD

    def first(self, most: Priority = Priority.BULK) -> J | None:
        """Return the best job, unless its priority is below `most`."""
        return self._heap[0][-1] if self._heap and self._heap[0][0] <= most else None

    def remove(self, job: J) -> None:
        """Take `job` out; for the best one that is quick."""
        if self._heap[0][-1] is job:
            heapq.heappop(self._heap)
        else:
            self._heap = [entry for entry in self._heap if entry[-1] is not job]
            heapq.heapify(self._heap)
        self.bytes -= job.object.size
        self.records -= job.delivery.priority is Priority.RECORD

    def upcoming(self, most: Priority = Priority.BULK) -> Sequence[J]:
        """The jobs of at least priority `most`, best first."""
        return [entry[-1] for entry in sorted(self._heap, key=lambda e: e[:3]) if entry[0] <= most]

    def drain(self) -> list[J]:
        """Take everything out, best first."""
        jobs = list(self.upcoming())
        self._heap.clear()
        self.bytes = self.records = 0
        return jobs

    def drain_above(self, most: Priority) -> list[J]:
        """Take out the jobs that are less urgent than `most`, best first."""
        if all(entry[0] <= most for entry in self._heap):
            return []
        jobs = [job for job in self.upcoming() if job.delivery.priority > most]
        for job in jobs:
            self.remove(job)
        return jobs


@dataclass(frozen=True, slots=True)
class Claim:
    """What to ask of the spool next."""

    limit: int
    max_bytes: int
    max_priority: Priority


def plan_claim(
    ready: int, ready_bytes: int, records: int, policy: DeliveryPolicy, *, trial: bool
) -> Claim | None:
    """Say what to claim, given what is claimed already; None when that is enough for now."""
    if trial and ready:  # one of these will tell
        return None
    if ready <= policy.claim_objects // 2 and ready_bytes < policy.claim_bytes:
        return Claim(policy.claim_objects - ready, policy.claim_bytes - ready_bytes, Priority.BULK)
    if records < policy.claim_objects:
        return Claim(policy.claim_objects - records, policy.claim_bytes, Priority.RECORD)
    return None


def lanes_wanted(waiting: int, turnaround: float | None, maximum: int) -> int:
    """How many associations `waiting` objects are worth; `turnaround`: seconds for one small object."""
    if turnaround is None or turnaround >= FAR:
        return min(maximum, -(-waiting // PER_LANE_FAR))
    return min(maximum, LANES_NEAR, -(-waiting // PER_LANE_NEAR))


@dataclass(frozen=True, slots=True)
class LanePlan:
    """Lanes to start now."""

    general: int
    record: bool


def plan_lanes(
    ready: int,
    records: int,
    running: int,
    record_running: bool,
    turnaround: float | None,
    maximum: int,
    *,
    trial: bool,
    proven: bool,
) -> LanePlan:
    """Say which lanes to start for `ready` jobs, `records` of them records, beside those `running`.

    With `maximum` >= 2 one lane is kept for records and the others take anything. With 1, on trial, or until
    the destination is `proven` to take what we send, the one lane takes anything: several associations asked
    for at once are what a peer that allows one answers with a rejection of all.
    """
    if trial or maximum <= 1 or not proven:
        idle = running == 0 and not record_running
        return LanePlan(1 if ready and idle else 0, record=False)
    general = maximum - 1
    start = max(0, min(lanes_wanted(ready + running, turnaround, general), general) - running) if ready else 0
    return LanePlan(start, record=records > start and not record_running and running + start > 0)
