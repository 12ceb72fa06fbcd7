"""C-STORE into the real spool: durable before success, refused without room, and the same twice is one."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.notices import Notices, ObjectRefused, ObjectStored
from gateway.spool import Spool, SpoolLimits
from tests.support.door import Door, open_door
from tests.support.wire_peer import BEAMS_RECORD, request, wire_peer


@asynccontextmanager
async def durable_door(directory: Path, limits: SpoolLimits) -> AsyncIterator[tuple[Door, Spool]]:
    opened: list[Spool] = []

    def real(notices: Notices) -> Spool:
        opened.append(Spool.open(directory, limits, notices=notices))
        return opened[0]

    try:
        async with open_door(real=real) as door:
            yield door, opened[0]
    finally:
        for spool in opened:
            await spool.close()


async def test_what_was_acknowledged_is_there_after_a_restart_byte_for_byte(tmp_path: Path) -> None:
    sent = {"1.1": b"inline" * 100, "1.2": bytes(range(256)) * 4000}
    async with durable_door(tmp_path / "spool", SpoolLimits()) as (door, _), wire_peer(door.port) as peer:
        await peer.associate(request())
        for number, (uid, data) in enumerate(sent.items(), start=1):
            assert (await peer.store(data, message_id=number, instance=uid)).status == 0x0000
    async with durable_door(tmp_path / "spool", SpoolLimits()) as (_, spool):
        jobs = await spool.claim("oncology", 10)
        for job in jobs:
            with spool.open_data(job.object.number) as reader:
                data = reader.read(job.object.size)
            assert data == sent[job.object.instance.sop_instance_uid]
            assert job.object.digest == hashlib.sha256(data).digest()
        assert len(jobs) == 2


async def test_the_same_object_twice_is_success_and_one_object(tmp_path: Path) -> None:
    async with durable_door(tmp_path / "spool", SpoolLimits()) as (door, spool), wire_peer(door.port) as peer:
        await peer.associate(request())
        assert (await peer.store(b"same")).status == 0x0000
        assert (await peer.store(b"same")).status == 0x0000
        assert (await peer.store(b"else")).status == 0x0000  # a conflict is durable as well
        outcomes = [one.outcome for one in await door.log.wait_count(ObjectStored, 3)]
        assert outcomes == ["new", "duplicate", "conflict"]
        assert len(await spool.claim("oncology", 10)) == 1


async def test_a_full_spool_refuses_and_a_small_record_still_gets_in(tmp_path: Path) -> None:
    limits = SpoolLimits(quota_bytes=40 * 2**20, reserve_bytes=16 * 2**20, floor_bytes=4 * 2**20)
    async with durable_door(tmp_path / "spool", limits) as (door, _), wire_peer(door.port) as peer:
        await peer.associate(request())
        statuses = [
            (await peer.store(bytes(8 * 2**20), message_id=number, instance=f"1.{number}")).status
            for number in range(1, 6)
        ]
        assert statuses[0] == 0x0000
        assert statuses[-1] == 0xA700
        record = await peer.store(
            b"record", message_id=9, context_id=5, sop_class=BEAMS_RECORD, instance="2.1"
        )
        assert record.status == 0x0000
        assert (await door.log.wait(ObjectRefused)).status == 0xA700
