"""What can happen to the box: a table of events, each drawn from choices and done to a world."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from gateway.model import DeliveryState, Priority
from tests.durability.truth.choices import Choices
from tests.durability.truth.far import ATTITUDES, BREAKS, MOODS
from tests.durability.truth.world import DAY, World

S = DeliveryState
SIZES = (30, 1000, 70_000)
MOMENTS = (1.0, 0.01, 0.2, 10.0, 60.0, 600.0, 4000.0)
CLOCK_STEPS = (3600.0, -3600.0, DAY, -DAY, 3650 * DAY, -3650 * DAY)
MOST_OBJECTS = 150
"""Objects of one run: enough to fill every queue; more would only take time."""

Event = Callable[[World, Choices], Coroutine[Any, Any, None]]


def _some(world: World, choices: Choices) -> tuple[str, ...]:
    names = world.setting.names
    first = choices.among(names)
    return tuple(name for name in names if name == first or choices.number(0, 2) == 2)


async def _put_one(world: World, choices: Choices) -> None:
    if len(world.acknowledged) > MOST_OBJECTS:
        return
    uid = world.new_uid()
    size, priority = choices.among(SIZES), choices.among(tuple(Priority))
    world.later(world.put(uid, world.body(uid, 0, size, priority), priority, _some(world, choices)))


async def put(world: World, choices: Choices) -> None:
    """A console stores one object."""
    await _put_one(world, choices)


async def burst(world: World, choices: Choices) -> None:
    """A console stores many at once."""
    for _ in range(choices.number(5, 24)):
        await _put_one(world, choices)


async def put_again(world: World, choices: Choices) -> None:
    """A console stores something once more, or something else with the same identity."""
    if not world.acknowledged or len(world.acknowledged) > MOST_OBJECTS:
        return
    known = choices.among(world.acknowledged)
    version, priority = choices.number(0, 1), choices.among((known.priority, *Priority))
    data = world.body(known.uid, version, known.size, priority)
    world.later(world.put(known.uid, data, priority, _some(world, choices)))


async def trickle(world: World, choices: Choices) -> None:
    """New images, one by one, while everything else goes on."""
    to = (choices.among(world.setting.names),)
    pause = choices.among((0.05, 0.5, 5.0))
    for _ in range(choices.number(5, 15)):
        if len(world.acknowledged) > MOST_OBJECTS:
            return
        uid = world.new_uid()
        data = world.body(uid, 0, choices.among(SIZES), Priority.IMAGE)
        world.later(world.put(uid, data, Priority.IMAGE, to))
        await world.advance(pause)
        await world.look()


async def advance(world: World, choices: Choices) -> None:
    """Time passes."""
    await world.advance(choices.among(MOMENTS))


async def link(world: World, choices: Choices) -> None:
    """A link goes, or comes back."""
    name = choices.among(world.setting.names)
    world.wires[name].disturb()
    world.fars[name].link(up=not world.fars[name].up)
    world.tally.add("links cut or mended")


async def flap(world: World, choices: Choices) -> None:
    """A link goes and comes back, again and again."""
    name = choices.among(world.setting.names)
    far = world.fars[name]
    down, up = choices.among((0.01, 1.0, 30.0)), choices.among((0.05, 2.0, 100.0))
    times = choices.number(1, 6)

    async def flapping() -> None:
        for _ in range(times):
            world.wires[name].disturb()
            far.link(up=False)
            await asyncio.sleep(down)
            world.wires[name].disturb()
            far.link(up=True)
            await asyncio.sleep(up)

    world.around(flapping())
    world.tally.add("links cut or mended")


async def mood(world: World, choices: Choices) -> None:
    """A destination answers objects in another way."""
    name = choices.among(world.setting.names)
    world.fars[name].mood = choices.among(("well", *MOODS))
    world.wires[name].disturb()


async def attitude(world: World, choices: Choices) -> None:
    """A destination takes or refuses associations."""
    name = choices.among(world.setting.names)
    world.fars[name].attitude = choices.among(("accepts", "accepts", *ATTITUDES))
    world.wires[name].disturb()


async def curse(world: World, choices: Choices) -> None:
    """A destination has something against one object."""
    if world.acknowledged:
        owed = choices.among(world.acknowledged)
        far = world.fars[choices.among(owed.destinations)]
        far.cursed[owed.uid] = choices.among(("refuses", "conflict", "busy", "aborts", *BREAKS, *MOODS))
        world.wires[far.name].disturb()


async def pace(world: World, choices: Choices) -> None:
    """A destination becomes slow or quick."""
    name = choices.among(world.setting.names)
    far = world.fars[name]
    far.latency = choices.among((0.01, 0.3))
    far.goodput = choices.among((2_000_000.0, 5_000.0))
    far.thinking = choices.among((0.0, 0.5, 8.0))
    world.wires[name].disturb()


async def crash(world: World, _: Choices) -> None:
    """The process is killed."""
    await world.crash()


async def restart(world: World, _: Choices) -> None:
    """The process is stopped and started."""
    await world.restart()


async def operate(world: World, choices: Choices) -> None:
    """A person holds, releases, retries or discards a delivery, mostly one for which that is legal."""
    what = choices.among(("hold", "release", "retry", "discard", "confirm"))
    numbers = world.legal(what) if choices.number(0, 4) else list(world.journal.rows)
    if numbers:
        world.later(world.operate(what, choices.among(numbers)))


async def retry_held(world: World, _: Choices) -> None:
    """A person lets go of everything that is held."""
    world.later(world.retry_held())


async def pause(world: World, choices: Choices) -> None:
    """A person pauses or resumes a destination, perhaps while much is on its way."""
    if choices.number(0, 1):
        await burst(world, choices)
        await world.advance(choices.among((0.0, 0.01, 0.1, 1.0)))
    name = choices.among(world.setting.names)
    world.pause(name, paused=not world.wires[name].paused)


async def knock(world: World, choices: Choices) -> None:
    """A person, or another part of the gateway, has something to say about a destination."""
    name = choices.among(world.setting.names)
    engine = world.life.engine
    what = choices.number(0, 2)
    world.wires[name].disturb()
    if what == 0:
        engine.kick(name)
    elif what == 1:
        world.wires[name].link_failures += 1
        engine.unreachable(name, "nothing comes back")
    else:
        engine.answered(name, 0.1)


async def clock(world: World, choices: Choices) -> None:
    """Somebody sets the clock; perhaps it was a mistake, and is put right after a while."""
    step = choices.among(CLOCK_STEPS)
    world.set_clock(step)
    world.tally.add("clock steps")
    if choices.number(0, 2):
        after = choices.among((1.0, 10.0, 300.0))

        async def put_right() -> None:
            await asyncio.sleep(after)
            world.set_clock(-step)

        world.around(put_right())


async def expire(world: World, _: Choices) -> None:
    """The daily round."""
    world.later(world.expire())


EVENTS: Mapping[Event, int] = {
    put: 10,
    burst: 5,
    put_again: 2,
    trickle: 2,
    advance: 16,
    link: 4,
    flap: 3,
    mood: 6,
    attitude: 2,
    curse: 4,
    pace: 3,
    crash: 4,
    restart: 2,
    operate: 9,
    retry_held: 1,
    pause: 3,
    knock: 2,
    clock: 2,
    expire: 1,
}
"""What can happen, and how often (relative to each other)."""
