"""Both roles against programs that share no code with ours: DCMTK and pynetdicom, plain and over TLS."""

from __future__ import annotations

import asyncio
import hashlib
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import time

from gateway.association.errors import AssociateRejectedError, ConnectFailed
from gateway.association.requestor import RequestorAssociation, open_association
from gateway.association.sources import file_source
from gateway.association.tls import client_context
from gateway.demo.reactor import reactor_at_rest
from gateway.dicom.negotiation import ProposedContext
from gateway.model import AETitle, Instance, Peer, TlsMaterial
from gateway.notices import AssociationClosed, AssociationOpened, ConnectionRefused, ObjectStored
from tests.support import objects
from tests.support.certs import Authority
from tests.support.dcmtk import StoreScp, run_console, tls_options
from tests.support.door import Door, open_door
from tests.support.notice_log import NoticeLog
from tests.support.scripted_centre import Centre

RT_IMAGE = "1.2.840.10008.5.1.4.1.1.481.1"

pytestmark = pytest.mark.peers


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    directory = tmp_path / "objects"
    directory.mkdir()
    return objects.real_objects(directory)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path)


def kept(door: Door) -> dict[str, str]:
    return {one.instance.sop_instance_uid: hashlib.sha256(one.data).hexdigest() for one in door.spool.kept}


def made(directory: Path, count: int) -> list[Path]:
    """Return files that DCMTK sends as they are."""
    paths = []
    for number in range(count):
        uid = f"1.2.826.0.1.3680043.9.9999.{number + 1}"
        body = objects.small_object(RT_IMAGE, uid, bytes(20_000))
        path = directory / f"{number}.dcm"
        path.write_bytes(objects.part10(RT_IMAGE, uid, objects.EXPLICIT_LITTLE, body))
        paths.append(path)
    return paths


# --- as SCP --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("nodelay", ["0", "1"])
async def test_storescu_sends_small_objects_without_waiting_for_delayed_acks(
    tmp_path: Path, nodelay: str
) -> None:
    paths = made(tmp_path, 60)
    async with open_door() as door:
        env = {"TCP_NODELAY": nodelay}
        ran = await asyncio.to_thread(run_console, "storescu", door.port, "ARIA", paths, env=env)
        assert ran.code == 0, ran.output
        assert kept(door) == objects.digests(paths)
        closed = await door.log.wait(AssociationClosed)
        # A delayed ACK costs 40 ms, and there are two or three chances for it per object.
        assert closed.seconds < 60 * 0.040
        assert (closed.outcome, closed.objects, closed.failures) == ("released", 60, 0)


async def test_dcmsend_sends_real_objects_of_every_syntax(files: list[Path]) -> None:
    async with open_door() as door:
        ran = await asyncio.to_thread(
            run_console,
            "dcmsend",
            door.port,
            "ARIA",
            files,
            options=["--decompress-never", "--no-uid-checks"],
        )
        assert ran.code == 0, ran.output
        sent = {objects.read(path).sop_instance_uid for path in files}
        assert set(kept(door)) == sent
        assert len(door.log.of(ObjectStored)) == len(files)


async def test_storescu_over_mutual_tls(tmp_path: Path, authority: Authority) -> None:
    paths = made(tmp_path, 3)
    server, console = authority.issue("gateway"), authority.issue("console")
    async with open_door(tls=server) as door:
        ran = await asyncio.to_thread(
            run_console, "storescu", door.port, "ARIA", paths, options=tls_options(console)
        )
        assert ran.code == 0, ran.output
        assert kept(door) == objects.digests(paths)
        assert door.log.of(AssociationOpened)[0].tls.startswith("TLSv1.")


async def test_echoscu_with_a_strangers_certificate_is_refused(authority: Authority, tmp_path: Path) -> None:
    stranger = Authority.create(tmp_path, "stranger").issue("stranger")
    options = tls_options(TlsMaterial(stranger.certificate, stranger.key, authority.ca))
    async with open_door(tls=authority.issue("gateway")) as door:
        ran = await asyncio.to_thread(run_console, "echoscu", door.port, "ARIA", [], options=options)
        assert ran.code != 0
        assert "not trusted" in (await door.log.wait(ConnectionRefused)).reason


async def test_storescu_that_aborts_instead_of_releasing(files: list[Path]) -> None:
    async with open_door() as door:
        await asyncio.to_thread(run_console, "storescu", door.port, "ARIA", files[:1], options=["--abort"])
        closed = await door.log.wait(AssociationClosed)
        assert (closed.outcome, closed.objects) == ("aborted", 1)


@pytest.mark.parametrize(("called", "reason"), [("NOBODY", "Called AE Title"), ("PACS", "Calling AE Title")])
async def test_storescu_reads_our_rejections(files: list[Path], called: str, reason: str) -> None:
    async with open_door() as door:
        ran = await asyncio.to_thread(run_console, "storescu", door.port, called, files[:1], calling="LAPTOP")
        assert ran.code != 0
        assert reason in ran.output


async def test_a_pynetdicom_scu_is_content(files: list[Path]) -> None:
    described = [objects.read(path) for path in files]

    def send(port: int) -> list[int]:
        ae = AE("LINAC1")
        ae.add_requested_context(Verification)
        for one in described:
            ae.add_requested_context(one.sop_class_uid, one.transfer_syntax_uid)
        association = ae.associate("127.0.0.1", port, ae_title="ARIA")
        assert association.is_established
        with reactor_at_rest(association):
            answers = [association.send_c_echo()]
            answers += [association.send_c_store(str(path)) for path in files]
        association.release()
        return [answer.Status for answer in answers]

    async with open_door() as door:
        assert await asyncio.to_thread(send, door.port) == [0x0000] * (len(files) + 1)
        # It decodes and encodes again, so only the identities can be compared.
        assert set(kept(door)) == {one.sop_instance_uid for one in described}
        assert (await door.log.wait(AssociationClosed)).outcome == "released"


# --- as SCU --------------------------------------------------------------------------------------------


async def dial(
    port: int, title: str, described: list[objects.Stored], tls: TlsMaterial | None = None, **options: Any
) -> RequestorAssociation:
    pairs = dict.fromkeys((one.sop_class_uid, one.transfer_syntax_uid) for one in described)
    contexts = [
        ProposedContext(1, str(Verification), (objects.IMPLICIT_LITTLE,)),
        *(ProposedContext(2 * i + 3, uid, (syntax,)) for i, (uid, syntax) in enumerate(pairs)),
    ]
    return await open_association(
        Peer("centre", AETitle(title), "127.0.0.1", port, tls),
        contexts,
        calling_ae=AETitle("GW"),
        notices=NoticeLog().notices,
        way=client_context(tls) if tls else None,
        **options,
    )


async def send_all(association: RequestorAssociation, described: list[objects.Stored]) -> list[int | None]:
    answers = []
    for one in described:
        context_id = association.context_for(one.sop_class_uid, one.transfer_syntax_uid)
        assert context_id is not None, one.path
        instance = Instance(one.sop_class_uid, one.sop_instance_uid, one.transfer_syntax_uid)
        source = file_source(one.path, one.path.stat().st_size - one.size)
        answers.append((await association.c_store(context_id, instance, source)).status)
    return answers


@pytest.mark.parametrize("secure", [False, True])
async def test_storescp_receives_every_byte(
    files: list[Path], tmp_path: Path, authority: Authority, secure: bool
) -> None:
    described = [objects.read(path) for path in files]
    theirs = authority.issue("centre") if secure else None
    ours = authority.issue("gateway") if secure else None
    centre = StoreScp(tmp_path / "centre", tls=theirs)
    try:
        await asyncio.to_thread(centre.start)
        association = await dial(centre.port, "CENTRE", described, ours)
        assert association.tls.startswith("TLSv1." if secure else "")
        assert await association.c_echo() == 0x0000
        assert await send_all(association, described) == [0x0000] * len(files)
        await association.release()
        assert {one.digest for one in centre.received()} == {one.digest for one in described}
    finally:
        centre.stop()


@pytest.mark.parametrize("secure", [False, True])
async def test_a_pynetdicom_scp_receives_every_byte(
    files: list[Path], authority: Authority, secure: bool
) -> None:
    described = [objects.read(path) for path in files]
    theirs = authority.issue("centre") if secure else None
    ours = authority.issue("gateway") if secure else None
    wanted = [(one.sop_class_uid, [one.transfer_syntax_uid]) for one in described]
    centre = Centre(tls=theirs, contexts=wanted)
    await asyncio.to_thread(centre.start)
    try:
        association = await dial(centre.port, "CENTRE", described, ours)
        assert await association.c_echo() == 0x0000
        assert await send_all(association, described) == [0x0000] * len(files)
        await association.release()
        assert {one.digest.hex() for one in centre.kept} == {one.digest for one in described}
    finally:
        await asyncio.to_thread(centre.stop)


async def test_storescp_that_does_not_trust_us(tmp_path: Path, authority: Authority) -> None:
    stranger = Authority.create(tmp_path, "stranger").issue("stranger")
    centre = StoreScp(tmp_path / "centre", tls=authority.issue("centre"))
    try:
        await asyncio.to_thread(centre.start)
        with pytest.raises(ConnectFailed) as raised:
            await dial(
                centre.port,
                "CENTRE",
                [],
                TlsMaterial(stranger.certificate, stranger.key, authority.ca),
            )
        assert raised.value.phase == "tls"
        assert "certificate" in raised.value.words or "authority" in raised.value.words
    finally:
        centre.stop()


async def test_plain_dicom_to_a_tls_centre_fails_in_words(tmp_path: Path, authority: Authority) -> None:
    centre = StoreScp(tmp_path / "centre", tls=authority.issue("centre"))
    try:
        await asyncio.to_thread(centre.start)
        with pytest.raises(Exception, match=r"\w+ \w+"):
            await dial(centre.port, "CENTRE", [])
    finally:
        centre.stop()


async def test_storescp_aborts_in_the_middle(files: list[Path], tmp_path: Path) -> None:
    described = [objects.read(path) for path in files[:1]]
    centre = StoreScp(tmp_path / "centre", options=["--abort-during"])
    try:
        await asyncio.to_thread(centre.start)
        association = await dial(centre.port, "CENTRE", described)
        with pytest.raises(Exception, match=r"abort|connection"):
            await send_all(association, described)
        assert (await association.wait_closed()).outcome in ("aborted", "lost")
    finally:
        centre.stop()


async def test_storescp_that_refuses_every_association(tmp_path: Path) -> None:
    centre = StoreScp(tmp_path / "centre", options=["--refuse"])
    try:
        await asyncio.to_thread(centre.start)
        with pytest.raises(AssociateRejectedError):
            await dial(centre.port, "CENTRE", [])
    finally:
        centre.stop()
