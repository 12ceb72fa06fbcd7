"""A site and a hub over real sockets: objects, reports, streams, cuts, and who is who."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from gateway.link.limits import LinkLimits
from gateway.link.redial import RedialLimits
from gateway.link.values import HubReceipt, HubRefusal, LinkDown, RefusalKind, Report, StreamRefused
from gateway.model import Priority
from gateway.notices import ConnectionRefused, LinkConnected, LinkLost
from tests.support.link_sites import Bytes, Echo, greeted, offer, until, world

BIG = random.Random(1).randbytes(700_001)


async def test_objects_reach_the_hub(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07")
        link, log = await it.site()
        await link.wait_up()
        objects = {n: bytes([n]) * (2000 * n) for n in range(1, 30)} | {100: BIG}
        words = await asyncio.gather(
            *(link.deliver(offer(n, data), Bytes(data)) for n, data in objects.items())
        )
        assert all(isinstance(one, HubReceipt) and not one.already for one in words)
        assert hub.shelf.whole == {("clinic-07", n): data for n, data in objects.items()}
        again = await link.deliver(offer(7, objects[7], seen=True), Bytes(objects[7]))
        assert isinstance(again, HubReceipt)
        assert again.already
        assert [type(one) for one in log.all if isinstance(one, LinkConnected | LinkLost)] == [LinkConnected]


async def test_the_first_object_leaves_before_the_hub_has_said_a_word(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07")
        link, _ = await it.site()
        await link.wait_up()
        assert not link.greeted  # frames may be sent; the hub's hello is not here yet
        receipt = await link.deliver(offer(1, b"record"), Bytes(b"record"))
        assert isinstance(receipt, HubReceipt)
        assert hub.shelf.whole["clinic-07", 1] == b"record"


async def test_a_refusal_comes_back_in_words(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07")
        hub.shelf.refuse = HubRefusal(RefusalKind.TRANSIENT, 0xA700, "the disk is full")
        link, _ = await it.site()
        await link.wait_up()
        assert await link.deliver(offer(1, b"x"), Bytes(b"x")) == hub.shelf.refuse
        assert await link.deliver(offer(2, BIG), Bytes(BIG)) == hub.shelf.refuse


async def test_damage_is_asked_for_again(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07")
        hub.shelf.spoil = 2
        link, _ = await it.site()
        await link.wait_up()
        for number, data in ((1, b"small"), (2, BIG)):
            assert isinstance(await link.deliver(offer(number, data), Bytes(data)), HubReceipt)
            assert hub.shelf.whole["clinic-07", number] == data
        assert hub.shelf.spoil == 0


async def test_an_object_that_cannot_be_read_is_withdrawn(tmp_path: Path) -> None:
    class Broken(Bytes):
        async def block(self, offset: int) -> bytes:
            if offset:
                raise OSError(5, "Input/output error")
            return await super().block(offset)

    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07")
        link, _ = await it.site()
        await link.wait_up()
        with pytest.raises(OSError, match="Input/output"):
            await link.deliver(offer(1, BIG), Broken(BIG))
        await until(lambda: hub.shelf.lost_refs)
        assert isinstance(await link.deliver(offer(2, b"next"), Bytes(b"next")), HubReceipt)


async def test_a_delivery_that_is_given_up_is_withdrawn(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07")
        never = asyncio.Event()

        class Stuck(Bytes):
            async def block(self, offset: int) -> bytes:
                if offset:
                    await never.wait()
                return await super().block(offset)

        link, _ = await it.site()
        await link.wait_up()
        task = asyncio.create_task(link.deliver(offer(1, BIG), Stuck(BIG)))
        await until(lambda: hub.shelf.came)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await until(lambda: hub.shelf.lost_refs)
        assert isinstance(await link.deliver(offer(2, b"next"), Bytes(b"next")), HubReceipt)


async def test_after_a_cut_only_the_rest_is_sent(tmp_path: Path) -> None:
    huge = BIG * 10
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07")
        link, log = await it.site()
        await link.wait_up()

        def cut(_ref: object, offset: int) -> None:
            if offset >= 262144 and not hub.shelf.lost_refs:
                live = hub.door.live("clinic-07")
                if live is not None:
                    live.abort("a test cuts it")

        hub.shelf.on_block = cut
        with pytest.raises(LinkDown):
            await link.deliver(offer(1, huge), Bytes(huge))
        hub.shelf.on_block = None
        await until(lambda: hub.shelf.lost_refs)
        held = len(hub.shelf.partial["clinic-07", 1])
        assert held >= 262144
        await greeted(link)
        rest = Bytes(huge)
        assert isinstance(await link.deliver(offer(1, huge, seen=True), rest), HubReceipt)
        assert min(rest.asked) == held
        assert hub.shelf.whole["clinic-07", 1] == huge
        assert sum(isinstance(one, LinkConnected) for one in log.all) == 2


async def test_a_hub_that_starts_again_is_found_again(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07")
        link, log = await it.site()
        await greeted(link)
        await hub.door.close()
        await until(lambda: not link.up)
        assert "the hub is stopping" in link.reason
        with pytest.raises(LinkDown, match="stopping"):
            await link.deliver(offer(1, b"x"), Bytes(b"x"))
        await asyncio.sleep(0.3)  # a few vain attempts
        await it.hub("clinic-07")
        await greeted(link)
        assert isinstance(await link.deliver(offer(1, b"x"), Bytes(b"x")), HubReceipt)
        lost = [one for one in log.all if isinstance(one, LinkLost)]
        assert len(lost) <= 3  # one for each reason, not one for each attempt
        assert log.all.index(lost[0]) > 0


async def test_a_kick_ends_the_wait(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        slow = RedialLimits(first=3600.0, most=3600.0)
        hub = await it.hub("clinic-07")
        await hub.door.close()
        link, log = await it.site(redial=slow)
        await until(lambda: any(isinstance(one, LinkLost) for one in log.all))
        await it.hub("clinic-07")
        link.kick()
        await greeted(link)


async def test_reports_come_in_order_and_are_acknowledged_when_durable(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07")
        taken: list[Report] = []
        gate = asyncio.Event()

        async def take(report: Report) -> None:
            await gate.wait()
            taken.append(report)

        link, _ = await it.site(start=False)
        link.on_report(take)
        early = [hub.book.add("clinic-07", b"s" * 16, n) for n in range(3)]
        await link.start()
        await greeted(link)
        late = [hub.book.add("clinic-07", b"s" * 16, n) for n in range(3, 6)]
        assert hub.book.seen.get("clinic-07", 0) == 0
        gate.set()
        await until(lambda: len(taken) == 6)
        assert taken == early + late
        await until(lambda: hub.book.seen.get("clinic-07") == 6)


async def test_a_report_that_cannot_be_kept_is_told_again(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07")
        taken: list[int] = []
        failed = []

        async def take(report: Report) -> None:
            if not failed:
                failed.append(report)
                raise OSError(28, "No space left on device")
            taken.append(report.seq)

        link, _ = await it.site(start=False)
        link.on_report(take)
        hub.book.add("clinic-07", b"s" * 16, 1)
        await link.start()
        await until(lambda: taken == [1])
        await until(lambda: hub.book.seen.get("clinic-07") == 1)


class Client(asyncio.Protocol):
    """One end of a stream."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.transport: asyncio.Transport | None = None
        self.ended = asyncio.Event()
        self.error: Exception | None = None
        self.eof = False
        self.paused = False
        self.come = asyncio.Event()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.data += data
        self.come.set()

    def pause_writing(self) -> None:
        self.paused = True

    def resume_writing(self) -> None:
        self.paused = False

    def eof_received(self) -> bool:
        self.eof = True
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.error = exc
        self.ended.set()


async def test_streams_both_ways(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07")
        link, _ = await it.site(acceptor=it.echoes)
        await greeted(link)
        carrier = hub.door.carrier_to("clinic-07")
        assert carrier is not None
        for way, site in ((link, "clinic-07"), (carrier, "")):
            transport, protocol = await way.open_stream(Client, timeout_s=5)
            assert isinstance(protocol, Client)
            transport.write(b"hello ")
            transport.write(BIG)
            await until(lambda end=protocol: len(end.data) == len(BIG) + 6)
            assert protocol.data == b"hello " + BIG
            assert it.echoes.served[-1][0] == site
            transport.close()
            async with asyncio.timeout(10):
                await protocol.ended.wait()
            assert protocol.error is None
        served = it.echoes.served[0][1]
        assert isinstance(served, Echo)
        assert served.transport.get_extra_info("peername") == ("clinic-07", 0)


async def test_a_stream_that_is_not_served_says_why(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await it.hub("clinic-07")
        it.echoes.refuse = "the limit of 3 connections is reached"
        link, _ = await it.site()
        await greeted(link)
        _, protocol = await link.open_stream(Client, timeout_s=5)
        assert isinstance(protocol, Client)
        async with asyncio.timeout(10):
            await protocol.ended.wait()
        assert isinstance(protocol.error, StreamRefused)
        assert str(protocol.error) == "the limit of 3 connections is reached"


async def test_a_stream_waits_for_whoever_does_not_read(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        it.limits = LinkLimits(max_window=256 * 1024)
        await it.hub("clinic-07")
        served = Client()
        it.echoes.make = lambda: served
        link, _ = await it.site()
        await greeted(link)
        transport, protocol = await link.open_stream(Client, timeout_s=5)
        assert isinstance(protocol, Client)
        await until(lambda: served.transport is not None)
        assert served.transport is not None
        served.transport.pause_reading()
        data = BIG * 2
        transport.write(data)
        assert protocol.paused
        await asyncio.sleep(0.3)
        assert len(served.data) == 0
        assert transport.get_write_buffer_size() >= len(data) - 300 * 1024  # a window is on the way, no more
        # A record and another stream are not held up by it.
        assert isinstance(await link.deliver(offer(1, b"x"), Bytes(b"x")), HubReceipt)
        served.transport.resume_reading()
        await until(lambda: len(served.data) == len(data))
        assert served.data == data
        assert not protocol.paused
        transport.write_eof()
        await until(lambda: served.eof)
        async with asyncio.timeout(10):
            await protocol.ended.wait()


async def test_a_stream_ends_with_its_link(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07")
        link, _ = await it.site()
        await greeted(link)
        _, protocol = await link.open_stream(Client, timeout_s=5)
        assert isinstance(protocol, Client)
        await until(lambda: it.echoes.served)
        live = hub.door.live("clinic-07")
        assert live is not None
        live.abort("a test cuts it")
        async with asyncio.timeout(10):
            await protocol.ended.wait()
        assert isinstance(protocol.error, LinkDown)


async def test_nobody_waits_for_a_link_that_is_down(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07")
        carrier = hub.door.carrier_to("clinic-07")
        assert carrier is not None
        with pytest.raises(LinkDown, match="the link of clinic-07 is down"):
            await carrier.open_stream(Client, timeout_s=60)
        assert hub.door.carrier_to("clinic-08") is None
        await hub.door.close()
        link, log = await it.site()
        await until(lambda: any(isinstance(one, LinkLost) for one in log.all))
        with pytest.raises(LinkDown, match="connection refused"):
            await link.open_stream(Client, timeout_s=60)


async def test_a_site_that_is_not_configured_is_turned_away_in_words(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07")
        link, _ = await it.site("clinic-08")
        await until(lambda: link.reason)
        assert "there is no site clinic-08 here" in link.reason
        refused = [one for one in hub.log.all if isinstance(one, ConnectionRefused)]
        assert "clinic-08" in refused[0].reason
        assert not hub.door.sites()[0].connected


async def test_the_newer_connection_of_a_site_wins(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07")
        older, log = await it.site(redial=RedialLimits(first=60.0, refused_most=60.0))
        await greeted(older)
        newer, _ = await it.site()
        await greeted(newer)
        await until(lambda: older.reason)
        assert "newer connection" in older.reason
        assert isinstance(await newer.deliver(offer(1, b"x"), Bytes(b"x")), HubReceipt)
        status = hub.door.sites()[0]
        assert status.connected
        assert (status.objects, status.bytes) == (1, 1)
        assert [up for _, up, _ in hub.changes] == [True, True]
        assert any(isinstance(one, LinkLost) for one in log.all)


async def test_many_sites_at_once(tmp_path: Path) -> None:
    names = [f"clinic-{n:02}" for n in range(12)]
    async with world(tmp_path) as it:
        hub = await it.hub(*names)
        links = [(await it.site(name))[0] for name in names]
        await asyncio.gather(*(link.wait_up() for link in links))
        await asyncio.gather(
            *(
                link.deliver(offer(n, BIG[: 1000 * n]), Bytes(BIG[: 1000 * n]))
                for n, link in enumerate(links, 1)
            )
        )
        assert {site for site, _ in hub.shelf.whole} == set(names)
        await until(lambda: all(one.connected for one in hub.door.sites()))
        assert [one.name for one in hub.door.sites()] == names
        assert {one.version for one in hub.door.sites()} == {"site 1"}


async def test_a_record_overtakes_what_is_waiting(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07")
        link, _ = await it.site()
        await greeted(link)
        bulk = [
            asyncio.create_task(link.deliver(offer(n, BIG, Priority.BULK), Bytes(BIG))) for n in range(10, 20)
        ]
        await until(lambda: hub.shelf.came)
        assert isinstance(await link.deliver(offer(1, b"record"), Bytes(b"record")), HubReceipt)
        assert hub.shelf.order.index(1) < 9
        await asyncio.gather(*bulk)


async def test_what_the_link_carries_is_seen(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07")
        link, log = await it.site()
        await greeted(link)
        await link.deliver(offer(1, BIG), Bytes(BIG))
        (entry,) = log.notices.open_associations.values()
        assert (entry.peer, entry.inbound) == ("hub", False)
        assert entry.measure().bytes_out > len(BIG)
        (theirs,) = hub.log.notices.open_associations.values()
        assert (theirs.peer, theirs.inbound) == ("clinic-07", True)
        await link.close()
        assert not log.notices.open_associations
        await until(lambda: not hub.log.notices.open_associations)
        assert "stopping" in hub.door.sites()[0].reason
