"""The door: caps, the allow list, TLS handshakes that hold up nobody, and closing."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import gc
import ipaddress
import os
import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest

from gateway.association.tls import client_context
from gateway.dicom.events import Aborted, AssociateRejected
from gateway.dicom.negotiation import AssociateAccept
from gateway.errors import LocalError
from gateway.listener import Listener, ListenerLimits, ListenerSettings
from gateway.model import TlsMaterial
from gateway.notices import Alarm, AssociationOpened, AssociationRefused, ConnectionRefused, Notices
from tests.support.certs import Authority
from tests.support.door import Door, open_door
from tests.support.processes import descriptors
from tests.support.wire_peer import WirePeer, request, wire_peer


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path)


@pytest.fixture
def server(authority: Authority) -> TlsMaterial:
    return authority.issue("gateway")


@pytest.fixture
def console(authority: Authority) -> ssl.SSLContext:
    return client_context(authority.issue("console"))


async def no_association(peer: WirePeer) -> None:
    """With TLS 1.3 a client learns of its refusal only when it has begun to speak."""
    peer.layer.associate(request())
    peer.layer.connected()
    peer.flush()
    with contextlib.suppress(ssl.SSLError, ConnectionError):
        assert await peer.event() is None


async def refused(door: Door, count: int = 1) -> ConnectionRefused:
    return (await door.log.wait_count(ConnectionRefused, count))[-1]


# --- caps ----------------------------------------------------------------------------------------------


async def test_connections_above_the_total_are_closed_at_once_and_the_others_live() -> None:
    async with open_door(limits=ListenerLimits(max_connections=2)) as door:
        async with wire_peer(door.port) as one, wire_peer(door.port) as two:
            await one.associate(request())
            await two.associate(request())
            for number in range(1, 51):
                async with wire_peer(door.port) as more:
                    assert await more.ended() == b""
                assert "2 connections" in (await refused(door, number)).reason
            assert (await one.echo()).status == 0x0000
        assert (await two.ended()) == b""


async def test_a_slot_is_free_again_when_its_connection_ends() -> None:
    async with open_door(limits=ListenerLimits(max_connections=1)) as door:
        for _ in range(3):
            async with wire_peer(door.port) as peer:
                assert isinstance(await peer.associate(request()), AssociateAccept)
                [association] = door.listener.associations
            await association.wait_closed()
            await asyncio.sleep(0)  # the listener's own task, which waits for the same, ends right after
            assert not door.listener.associations
        assert not door.listener._per_address  # nothing is remembered of addresses that are gone


async def test_one_address_cannot_take_all_connections() -> None:
    async with open_door(limits=ListenerLimits(max_per_address=1)) as door, wire_peer(door.port) as one:
        await one.associate(request())
        async with wire_peer(door.port) as two:
            assert await two.ended() == b""
            notice = await refused(door)
            assert ("from one address" in notice.reason, notice.kind) == (True, "limit")
        other = socket.socket()
        other.setblocking(False)
        other.bind(("127.0.0.2", 0))
        await asyncio.get_running_loop().sock_connect(other, ("127.0.0.1", door.port))
        three = WirePeer(*await asyncio.open_connection(sock=other))
        assert isinstance(await three.associate(request()), AssociateAccept)
        await three.close()


async def test_the_caps_hold_before_a_byte_of_tls(server: TlsMaterial) -> None:
    limits = ListenerLimits(max_connections=1)
    async with (
        open_door(tls=server, limits=limits) as door,
        wire_peer(door.port),
        wire_peer(door.port) as second,
    ):
        assert await second.ended() == b""
        assert "1 connections" in (await refused(door)).reason


async def test_too_many_associations_are_rejected_for_now() -> None:
    async with open_door(limits=ListenerLimits(max_associations=1)) as door, wire_peer(door.port) as one:
        await one.associate(request())
        async with wire_peer(door.port) as two:
            answer = await two.associate(request())
            assert isinstance(answer, AssociateRejected)
            assert (answer.result, answer.source, answer.diagnostic) == (2, 3, 2)
            assert "1 associations" in (await door.log.wait(AssociationRefused)).reason


async def test_a_thousand_connections_leave_no_descriptor_behind_and_an_honest_peer_is_served() -> None:
    async with open_door(limits=ListenerLimits(max_per_address=20)) as door, wire_peer(door.port) as honest:
        await honest.associate(request())
        before = descriptors(os.getpid())
        for _ in range(10):
            crowd = [await WirePeer.connect(door.port) for _ in range(100)]
            assert (await honest.store(b"x" * 20_000)).status == 0x0000
            for peer in crowd:
                await peer.close()
        await door.log.wait_count(ConnectionRefused, 1000)
        gc.collect()
        assert descriptors(os.getpid()) <= before + 2


# --- allow list ----------------------------------------------------------------------------------------


async def test_only_allowed_networks_get_in() -> None:
    elsewhere = (ipaddress.ip_network("192.0.2.0/24"), ipaddress.ip_network("2001:db8::/32"))
    async with open_door(allow=elsewhere) as door, wire_peer(door.port) as peer:
        assert await peer.ended() == b""
        notice = await refused(door)
        assert ("allow list" in notice.reason, notice.kind) == (True, "allow-list")
    here = (*elsewhere, ipaddress.ip_network("127.0.0.0/8"))
    async with open_door(allow=here) as door, wire_peer(door.port) as peer:
        assert isinstance(await peer.associate(request()), AssociateAccept)


# --- TLS -----------------------------------------------------------------------------------------------


async def test_objects_arrive_over_mutual_tls(server: TlsMaterial, console: ssl.SSLContext) -> None:
    async with open_door(tls=server) as door, wire_peer(door.port, tls=console) as peer:
        await peer.associate(request())
        assert (await peer.store(b"x" * 700_000)).status == 0x0000
        assert door.spool.kept[0].data == b"x" * 700_000
        assert (await door.log.wait(AssociationOpened)).tls.startswith("TLSv1.3 TLS_")


async def test_a_replaced_certificate_is_shown_to_the_next_caller_and_open_associations_go_on(
    server: TlsMaterial, console: ssl.SSLContext, authority: Authority
) -> None:
    def shown(peer: WirePeer) -> str:
        certificate = peer.writer.get_extra_info("peercert")
        return str(dict(pair for (pair,) in certificate["subject"])["commonName"])

    async with open_door(tls=server) as door, wire_peer(door.port, tls=console) as first:
        await first.associate(request())
        renewed = authority.issue("renewed")
        renewed.certificate.replace(server.certificate)
        renewed.key.replace(server.key)
        async with wire_peer(door.port, tls=console) as second:
            await second.associate(request())
            assert (shown(first), shown(second)) == ("gateway", "renewed")
        server.certificate.write_text("rubbish")
        async with wire_peer(door.port, tls=console) as third:  # a console must not suffer from that
            await third.associate(request())
            assert shown(third) == "renewed"
        alarm = await door.log.wait(Alarm)
        assert (alarm.code, str(server.certificate) in alarm.text) == ("certificate-unreadable", True)
        assert (await first.store(b"x" * 1000)).status == 0x0000


async def test_silent_peers_do_not_delay_a_tls_handshake(
    server: TlsMaterial, console: ssl.SSLContext
) -> None:
    async with open_door(tls=server) as door:
        silent = [await WirePeer.connect(door.port) for _ in range(10)]
        begun = time.monotonic()
        async with wire_peer(door.port, tls=console) as peer:
            assert isinstance(await peer.associate(request()), AssociateAccept)
        assert time.monotonic() - begun < 2  # far below the deadline of a handshake
        for quiet in silent:
            await quiet.close()


async def test_a_silent_tls_peer_is_hung_up_on(server: TlsMaterial) -> None:
    limits = ListenerLimits(tls_handshake_timeout=0.1)
    async with open_door(tls=server, limits=limits) as door, wire_peer(door.port) as silent:
        assert await silent.ended() == b""
        notice = await refused(door)
        assert ("in time" in notice.reason, notice.kind) == (True, "tls")


async def test_a_client_without_a_certificate_is_refused(server: TlsMaterial, authority: Authority) -> None:
    bare = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    bare.load_verify_locations(authority.ca)
    async with open_door(tls=server) as door, wire_peer(door.port, tls=bare) as peer:
        await no_association(peer)
        assert "certificate" in (await refused(door)).reason
        assert not door.log.of(AssociationOpened)


async def test_a_client_of_another_authority_is_refused(
    server: TlsMaterial, authority: Authority, tmp_path: Path
) -> None:
    stranger = Authority.create(tmp_path, "stranger").issue("stranger-console")
    context = client_context(TlsMaterial(stranger.certificate, stranger.key, authority.ca))
    async with open_door(tls=server) as door, wire_peer(door.port, tls=context) as peer:
        await no_association(peer)
        assert "not trusted" in (await refused(door)).reason


async def test_plain_dicom_on_a_tls_port_is_refused_in_words(server: TlsMaterial) -> None:
    async with open_door(tls=server) as door, wire_peer(door.port) as peer:
        peer.layer.associate(request())
        peer.layer.connected()
        peer.flush()
        await peer.ended()
        assert "does not speak TLS" in (await refused(door)).reason


def test_unreadable_tls_material_is_named_at_once(server: TlsMaterial, tmp_path: Path) -> None:
    gone = TlsMaterial(tmp_path / "none.pem", server.key, server.ca)

    class Nobody:
        async def admit(self, *_: Any) -> Any: ...

    with pytest.raises(LocalError, match=r"none\.pem"):
        Listener(ListenerSettings("wan", "127.0.0.1", 0, tls=gone), Nobody(), notices=Notices())


# --- opening and closing -------------------------------------------------------------------------------


async def test_an_address_in_use_is_an_error_in_words() -> None:
    async with open_door() as door:
        settings = ListenerSettings("second", "127.0.0.1", door.port)
        second = Listener(settings, door.listener, notices=door.log.notices)
        with pytest.raises(LocalError, match=r"'second' cannot listen on 127\.0\.0\.1 port"):
            await second.start()


async def test_a_socket_that_was_bound_before_is_used() -> None:
    bound = socket.create_server(("127.0.0.1", 0))
    async with open_door() as door:
        settings = ListenerSettings("activated", "127.0.0.1", 1)
        listener = Listener(settings, door.listener, notices=door.log.notices)
        await listener.start([bound])
        async with wire_peer(bound.getsockname()[1]) as peer:
            assert isinstance(await peer.associate(request()), AssociateAccept)
        await listener.close()


async def test_closing_aborts_who_is_idle_and_refuses_who_comes() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        port = door.port
        await peer.associate(request())
        closing = asyncio.create_task(door.listener.close(grace=5))
        assert isinstance(await peer.event(), Aborted)
        await peer.close()
        await closing
        with pytest.raises(ConnectionRefusedError):
            await WirePeer.connect(port)


async def test_closing_does_not_wait_for_ever(server: TlsMaterial) -> None:
    async with open_door(tls=server) as tls_door, wire_peer(tls_door.port):  # in its handshake
        async with asyncio.timeout(5):
            await tls_door.listener.close(grace=0.1)
    async with open_door() as door, wire_peer(door.port), wire_peer(door.port) as stuck:
        door.spool.gate = asyncio.Event()  # a spool that never answers
        await stuck.associate(request())
        stuck.send_store(b"data")
        await asyncio.wait_for(door.spool.committing.wait(), 10)
        async with asyncio.timeout(5):
            await door.listener.close(grace=0.1)


async def test_out_of_descriptors_is_an_alarm_and_a_pause_not_a_spin(monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_door(limits=ListenerLimits(retry_accept=0.05)) as door:
        until = time.monotonic() + 0.2
        accept = socket.socket.accept

        def starved(sock: socket.socket) -> Any:
            if time.monotonic() < until:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return accept(sock)

        monkeypatch.setattr(socket.socket, "accept", starved)
        async with wire_peer(door.port) as peer:
            assert isinstance(await peer.associate(request()), AssociateAccept)
        alarms = door.log.of(Alarm)
        assert {alarm.code for alarm in alarms} == {"listener-starved"}
        assert len(alarms) <= 5
        assert "Too many open files" in alarms[0].text
