"""What was promised against what is there. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from tests.durability.crash_points.facts import FORGOTTEN, Facts
from tests.durability.crash_points.observe import Found


def broken_promises(facts: Facts, found: Found) -> Iterator[tuple[bool, str]]:
    """Yield each promise that was not kept: whether an object is lost, and what is wrong in words.

    That everything in `found` has its bytes whole was seen when it was found.
    """
    here: dict[tuple[int, str], str] = {}
    objects: dict[int, tuple[str, str, int]] = {}
    for row in found.rows:
        here[row.object, row.destination] = row.state
        objects[row.object] = (row.uid, row.digest, row.size)
    for number, kept in facts.objects.items():
        is_here = objects.get(number)
        if is_here is None:
            own = [states for (one, _), states in facts.states.items() if one == number]
            if not all(FORGOTTEN in states for states in own):
                yield True, f"object {number} was acknowledged and is not here"
        elif is_here != (kept.uid, kept.digest, kept.size):
            yield True, f"object {number} was acknowledged and something else has its number"
    for (number, destination), states in facts.states.items():
        state = here.get((number, destination))
        if number in objects and state is None:
            yield True, f"object {number} was acknowledged and {destination} will not get it"
        elif state is not None and state not in states:
            yield False, f"the delivery of object {number} to {destination} is {state}, not {set(states)}"
    for number, (uid, digest, _) in objects.items():
        if facts.offered and (uid, digest) not in facts.offered and number not in facts.objects:
            yield False, f"object {number} is here and nobody has sent it"
    yield from _others(facts, found)


def _others(facts: Facts, found: Found) -> Iterator[tuple[bool, str]]:
    steps = {number: (state, digest) for number, state, digest in found.steps}
    for number, (digest, states) in facts.steps.items():
        if number not in steps:
            yield True, f"step {number} was acknowledged and is not here"
            continue
        state, has = steps[number]
        if state not in states:
            yield False, f"step {number} is {state}, not {set(states)}"
        elif has and has != digest:
            yield True, f"step {number} has other data than it was sent with"
    transactions = dict(found.commitments)
    for uid, states in facts.commitments.items():
        if uid not in transactions:
            yield True, f"transaction {uid} was acknowledged and is not here"
        elif transactions[uid] not in states:
            yield False, f"transaction {uid} is {transactions[uid]}, not {set(states)}"
