"""The section over HTTP in front of the real room; and an association with what was just installed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.admin.gateway_client import GatewayClient
from gateway.association.tls import ClientContexts
from gateway.certificates.room import CertificateRoom, RoomLimits, Use
from gateway.dicom.negotiation import AssociateAccept
from gateway.model import AETitle, Peer, TlsMaterial
from gateway.notices import Notice, OperatorActed
from gateway.operator import certificate_facts as facts
from gateway.operator.api import OperatorServer
from gateway.operator.client import ApiProblem
from gateway.operator.sections.certificates import CertificatesSection
from tests.support.door import open_door
from tests.support.fake_control import FakeControl
from tests.support.openssl_ca import OpenSslAuthority
from tests.support.wire_peer import request, wire_peer

NAME = "/v1/certificates/clinic-07"


@dataclass
class Scene:
    client: GatewayClient
    told: list[Notice]

    async def request(self, *names: str) -> str:
        wanted = facts.CertificateWanted("clinic-07", names or ("localhost", "127.0.0.1"))
        made = await self.client.post(facts.IdentityFacts, NAME + "/request", wanted)
        assert made.request is not None
        return made.request.csr

    async def post(self, operation: str, text: str) -> facts.CertificateCheck:
        kind = facts.AuthoritiesAnswer if "authorities" in operation else facts.CertificateAnswer
        return await self.client.post(facts.CertificateCheck, f"{NAME}/{operation}", kind(text))

    def acted(self) -> list[tuple[str, str, str, str]]:
        acts = [one for one in self.told if isinstance(one, OperatorActed)]
        return [(one.what, one.subject, one.outcome, one.detail) for one in acts]


@asynccontextmanager
async def scene(state: Path, *uses: Use) -> AsyncIterator[Scene]:
    control, told = FakeControl(), []
    control.notices.subscribe(told.append)
    room = CertificateRoom(state, uses, clock_doubt="", limits=RoomLimits())
    server = OperatorServer(control, state / "op.sock", sections=[CertificatesSection(room)])
    await server.start()
    client = GatewayClient(server.path, who="Anna (engineer)")
    try:
        yield Scene(client, told)
    finally:
        await client.close()
        await server.close()


@pytest.fixture
def authority(tmp_path: Path) -> OpenSslAuthority:
    return OpenSslAuthority.create(tmp_path / "ca")


async def test_from_the_request_to_the_installed_certificate(
    tmp_path: Path, authority: OpenSslAuthority
) -> None:
    async with scene(tmp_path) as it:
        answer = authority.sign(await it.request())
        assert (await it.post("check", answer)).ok
        installed = await it.post("install", answer)
        assert (await it.post("check-authorities", authority.pem)).ok
        trusted = await it.post("authorities", authority.pem)
        listed = await it.client.get(facts.Certificates, "/v1/certificates")
        (identity,) = listed.identities
        assert identity.versions[0].who.startswith("Anna (engineer) by ")
        back = await it.client.post(facts.IdentityFacts, NAME + "/activate", facts.VersionWanted(1))
        assert back.versions[1].current
        acts = it.acted()
        # What only looks is not in the audit trail; fingerprints are, keys and names are not.
        assert [one[:3] for one in acts] == [
            ("request_certificate", "name=clinic-07", "done"),
            ("install_certificate", "name=clinic-07", "done"),
            ("trust_authorities", "name=clinic-07", "done"),
            ("activate_certificate", "name=clinic-07", "done"),
        ]
        assert acts[1][3] == f"SHA-256 {installed.chain[0].sha256}"
        assert trusted.authorities[0].sha256[:16] in acts[2][3]
        assert acts[3][3] == "version 1"


async def test_what_stands_in_the_way_is_a_problem_in_words(
    tmp_path: Path, authority: OpenSslAuthority
) -> None:
    async with scene(tmp_path) as it:
        await it.request()
        with pytest.raises(ApiProblem) as problem:
            await it.post("install", authority.pem)
        assert problem.value.details.status == 409
        assert "certificate of an authority" in problem.value.details.detail
        with pytest.raises(ApiProblem) as again:
            await it.request()
        assert (again.value.details.status, "discard" in again.value.details.detail) == (409, True)
        with pytest.raises(ApiProblem) as bad:
            await it.client.post(
                facts.IdentityFacts, "/v1/certificates/UPPER/request", facts.CertificateWanted("x")
            )
        assert bad.value.details.status == 422
        with pytest.raises(ApiProblem) as gone:
            await it.client.get(facts.IdentityFacts, "/v1/certificates/nobody")
        assert gone.value.details.status == 404
        with pytest.raises(ApiProblem) as much:
            await it.post("check", "x" * 70_000)
        assert much.value.details.status == 413
        await it.client.post(facts.IdentityFacts, NAME + "/discard-request")
        assert (await it.client.post(facts.Certificates, NAME + "/remove")).identities == ()


async def test_an_association_with_the_certificate_just_installed_and_then_with_its_successor(
    tmp_path: Path, authority: OpenSslAuthority
) -> None:
    """The listener and who dials it use the same identity; nothing is started anew between the two."""
    async with scene(tmp_path) as it:
        await it.post("install", authority.sign(await it.request()))
        await it.post("authorities", authority.pem)
        listed = await it.client.get(facts.Certificates, "/v1/certificates")
        files = listed.identities[0].files
        material = TlsMaterial(Path(files.certificate), Path(files.key), Path(files.ca))
        contexts = ClientContexts()
        peer = Peer("self", AETitle("ARIA"), "127.0.0.1", 2762, tls=material)
        shown = []
        async with (
            asyncio.timeout(20),
            open_door(tls=material) as door,
            wire_peer(door.port, tls=contexts.of(peer)) as first,
        ):
            assert isinstance(await first.associate(request()), AssociateAccept)
            shown.append(first.writer.get_extra_info("peercert")["serialNumber"])
            await it.post("install", authority.sign(await it.request()))
            async with wire_peer(door.port, tls=contexts.of(peer)) as second:
                assert isinstance(await second.associate(request()), AssociateAccept)
                shown.append(second.writer.get_extra_info("peercert")["serialNumber"])
            assert (await first.store(b"x" * 1000)).status == 0x0000  # what is open goes on
        assert shown == ["01", "02"]
