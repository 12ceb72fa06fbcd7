"""The promise at the end: all is well again, and what was acknowledged is delivered or waits for a person.

All times are virtual. The bounds are the policy's own: nothing waits longer than the slow pace, unless the
clock was set back under it, and then a day (SpoolLimits.max_wait_seconds).
"""

from __future__ import annotations

from gateway.model import DeliveryState, Priority
from tests.durability.campaign import LOST
from tests.durability.truth.world import DAY, World

S = DeliveryState
CHUNK = 120.0
"""Seconds after which a new object comes to a destination where something was tried: only what passes tells
poison from a bad link."""

DELIVERED = frozenset({S.ACCEPTED, S.CONFIRMED, S.RELEASED})


async def bring_to_an_end(world: World) -> None:
    """Make everything well, and see every delivery reach its end; then judge what the destinations have."""
    await world.all_well()
    for name, far in world.fars.items():
        far.recover()
        world.wires[name].disturb()
        if world.wires[name].paused:
            world.pause(name, paused=False)
    await _until_nothing_waits(world)
    for far in world.fars.values():
        far.cursed.clear()
    await world.retry_held()
    await _until_nothing_waits(world)
    await world.restart()
    await world.advance(1.0)
    await world.look()
    await _judge(world)


async def _until_nothing_waits(world: World) -> None:
    policy = world.policy
    longest = 1.1 * max(policy.slow_interval, policy.rejected_interval)
    longest += 12 * policy.object_backoff.ceiling + 4 * policy.pause_backoff.ceiling
    longest += world.grace
    if world.step_back:
        longest += DAY
    began = world.loop.time()
    sent: dict[str, int] = {}
    while waiting := world.undelivered():
        if world.loop.time() - began > longest:
            number, seen = next(iter(waiting.items()))
            world.findings.wrong(
                f"{len(waiting)} deliveries are not settled {longest:.0f} s after all became well: "
                f"{number} to {seen.destination} is {seen.state} ({seen.cause})"
            )
            break
        for name in sorted({seen.destination for seen in waiting.values()}):
            if sent.get(name) != world.wires[name].sent:
                uid = world.new_uid()
                data = world.body(uid, 0, 30, Priority.BULK)
                world.later(world.put(uid, data, Priority.BULK, (name,)))
                sent[name] = world.wires[name].sent + 1
        await world.advance(CHUNK)
        await world.look()
    world.findings.check()


async def _judge(world: World) -> None:
    """Every acknowledged object is at each of its destinations, byte for byte, or a person gave it up."""
    lost = 0
    for owed in world.acknowledged:
        for name in owed.destinations:
            what = (owed.uid, owed.digest, name)
            states = {
                one.state
                for one in world.journal.rows.values()
                if (one.uid, one.digest, one.destination) == what
            }
            there = world.fars[name].kept[owed.uid, owed.digest] > 0
            if not (there or states == {S.DISCARDED} or what in world.journal.forgotten):
                lost += 1
                world.findings.wrong(f"object {owed.number} never came to {name}: it is {states}")
    kept = {one.object for one in world.journal.rows.values() if one.place in (0, 1)}
    await world.whole(kept)
    world.tally.add(LOST, lost)
    for name, far in world.fars.items():
        world.tally.add("deliveries", len(far.kept))
        world.tally.add("duplicates at the centre", sum(far.kept.values()) - len(far.kept))
        world.tally.add("objects put on the wire", world.wires[name].sent)
    await _count_again(world)
    world.findings.check()


async def _count_again(world: World) -> None:
    """What the summary counts is what there is."""
    summary = await world.life.front.do(world.life.spool.summary)
    for name in world.setting.names:
        for state in S:
            counted, there = summary.count(state, destination=name), len(world.journal.of(name, state))
            if counted != there:
                world.findings.wrong(f"{counted} deliveries to {name} are counted as {state}, not {there}")
