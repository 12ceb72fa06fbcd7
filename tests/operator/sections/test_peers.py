"""The section over HTTP, on the real book and a real listener: what consoles did shows up as facts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest

from gateway.admin.gateway_client import GatewayClient
from gateway.dicom.negotiation import AcceptedContext, AssociateAccept, ProposedContext
from gateway.model import AETitle, Peer, TlsMaterial
from gateway.notices import AssociationClosed, AssociationNegotiated, ConnectionRefused, DialFailed
from gateway.operator import facts
from gateway.operator.api import OperatorServer
from gateway.operator.association_book import AssociationBook
from gateway.operator.client import ApiProblem
from gateway.operator.contact_book import ContactBook
from gateway.operator.gateway_control import _listener
from gateway.operator.peer_view import MAX_LISTED, PeerView
from gateway.operator.sections.peers import CallerDetails, Callers, PeerDetails, Peers, PeersSection, Routes
from gateway.reachability import Reachabilities
from tests.support.door import OWN_TITLE, ROUTES, Door, open_door
from tests.support.fake_control import FakeControl
from tests.support.wire_peer import BEAMS_RECORD, EXPLICIT, IMPLICIT, request, wire_peer

WORKLIST = "1.2.840.10008.5.1.4.31"
TLS = TlsMaterial(Path("/etc/tls/us.pem"), Path("/etc/tls/us.key"), Path("/etc/tls/ca.pem"))
PEERS = {
    "oncology": Peer("oncology", AETitle("ARIA"), "ois.example.org", 2762, TLS),
    "archive": Peer("archive", AETitle("PACS"), "192.0.2.9", 104, calling_ae=AETitle("CLINIC07B")),
}


class Known:
    """What was learned before the start."""

    def known_of(self, destination: str) -> dict[str, tuple[Sequence[str], Sequence[str]]]:
        if destination != "oncology":
            return {}
        return {BEAMS_RECORD: ([EXPLICIT], [IMPLICIT]), "1.2.3": ([], [IMPLICIT]), "1.2.4": ([], [])}


class Scene:
    """A listener, the view of it, and a client of the API."""

    def __init__(self, door: Door, client: GatewayClient, reach: Reachabilities) -> None:
        self.door = door
        self.client = client
        self.reach = reach

    async def callers(self) -> Callers:
        return await self.client.get(Callers, "/v1/callers")


@asynccontextmanager
async def scene(tmp_path: Path, *, now: float = 100.0) -> AsyncIterator[Scene]:
    async with open_door(allow=(ip_network("127.0.0.0/8"),)) as door:
        control = FakeControl()
        control.notices = door.log.notices
        book, reach = ContactBook(control.notices, PEERS, lambda: 5000.0), Reachabilities()
        view = PeerView(
            book,
            own_titles=[OWN_TITLE, AETitle("CLINIC07B"), OWN_TITLE],
            own_ae=OWN_TITLE,
            peers=PEERS,
            destinations=["oncology"],
            routes=ROUTES,
            listeners=[door.listener],
            reachabilities=reach,
            capabilities=Known(),
            warm=lambda peer: 2 if peer == "oncology" else 0,
            clock=lambda: now,
        )
        server = OperatorServer(control, tmp_path / "op.sock", sections=[PeersSection(view)])
        await server.start()
        client = GatewayClient(server.path)
        try:
            yield Scene(door, client, reach)
        finally:
            await client.close()
            await server.close()
            book.close()


async def test_a_console_and_what_it_did_not_get(tmp_path: Path) -> None:
    contexts = (
        ProposedContext(1, BEAMS_RECORD, (EXPLICIT,)),
        ProposedContext(3, WORKLIST, (IMPLICIT, EXPLICIT)),
    )
    async with scene(tmp_path) as it:
        async with wire_peer(it.door.port) as peer:
            assert isinstance(await peer.associate(request(contexts=contexts)), AssociateAccept)
            (caller,) = (await it.callers()).callers
            assert (caller.calling_ae, caller.called, caller.listener, caller.open) == (
                "LINAC1", ("ARIA",), "console", 1,
            )  # fmt: skip
            assert (caller.accepted, caller.refused_count) == (1, 1)
            (refused,) = caller.refused
            assert refused.name == "Modality Worklist Information Model - FIND"
            assert (refused.result, refused.role) == ("abstract-syntax", "scu")
            assert "not supported" in refused.words
            routing = await it.client.get(Routes, "/v1/routes")
            (door,) = routing.listeners
            assert (door.connections, door.associations, door.max_associations) == (1, 1, 180)
        details = await it.client.get(CallerDetails, f"/v1/callers/{caller.number}")
        assert [context.result for context in details.contexts] == ["abstract-syntax", None]  # refused first
        assert details.contexts[1].accepted == ("Explicit VR Little Endian",)
        assert details.terms is not None
        assert (details.terms.called_ae, details.terms.operations_invoked) == ("ARIA", 1)


async def test_who_is_not_let_in_is_there_with_the_reason(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        async with wire_peer(it.door.port) as peer:
            await peer.associate(request(called="NOBODY"))
        async with wire_peer(it.door.port) as peer:
            await peer.associate(request(called="PACS", calling="STRANGER"))
        it.door.log.notices.publish(ConnectionRefused("console", "203.0.113.7", "not allowed", "allow-list"))
        codes = {
            (caller.calling_ae, caller.last_refusal.code, caller.last_refusal.called_ae)
            for caller in (await it.callers()).callers
            if caller.last_refusal and not caller.known
        }
        assert codes == {
            ("LINAC1", "called-title", "NOBODY"),
            ("STRANGER", "calling-title", "PACS"),
            ("", "allow-list", ""),
        }


async def test_a_long_list_of_refused_contexts_is_cut_and_counted(tmp_path: Path) -> None:
    contexts = tuple(
        ProposedContext(2 * n + 1, f"1.2.840.10008.5.1.4.31.{n}", (IMPLICIT,)) for n in range(100)
    )
    async with scene(tmp_path) as it:
        it.door.known.accepted.clear()
        async with wire_peer(it.door.port) as peer:
            await peer.associate(request(called=OWN_TITLE, contexts=contexts))
        (caller,) = (await it.callers()).callers
        assert (len(caller.refused), caller.refused_count) == (MAX_LISTED, 100)
        details = await it.client.get(CallerDetails, f"/v1/callers/{caller.number}")
        assert len(details.contexts) == 100


async def test_peers_with_state_terms_and_what_was_learned_before(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        it.reach.of("oncology").failed(99.5, "no answer within 10 s")
        it.reach.of("oncology").measured(0.6)
        it.door.log.notices.publish(DialFailed("oncology", "tcp", "no answer within 10 s"))
        oncology, archive = (await it.client.get(Peers, "/v1/peers")).peers
        assert (oncology.reach, oncology.reason, oncology.rtt_seconds) == (
            "down",
            "no answer within 10 s",
            0.6,
        )
        assert oncology.next_try_seconds is not None
        assert 0 < oncology.next_try_seconds < 1
        assert (oncology.last_failure_at, oncology.last_failure_phase, oncology.failures) == (
            5000.0,
            "tcp",
            1,
        )
        assert (oncology.tls, oncology.certificate, oncology.authorities) == (
            True, "/etc/tls/us.pem", "/etc/tls/ca.pem",
        )  # fmt: skip
        assert (oncology.destination, oncology.warm, oncology.calling_ae) == (True, 2, OWN_TITLE)
        assert (oncology.accepted, oncology.refused_count) == (1, 1)
        assert (archive.destination, archive.reach, archive.calling_ae) == (False, "unknown", "CLINIC07B")
        it.door.log.notices.publish(negotiated_with("oncology"))
        details = await it.client.get(PeerDetails, "/v1/peers/oncology")
        assert details.terms is not None
        assert details.terms.implementation_version == "ARIA_1"
        by_uid = {context.uid: context for context in details.contexts}
        assert by_uid[BEAMS_RECORD].at == 5000.0  # heard since, so what was learned before does not count
        assert by_uid[BEAMS_RECORD].result == "provider"
        assert by_uid["1.2.3"].at is None
        assert "1.2.4" not in by_uid
        assert details.peer.last_contact_at == 5000.0


def negotiated_with(peer: str) -> AssociationNegotiated:
    return AssociationNegotiated(
        "f1", False, "", peer, "192.0.2.1", "CLINIC07", "ARIA",
        (ProposedContext(1, BEAMS_RECORD, (EXPLICIT,)),),
        (AcceptedContext(1, BEAMS_RECORD, "", 2),),
        0, (4, 1), "1.2.3.4", "ARIA_1",
    )  # fmt: skip


async def test_listeners_and_routes(tmp_path: Path) -> None:
    async with scene(tmp_path) as it:
        routing = await it.client.get(Routes, "/v1/routes")
        assert routing.own_titles == ("CLINIC07", "CLINIC07B")
        (door,) = routing.listeners
        assert (door.name, door.port, door.allow, door.tls) == (
            "console",
            it.door.port,
            ("127.0.0.0/8",),
            False,
        )
        assert [(route.called, route.calling, route.to, route.mode) for route in routing.routes] == [
            ("ARIA", None, ("oncology",), "store"),
            ("PACS", ("LINAC1",), ("pacs", "archive"), "store"),
            ("LATER", None, ("oncology",), "relay"),
        ]


@pytest.mark.parametrize("path", ["/v1/peers/nobody", "/v1/callers/7"])
async def test_what_is_not_there(tmp_path: Path, path: str) -> None:
    async with scene(tmp_path) as it:
        with pytest.raises(ApiProblem) as problem:
            await it.client.get(PeerDetails, path)
        assert problem.value.details.status == 404


async def test_live_associations_say_what_they_carry(tmp_path: Path) -> None:
    """Through the book of associations, as GatewayControl does it."""
    async with open_door() as door:
        book = AssociationBook(door.log.notices, lambda: 7.0)
        async with wire_peer(door.port) as peer:
            await peer.associate(request())
            assert (await peer.store(b"x" * 5000)).status == 0x0000
            (known,) = book.all(door.listener.associations)
            assert isinstance(known, facts.AssociationFacts)
            assert (known.listener, known.peer, known.objects) == ("console", "", 1)
            assert known.bytes_in is not None
            assert known.bytes_in > 5000
            assert known.bytes_out
            (unlisted,) = book.all()
            assert (unlisted.objects, unlisted.bytes_in) == (None, None)
            assert _listener(door.listener).associations == 1
        await door.log.wait(AssociationClosed)
        assert book.all() == ()
        book.close()
