"""Treatment records through the operator API: a real spool behind a real server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.admin.gateway_client import GatewayClient
from gateway.demo.synthetic import Manner, SyntheticObject, make_record
from gateway.model import AETitle, DeliveryState, Instance, Origin, Priority
from gateway.notices import Notice, OperatorActed
from gateway.operator import codec, record_list
from gateway.operator.api import OperatorServer
from gateway.operator.client import ApiProblem
from gateway.operator.record_list import RecordList, standing
from gateway.operator.sections.records import RecordPage, RecordsSection, RevealedPatient
from gateway.records import LIMITS
from gateway.spool import Accepted, Confirmed, Hold, Spool, SpoolLimits
from tests.support.committing import Clock
from tests.support.fake_control import FakeControl
from tests.support.spooling import a_receipt
from tests.support.treatment_records import SMALL, changed, second_generation

S = DeliveryState
NONSENSE = SyntheticObject("", "1.2.840.10008.5.1.4.1.1.481.4", "1.2.3", b"\x08\x00nonsense")
NOON = 1_780_000_000.0


@dataclass
class Bench:
    spool: Spool
    clock: Clock
    records: RecordList
    client: GatewayClient
    heard: list[Notice]

    async def store(self, thing: SyntheticObject, *to: str) -> int:
        """Put an object in as a console would; return its journal number."""
        origin = Origin("console", "192.0.2.20", AETitle("LINAC1"), AETitle("ARIA"), "a1")
        instance = Instance(thing.sop_class_uid, thing.sop_instance_uid, thing.transfer_syntax_uid)
        incoming = self.spool.receive(instance, origin, Priority.RECORD, to or ("oncology",))
        incoming.write(thing.data)
        return (await incoming.commit()).number

    async def page(self, **query: Any) -> RecordPage:
        return await self.client.get(RecordPage, "/v1/records", **query)

    async def reveal(self, number: int) -> RevealedPatient:
        return await self.client.post(RevealedPatient, f"/v1/records/{number}/reveal")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    control, clock = FakeControl(), Clock()
    clock.now = NOON
    heard: list[Notice] = []
    control.notices.subscribe(heard.append)
    limits = SpoolLimits(retention_seconds=0, reserve_bytes=0, floor_bytes=0)
    spool = await asyncio.to_thread(
        Spool.open, tmp_path / "spool", limits, notices=control.notices, wall_clock=clock
    )
    records = RecordList(spool, wall_clock=clock, max_counted=6)
    server = OperatorServer(control, tmp_path / "op.sock", sections=[RecordsSection(records)])
    await server.start()
    client = GatewayClient(server.path, who="Anna B. (clinic)")
    yield Bench(spool, clock, records, client, heard)
    await client.close()
    await server.close()
    await spool.close()


async def test_nothing_came(bench: Bench) -> None:
    page = await bench.page()
    assert page.records == ()
    assert (page.totals.records, page.totals.newest_at, page.next) == (0, None, None)
    assert page.until - page.since == 86400
    assert page.now == NOON


async def test_a_record_as_it_says(bench: Bench) -> None:
    thing = make_record(fraction=12, sizes=SMALL, manner=Manner("MACHINE", "VERIFIED_OVR"))
    number = await bench.store(thing)
    (one,) = (await bench.page()).records
    assert (one.number, one.kind, one.sop_class) == (number, "beams", "RT Beams Treatment Record Storage")
    assert (one.treated, one.fraction, one.fractions_planned) == ("2026-03-17T08:42:00", 12, 30)
    assert (one.beam_count, one.ending, one.check) == (3, "machine", "overridden")
    assert [(beam.name, beam.ending) for beam in one.beams] == [
        ("F1 G0", "normal"), ("F2 G72", "normal"), ("F3 G144", "machine")
    ]  # fmt: skip
    assert (one.calling_ae, one.machine) == ("LINAC1", "LINAC1")
    assert (one.content, one.reading) == ("treatment", "read")
    assert one.received_at == NOON
    assert (one.standing, one.deliveries[0].state, one.deliveries[0].sent_at) == ("waiting", "queued", None)


async def test_no_fact_names_a_patient(bench: Bench) -> None:
    thing = make_record(seed=7, sizes=SMALL)
    await bench.store(thing)
    said = json.dumps(codec.encode(await bench.page()))
    patient = thing.data_set()
    secrets = (patient.PatientID, str(patient.PatientName), patient.PatientBirthDate, "TEST", "Synthetic")
    assert not [secret for secret in (*secrets, thing.sop_instance_uid) if secret in said]


async def test_newest_first_in_pages_and_windows(bench: Bench) -> None:
    numbers = []
    for fraction in range(1, 6):
        bench.clock.now = NOON + fraction
        numbers.append(await bench.store(make_record(fraction=fraction, sizes=SMALL)))
    first = await bench.page(limit=2)
    assert [one.number for one in first.records] == numbers[:2:-1]
    second = await bench.page(limit=2, before=first.next)
    assert [one.number for one in second.records] == [numbers[2], numbers[1]]
    last = await bench.page(limit=2, before=second.next)
    assert ([one.number for one in last.records], last.next) == ([numbers[0]], None)
    window = await bench.page(since=int(NOON) + 2, until=int(NOON) + 4)
    assert [one.fraction for one in window.records] == [3, 2]
    # The totals are those of the window, on each of its pages.
    assert first.totals == last.totals
    assert (first.totals.records, window.totals.records) == (5, 2)
    assert window.totals.newest_at == NOON + 3


async def test_patients_keep_their_numbers_while_more_records_come(bench: Bench) -> None:
    for index, seed in enumerate((3, 1, 3)):
        await bench.store(make_record(seed=seed, index=index, sizes=SMALL))
    assert [one.patient for one in (await bench.page()).records] == [1, 2, 1]
    await bench.store(make_record(seed=2, sizes=SMALL))
    page = await bench.page()
    assert [one.patient for one in page.records] == [3, 1, 2, 1]
    assert page.totals.patients == 3
    # On a later page too.
    assert [one.patient for one in (await bench.page(before=page.records[1].number)).records] == [2, 1]


async def test_a_record_without_a_patient_is_nobodys(bench: Bench) -> None:
    def anonymous(record: Any) -> None:
        record.PatientID = record.PatientName = ""

    await bench.store(changed(anonymous))
    assert [one.patient for one in (await bench.page()).records] == [None]


async def test_where_it_is(bench: Bench) -> None:
    number = await bench.store(make_record(sizes=SMALL), "oncology", "archive")
    (to_oncology,) = await bench.spool.claim("oncology", 1)
    await bench.spool.settle([Accepted(to_oncology.delivery.number, a_receipt(to_oncology))])
    page = await bench.page()
    assert page.records[0].standing == "waiting"
    assert page.totals.destinations == ("archive", "oncology")
    (to_archive,) = await bench.spool.claim("archive", 1)
    await bench.spool.settle([Hold(to_archive.delivery.number, "no", "rejected")])
    page = await bench.page()
    assert (page.records[0].standing, page.totals.held) == ("held", 1)
    assert [one.cause for one in page.records[0].deliveries] == ["", "rejected"]
    await bench.spool.release(to_archive.delivery.number)
    (again,) = await bench.spool.claim("archive", 1)
    await bench.spool.settle([Accepted(again.delivery.number, a_receipt(again))])
    page = await bench.page()
    assert (page.records[0].standing, page.totals.reached, page.totals.confirmed) == ("reached", 1, 0)
    assert page.records[0].deliveries[0].sent_at == 1.0
    await bench.spool.settle([Confirmed(one.delivery.number, "verified") for one in (to_oncology, again)])
    page = await bench.page()
    assert (page.records[0].standing, page.totals.reached, page.totals.confirmed) == ("confirmed", 1, 1)
    bench.clock.now += 10
    await bench.spool.expire(bench.clock.now)
    bench.clock.now += 1
    (gone,) = (await bench.page()).records
    assert (gone.number, gone.standing, gone.reading) == (number, "confirmed", "gone")
    assert (gone.fraction, gone.patient, gone.beams, gone.kind) == (None, None, (), "beams")


@pytest.mark.parametrize(
    ("deliveries", "expected"),
    [
        ([(S.QUEUED, False), (S.HELD, False)], "held"),
        ([(S.SENDING, False), (S.DISCARDED, False)], "waiting"),
        ([(S.ACCEPTED, False), (S.DISCARDED, False)], "given-up"),
        ([(S.ACCEPTED, False), (S.CONFIRMED, True)], "reached"),
        ([(S.RELEASED, True), (S.CONFIRMED, True)], "confirmed"),
        ([(S.RELEASED, False)], "reached"),
    ],
)
def test_what_is_worst_counts(deliveries: list[tuple[DeliveryState, bool]], expected: str) -> None:
    assert standing(deliveries) == expected


async def test_what_is_no_treatment_is_counted(bench: Bench) -> None:
    await bench.store(make_record(sizes=SMALL, manner=Manner(origin="SIMULATION")))
    await bench.store(second_generation(19, "MACHINE_QA"))
    await bench.store(make_record(sizes=SMALL, fraction=2))
    await bench.store(NONSENSE)
    page = await bench.page()
    assert [one.content for one in page.records] == ["unknown", "treatment", "machine-qa", "simulation"]
    assert (page.totals.not_treatments, page.totals.unreadable) == (2, 1)
    assert page.records[0].reading == "unreadable"


async def test_more_than_can_be_counted(bench: Bench) -> None:
    for fraction in range(1, 8):
        await bench.store(make_record(fraction=fraction, sizes=SMALL))
    page = await bench.page()
    assert (page.totals.records, page.totals.complete) == (6, False)
    assert [one.fraction for one in page.records] == [7, 6, 5, 4, 3, 2]


async def test_records_are_parsed_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def count(data: bytes, *about: str) -> Any:
        parsed.append(about[0])
        return original(data, *about)

    original = record_list.summarize
    monkeypatch.setattr(record_list, "summarize", count)
    for fraction in (1, 2, 3):
        await bench.store(make_record(fraction=fraction, sizes=SMALL))
    await asyncio.gather(*(bench.page() for _ in range(4)))
    assert len(parsed) == 3
    await bench.store(make_record(fraction=4, sizes=SMALL))
    await bench.page()
    assert len(parsed) == 4


async def test_what_is_kept_of_parsed_records_is_bounded(bench: Bench) -> None:
    for fraction in range(1, 11):
        await bench.store(make_record(fraction=fraction, sizes=SMALL))
        await bench.page()
    assert len(bench.records._read) == 6


async def test_a_record_too_large_is_not_read(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> Any:
        raise AssertionError("its bytes were read")

    large = SyntheticObject("", NONSENSE.sop_class_uid, "1.2.3", bytes(LIMITS.max_bytes + 2))
    number = await bench.store(large)
    monkeypatch.setattr(bench.spool, "open_data", refuse)
    assert (await bench.page()).records[0].reading == "unreadable"
    assert not (await bench.reveal(number)).readable


async def test_revealing_is_audited_and_not_stored(bench: Bench) -> None:
    thing = make_record(seed=7, sizes=SMALL)
    number = await bench.store(thing)
    async with bench.client.stream("POST", f"/v1/records/{number}/reveal") as response:
        told = codec.decode(RevealedPatient, await response.json())
        assert response.headers["Cache-Control"] == "no-store"
    assert told == RevealedPatient(number, True, "TEST, Synthetic 07", "SYN-000007", told.birth_date)
    (acted,) = [one for one in bench.heard if isinstance(one, OperatorActed)]
    assert (acted.what, acted.subject, acted.outcome) == ("reveal", f"number={number}", "done")
    assert acted.who.startswith("Anna B. (clinic) by ")
    assert "Synthetic" not in repr(acted)


async def test_looking_at_the_list_is_not_audited(bench: Bench) -> None:
    await bench.store(make_record(sizes=SMALL))
    await bench.page()
    assert not [one for one in bench.heard if isinstance(one, OperatorActed)]


async def test_nothing_to_reveal(bench: Bench) -> None:
    with pytest.raises(ApiProblem, match="no treatment record 999") as problem:
        await bench.reveal(999)
    assert problem.value.details.status == 404
    ct = SyntheticObject("ct", "1.2.840.10008.5.1.4.1.1.2", "1.2.3.4", make_record(sizes=SMALL).data)
    with pytest.raises(ApiProblem) as problem:
        await bench.reveal(await bench.store(ct))
    assert problem.value.details.status == 404
    # What was refused is audited too.
    refused = [one.outcome for one in bench.heard if isinstance(one, OperatorActed)]
    assert all(outcome.startswith("there is no") for outcome in refused)
    assert len(refused) == 2


async def test_what_is_gone_cannot_be_revealed(bench: Bench) -> None:
    number = await bench.store(make_record(sizes=SMALL))
    (job,) = await bench.spool.claim("oncology", 1)
    await bench.spool.settle([Accepted(job.delivery.number, a_receipt(job))])
    bench.clock.now += 10
    await bench.spool.expire(bench.clock.now + 1)
    with pytest.raises(ApiProblem, match="not kept any more") as problem:
        await bench.reveal(number)
    assert problem.value.details.status == 409


async def test_damage_is_told_as_it_is(bench: Bench) -> None:
    number = await bench.store(NONSENSE)
    told = await bench.reveal(number)
    assert (told.readable, told.name) == (False, "")


@pytest.mark.parametrize("query", [{"since": -1}, {"limit": 0}, {"limit": 1001}, {"before": 0}, {"day": 1}])
async def test_odd_questions_are_refused(bench: Bench, query: dict[str, int]) -> None:
    with pytest.raises(ApiProblem) as problem:
        await bench.page(**query)
    assert problem.value.details.status == 400
