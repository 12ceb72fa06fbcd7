from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.delivery.transports.stow import StowTransport
from gateway.errors import DeliveryFailure, SpoolFailure
from gateway.model import AETitle, Peer, Priority, Receipt, TlsMaterial, WebTarget
from gateway.spool import Job
from tests.delivery.transport_contract import ListedWork, TransportContract, make_job
from tests.support.certs import Authority
from tests.support.delivery import QUICK, TIMEOUTS
from tests.support.delivery_spool import uid
from tests.support.web_centre import CUT, SILENT, UNSAID, Arrived, WebCentre


class StowRig:
    """A StowTransport and a scripted DICOMweb server."""

    def __init__(
        self, centre: WebCentre, executor: ThreadPoolExecutor, target: WebTarget | None = None
    ) -> None:
        self.centre = centre
        self.answers: dict[str, int] = {}
        self.stalled: dict[str, asyncio.Event] = {}
        self.files: dict[int, bytes] = {}
        centre.answer = self._answer
        target = target or WebTarget(f"http://127.0.0.1:{centre.port}/dicom-web", max_objects=4)
        self.transport = StowTransport(
            Peer("oncology", AETitle("CENTRE"), "127.0.0.1", 104, web=target),
            open_data=self.open_data,
            executor=executor,
            policy=QUICK,
            timeouts=replace(TIMEOUTS, response=1.0),
        )

    def _answer(self, arrived: Arrived) -> int:
        if arrived.uid in self.stalled:
            self.stalled[arrived.uid].set()
        return self.answers.get(arrived.uid, 0)

    def open_data(self, number: int) -> io.BytesIO:
        if number not in self.files:
            raise SpoolFailure("the file is not there")
        return io.BytesIO(self.files[number])

    def filed(self, job: Job) -> Job:
        assert job.data is not None
        self.files[job.object.number] = job.data
        return replace(job, data=None)

    def refuse(self, number: int) -> None:
        self.answers[uid(number)] = 0xA900

    def cut(self, number: int) -> None:
        self.answers[uid(number)] = CUT

    def stall(self, number: int) -> asyncio.Event:
        self.answers[uid(number)] = SILENT
        return self.stalled.setdefault(uid(number), asyncio.Event())

    def unplug(self) -> None:
        self.centre.stop()

    def delivered(self) -> Sequence[tuple[str, bytes]]:
        return [(arrived.uid, arrived.data) for arrived in self.centre.kept]

    async def wait_released(self) -> None:
        async with asyncio.timeout(5):
            await self.centre.ended.wait()

    async def carry(self, *jobs: Job) -> list[Receipt | DeliveryFailure]:
        work = ListedWork(list(jobs))
        await self.transport.send(work)
        return [work.outcomes[job.delivery.number] for job in jobs]


@asynccontextmanager
async def rigged(centre: WebCentre | None = None, target: WebTarget | None = None) -> AsyncIterator[StowRig]:
    centre = await (centre or WebCentre()).start()
    with ThreadPoolExecutor(2) as executor:
        rig = StowRig(centre, executor, target)
        try:
            yield rig
        finally:
            await rig.transport.close()
            await centre.stopped()


class TestContract(TransportContract):
    @pytest.fixture(name="rig")
    async def a_rig(self) -> AsyncIterator[StowRig]:
        async with rigged() as rig:
            yield rig


async def test_objects_go_together_over_one_connection() -> None:
    async with rigged() as rig:
        jobs = [make_job(number, bytes([number]) * 999) for number in range(1, 11)]
        outcomes = await rig.carry(*jobs)
        assert all(isinstance(outcome, Receipt) for outcome in outcomes)
        assert rig.centre.batches == [4, 4, 2]
        assert rig.centre.connections == 1
        assert set(rig.centre.asked) == {("POST", "/dicom-web/studies")}


async def test_a_request_keeps_to_its_bytes_and_a_larger_object_goes_alone() -> None:
    async with rigged() as rig:
        rig.transport._target = replace(rig.transport._target, max_size=1000)
        sizes = [400, 500, 200, 5000, 600, 400]
        await rig.carry(*(make_job(number, bytes([1]) * size) for number, size in enumerate(sizes, 1)))
        assert rig.centre.batches == [2, 1, 1, 2]


async def test_records_and_images_do_not_share_a_request() -> None:
    async with rigged() as rig:
        first = [make_job(number, priority=Priority.RECORD) for number in (1, 2)]
        await rig.carry(*first, make_job(3), make_job(4))
        assert rig.centre.batches == [2, 2]


async def test_the_same_object_twice_is_answered_twice() -> None:
    async with rigged() as rig:
        job = make_job(1)
        twin = make_job(2)
        twin = replace(twin, object=replace(twin.object, instance=job.object.instance))
        await rig.carry(job, twin)
        assert rig.centre.batches == [1, 1]


async def test_only_what_failed_has_failed() -> None:
    async with rigged() as rig:
        rig.answers |= {uid(2): 0x0110, uid(3): 0xB000, uid(4): 0xC122}
        first, second, third, fourth = await rig.carry(*(make_job(number) for number in (1, 2, 3, 4)))
        assert rig.centre.batches == [4]
        assert isinstance(first, Receipt)
        assert first.status == 0
        assert isinstance(second, DeliveryFailure)
        assert (second.cause, second.status) == ("processing-failure", 0x0110)
        assert isinstance(third, Receipt)
        assert third.status == 0xB000
        assert isinstance(fourth, DeliveryFailure)
        assert fourth.cause == "not-accepted"


async def test_whom_nothing_was_said_of_comes_again_alone() -> None:
    async with rigged() as rig:
        rig.answers[uid(2)] = UNSAID
        one, two, three = await rig.carry(*(make_job(number) for number in (1, 2, 3)))
        assert isinstance(one, Receipt)
        assert isinstance(three, Receipt)
        assert isinstance(two, DeliveryFailure)
        assert two.cause == "stale-association"  # not its fault, and at once
        again, other = await rig.carry(make_job(2), make_job(4))
        assert rig.centre.batches == [3, 1, 1]
        assert isinstance(again, DeliveryFailure)
        assert again.cause == "protocol-violation"
        assert isinstance(other, Receipt)
        await rig.carry(make_job(2), make_job(5))
        assert rig.centre.batches[3:] == [2]  # it is known now whose fault it is


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (401, "association-rejected"),
        (403, "association-rejected"),
        (404, "association-rejected"),
        (307, "association-rejected"),
        (429, "association-rejected-for-now"),
        (503, "association-rejected-for-now"),
    ],
)
async def test_what_is_the_destination_s_is_no_object_s(status: int, cause: str) -> None:
    async with rigged(WebCentre(whole=lambda _: status)) as rig:
        work = ListedWork([make_job(1), make_job(2)])
        with pytest.raises(DeliveryFailure) as caught:
            await rig.transport.send(work)
        assert caught.value.link
        assert caught.value.cause == cause
        assert {str(o.cause) for o in work.outcomes.values() if isinstance(o, DeliveryFailure)} == {
            "stale-association"
        }
        assert set(work.outcomes) == {1, 2}


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (400, "refused"),
        (413, "refused"),
        (415, "not-accepted"),
        (500, "processing-failure"),
        (200, "protocol-violation"),
        (226, "protocol-violation"),
    ],
)
async def test_a_request_that_fails_whole_is_tried_one_by_one(status: int, cause: str) -> None:
    async with rigged(WebCentre(whole=lambda number: status)) as rig:
        together = await rig.carry(make_job(1), make_job(2))
        assert {o.cause for o in together if isinstance(o, DeliveryFailure)} == {"stale-association"}
        alone = await rig.carry(make_job(1), make_job(2))
        assert {o.cause for o in alone if isinstance(o, DeliveryFailure)} == {cause}
        assert rig.centre.batches == [2, 1, 1]


async def test_no_answer_is_blamed_on_nobody_until_it_is_known_who() -> None:
    async with rigged() as rig:
        rig.stall(2)
        together = await rig.carry(make_job(1), make_job(2))
        assert {o.cause for o in together if isinstance(o, DeliveryFailure)} == {"stale-association"}
        one, two = await rig.carry(make_job(1), make_job(2))
        assert isinstance(one, Receipt)
        assert isinstance(two, DeliveryFailure)
        assert two.cause == "no-answer"


async def test_an_answer_without_end_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.delivery.web.connection.MAX_ANSWER", 1000)
    async with rigged(WebCentre(body=bytes(2000))) as rig:
        (outcome,) = await rig.carry(make_job(1))
        assert isinstance(outcome, DeliveryFailure)
        assert outcome.cause == "protocol-violation"
        assert "longer than" in outcome.reason


async def test_a_connection_that_the_server_closed_meanwhile_is_nobody_s_fault() -> None:
    async with rigged(WebCentre(hang_up_after=1)) as rig:
        for number in (1, 2, 3):
            (outcome,) = await rig.carry(make_job(number))
            if isinstance(outcome, DeliveryFailure):  # it was closed in the very moment
                assert outcome.cause == "stale-association"
                (outcome,) = await rig.carry(make_job(number))
            assert isinstance(outcome, Receipt)


async def test_a_server_that_hangs_up_between_requests_is_given_the_rest_on_a_new_connection() -> None:
    """On a long link it closes a connection that it takes for idle while a request is on its way."""
    async with rigged(WebCentre(hang_up_after=2)) as rig:
        jobs = [make_job(number) for number in range(1, 21)]
        left = jobs
        while left:
            outcomes = await rig.carry(*left)
            failures = [o for o in outcomes if isinstance(o, DeliveryFailure)]
            assert {o.cause for o in failures} <= {"stale-association"}
            left = [job for job, o in zip(left, outcomes, strict=True) if isinstance(o, DeliveryFailure)]
        assert rig.centre.connections >= 3
        assert {arrived.uid for arrived in rig.centre.kept} == {uid(number) for number in range(1, 21)}


async def test_an_object_that_ends_every_connection_is_found_out() -> None:
    async with rigged() as rig:
        await rig.carry(make_job(1))
        rig.cut(2)
        first, second = [(await rig.carry(make_job(2)))[0] for _ in range(2)]
        assert isinstance(first, DeliveryFailure)
        assert isinstance(second, DeliveryFailure)
        assert (first.cause, second.cause) == ("stale-association", "connection-lost")


async def test_what_a_server_says_of_its_patience_is_kept_to() -> None:
    async with rigged(WebCentre(keep_alive="max=9, timeout=0")) as rig:
        for number in (1, 2, 3):
            (outcome,) = await rig.carry(make_job(number))
            assert isinstance(outcome, Receipt)
        assert rig.centre.connections == 3
    async with rigged(WebCentre(keep_alive="timeout=100")) as rig:
        for number in (1, 2, 3):
            await rig.carry(make_job(number))
        assert rig.centre.connections == 1


async def test_files_are_checked_before_their_last_byte_leaves() -> None:
    async with rigged() as rig:
        whole = rig.filed(make_job(1, bytes(200_000)))
        broken = rig.filed(make_job(2, bytes(200_000)))
        rig.files[2] = bytes(199_999) + b"!"
        late = rig.filed(make_job(3, bytes(200_000)))
        outcomes = await rig.carry(whole, broken, late)
        assert [o.cause if isinstance(o, DeliveryFailure) else "" for o in outcomes] == [
            "stale-association",
            "damaged",
            "stale-association",
        ]
        assert rig.centre.kept == []
        assert all(isinstance(o, Receipt) for o in await rig.carry(whole, late))


async def test_a_file_that_is_not_there_is_our_trouble() -> None:
    async with rigged() as rig:
        (outcome,) = await rig.carry(replace(make_job(1, bytes(100)), data=None))
        assert isinstance(outcome, DeliveryFailure)
        assert outcome.cause == "unreadable"


@pytest.mark.parametrize(
    ("user", "secret", "said"),
    [("clinic", b"pa ss\n", "Basic Y2xpbmljOnBhIHNz"), (None, b" abc.def \n", "Bearer abc.def")],
)
async def test_the_secret_is_sent_and_read_anew_each_time(
    tmp_path: Path, user: str | None, secret: bytes, said: str
) -> None:
    file = tmp_path / "secret"
    file.write_bytes(secret)
    centre = WebCentre()
    target = WebTarget(f"http://127.0.0.1:{centre.port}", user=user, secret=file)
    async with rigged(centre, target) as rig:
        await rig.carry(make_job(1))
        assert centre.headers[-1]["authorization"] == said
        file.write_bytes(b"other")
        await rig.carry(make_job(2))
        assert centre.headers[-1]["authorization"] != said
        for bad in (b"", b"x" * 9000):
            file.write_bytes(bad)
            with pytest.raises(DeliveryFailure, match="does not hold") as caught:
                await rig.carry(make_job(3))
            assert caught.value.link
        file.unlink()
        with pytest.raises(DeliveryFailure, match="cannot read"):
            await rig.carry(make_job(3))


@pytest.mark.parametrize("status", [200, 204, 405, 501])
async def test_a_server_that_answers_lives(status: int) -> None:
    async with rigged(WebCentre(whole=lambda _: status)) as rig:
        assert await rig.transport.probe() is not None
        assert rig.centre.asked == [("OPTIONS", "/dicom-web/studies")]


@pytest.mark.parametrize("status", [401, 500, 503])
async def test_a_server_in_trouble_is_told_from_one_that_lives(status: int) -> None:
    async with rigged(WebCentre(whole=lambda _: status)) as rig:
        with pytest.raises(DeliveryFailure) as caught:
            await rig.transport.probe()
        assert caught.value.link


def _context_of(server: TlsMaterial) -> ssl.SSLContext:
    """What a server that wants certificates uses."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=server.ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_cert_chain(server.certificate, server.key)
    return context


async def test_tls_with_certificates_of_both(tmp_path: Path) -> None:
    authority = Authority.create(tmp_path)
    client = authority.issue("gateway")
    centre = WebCentre(tls=_context_of(authority.issue("centre")))
    good = WebTarget(f"https://localhost:{centre.port}/dicom-web", client.ca, client.certificate, client.key)
    async with rigged(centre, good) as rig:
        (outcome,) = await rig.carry(make_job(1, bytes(100_000)))
        assert isinstance(outcome, Receipt)
        assert rig.centre.asked == [("POST", "/dicom-web/studies")]


@pytest.mark.parametrize("wrong", ["authority", "file", "none of ours"])
async def test_tls_that_does_not_come_about_is_the_link_s(tmp_path: Path, wrong: str) -> None:
    authority = Authority.create(tmp_path)
    client = authority.issue("gateway")
    centre = WebCentre(tls=_context_of(authority.issue("centre")))
    url = f"https://localhost:{centre.port}/dicom-web"
    target = {
        "authority": WebTarget(url, Authority.create(tmp_path, "other").ca, client.certificate, client.key),
        "file": WebTarget(url, client.ca, client.certificate, tmp_path / "nothing"),
        "none of ours": WebTarget(url, client.ca),
    }[wrong]
    async with rigged(centre, target) as rig:
        if wrong == "none of ours":  # with TLS 1.3 that is found out after the handshake
            (outcome,) = await rig.carry(make_job(1))
            assert isinstance(outcome, DeliveryFailure)
            assert outcome.cause == "connection-lost"
        else:
            with pytest.raises(DeliveryFailure) as caught:
                await rig.carry(make_job(1))
            assert (caught.value.cause, caught.value.link) == ("tls", True)
        assert centre.kept == []
