"""One run of a world from a seed: so many events, and then the end. The same seed is the same run."""

from __future__ import annotations

import random
from collections.abc import Mapping

from tests.durability.campaign import Failure, Tally
from tests.durability.truth.choices import Seeded
from tests.durability.truth.dicom_world import EVENTS as DICOM_EVENTS
from tests.durability.truth.dicom_world import DicomWorld
from tests.durability.truth.ending import bring_to_an_end
from tests.durability.truth.events import EVENTS, Event
from tests.durability.truth.world import Setting, World


def setting_of(seed: int) -> Setting:
    """The world that belongs to a seed: with a quick or a slow disk, few or many objects claimed ahead."""
    rng = random.Random(f"setting {seed}")
    return Setting(
        seed=seed,
        claim_objects=rng.choice((16, 4, 2)),
        lag=rng.choice((0.0, 0.05, 1.0)),
        lanes=rng.choice(((4, 2, 1), (4, 1), (2, 2))),
        window=rng.choice((1, 1, 4, 16)),
    )


def walk(seed: int, steps: int) -> Tally:
    """Let `steps` events happen to the world of `seed`. Failure says which event was the last."""
    with World(setting_of(seed)) as world:
        return go_through(world, EVENTS, seed, steps)


def walk_over_dicom(seed: int, steps: int) -> Tally:
    """The same with real associations; it takes real time, and the same seed is only much the same."""
    rng = random.Random(f"setting {seed}")
    setting = Setting(seed=seed, claim_objects=rng.choice((16, 4)), lanes=(3, 1), window=rng.choice((1, 8)))
    with DicomWorld(setting) as world:
        return go_through(world, DICOM_EVENTS, seed, steps)


def go_through(world: World, table: Mapping[Event, int], seed: int, steps: int) -> Tally:
    """So many events of `table`, then the end."""
    choices = Seeded(f"events {seed}")
    events = [event for event, weight in table.items() for _ in range(weight)]
    where = "the beginning"
    try:
        for step in range(steps):
            event = choices.among(events)
            where = f"{step} ({event.__name__})"
            world.run(event(world, choices))
            world.run(world.look())
        where = "the end"
        world.run(bring_to_an_end(world))
    except Exception as error:
        message = str(error) if isinstance(error, Failure) else f"{type(error).__name__}: {error}"
        raise Failure(message, seed=seed, history=f"{steps} events", step=where) from error
    world.tally.add("steps", steps)
    return world.tally
