"""What consoles offered and what was acknowledged to them: kept outside the box, where no cut reaches."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from gateway.demo.synthetic import Sizes, SyntheticObject, Template, Treatment, make_record
from tests.durability.campaign import ACKNOWLEDGED, LOST, Failure, Tally

_IMAGE_EVERY = 4


def things(first: int) -> Iterator[SyntheticObject]:
    """Records, which live in the journal, and images, which live in files, mixed; each number once."""
    record, image = _templates()
    number = first
    while True:
        yield (image if number % _IMAGE_EVERY == _IMAGE_EVERY - 1 else record).copy(number)
        number += 1


@cache
def _templates() -> tuple[Template, Template]:
    record = make_record(sizes=Sizes(segments=2))
    return Template(record), Template(Treatment(sizes=Sizes(matrix=256)).make("cbct"))


class Ledger:
    """SOP Instance UID -> digest of what was offered, and which of it got success. For many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._offered: dict[str, str] = {}
        self._acknowledged: set[str] = set()
        self._answered = threading.Condition(self._lock)

    def offer(self, thing: SyntheticObject) -> None:
        """It is about to be sent."""
        with self._lock:
            self._offered[thing.sop_instance_uid] = hashlib.sha256(thing.data).hexdigest()

    def acknowledge(self, uid: str) -> None:
        """Success came for it: from now on it must not be lost."""
        with self._answered:
            self._acknowledged.add(uid)
            self._answered.notify_all()

    def wait_acknowledged(self, more: int, timeout: float) -> bool:
        """Whether so many more than now were acknowledged, in `timeout` seconds."""
        with self._answered:
            wanted = len(self._acknowledged) + more
            return self._answered.wait_for(lambda: len(self._acknowledged) >= wanted, timeout)

    def acknowledged(self) -> int:
        """How many got success so far."""
        with self._lock:
            return len(self._acknowledged)

    def missing(self, arrived: Iterable[Mapping[str, Any]]) -> set[str]:
        """What was acknowledged and is not among what the centre kept."""
        with self._lock:
            return self._acknowledged - {event["uid"] for event in arrived}

    def check(
        self,
        arrived: Iterable[Mapping[str, Any]],
        tally: Tally,
        *,
        seed: int,
        history: str,
        evidence: str = "",
    ) -> None:
        """Compare with what the centre kept (Receiver.stored()); Failure when something is lost or torn."""
        with self._lock:
            offered, acknowledged = dict(self._offered), len(self._acknowledged)
        rows = [event for event in arrived if event["uid"] in offered]
        lost = self.missing(rows)
        altered = [event["uid"] for event in rows if event["digest"] != offered[event["uid"]]]
        times = Counter(event["uid"] for event in rows)
        tally.add(ACKNOWLEDGED, acknowledged)
        tally.add("arrived more than once", sum(count - 1 for count in times.values()))
        tally.add(LOST, len(lost))
        words = ""
        if lost:
            words = f"{len(lost)} of {acknowledged} acknowledged objects never arrived: {sorted(lost)[:3]}"
        elif altered:
            words = f"{len(altered)} objects arrived with other bytes than were sent: {altered[:3]}"
        if words:
            raise Failure(words, seed=seed, history=history, evidence=evidence)
