"""What every store of partial objects has to do (gateway/link/objects/ports.py), as tests.

A test module makes a subclass of `PartialsContract` and a fixture `rig`. A store that several hubs share has
to pass the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import pytest

from gateway.errors import NoRoom
from gateway.link.objects.ports import Expected, Partials
from gateway.link.values import BLOCK
from gateway.model import AETitle, Instance, Origin, Priority
from gateway.spool import Transfer
from tests.support.spooling import content

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
SIZE = 5 * BLOCK + 77


class Rig(Protocol):
    """A store with room for four objects of SIZE of each site."""

    partials: Partials

    async def restart(self, *, kill: bool) -> None:
        """End the process of the store, politely or not, and begin again."""

    async def stored(self) -> Sequence[tuple[str, bytes]]:
        """(SOP Instance UID, data set) of everything that was kept, in order."""

    async def later(self) -> None:
        """Let more time pass than a partial is kept."""


def data_of(number: int, size: int = SIZE) -> bytes:
    return content(number, size)


def expected(number: int = 1, size: int = SIZE, *, site: str = "clinic-07") -> Expected:
    digest = hashlib.sha256(data_of(number, size)).digest()
    return Expected(
        Transfer(site, bytes(16), number, digest),
        Instance(CT, f"1.2.826.0.1.{number}", EXPLICIT),
        Origin("link", site, AETitle("LINAC1"), AETitle("ARIA"), "link-1"),
        Priority.IMAGE,
        size,
    )


def blocks(data: bytes, start: int = 0) -> list[bytes]:
    return [data[offset : offset + BLOCK] for offset in range(start, len(data), BLOCK)]


async def fill(partials: Partials, number: int, count: int, *, site: str = "clinic-07") -> None:
    """Bring the first blocks of an object, and go away."""
    partial = await partials.open(expected(number, site=site))
    for block in blocks(data_of(number))[:count]:
        await partial.append(block)
    await partial.rest()


async def held(partials: Partials, number: int, *, site: str = "clinic-07") -> int:
    partial = await partials.open(expected(number, site=site))
    await partial.rest()
    return partial.held


class PartialsContract:
    """Inherit, and provide `rig`."""

    async def test_a_whole_one_goes_into_the_spool(self, rig: Rig) -> None:
        partial = await rig.partials.open(expected())
        assert partial.held == 0
        for count, block in enumerate(blocks(data_of(1)), 1):
            await partial.append(block)
            assert partial.held == min(SIZE, count * BLOCK)
        assert partial.digest() == hashlib.sha256(data_of(1)).digest()
        stored = await partial.keep(("oncology",))
        assert (stored.outcome, stored.size) == ("new", SIZE)
        assert await rig.stored() == [("1.2.826.0.1.1", data_of(1))]
        assert await held(rig.partials, 1) == 0

    @pytest.mark.parametrize("kill", [None, False, True], ids=["cut", "stopped", "killed"])
    @pytest.mark.parametrize("count", [0, 1, 3, 6])
    async def test_a_part_is_there_the_next_time(self, rig: Rig, count: int, kill: bool | None) -> None:
        await fill(rig.partials, 1, count)
        if kill is not None:
            await rig.restart(kill=kill)
        partial = await rig.partials.open(expected())
        assert partial.held == min(SIZE, count * BLOCK)
        assert partial.digest() == hashlib.sha256(data_of(1)[: partial.held]).digest()
        for block in blocks(data_of(1), partial.held):
            await partial.append(block)
        await partial.keep(("oncology",))
        assert await rig.stored() == [("1.2.826.0.1.1", data_of(1))]

    async def test_what_was_being_received_when_it_was_killed_is_there(self, rig: Rig) -> None:
        partial = await rig.partials.open(expected())
        for block in blocks(data_of(1))[:4]:
            await partial.append(block)
        await rig.restart(kill=True)
        assert await held(rig.partials, 1) == 4 * BLOCK

    async def test_what_is_in_the_spool_is_no_partial_after_a_restart(self, rig: Rig) -> None:
        partial = await rig.partials.open(expected())
        for block in blocks(data_of(1)):
            await partial.append(block)
        await partial.keep(("oncology",))
        await rig.restart(kill=True)
        assert await held(rig.partials, 1) == 0
        assert await rig.stored() == [("1.2.826.0.1.1", data_of(1))]

    @pytest.mark.parametrize(
        "other",
        [
            Transfer("clinic-08", bytes(16), 1, expected().transfer.digest),
            Transfer("clinic-07", bytes([1] * 16), 1, expected().transfer.digest),
            Transfer("clinic-07", bytes(16), 2, expected().transfer.digest),
            Transfer("clinic-07", bytes(16), 1, bytes(32)),
        ],
        ids=["site", "spool", "delivery", "digest"],
    )
    async def test_every_part_of_its_name_counts(self, rig: Rig, other: Transfer) -> None:
        await fill(rig.partials, 1, 2)
        partial = await rig.partials.open(replace(expected(), transfer=other))
        assert partial.held == 0
        await partial.append(b"x" * BLOCK)
        await partial.rest()
        assert await held(rig.partials, 1) == 2 * BLOCK

    async def test_one_can_be_begun_anew(self, rig: Rig) -> None:
        partial = await rig.partials.open(expected())
        await partial.append(b"x" * BLOCK)
        await partial.begin_anew()
        assert partial.held == 0
        for block in blocks(data_of(1))[:2]:
            await partial.append(block)
        await rig.restart(kill=True)
        partial = await rig.partials.open(expected())
        assert partial.held == 2 * BLOCK
        assert partial.digest() == hashlib.sha256(data_of(1)[: 2 * BLOCK]).digest()
        await partial.rest()

    async def test_more_than_was_expected_is_not_taken(self, rig: Rig) -> None:
        partial = await rig.partials.open(expected(1, BLOCK + 1))
        await partial.append(bytes(BLOCK))
        with pytest.raises(ValueError, match="more than"):
            await partial.append(bytes(2))
        assert partial.held == BLOCK
        await partial.rest()

    async def test_several_grow_side_by_side(self, rig: Rig) -> None:
        partials = [await rig.partials.open(expected(number)) for number in (1, 2, 3)]
        for step in range(6):
            for number, partial in enumerate(partials, 1):
                await partial.append(blocks(data_of(number))[step])
        for partial in partials:
            await partial.keep(("oncology",))
        assert await rig.stored() == [(f"1.2.826.0.1.{n}", data_of(n)) for n in (1, 2, 3)]

    @pytest.mark.parametrize("restart", [False, True])
    async def test_the_oldest_makes_room_for_the_next(self, rig: Rig, restart: bool) -> None:
        for number in (1, 2, 3, 4):
            await fill(rig.partials, number, 2)
        await fill(rig.partials, 1, 0)  # touched again: not the oldest any more
        if restart:
            await rig.restart(kill=True)
        await fill(rig.partials, 5, 1)
        assert await held(rig.partials, 1) == 2 * BLOCK
        assert await held(rig.partials, 3) == 2 * BLOCK
        assert await held(rig.partials, 5) == BLOCK

    async def test_another_site_has_room_of_its_own(self, rig: Rig) -> None:
        for number in (1, 2, 3, 4):
            await fill(rig.partials, number, 1)
        await fill(rig.partials, 1, 1, site="clinic-08")
        for number in (1, 2, 3, 4):
            assert await held(rig.partials, number) == BLOCK

    async def test_what_is_being_received_does_not_make_room(self, rig: Rig) -> None:
        busy = [await rig.partials.open(expected(number)) for number in (1, 2, 3, 4)]
        with pytest.raises(NoRoom):
            await rig.partials.open(expected(5))
        await busy[2].rest()
        (await rig.partials.open(expected(5)),)
        for partial in (busy[0], busy[1], busy[3]):
            await partial.append(bytes(BLOCK))
            await partial.rest()

    async def test_what_nobody_touches_goes(self, rig: Rig) -> None:
        await fill(rig.partials, 1, 2)
        busy = await rig.partials.open(expected(2))
        await busy.append(bytes(BLOCK))
        await rig.later()
        assert await held(rig.partials, 1) == 0
        assert busy.held == BLOCK
        await busy.append(bytes(BLOCK))
        await busy.rest()
        assert await held(rig.partials, 2) == 2 * BLOCK
