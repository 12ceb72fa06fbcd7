"""Compression on real connections: what the hub keeps equals what was offered, whatever goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from gateway.demo.synthetic import Sizes, make_record
from gateway.link.compression.codecs import FEATURES, Codec
from gateway.link.compression.decoder import Restorer
from gateway.link.compression.encoder import BlockEncoder, Compressor
from gateway.link.keeper import HubLink
from gateway.link.ports import Encoder
from gateway.link.values import BLOCK, Encoded, HubReceipt, LinkDown, Offer
from gateway.model import Priority
from tests.support.ct_noise import dose_object, scan_object
from tests.support.fractions import delivered_as_planned
from tests.support.link_sites import Bytes, Hub, World, greeted, offer, until, world

_SITE = "clinic-07"


@dataclass
class Compressed:
    """A hub and a site that compress."""

    world: World
    hub: Hub
    link: HubLink
    compressor: Compressor
    restorer: Restorer

    async def deliver(self, number: int, data: bytes, priority: Priority = Priority.RECORD) -> None:
        """Bring one object to the hub, and look that it is the same there."""
        word = await self.link.deliver(offer(number, data, priority), Bytes(data))
        assert isinstance(word, HubReceipt)
        assert self.hub.shelf.whole[_SITE, number] == data


class Bending(BlockEncoder):
    """An encoder with a defect: of some payloads it flips a bit."""

    bend: set[Codec]

    def inline(self, offer: Offer, data: bytes) -> Encoded:
        return self._bent(super().inline(offer, data))

    async def block(self, offer: Offer, offset: int, data: bytes) -> Encoded:
        return self._bent(await super().block(offer, offset, data))

    def _bent(self, encoded: Encoded) -> Encoded:
        if encoded.codec not in self.bend:
            return encoded
        self.bend.discard(Codec(encoded.codec))
        payload = bytearray(encoded.payload)
        payload[-20] ^= 0x10
        return Encoded(encoded.codec, payload)


@contextlib.asynccontextmanager
async def compressing(tmp_path: Path, bend: set[Codec] | None = None) -> AsyncIterator[Compressed]:
    compressor, restorer = Compressor(), Restorer()

    def encoder(features: frozenset[str]) -> Encoder:
        made = Bending(compressor, features)
        made.bend = bend or set()
        return made

    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(compressor.close)
        stack.push_async_callback(restorer.close)
        it = await stack.enter_async_context(world(tmp_path))
        hub = await it.hub(_SITE, decoder=restorer.decoder, features=FEATURES)
        link, _ = await it.site(encoder=encoder)
        await greeted(link)
        yield Compressed(it, hub, link, compressor, restorer)


def record(seed: int, fraction: int = 1) -> bytes:
    return make_record(seed=seed, fraction=fraction, sizes=Sizes(segments=4)).data


async def test_everything_at_once_arrives_as_it_was(tmp_path: Path) -> None:
    async with compressing(tmp_path) as it:
        jobs = [it.deliver(n, record(n)) for n in range(1, 41)]
        jobs += [it.deliver(100 + n, scan_object(index=n).data, Priority.IMAGE) for n in range(6)]
        jobs += [it.deliver(200, dose_object().data, Priority.BULK)]
        jobs += [
            it.deliver(300 + n, os.urandom(size), Priority.BULK)
            for n, size in enumerate((1, 70_000, 300_000))
        ]
        await asyncio.gather(*jobs)
        assert it.compressor.totals.mismatches == it.restorer.undecodable == 0
        assert (it.compressor.totals.ratio or 0) > 2.2


async def test_what_cannot_be_rebuilt_goes_plain_and_the_rest_goes_on(tmp_path: Path) -> None:
    async with compressing(tmp_path, {Codec.SHARED, Codec.JPEG_LS, Codec.PLANES}) as it:
        await asyncio.gather(*(it.deliver(n, record(n)) for n in range(1, 21)))
        troubles = it.compressor.totals.mismatches
        assert troubles >= 1
        await asyncio.gather(
            *(it.deliver(100 + n, scan_object(index=n).data, Priority.IMAGE) for n in range(3))
        )
        await it.deliver(200, dose_object().data, Priority.BULK)
        assert troubles < it.compressor.totals.mismatches <= troubles + 2
        before = it.compressor.totals.encoded
        await it.deliver(400, record(50))
        assert it.compressor.totals.encoded - before < 6000  # 21 kB: compressed again


async def test_an_object_cut_and_offered_again_is_the_same(tmp_path: Path) -> None:
    data = b"".join(scan_object(index=n).data for n in range(20))
    async with compressing(tmp_path) as it:
        cuts = [2, 30, 60]  # blocks, of eighty

        def cut(_ref: object, offset: int) -> None:
            live = it.hub.door.live(_SITE)
            if live is not None and cuts and offset >= cuts[0] * BLOCK:
                cuts.pop(0)
                live.abort("a test cuts it")

        it.hub.shelf.on_block = cut
        tries = 0
        while (_SITE, 1) not in it.hub.shelf.whole:
            source = Bytes(data)
            with contextlib.suppress(LinkDown):
                await it.link.deliver(offer(1, data, Priority.IMAGE, seen=tries > 0), source)
            await greeted(it.link)
            await it.deliver(50 + tries, record(1, tries + 1))
            tries += 1
        assert not cuts
        assert tries >= 4
        assert it.hub.shelf.whole[_SITE, 1] == data
        assert it.compressor.totals.mismatches == 0


async def test_a_hub_that_started_again_has_no_references_and_loses_nothing(tmp_path: Path) -> None:
    async with compressing(tmp_path) as it:
        for seed in range(1, 6):
            await it.deliver(seed, delivered_as_planned(seed, 1))
        await it.hub.door.close()
        it.restorer.references.forget_all()
        it.hub = await it.world.hub(_SITE, decoder=it.restorer.decoder, features=FEATURES)
        await until(lambda: not it.link.greeted)
        await greeted(it.link)
        await asyncio.gather(*(it.deliver(10 + seed, delivered_as_planned(seed, 2)) for seed in range(1, 6)))
        assert it.compressor.totals.mismatches == 1
        for seed in range(1, 6):
            await it.deliver(20 + seed, delivered_as_planned(seed, 3))
        assert it.compressor.totals.mismatches == 1


async def test_workers_that_are_killed_delay_and_lose_nothing(tmp_path: Path) -> None:
    async with compressing(tmp_path) as it:
        await it.deliver(1, scan_object().data, Priority.IMAGE)
        for pid in it.compressor.workers.pids + it.restorer.workers.pids:
            os.kill(pid, signal.SIGKILL)
        for n in range(2, 5):
            await it.deliver(n, scan_object(index=n).data, Priority.IMAGE)
        assert it.compressor.totals.worker_failures >= 1


async def test_a_hub_without_decoders_gets_plain_bytes(tmp_path: Path) -> None:
    compressor = Compressor()
    async with world(tmp_path) as it:
        hub = await it.hub(_SITE)
        link, _ = await it.site(encoder=compressor.encoder)
        await greeted(link)
        data = record(1)
        assert isinstance(await link.deliver(offer(1, data), Bytes(data)), HubReceipt)
        assert hub.shelf.whole[_SITE, 1] == data
        assert compressor.totals.ratio in (None, 1.0)
    await compressor.close()
