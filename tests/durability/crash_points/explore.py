"""Every prefix of a history times the states a power cut may leave there, each recovered by the real spool.

The states after an operation are those of the model (disk/crash.py): all of them where they are few, corners
and chance where they are many. A state that was seen before is not recovered again, its answer is remembered;
what was promised up to this point is compared with the answer each time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.durability.campaign import ACKNOWLEDGED, LOST, Failure, Tally
from tests.durability.crash_points.check import broken_promises
from tests.durability.crash_points.facts import Facts
from tests.durability.crash_points.observe import Broken, Found, Site
from tests.durability.crash_points.recording import Recording, State, record
from tests.durability.disk import ops
from tests.durability.disk.crash import Policy, choices
from tests.durability.disk.disk import Disk
from tests.durability.disk.materialize import fingerprint

POINTS = "crash points"
WHOLE = "of them exhaustively"
STATES = "states explored"
RECOVERIES = "recoveries"
PER_POINT = 60
_SEEN_MAX = 20_000
"""Answers that are remembered."""


@dataclass(slots=True)
class Explorer:
    """Goes through recordings. `policy` says how weak the disk is, `per_point` how many states at a point."""

    site: Site
    policy: Policy = Policy.WEAK
    per_point: int = PER_POINT
    seed: int = 0
    over: Callable[[], bool] = lambda: False  # whether to stop, asked at each point
    tally: Tally = field(default_factory=Tally)
    samples: list[State] = field(default_factory=list)  # states in which the recovery had something to do
    samples_max: int = 0  # of one history
    _seen: dict[bytes, Found | Broken] = field(default_factory=dict)
    _chances: int = 0
    _own: list[State] = field(default_factory=list)

    def explore(self, recording: Recording, every: int = 1) -> Tally:
        """Try each point of a history; return what was counted. Raises Failure at a loss.

        With `every` n the points after a write that is not synced yet are not all tried, but every nth.
        """
        tally = Tally()
        for word in (POINTS, WHOLE, STATES, RECOVERIES, ACKNOWLEDGED, LOST):
            tally.add(word, 0)
        dice = random.Random(f"{self.seed} {recording.name}")
        self._seen.clear()
        facts = Facts()
        self._chances, self._own = 0, []
        try:
            for step, (op, disk, facts) in enumerate(self._points(recording)):
                if self.over():
                    break
                if step % every == 0 or not isinstance(op, ops.Write):
                    self._point(recording, step, disk, facts, dice, tally)
        finally:
            self.samples += self._own
            tally.add(ACKNOWLEDGED, len(facts.objects))
            self.tally += tally
        return tally

    def _points(self, recording: Recording) -> Iterator[tuple[ops.Op, Disk, Facts]]:
        """Yield the disk as it is after each operation, from the mark `begin` on."""
        disk, facts = recording.disk(), Facts()
        for op in recording.log:
            disk.apply(op)
            if isinstance(op, ops.Mark):
                begun = facts.begun
                facts.hear(op.text)
                if facts.settled and not begun:
                    disk.settle()
            if facts.begun:
                yield op, disk, facts

    def _point(
        self, recording: Recording, step: int, disk: Disk, facts: Facts, dice: random.Random, tally: Tally
    ) -> None:
        noise = {inode for path, inode in disk.walk() if path.endswith("-shm")}
        whole, chosen = choices(disk, dice, self.policy, self.per_point, noise)
        tally.add(POINTS)
        tally.add(WHOLE, int(whole))
        for choice in chosen:
            after = disk.crash(choice)
            tally.add(STATES)
            found = self._found(after, recording, dice, tally)
            wrong = [(True, str(found))] if isinstance(found, Broken) else list(broken_promises(facts, found))
            if wrong:
                tally.add(LOST, max(1, sum(lost for lost, _ in wrong)))
                raise Failure(
                    "; ".join(words for _, words in wrong[:3]),
                    seed=self.seed,
                    history=recording.name,
                    step=f"{step}, {choice}" if len(str(choice)) < 500 else step,
                )

    def _found(self, after: Disk, recording: Recording, dice: random.Random, tally: Tally) -> Found | Broken:
        print_of = fingerprint(after, recording.under)
        known = self._seen.get(print_of)
        if known is not None:
            return known
        tally.add(RECOVERIES)
        found: Found | Broken
        try:
            found = self.site.observe(after, recording.under)
            if found.leftovers or found.requeued:
                self._sample(State(recording.name, recording.under, after), dice)
        except Broken as broken:
            found = broken
        if len(self._seen) < _SEEN_MAX:
            self._seen[print_of] = found
        return found

    def _sample(self, state: State, dice: random.Random) -> None:
        """Keep some of the states that come by, each with the same chance."""
        self._chances += 1
        if len(self._own) < self.samples_max:
            self._own.append(state)
        elif self.samples_max and (place := dice.randrange(self._chances)) < self.samples_max:
            self._own[place] = state


def explore(
    history: str | Recording,
    *,
    policy: Policy = Policy.WEAK,
    per_point: int = PER_POINT,
    every: int = 1,
    seed: int = 0,
) -> Tally:
    """Record a history (given by name) and go through it. Raises Failure at a loss."""
    recording = history if isinstance(history, Recording) else record([history])[history]
    with Site() as site:
        return Explorer(site, policy, per_point, seed).explore(recording, every)
