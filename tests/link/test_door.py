"""Who gets in at a hub's door, and how long they may take."""

from __future__ import annotations

import asyncio
import datetime
from pathlib import Path

import pytest

from gateway.association.tls import client_context, server_context
from gateway.errors import LocalError
from gateway.link.door import DoorLimits
from gateway.link.redial import RedialLimits
from gateway.link.tls import site_name
from gateway.link.values import HubReceipt
from gateway.model import Priority
from gateway.notices import ConnectionRefused, LinkLost
from gateway.shaping.shaper import Shaper
from tests.support.certs import Authority
from tests.support.link_sites import Bytes, greeted, offer, until, world


async def test_whoever_says_nothing_is_cut_off(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07", door=DoorLimits(handshake=0.05, grace=1.0))
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.door.port)
        assert await asyncio.wait_for(reader.read(), 10) == b""
        refused = await hub.log.wait(ConnectionRefused)
        assert "not completed in time" in refused.reason
        writer.close()


async def test_whoever_shows_a_certificate_and_then_says_nothing_is_cut_off(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07", door=DoorLimits(handshake=0.2, grace=1.0))
        context = client_context(it.authority.issue("clinic-07", hosts=["clinic-07"]))
        context.check_hostname = False
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.door.port, ssl=context)
        assert await asyncio.wait_for(reader.read(), 10) == b""
        assert not hub.door.sites()[0].connected
        writer.close()


async def test_strangers_have_no_more_than_their_places(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07", door=DoorLimits(max_strangers=2, grace=1.0))
        held = [await asyncio.open_connection("127.0.0.1", hub.door.port) for _ in range(2)]
        reader, writer = await asyncio.open_connection("127.0.0.1", hub.door.port)
        assert await asyncio.wait_for(reader.read(), 10) == b""
        assert (await hub.log.wait(ConnectionRefused)).kind == "limit"
        for _, other in held:
            other.close()
        await hub.log.wait_count(ConnectionRefused, 3)
        link, _ = await it.site()  # their places are free again
        await greeted(link)
        writer.close()


async def test_known_sites_have_a_limit_too(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07", "clinic-08", door=DoorLimits(max_connections=1, grace=1.0))
        link, _ = await it.site()
        await greeted(link)
        other, _ = await it.site("clinic-08")
        await until(lambda: other.reason)
        assert [one.connected for one in hub.door.sites()] == [True, False]


async def test_an_expired_certificate_is_refused_in_words(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07")
        expired = it.authority.issue("clinic-07", hosts=["clinic-07"], days=-1)
        link, _ = await it.site(tls=expired)
        await until(lambda: link.reason)
        assert link.reason == "the peer says that our certificate has expired"
        refused = await hub.log.wait(ConnectionRefused)
        assert refused.kind == "tls"
        assert "expired" in refused.reason


async def test_a_hub_of_another_authority_is_refused_in_words(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    stranger = Authority.create(tmp_path / "other", "stranger").issue("clinic-07")
    async with world(tmp_path) as it:
        await it.hub("clinic-07")
        link, _ = await it.site(tls=stranger)
        await until(lambda: link.reason)
        assert "not trusted here" in link.reason
        assert not link.up


async def test_a_hub_that_says_nothing_is_given_up(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        come = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            come.set()
            await reader.read(10_000)
            await reader.read()
            writer.close()

        server = await asyncio.start_server(silent, "127.0.0.1", 0)
        redial = RedialLimits(handshake=0.1, first=0.05, most=0.1)
        link, log = await it.site(port=server.sockets[0].getsockname()[1], redial=redial)
        lost = await log.wait(LinkLost)
        assert lost.reason == "the hub did not complete the handshake in time"
        come.clear()
        await asyncio.wait_for(come.wait(), 10)  # and it tries again
        await link.close()
        server.close()


async def test_a_place_that_is_taken_is_told_at_the_start(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        await it.hub("clinic-07")
        with pytest.raises(LocalError, match="cannot listen on"):
            await it.hub("clinic-07")


async def test_a_hub_that_is_hostile_does_not_get_far(tmp_path: Path) -> None:
    """What answers there speaks TLS with the right certificate, and then nonsense."""
    async with world(tmp_path) as it:
        context = server_context(it.authority.issue("hub"))

        async def nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            await reader.read()
            writer.close()

        server = await asyncio.start_server(nonsense, "127.0.0.1", 0, ssl=context)
        link, _ = await it.site(port=server.sockets[0].getsockname()[1])
        await until(lambda: link.reason)
        assert "the hub refused the connection (200): hello" in link.reason
        await link.close()
        server.close()


async def test_frames_that_break_the_protocol_end_the_connection_and_say_why(tmp_path: Path) -> None:
    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07")
        link, _ = await it.site()
        await greeted(link)
        live = link._live
        assert live is not None
        assert live.connection is not None
        live.connection.send(b"\x12\x00 no such transfer")
        live.connection.flush()
        await until(lambda: hub.changes[1:])
        assert hub.changes[1][:2] == ("clinic-07", False)
        await until(lambda: link.reason)
        assert link.reason == hub.changes[1][2]


async def test_the_plan_for_the_line_holds_back_all_but_records(tmp_path: Path) -> None:
    class Closed:
        """A schedule that lets nothing through but what never waits."""

        def at(self, _when: datetime.datetime) -> int | None:
            return 0

    async with world(tmp_path) as it:
        hub = await it.hub("clinic-07")
        shaper = Shaper(Closed(), wall_clock=lambda: 0.0)  # type: ignore[arg-type]
        link, _ = await it.site(shaper=shaper)
        await greeted(link)
        image = asyncio.create_task(link.deliver(offer(1, b"image" * 9, Priority.IMAGE), Bytes(b"image" * 9)))
        assert isinstance(await link.deliver(offer(2, b"record"), Bytes(b"record")), HubReceipt)
        assert [number for _, number in hub.shelf.whole] == [2]
        assert not image.done()
        image.cancel()
        await asyncio.gather(image, return_exceptions=True)


async def test_a_cap_on_the_rate_is_kept(tmp_path: Path) -> None:
    class Capped:
        def at(self, _when: datetime.datetime) -> int | None:
            return 400_000

    async with world(tmp_path) as it:
        await it.hub("clinic-07")
        shaper = Shaper(Capped(), wall_clock=lambda: 0.0)  # type: ignore[arg-type]
        link, _ = await it.site(shaper=shaper)
        await greeted(link)
        data = bytes(200_000)
        begun = asyncio.get_running_loop().time()
        await link.deliver(offer(1, data, Priority.BULK), Bytes(data))
        assert asyncio.get_running_loop().time() - begun >= 0.2  # the bucket holds a quarter of a second


def test_the_name_of_a_site() -> None:
    both = {
        "subject": ((("commonName", "other"),),),
        "subjectAltName": (("IP Address", "192.0.2.1"), ("DNS", "clinic-07")),
    }
    assert site_name(both) == "clinic-07"
    assert (
        site_name({"subject": ((("organizationName", "x"),), (("commonName", "clinic-08"),))}) == "clinic-08"
    )
    assert site_name({}) == ""
    for strange in ("x" * 65, "clinic\n07", "clinique-été", ""):
        assert site_name({"subjectAltName": (("DNS", strange),)}) == ""
