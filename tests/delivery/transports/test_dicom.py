from __future__ import annotations

import asyncio
import hashlib
import io
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from gateway.delivery.capabilities import Capabilities
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.smaller.compressor import JPEG_LS, Compressor
from gateway.delivery.smaller.shortening import Shortening
from gateway.delivery.transcode import DEFLATED_LE, EXPLICIT_BE, EXPLICIT_LE, IMPLICIT_LE
from gateway.delivery.transports.dicom import DicomTransport
from gateway.dicom.negotiation import negotiate
from gateway.errors import DeliveryFailure, SpoolFailure
from gateway.model import AETitle, Receipt
from gateway.notices import AssociationOpened, Notice, Notices
from gateway.shaping.shaper import Shaper
from gateway.spool import Job
from tests.delivery.transport_contract import ListedWork, TransportContract, make_job
from tests.support import dcmtk, objects
from tests.support.certs import Authority
from tests.support.ct_noise import scan_object
from tests.support.delivery import QUICK, TIMEOUTS, peer
from tests.support.delivery_spool import RT_IMAGE, uid
from tests.support.scripted_centre import ABORT, SILENT, Answer, Arrived, Centre
from tests.support.wire_centre import TAKE_FIRST, WireCentre, wire_centre

CT = "1.2.840.10008.5.1.4.1.1.2"
MR = "1.2.840.10008.5.1.4.1.1.4"
RLE = "1.2.840.10008.1.2.5"
JPEG_LOSSY = "1.2.840.10008.1.2.4.50"
PYDICOM = Path(pydicom.__file__).parent / "data" / "test_files"


class DicomRig:
    """A DicomTransport and a scripted centre."""

    compressor: Compressor

    def __init__(
        self,
        directory: Path,
        centre: Centre,
        executor: ThreadPoolExecutor,
        *,
        policy: DeliveryPolicy = QUICK,
        max_associations: int = 4,
        shaper: Shaper | None = None,
    ) -> None:
        self.centre = centre
        self.executor = executor
        self.files: dict[int, bytes] = {}
        self.notices: list[Notice] = []
        self.capabilities = Capabilities.load(directory)
        notices = Notices()
        notices.subscribe(self.notices.append)
        self.answers: dict[str, Answer] = {}
        self.stalled: dict[str, asyncio.Event] = {}
        self.loop = asyncio.get_running_loop()
        centre.answer = self._answer
        self.transport = DicomTransport(
            peer(centre.port, max_associations=max_associations),
            calling_ae=AETitle("GATEWAY"),
            open_data=self.open_data,
            capabilities=self.capabilities,
            work_dir=directory / "work",
            executor=executor,
            notices=notices,
            policy=policy,
            timeouts=TIMEOUTS,
            shaper=shaper,
        )

    def _answer(self, arrived: Arrived) -> Answer:
        if arrived.uid in self.stalled:
            self.loop.call_soon_threadsafe(self.stalled[arrived.uid].set)
        return self.answers.get(arrived.uid, 0)

    def open_data(self, number: int) -> io.BytesIO:
        if number not in self.files:
            raise SpoolFailure("the file is not there")
        return io.BytesIO(self.files[number])

    def filed(self, job: Job) -> Job:
        """Return the same job with its bytes in a file."""
        assert job.data is not None
        self.files[job.object.number] = job.data
        return replace(job, data=None)

    def refuse(self, number: int) -> None:
        self.answers[uid(number)] = 0xA900

    def cut(self, number: int) -> None:
        self.answers[uid(number)] = ABORT

    def stall(self, number: int) -> asyncio.Event:
        self.answers[uid(number)] = SILENT
        return self.stalled.setdefault(uid(number), asyncio.Event())

    def unplug(self) -> None:
        self.centre.stop()

    def delivered(self) -> Sequence[tuple[str, bytes]]:
        return [(arrived.uid, arrived.data) for arrived in self.centre.kept]

    async def wait_released(self) -> None:
        assert await asyncio.to_thread(self.centre.released.wait, 5)

    async def carry(self, *jobs: Job) -> list[Receipt | DeliveryFailure]:
        work = ListedWork(list(jobs))
        await self.transport.send(work)
        return [work.outcomes[job.delivery.number] for job in jobs]


@contextmanager
def rigged(directory: Path, centre: Centre, **settings: object) -> Iterator[DicomRig]:
    with centre, ThreadPoolExecutor(2) as executor:
        yield DicomRig(directory, centre, executor, **settings)  # type: ignore[arg-type]


class TestContract(TransportContract):
    @pytest.fixture(name="rig", params=[1, 8], ids=["synchronous", "window of 8"])
    async def a_rig(self, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[DicomRig]:
        with rigged(tmp_path, Centre(window=request.param)) as rig:
            yield rig
            await rig.transport.close()


def transport_to(port: int, directory: Path, executor: ThreadPoolExecutor) -> DicomTransport:
    """A transport to whatever listens on `port`, with what was learned in `directory`."""
    return DicomTransport(
        peer(port),
        calling_ae=AETitle("GATEWAY"),
        open_data=lambda _: io.BytesIO(),
        capabilities=Capabilities.load(directory),
        work_dir=directory,
        executor=executor,
        notices=Notices(),
        policy=QUICK,
        timeouts=TIMEOUTS,
    )


async def test_the_window_is_used_when_the_peer_grants_one(tmp_path: Path) -> None:
    """With a window, objects arrive while the first one has not been answered."""
    with rigged(tmp_path, Centre(window=4)) as rig:
        gate = threading.Event()
        taken: list[int] = []

        class Watched(ListedWork):
            def take(self) -> Job:
                job = super().take()
                taken.append(job.delivery.number)
                if len(taken) == 4:
                    gate.set()
                return job

        rig.centre.answer = lambda arrived: 0 if gate.wait(10) else 0x0110
        work = Watched([make_job(number) for number in range(1, 13)])
        await rig.transport.send(work)
        assert all(isinstance(outcome, Receipt) for outcome in work.outcomes.values())
        assert rig.centre.associations == 1
        await rig.transport.close()


async def test_a_window_is_not_used_when_the_peer_grants_none(tmp_path: Path) -> None:
    with rigged(tmp_path, Centre(window=1)) as rig:
        waiting: list[int] = []
        work = ListedWork([make_job(number) for number in range(1, 6)])
        work.on_settled = lambda number: waiting.append(len(work.taken) - len(work.outcomes))
        await rig.transport.send(work)
        assert set(waiting) == {0}
        await rig.transport.close()


async def test_who_hangs_up_on_a_window_is_asked_without_one_and_never_with_one_again(tmp_path: Path) -> None:
    """A known implementation closes the connection when it meets the item (PS3.7 D.3.3.3)."""
    proposed: list[tuple[int, int] | None] = []

    async def script(centre: WireCentre) -> None:
        asked = await centre.requested()
        proposed.append(asked.async_window)
        if asked.async_window is not None:
            return
        centre.layer.accept(negotiate(asked, TAKE_FIRST))
        centre.flush()
        context, command, _ = await centre.message()
        centre.answer(context, command)
        await centre.finish()

    async with wire_centre(script) as port:
        for _ in range(2):  # the second one is after a restart
            with ThreadPoolExecutor(1) as executor:
                transport = transport_to(port, tmp_path, executor)
                work = ListedWork([make_job(1)])
                await transport.send(work)
                assert isinstance(work.outcomes[1], Receipt)
                await transport.close()
    assert proposed == [(DeliveryPolicy().window, 1), None, None]


async def test_who_hangs_up_in_any_case_is_asked_twice_and_no_more(tmp_path: Path) -> None:
    asked = 0

    async def script(centre: WireCentre) -> None:
        nonlocal asked
        await centre.requested()
        asked += 1

    async with wire_centre(script) as port:
        with ThreadPoolExecutor(1) as executor:
            transport = transport_to(port, tmp_path, executor)
            for _ in range(2):
                with pytest.raises(DeliveryFailure) as caught:
                    await transport.send(ListedWork([make_job(1)]))
                assert caught.value.link
                assert caught.value.cause == "no-association"
            await transport.close()
    assert asked == 4  # nothing was learned: next time may be different


async def test_an_association_of_before_is_used_again(tmp_path: Path) -> None:
    with rigged(tmp_path, Centre()) as rig:
        await rig.carry(make_job(1))
        await rig.carry(make_job(2))
        assert rig.centre.associations == 1
        await rig.carry(make_job(3, sop_class=CT))  # was not proposed
        assert rig.centre.associations == 2
        await rig.carry(make_job(4, sop_class=CT), make_job(5))
        assert rig.centre.associations == 2
        await rig.transport.close()


async def test_what_was_sent_lately_is_proposed_again(tmp_path: Path) -> None:
    with rigged(tmp_path, Centre()) as rig:
        await rig.carry(make_job(1), make_job(2, sop_class=CT))
        await rig.transport.close()
    with rigged(tmp_path, Centre()) as again:
        await again.carry(make_job(1))
        await again.carry(make_job(2, sop_class=CT))
        assert again.centre.associations == 1
        await again.transport.close()


async def test_a_probe_leaves_an_association_that_is_ready_for_objects(tmp_path: Path) -> None:
    with rigged(tmp_path, Centre()) as rig:
        await rig.carry(make_job(1))
        await rig.transport.close()
    with rigged(tmp_path, Centre()) as again:
        assert await again.transport.probe() is not None
        await again.carry(make_job(1))
        assert (again.centre.associations, again.centre.echoes) == (1, 1)
        await again.transport.close()


async def test_closing_leaves_no_connection_behind(tmp_path: Path) -> None:
    with rigged(tmp_path, Centre()) as rig:
        await rig.transport.probe()
        [association] = rig.transport._open
        # As after an abort whose last bytes the peer does not take: nobody holds it, and it is not over.
        assert rig.transport._pool.take(lambda channel: True) is not None
        await rig.transport.close()
        assert association.closed


async def test_more_kinds_than_one_association_holds(tmp_path: Path) -> None:
    with rigged(tmp_path, Centre(), max_associations=2) as rig:
        jobs = [
            make_job(n, sop_class=f"1.2.826.0.1.3680043.99.{n}", syntax=JPEG_LOSSY) for n in range(1, 301)
        ]
        outcomes = await rig.carry(*jobs)
        assert all(isinstance(outcome, Receipt) for outcome in outcomes)
        assert rig.centre.associations == 3
        opened = [notice for notice in rig.notices if isinstance(notice, AssociationOpened)]
        assert max(notice.accepted + notice.refused for notice in opened) == 128
        assert rig.centre.most_associations <= 2
        await rig.transport.close()


def real(number: int, name: str, syntax: str, sop_class: str) -> Job:
    return make_job(number, objects.data_set(PYDICOM / name), sop_class=sop_class, syntax=syntax)


CONVERSIONS = [
    ("CT_small.dcm", EXPLICIT_LE, CT, IMPLICIT_LE),
    ("MR_small_implicit.dcm", IMPLICIT_LE, MR, EXPLICIT_LE),
    ("MR_small_bigendian.dcm", EXPLICIT_BE, MR, EXPLICIT_LE),
    ("MR_small_bigendian.dcm", EXPLICIT_BE, MR, IMPLICIT_LE),
    ("image_dfl.dcm", DEFLATED_LE, "1.2.840.10008.5.1.4.1.1.7", EXPLICIT_LE),
    ("MR_small_RLE.dcm", RLE, MR, EXPLICIT_LE),
]


@pytest.mark.parametrize("filed", [False, True], ids=["inline", "file"])
@pytest.mark.parametrize(("name", "stored", "sop_class", "taken"), CONVERSIONS)
async def test_what_the_peer_refuses_is_converted_and_the_receipt_says_so(
    tmp_path: Path, name: str, stored: str, sop_class: str, taken: str, filed: bool
) -> None:
    with rigged(tmp_path, Centre(contexts=[(sop_class, [taken])])) as rig:
        job = real(1, name, stored, sop_class)
        original = job.data
        (receipt,) = await rig.carry(rig.filed(job) if filed else job)
        assert isinstance(receipt, Receipt)
        (arrived,) = rig.centre.kept
        assert arrived.syntax == receipt.transfer_syntax_uid == taken
        assert receipt.digest == hashlib.sha256(arrived.data).digest() != job.object.digest
        assert (rig.files[1] if filed else job.data) == original
        sent = pydicom.dcmread(io.BytesIO(objects.part10("1.2", "1.2", taken, arrived.data)))
        assert sent.SOPClassUID
        assert rig.capabilities.accepted_by("oncology", sop_class) == {taken}
        assert not list((tmp_path / "work").iterdir()) if (tmp_path / "work").exists() else True
        await rig.transport.close()


async def test_the_stored_syntax_is_preferred_whatever_the_peer_likes_best(tmp_path: Path) -> None:
    with rigged(tmp_path, Centre(contexts=[(CT, [IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE])])) as rig:
        job = real(1, "CT_small.dcm", EXPLICIT_LE, CT)
        (receipt,) = await rig.carry(job)
        assert isinstance(receipt, Receipt)
        assert (receipt.transfer_syntax_uid, receipt.digest) == (EXPLICIT_LE, job.object.digest)
        await rig.transport.close()


async def test_a_peer_that_changed_its_mind_gets_what_it_takes_now(tmp_path: Path) -> None:
    with rigged(tmp_path, Centre(contexts=[(CT, [EXPLICIT_LE, IMPLICIT_LE])])) as rig:
        await rig.carry(real(1, "CT_small.dcm", EXPLICIT_LE, CT))
        await rig.transport.close()
    with rigged(tmp_path, Centre(contexts=[(CT, [IMPLICIT_LE])])) as again:
        (receipt,) = await again.carry(real(1, "CT_small.dcm", EXPLICIT_LE, CT))
        assert isinstance(receipt, Receipt)
        assert receipt.transfer_syntax_uid == IMPLICIT_LE
        await again.transport.close()


@pytest.mark.parametrize(
    ("contexts", "job", "cause", "words"),
    [
        (
            [(MR, [EXPLICIT_LE])],
            make_job(1, sop_class=CT),
            "not-accepted",
            "not accept CT Image Storage",
        ),
        (
            [(CT, [EXPLICIT_LE])],
            make_job(1, sop_class=CT, syntax=JPEG_LOSSY),
            "not-accepted",
            "not accept CT Image Storage",
        ),
        ([(CT, [IMPLICIT_LE])], make_job(1, b"garbage!!", sop_class=CT), "not-convertible", "no converting"),
    ],
    ids=["class", "syntax", "garbage"],
)
async def test_what_cannot_be_sent_is_said_in_words(
    tmp_path: Path,
    contexts: list[tuple[str, list[str]]],
    job: Job,
    cause: str,
    words: str,
) -> None:
    with rigged(tmp_path, Centre(contexts=contexts)) as rig:
        (trouble,) = await rig.carry(job)
        assert isinstance(trouble, DeliveryFailure)
        assert trouble.cause == cause
        assert words in trouble.reason
        assert not trouble.link
        await rig.transport.close()


async def test_no_lossless_way_names_what_would_be_taken(tmp_path: Path) -> None:
    contexts = [(CT, [IMPLICIT_LE])]
    with rigged(tmp_path, Centre(contexts=contexts)) as rig:
        jobs = [make_job(1, sop_class=CT, syntax=JPEG_LOSSY), real(2, "CT_small.dcm", EXPLICIT_LE, CT)]
        trouble, receipt = await rig.carry(*jobs)
        assert isinstance(trouble, DeliveryFailure)
        assert "only as Implicit VR Little Endian" in trouble.reason
        assert "JPEG Baseline" in trouble.reason
        assert isinstance(receipt, Receipt)
        await rig.transport.close()


async def test_an_object_too_large_to_convert_is_not(tmp_path: Path) -> None:
    policy = replace(QUICK, convert_max_bytes=1000)
    with rigged(tmp_path, Centre(contexts=[(CT, [IMPLICIT_LE])]), policy=policy) as rig:
        (trouble,) = await rig.carry(real(1, "CT_small.dcm", EXPLICIT_LE, CT))
        assert isinstance(trouble, DeliveryFailure)
        assert trouble.cause == "not-convertible"
        assert "above 1000 bytes" in trouble.reason
        await rig.transport.close()


async def test_damage_is_found_before_converting(tmp_path: Path) -> None:
    with rigged(tmp_path, Centre(contexts=[(CT, [IMPLICIT_LE])])) as rig:
        data = objects.data_set(PYDICOM / "CT_small.dcm")
        inline = make_job(1, data, sop_class=CT, digest=bytes(32))
        filed = rig.filed(make_job(2, data, sop_class=CT, digest=bytes(32)))
        for trouble in await rig.carry(inline, filed):
            assert isinstance(trouble, DeliveryFailure)
            assert trouble.cause == "damaged"
        assert not rig.centre.arrived
        await rig.transport.close()


async def test_a_file_that_is_not_there_is_our_trouble(tmp_path: Path) -> None:
    with rigged(tmp_path, Centre()) as rig:
        missing = replace(make_job(1), data=None)
        trouble, receipt = await rig.carry(missing, make_job(2))
        assert isinstance(trouble, DeliveryFailure)
        assert (trouble.cause, trouble.link) == ("unreadable", False)
        assert isinstance(receipt, Receipt)
        await rig.transport.close()


async def test_damage_in_a_file_does_not_blame_what_was_on_the_same_association(tmp_path: Path) -> None:
    with rigged(tmp_path, Centre(window=8)) as rig:
        good = [make_job(number) for number in (1, 2, 3)]
        bad = rig.filed(make_job(4, bytes(3_000_000), digest=bytes(32)))
        outcomes = await rig.carry(*good, bad)
        assert isinstance(outcomes[3], DeliveryFailure)
        assert outcomes[3].cause == "damaged"
        for outcome in outcomes[:3]:
            assert isinstance(outcome, Receipt) or outcome.cause == "stale-association"
        assert uid(4) not in [name for name, _ in rig.delivered()]
        await rig.transport.close()


@pytest.mark.peers
async def test_dcmtk_over_tls_gets_every_byte(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    names = [("CT_small.dcm", EXPLICIT_LE, CT), ("MR_small_bigendian.dcm", EXPLICIT_BE, MR)]
    jobs = [real(number, *what) for number, what in enumerate(names, 1)]
    jobs += [make_job(9, objects.small_object(RT_IMAGE, uid(9), bytes(5_000_000)))]
    with (
        dcmtk.StoreScp(tmp_path / "received", tls=authority.issue("centre")) as scp,
        ThreadPoolExecutor(2) as executor,
    ):
        transport = DicomTransport(
            peer(scp.port, tls=authority.issue("gateway")),
            calling_ae=AETitle("GATEWAY"),
            open_data=io.BytesIO,
            capabilities=Capabilities.load(tmp_path),
            work_dir=tmp_path / "work",
            executor=executor,
            notices=Notices(),
        )
        work = ListedWork(list(jobs))
        assert await transport.probe() is not None
        await transport.send(work)
        await transport.close()
        assert all(isinstance(outcome, Receipt) for outcome in work.outcomes.values())
        received = {stored.digest for stored in await asyncio.to_thread(scp.received)}
        assert received == {job.object.digest.hex() for job in jobs}


# --- shorter images ------------------------------------------------------------------------------------

SLICE = scan_object(matrix=256)


@contextmanager
def shortening(directory: Path, centre: Centre) -> Iterator[DicomRig]:
    """A rig whose transport may send images as JPEG-LS."""
    with rigged(directory, centre) as rig:
        compressor = Compressor()
        rig.transport._shortening = Shortening("oncology", compressor, rig.open_data, rig.executor)
        rig.compressor = compressor
        yield rig


def _taking(*syntaxes: str) -> Centre:
    return Centre(contexts=[(CT, [syntax]) for syntax in syntaxes])


async def test_an_image_goes_as_jpeg_ls_where_that_is_taken(tmp_path: Path) -> None:
    with shortening(tmp_path, Centre(contexts=[(CT, [JPEG_LS, EXPLICIT_LE])])) as rig:
        job = rig.filed(make_job(1, SLICE.data, sop_class=CT))
        (outcome,) = await rig.carry(job)
        (arrived,) = rig.centre.kept
        assert isinstance(outcome, Receipt)
        assert arrived.syntax == JPEG_LS == outcome.transfer_syntax_uid
        assert arrived.digest == outcome.digest
        assert len(arrived.data) < len(SLICE.data) / 1.5
        file = objects.part10(CT, uid(1), JPEG_LS, arrived.data)
        there = pydicom.dcmread(io.BytesIO(file)).pixel_array.astype("<u2").tobytes()
        assert SLICE.data.endswith(there)
        await rig.transport.close()
        await rig.compressor.close()


async def test_an_image_goes_as_it_is_where_jpeg_ls_is_not_taken(tmp_path: Path) -> None:
    with shortening(tmp_path, _taking(EXPLICIT_LE)) as rig:
        (outcome,) = await rig.carry(make_job(1, SLICE.data, sop_class=CT))
        assert isinstance(outcome, Receipt)
        assert outcome.transfer_syntax_uid == EXPLICIT_LE
        assert rig.compressor.pid is None
        await rig.transport.close()


async def test_a_peer_that_takes_jpeg_ls_and_cannot_read_it_gets_no_more_of_it(tmp_path: Path) -> None:
    with shortening(tmp_path, Centre(contexts=[(CT, [JPEG_LS, EXPLICIT_LE])])) as rig:
        rig.centre.answer = lambda arrived: 0xC000 + 1 if arrived.syntax == JPEG_LS else 0
        job = make_job(1, SLICE.data, sop_class=CT)
        (first,) = await rig.carry(job)
        assert isinstance(first, DeliveryFailure)
        assert first.cause == "stale-association"  # at once, and nobody is to blame
        (again,) = await rig.carry(job)
        assert isinstance(again, Receipt)
        assert again.transfer_syntax_uid == EXPLICIT_LE
        (other,) = await rig.carry(make_job(2, SLICE.data, sop_class=CT))
        assert isinstance(other, Receipt)
        assert [arrived.syntax for arrived in rig.centre.arrived] == [JPEG_LS, EXPLICIT_LE, EXPLICIT_LE]
        await rig.transport.close()
        await rig.compressor.close()


async def test_a_damaged_image_is_not_made_a_sound_one(tmp_path: Path) -> None:
    with shortening(tmp_path, Centre(contexts=[(CT, [JPEG_LS, EXPLICIT_LE])])) as rig:
        (outcome,) = await rig.carry(make_job(1, SLICE.data, sop_class=CT, digest=bytes(32)))
        assert isinstance(outcome, DeliveryFailure)
        assert outcome.cause == "damaged"
        assert rig.centre.arrived == []
        await rig.transport.close()
