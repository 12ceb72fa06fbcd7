"""A large object through the relay to a receiver that reads slowly: memory stays flat, bytes stay bytes."""

from __future__ import annotations

import asyncio
import hashlib
import random
from pathlib import Path

from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.dimse import CommandReceived, DataSetFragment
from gateway.dicom.events import DataReceived
from tests.support.relay_door import relayed
from tests.support.relay_play import BOTH_ROLES, GET, RT_PLAN, console
from tests.support.wire_centre import WireCentre
from tests.support.wire_console import WireConsole, wire_console
from tests.support.wire_peer import WirePeer

SIZE = 64 * 1024 * 1024
PIECE = random.Random(64).randbytes(256 * 1024)
MOST = 24 * 1024 * 1024
"""Bytes by which this process may grow: the relay's bounds, both test peers and the kernel's moods."""


def resident(field: str) -> int:
    """VmRSS or VmHWM of this process, in bytes."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    raise AssertionError(field)


class Flat:
    """Fails when memory in use grew meanwhile by more than may be, at any moment."""

    def __enter__(self) -> None:
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        self.before = resident("VmRSS")

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None:
            assert resident("VmHWM") - self.before < MOST


async def send(peer: WireCentre | WirePeer, context_id: int) -> bytes:
    """Send the data set no faster than it is taken; return its digest."""
    digest = hashlib.sha256()
    room = peer.layer.max_fragment
    for count in range(SIZE // len(PIECE)):
        digest.update(PIECE)
        for start in range(0, len(PIECE), room):
            last = (count + 1) * len(PIECE) == SIZE and start + room >= len(PIECE)
            peer.layer.send_pdv(context_id, False, last, PIECE[start : start + room])
        peer.flush()
        await peer.writer.drain()
    return digest.digest()


async def receive(peer: WireCentre | WireConsole) -> tuple[int, Command, bytes]:
    """Read one message slowly; return its context, its command and the digest of its data set."""
    digest = hashlib.sha256()
    command: Command | None = None
    count = 0
    while True:
        event = await peer.event()
        assert isinstance(event, DataReceived), event
        message = peer.messages.read(event)
        if isinstance(message, CommandReceived):
            command = message.command
            if not command.has_data_set:
                return message.context_id, command, b""
        elif isinstance(message, DataSetFragment):
            digest.update(message.data)
            count += 1
            if count % 8 == 0:
                await asyncio.sleep(0.01)
            if message.is_last:
                assert command is not None
                return message.context_id, command, digest.digest()


async def test_a_large_object_goes_up_with_flat_memory() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, digest = await receive(centre)
        centre.answer(context_id, command)
        arrived.set_result(digest)
        await centre.finish()

    arrived = asyncio.get_running_loop().create_future()
    async with relayed(script) as door, wire_console(door.port, "THROUGH", RT_PLAN) as peer:
        context_id = peer.context(RT_PLAN)
        with Flat():
            peer.send_command(context_id, messages.c_store_rq(1, RT_PLAN, "1.2.3"))
            digest = await send(peer, context_id)
            assert (await peer.response()).status == 0
        assert await arrived == digest


async def test_a_large_object_comes_down_with_flat_memory() -> None:
    async def script(centre: WireCentre) -> None:
        asked = await centre.accept(BOTH_ROLES)
        ids = {context.abstract_syntax: context.context_id for context in asked.contexts}
        context_id, command, _ = await centre.message()
        centre.send(ids[RT_PLAN], messages.c_store_rq(1, RT_PLAN, "1.2.3"))
        sent.set_result(await send(centre, ids[RT_PLAN]))
        assert (await centre.message())[1].status == 0
        centre.answer(context_id, command)
        await centre.finish()

    sent = asyncio.get_running_loop().create_future()
    async with relayed(script) as door, console(door, "THROUGH", GET, RT_PLAN) as peer:
        with Flat():
            peer.say(GET, messages.c_get_rq(1, GET), b"identifier")
            context_id, command, digest = await receive(peer)
        peer.send_command(context_id, messages.c_store_rsp(command))
        assert (await peer.response()).status == 0
        assert await sent == digest
        await peer.release()
