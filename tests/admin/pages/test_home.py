"""Home, over a real operator API and a real spool."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gateway.admin.pages import home
from gateway.demo.synthetic import Manner, SyntheticObject, make_record
from gateway.notices import Notice, OperatorActed
from gateway.operator import facts
from gateway.operator.api import OperatorServer
from tests.support.admin_site import Element, Site, site
from tests.support.fake_control import destination
from tests.support.record_bench import RecordBench, record_bench
from tests.support.treatment_records import SMALL, changed, second_generation

NASTY = "<script>alert(1)</script>\"'&{{7*7}}"


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[RecordBench]:
    # Noon of today, so that an hour before and after it are today too.
    noon = datetime.now().replace(hour=12, minute=0, second=0, microsecond=0).timestamp()
    async with record_bench(tmp_path / "spool", noon) as running:
        running.control.destinations = [destination(link_since=noon - 3600)]
        yield running


@pytest.fixture
async def page(bench: RecordBench) -> AsyncIterator[Site]:
    async with site(control=bench.control, sections=[bench.section], role="clinic") as running:
        yield running


def cell(row: Element, label: str) -> str:
    return row.find(f"[data-label={label}]").text


async def rows(page: Site, path: str = "/home") -> list[Element]:
    return (await page.get(path)).all("table.records tbody tr")


async def test_the_answer_stands_first(bench: RecordBench, page: Site) -> None:
    await bench.store(make_record(sizes=SMALL))
    await bench.accept()
    document = await page.get("/home")
    assert document.find("h1").text == "Has everything reached the centre?"
    verdict = document.find(".verdict")
    assert "ok" in verdict["class"]
    assert "The record of today has reached ARIA." in verdict.text
    assert "All arrived" in verdict.text
    assert document.find("#records h2").text == "Records seen by this gateway"
    assert "delivered" not in document.find("#records h2").text.lower()


async def test_what_waits_and_since_when(bench: RecordBench, page: Site) -> None:
    now = time.time()
    bench.control.destinations = [
        destination(
            link="offline", link_since=now - 840, next_try_at=now + 30, oldest_waiting_at=now - 600,
            waiting=facts.Waiting(facts.Amount(3, 99_000), facts.Amount(2, 1_000_000), facts.Amount()),
        )
    ]  # fmt: skip
    document = await page.get("/home/now", fragment=True)
    assert "3 records are waiting: the link to ARIA has been down for" in document.find(".verdict").text
    centre = document.find(".centre")
    assert "offline" in centre.find("h2").text
    assert "5 waiting" in centre.text
    assert "10 minutes ago" in centre.text
    assert "Next attempt" in centre.text
    assert "All there in about" not in centre.text
    assert re.fullmatch(r"in (29|30) seconds", centre.find("[data-due]").text)
    bench.control.destinations = [replace(bench.control.destinations[0], next_try_at=now - 2)]
    assert (await page.get("/home/now", fragment=True)).find("[data-due]").text == "now"
    bench.control.destinations = [replace(bench.control.destinations[0], link="online", eta_seconds=20.0)]
    assert "All there in about" in (await page.get("/home/now", fragment=True)).find(".centre").text


async def test_a_record_in_words(bench: RecordBench, page: Site) -> None:
    await bench.store(make_record(fraction=12, sizes=SMALL, manner=Manner("MACHINE", "VERIFIED_OVR")))
    (row,) = await rows(page)
    assert row.find("[data-label=Received]").text.startswith(
        "12:00:00 record says Mar 17, 2026, 08:42 LINAC1"
    )
    assert cell(row, "Fraction") == "12 of 30"
    assert "3 beams" in cell(row, "Beams")
    assert "F3 G144 : stopped by the machine" in cell(row, "Beams")
    ended = row.find("[data-label=Ended]")
    assert [(badge["class"], badge.text) for badge in ended.all(".badge")] == [
        ("badge attention", "stopped by the machine"),
        ("badge waiting", "a value was overridden"),
    ]
    assert row.find("[data-label=Plan]").text.startswith("…")
    assert "ARIA: safe here, waiting" in row.find(".ways").text


async def test_nothing_of_the_patient_is_on_the_page(bench: RecordBench, page: Site) -> None:
    await bench.store(make_record(seed=7, sizes=SMALL))
    for path in ("/home", "/print", "/home/records"):
        source = (await page.get(path)).source
        assert not [word for word in ("Synthetic", "SYN-", "TEST") if word in source], path


async def test_rows_of_one_patient_are_recognised(bench: RecordBench, page: Site) -> None:
    for index, seed in enumerate((3, 1, 3)):
        await bench.store(make_record(seed=seed, index=index, sizes=SMALL))
    shown = [row.find(".patient").text for row in await rows(page)]
    assert shown == ["Patient 1", "Patient 2", "Patient 1"]


@pytest.mark.parametrize(
    ("thing", "words"),
    [
        (make_record(sizes=SMALL, manner=Manner(origin="SIMULATION")), "SIMULATION: no patient was treated"),
        (second_generation(19, "PLAN_QA"), "PLAN CHECK (QA): no patient was treated"),
        (second_generation(19, "MACHINE_QA"), "MACHINE CHECK (QA): no patient was treated"),
        (second_generation(19, "RESEARCH"), "RESEARCH: no patient was treated"),
        (second_generation(19, "SERVICE"), "SERVICE: no patient was treated"),
        (
            changed(lambda record: setattr(record, "QualityControlSubject", "YES")),
            "PHANTOM: no patient was treated",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_is_no_treatment_is_marked(
    bench: RecordBench, page: Site, thing: SyntheticObject, words: str
) -> None:
    await bench.store(thing)
    (row,) = await rows(page)
    assert row["class"] == "not-treatment"
    assert row.find(".mark").text == words
    assert words in (await page.get("/print")).find("table.paper").text


async def test_other_marks(bench: RecordBench, page: Site) -> None:
    await bench.store(make_record(sizes=SMALL, manner=Manner(continuation=True)))
    await bench.store(make_record(sizes=SMALL, index=1, manner=Manner(origin="USER", check="NOT_VERIFIED")))
    await bench.store(make_record("summary-record", fraction=4))
    await bench.store(make_record("brachy-record", sizes=SMALL))
    await bench.store(second_generation(19, ending="ABORTED"))
    shown = [row.text for row in await rows(page)]
    assert "ended as “ABORTED”" in shown[0]
    assert "8 channels" in shown[1]
    assert "summary of the course" in shown[2]
    assert "entered by hand" in shown[3]
    assert "not verified" in shown[3]
    assert "continuation of an interrupted treatment" in shown[4]
    assert not [row for row in await rows(page) if "class" in row.attributes]


async def test_a_record_that_cannot_be_read_is_listed(bench: RecordBench, page: Site) -> None:
    await bench.store(SyntheticObject("", "1.2.840.10008.5.1.4.1.1.481.4", "1.2.3", b"\x08\x00nonsense"))
    (row,) = await rows(page)
    assert "could not be read here; it is passed on as it came" in row.text
    assert not row.all(".reveal")


async def test_the_four_steps(bench: RecordBench, page: Site) -> None:
    await bench.store(make_record(sizes=SMALL), "oncology", "archive")
    job = await bench.accept()
    await bench.hold("archive")
    (row,) = await rows(page)
    sent, held = row.all(".way")
    assert sent.text.endswith("ARIA: sent 12:00:00, accepted, not verified")
    assert held.text.endswith("archive: held back, somebody has to decide")
    assert [dot["class"] for dot in sent.all("circle")] == ["done", "done", "done", "todo"]
    assert [dot["class"] for dot in held.all("circle")] == ["done", "done", "held", "todo"]
    bench.clock.now += 5
    await bench.confirm(job)
    (row,) = await rows(page)
    assert "ARIA: sent 12:00:00, confirmed 12:00:05" in row.text
    assert [dot["class"] for dot in row.all(".way")[0].all("circle")] == ["done"] * 4


async def test_what_is_not_kept_any_more(bench: RecordBench, page: Site) -> None:
    await bench.store(make_record(sizes=SMALL))
    await bench.accept()
    bench.clock.now += 60
    await bench.spool.expire(bench.clock.now)
    (row,) = await rows(page)
    assert "delivered, no longer kept here" in row.text
    assert row.find(".patient").text == "–"
    assert "ARIA: sent 12:00:00, accepted, not verified" in row.text
    assert not row.all(".reveal")


async def test_times_that_agree_are_shown_once(bench: RecordBench, page: Site) -> None:
    def treated(record: object, minutes: int) -> None:
        moment = datetime.fromtimestamp(bench.clock.now) - timedelta(minutes=minutes)
        record.TreatmentDate, record.TreatmentTime = f"{moment:%Y%m%d}", f"{moment:%H%M%S}"  # type: ignore[attr-defined]

    await bench.store(changed(lambda record: treated(record, 0)))
    await bench.store(changed(lambda record: treated(record, 90), fraction=2))
    shown = [row.find("[data-label=Received]").text for row in await rows(page)]
    assert "record says 10:30" in shown[0]
    assert "record says" not in shown[1]


# ---- days and pages ----


async def test_days(bench: RecordBench, page: Site) -> None:
    today = datetime.fromtimestamp(bench.clock.now).date()
    await bench.store(make_record(sizes=SMALL))
    bench.clock.now -= 86400
    await bench.store(make_record(fraction=2, sizes=SMALL))
    yesterday = (today - timedelta(days=1)).isoformat()
    assert [cell(row, "Fraction") for row in await rows(page)] == ["1 of 30"]
    document = await page.get(f"/home?day={yesterday}")
    assert [cell(row, "Fraction") for row in document.all("table.records tbody tr")] == ["2 of 30"]
    # The answer stays that of today, and the list of another day does not refresh itself.
    assert "record is on its way" not in document.find(".verdict").text
    assert "hx-get" not in document.find("#records").attributes
    assert document.find("nav.days [rel=next]")["href"] == f"/home?day={today.isoformat()}#records"
    assert "hx-get" in (await page.get("/home")).find("#records").attributes
    assert not (await page.get("/home")).all("nav.days [rel=next]")
    assert (await page.get("/home?day=nonsense")).status == 200


async def test_an_empty_day_says_so(page: Site) -> None:
    document = await page.get("/home")
    assert "No treatment record has come in today." in document.find("#records").text
    assert not document.all("table")
    assert "came in on this day" in (await page.get("/home?day=2020-02-02")).find("#records").text


async def test_pages(bench: RecordBench, page: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(home, "PAGE_SIZE", 2)
    for fraction in (1, 2, 3):
        await bench.store(make_record(fraction=fraction, sizes=SMALL))
    document = await page.get("/home")
    assert len(document.all("table.records tbody tr")) == 2
    assert "3 records on this day" in document.find(".pager").text
    document = await page.get(document.find(".pager [rel=next]")["href"])
    assert [cell(row, "Fraction") for row in document.all("table.records tbody tr")] == ["1 of 30"]
    assert document.find(".pager [rel=prev]")["href"].startswith("/home?day=")
    assert "hx-get" not in document.find("#records").attributes


# ---- who it is ----


async def test_revealing_for_a_minute(bench: RecordBench, page: Site) -> None:
    heard: list[Notice] = []
    bench.control.notices.subscribe(heard.append)
    number = await bench.store(make_record(seed=7, sizes=SMALL))
    form = (await page.get("/home")).find("form.reveal")
    document = await page.post(form["hx-post"], fragment=True)
    assert document.headers["Cache-Control"] == "no-store"
    shown = document.find(".revealed")
    assert "TEST, Synthetic 07" in shown.text
    assert "ID SYN-000007" in shown.text
    assert shown["data-hide-after"] == "60"
    # On paper it is masked.
    assert "no-print" in shown["class"]
    assert document.find(".masked").text == "Patient 1"
    (acted,) = [one for one in heard if isinstance(one, OperatorActed)]
    assert (acted.what, acted.subject) == ("reveal", f"number={number}")
    assert acted.who.startswith("Anna Beispiel (clinic)")


async def test_revealing_without_javascript(bench: RecordBench, page: Site) -> None:
    number = await bench.store(make_record(seed=7, sizes=SMALL))
    document = await page.post(f"/home/records/{number}/reveal")
    assert "TEST, Synthetic 07" in document.text
    assert document.find("meta[http-equiv=refresh]")["content"] == "60;url=/home"
    assert document.headers["Cache-Control"] == "no-store"


async def test_nobody_is_named(bench: RecordBench, page: Site) -> None:
    def anonymous(record: object) -> None:
        record.PatientName = record.PatientID = ""  # type: ignore[attr-defined]

    number = await bench.store(changed(anonymous))
    assert "Patient not named" in (await rows(page))[0].text
    document = await page.post(f"/home/records/{number}/reveal", fragment=True)
    assert "The record names no patient." in document.text


@pytest.mark.parametrize(
    ("role", "may"), [("viewer", False), ("clinic", True), ("engineer", False), ("admin", True)]
)
async def test_who_may_reveal(bench: RecordBench, role: str, may: bool) -> None:
    number = await bench.store(make_record(seed=7, sizes=SMALL))
    async with site(control=bench.control, sections=[bench.section], role=role) as page:
        assert bool((await page.get("/home")).all(".reveal")) is may
        document = await page.post(f"/home/records/{number}/reveal", fragment=True)
        assert (document.status == 200) is may
        assert ("Synthetic" in document.source) is may
        printed = await page.post("/print")
        assert (printed.status == 200) is may
        assert ("Synthetic" in printed.source) is may


async def test_revealing_needs_the_token(bench: RecordBench, page: Site) -> None:
    number = await bench.store(make_record(seed=7, sizes=SMALL))
    document = await page.post_fields(f"/home/records/{number}/reveal", {})
    assert document.status == 403
    assert "Synthetic" not in document.source


async def test_a_record_that_is_not_there_cannot_be_revealed(page: Site) -> None:
    document = await page.post("/home/records/999/reveal", fragment=True)
    assert document.status == 404
    assert "no treatment record 999" in document.text


# ---- on paper ----


async def test_the_sheet(bench: RecordBench, page: Site) -> None:
    await bench.store(make_record(seed=7, fraction=3, sizes=SMALL, manner=Manner("OPERATOR")))
    document = await page.get("/print")
    sheet = document.find("article.sheet")
    assert "Records seen by this gateway" in sheet.find("h2").text
    assert "This is no confirmation of any treatment." in sheet.text
    assert "Gateway clinic-07" in sheet.text
    assert "by Anna Beispiel" in sheet.text
    assert "Checked by (name, signature)" in sheet.text
    assert "All times:" in sheet.text
    (row,) = sheet.all("tbody tr")
    assert row.all("td")[0].text == "Patient 1"
    assert "stopped by the operator" in row.text
    assert "3 of 30" in row.text


async def test_names_on_the_sheet_only_when_asked_for_and_each_noted(bench: RecordBench, page: Site) -> None:
    heard: list[Notice] = []
    bench.control.notices.subscribe(heard.append)
    numbers = [await bench.store(make_record(seed=seed, sizes=SMALL)) for seed in (7, 8)]
    await bench.store(SyntheticObject("", "1.2.840.10008.5.1.4.1.1.481.4", "1.2.3", b"\x08\x00nonsense"))
    assert "Synthetic" not in (await page.get("/print")).source
    document = await page.post("/print")
    assert document.headers["Cache-Control"] == "no-store"
    shown = [row.all("td")[0].text for row in document.all("article tbody tr")]
    assert shown[0] == "The record could not be read."
    assert "TEST, Synthetic 08" in shown[1]
    assert "TEST, Synthetic 07" in shown[2]
    revealed = {one.subject for one in heard if isinstance(one, OperatorActed) and one.what == "reveal"}
    assert revealed >= {f"number={number}" for number in numbers}
    assert "treat the paper like a chart" in document.text


async def test_the_sheet_of_another_day(bench: RecordBench, page: Site) -> None:
    document = await page.get("/print?day=2020-02-02")
    assert "2 February 2020" in document.find("article").text
    assert "No treatment record came in on this day." in document.find("article").text
    # The answer is of today, and has no place on the sheet of another day.
    assert "reached" not in document.find("article header").text


async def test_more_than_fit_on_a_sheet(
    bench: RecordBench, page: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "PRINT_SIZE", 1)
    for fraction in (1, 2):
        await bench.store(make_record(fraction=fraction, sizes=SMALL))
    assert "more records than fit on this sheet" in (await page.get("/print")).text


# ---- hostile, and broken ----


async def test_hostile_names_stay_text(bench: RecordBench, page: Site) -> None:
    def nasty(record: object) -> None:
        record.PatientName = record.PatientID = record.RTPlanLabel = record.RTPlanName = NASTY  # type: ignore[attr-defined]
        record.TreatmentSessionBeamSequence[0].BeamName = NASTY  # type: ignore[attr-defined]
        record.TreatmentMachineSequence[0].TreatmentMachineName = NASTY  # type: ignore[attr-defined]

    number = await bench.store(changed(nasty), calling="<b>LINAC</b>")
    home_page, paper = await page.get("/home"), await page.post("/print")
    revealed = await page.post(f"/home/records/{number}/reveal?patient=1", fragment=True)
    for document in (home_page, paper, revealed):
        assert "<script>alert" not in document.source
        assert "<script>alert(1)</script>" in document.text
        assert "7*7" in document.text
    assert NASTY in home_page.find("[data-label=Plan]").text


async def test_nobody_answers(tmp_path: Path) -> None:
    async with site(tmp_path / "op.sock", role="clinic", serve_gateway=False) as page:
        document = await page.get("/home")
    assert document.status == 200
    assert "The gateway program does not answer" in document.find(".verdict").text
    assert "attention" in document.find(".verdict")["class"]
    assert "The list cannot be shown now." in document.find("#records").text


async def test_nobody_answers_any_more(bench: RecordBench, tmp_path: Path) -> None:
    await bench.store(make_record(sizes=SMALL))
    await bench.accept()
    socket = tmp_path / "op.sock"
    server = OperatorServer(bench.control, socket, sections=[bench.section])
    await server.start()
    async with site(socket, role="clinic", serve_gateway=False) as page:
        await page.get("/home")
        await server.close()
        document = await page.get("/home/now", fragment=True)
        whole = await page.get("/home")
        assert (await page.get("/home/records", fragment=True)).status == 204  # the table stays as it is
    verdict = document.find(".verdict").text
    assert "The gateway program does not answer" in verdict
    assert "This is how it was" in verdict
    assert "The record of today has reached ARIA." in verdict
    assert "The list cannot be shown now." in whole.text
