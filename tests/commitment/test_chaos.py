"""Everything at random, seed by seed: what is reported in the end is the truth, whatever happened before."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from gateway.association.timeouts import RequestorTimeouts
from gateway.dicom.commitment import Result, Sop
from gateway.dicom.errors import LocalProtocolError
from gateway.model import AETitle, Route
from tests.support.commitment_breaks import CENTRE_BREAKS, CONSOLE_BREAKS, Script
from tests.support.commitment_scene import QUICK, Scene, scene
from tests.support.commitment_wire import SCP_OF_RESULTS, ask_for, asked, report, sops, told, wired
from tests.support.committing import a_reference, accept, put
from tests.support.wire_centre import WireCentre

OBJECTS = 8
TRANSACTIONS = 4


@dataclass
class World:
    """What the centre has, what went wrong on purpose, and what the console was told."""

    rng: random.Random
    held: set[Sop]
    told: dict[str, Result] = field(default_factory=dict)
    calm: bool = False

    def whim(self, breaks: dict[str, tuple[Script, str | None]]) -> Script | None:
        """Something that goes wrong, or nothing."""
        if self.calm or self.rng.random() < 0.4:
            return None
        return self.rng.choice([script for script, _ in breaks.values()])

    async def centre(self, peer: WireCentre) -> None:
        # A gateway that stops hangs up on the script: then there is no message, or nobody to answer.
        with suppress(AssertionError, LocalProtocolError, OSError):
            whim = self.whim(CENTRE_BREAKS)
            if whim is not None:
                await whim(peer)
                return
            await peer.accept()
            while True:
                context_id, command, action = await asked(peer)
                peer.answer(context_id, command)
                good = tuple(one for one in action.references if one in self.held)
                bad = tuple((one, 0x0112) for one in action.references if one not in self.held)
                named = good[: self.rng.randint(0, len(good))] if not self.calm else good
                await report(peer, context_id, Result(action.transaction_uid, named, bad))

    async def console(self, peer: WireCentre) -> None:
        with suppress(AssertionError, LocalProtocolError, OSError):
            whim = self.whim(CONSOLE_BREAKS)
            if whim is not None:
                await whim(peer)
                return
            await peer.accept(SCP_OF_RESULTS)
            while True:
                result = await told(peer)
                before = self.told.setdefault(result.transaction_uid, result)
                assert_same(before, result)


def assert_same(one: Result, other: Result) -> None:
    if (set(one.committed), set(one.failed)) != (set(other.committed), set(other.failed)):
        raise ValueError("the console was told two different things")


async def deliver_again(stage: Scene) -> None:
    """What was queued once more is accepted once more: so the centre says."""
    await accept(stage.spool)


@pytest.mark.parametrize("seed", range(6))
async def test_what_is_reported_is_the_truth(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    numbers = range(1, OBJECTS + 1)
    held = {one for one in sops(*map(a_reference, numbers)) if rng.random() < 0.7}
    world = World(rng, held)
    wanted: dict[str, set[Sop]] = {}
    policy = replace(QUICK, answer=0.5, linger=0.1)
    timeouts = RequestorTimeouts(connect=5, associate=5, response=0.3, release=0.3)
    async with (
        wired(world.centre, repeat=True) as centre,
        wired(world.console, repeat=True) as console,
        scene(
            tmp_path,
            centre_port=centre.port,
            console_port=console.port,
            policy=policy,
            timeouts=timeouts,
            routes=(Route(called=AETitle("ARIA"), to=("oncology",)),),
        ) as stage,
    ):
        await put(stage.spool, *numbers)
        for index in range(TRANSACTIONS):
            chosen = rng.sample(list(numbers), rng.randint(1, OBJECTS))
            uid = f"1.2.3.{index + 1}"
            wanted[uid] = set(sops(*map(a_reference, chosen)))
            assert await ask_for(stage.port, uid, *chosen) == 0x0000
            await deliver_again(stage)
            await asyncio.sleep(rng.random() * 0.3)
            match rng.randrange(3):
                case 0:
                    await stage.restart()
                case 1:
                    await stage.crash()
                    await stage.start()
        world.calm = True

        async def all_reported() -> bool:
            await stage.spool.retry_held("oncology")  # a person, who does not know either
            await deliver_again(stage)
            rows = await stage.rows()
            return len(rows) == TRANSACTIONS and all(row.state == "reported" for row in rows)

        await stage.until(all_reported, seconds=40)
        rows = {str(row.delivery.number): row for row in await stage.spool.list_deliveries()}
    assert set(world.told) == set(wanted)
    for uid, result in world.told.items():
        assert set(result.committed) | {one for one, _ in result.failed} == wanted[uid]
        assert set(result.committed) <= held
        assert not {one for one, _ in result.failed} & held
    for row in rows.values():
        here = Sop(row.object.instance.sop_class_uid, row.object.instance.sop_instance_uid) in held
        assert here or row.delivery.state != "confirmed"
