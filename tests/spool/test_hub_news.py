"""What a site does with what its hub reports."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.model import DeliveryState, Priority, Receipt
from gateway.spool import Accepted, Hold, Job, PutBack, Spool, Stage, StageReport
from tests.support.committing import a_reference, a_request, to_ask
from tests.support.spooling import SMALL, Heard, OpenSpool, a_receipt, content, store

HUB = bytes(range(16))
S = DeliveryState


async def at_hub(spool: Spool, number: int = 1) -> Job:
    """Store an object and have the hub accept it."""
    await store(spool, content(number, SMALL), number)
    (job,) = await spool.claim("oncology", 1)
    await spool.settle(
        [Accepted(job.delivery.number, replace(a_receipt(job), hub=True, comment="at the hub"))]
    )
    return job


def a_report(job: Job, stage: Stage, seq: int = 1, **changes: object) -> StageReport:
    report = StageReport(seq, bytes(16), job.delivery.number, job.object.digest, stage, 0, "", 5.0)
    return replace(report, **changes)  # type: ignore[arg-type]


async def standing(spool: Spool, number: int = 1) -> tuple[DeliveryState, str]:
    story = await spool.show(number)
    return story.delivery.state, story.cause


async def receipts(spool: Spool) -> list[Receipt]:
    return [receipt for _, receipt in (await spool.show(1)).receipts]


async def test_the_word_of_the_hub_is_shown_as_the_hubs(spool: Spool) -> None:
    await at_hub(spool)
    assert await standing(spool) == (S.ACCEPTED, "at-hub")
    assert [one.hub for one in await receipts(spool)] == [True]
    assert [row.delivery.number for row in await spool.list_deliveries(state=S.ACCEPTED)] == [1]


async def test_stored_makes_it_like_one_that_was_delivered_directly(spool: Spool) -> None:
    job = await at_hub(spool)
    assert await spool.take_report(HUB, a_report(job, Stage.STORED, status=0xB000, words="coerced"))
    assert await standing(spool) == (S.ACCEPTED, "")
    hub, destination = await receipts(spool)
    assert (hub.hub, destination.hub) == (True, False)
    assert (destination.status, destination.comment, destination.at) == (0xB000, "coerced", 5.0)
    assert "stored-beyond-hub" in [event.what for event in (await spool.show(1)).history]


@pytest.mark.parametrize(
    ("stage", "left"), [(Stage.STORED, 0), (Stage.CONFIRMED, 0), (Stage.HELD, 1), (Stage.DISCARDED, 0)]
)
async def test_what_is_only_at_the_hub_is_counted(spool: Spool, stage: Stage, left: int) -> None:
    assert (await spool.summary()).at_hub == {}
    job = await at_hub(spool)
    await at_hub(spool, 2)
    assert (await spool.summary()).at_hub == {"oncology": 2}
    await spool.take_report(HUB, a_report(job, stage))
    assert (await spool.summary()).at_hub == {"oncology": 1 + left}


async def test_confirmed_at_once_is_both(spool: Spool) -> None:
    job = await at_hub(spool)
    await spool.take_report(HUB, a_report(job, Stage.CONFIRMED))
    assert await standing(spool) == (S.CONFIRMED, "")
    assert [one.hub for one in await receipts(spool)] == [True, False]


@pytest.mark.parametrize("stage", list(Stage))
async def test_a_report_that_comes_twice_does_nothing_more(
    open_spool: OpenSpool, heard: Heard, stage: Stage
) -> None:
    spool = open_spool()
    job = await at_hub(spool)
    for seq in (1, 2):
        assert await spool.take_report(HUB, a_report(job, stage, seq, words="why"))
        if seq == 1:
            first = await spool.show(1)
            alarms = list(heard.alarms())
    again = await spool.show(1)
    assert (again.receipts, again.history, again.delivery) == (first.receipts, first.history, first.delivery)
    assert heard.alarms() == alarms


@pytest.mark.parametrize(
    ("stage", "cause"), [(Stage.HELD, "held-at-hub"), (Stage.DISCARDED, "discarded-at-hub")]
)
async def test_what_stays_at_the_hub_calls_a_person_without_quoting_anybody(
    spool: Spool, heard: Heard, stage: Stage, cause: str
) -> None:
    job = await at_hub(spool)
    await spool.take_report(HUB, a_report(job, stage, words="refused: DOE^JOHN"))
    assert await standing(spool) == (S.ACCEPTED, cause)
    assert (await spool.show(1)).delivery.reason == "refused: DOE^JOHN"
    (text,) = heard.words(f"delivery-{cause}")
    assert "DOE" not in text
    # Somebody there lets it go after all.
    await spool.take_report(HUB, a_report(job, Stage.STORED, 2))
    assert await standing(spool) == (S.ACCEPTED, "")
    assert (await spool.show(1)).delivery.reason == ""


async def test_held_after_it_was_stored_keeps_the_bytes(open_spool: OpenSpool) -> None:
    """The destination had it, and says later that it does not: the hub holds it."""
    now = [1000.0]
    spool = open_spool(wall_clock=lambda: now[0])
    job = await at_hub(spool)
    await spool.take_report(HUB, a_report(job, Stage.STORED))
    await spool.take_report(HUB, a_report(job, Stage.HELD, 2))
    now[0] += 30 * 86400.0
    assert (await spool.expire()).released == 0


async def test_bytes_stay_until_the_destination_has_them(open_spool: OpenSpool) -> None:
    now = [1000.0]
    spool = open_spool(wall_clock=lambda: now[0])
    job = await at_hub(spool)
    now[0] += 30 * 86400.0
    assert (await spool.expire()).released == 0
    await spool.take_report(HUB, a_report(job, Stage.STORED))
    now[0] += 6 * 86400.0
    assert (await spool.expire()).released == 0  # the retention begins when it is stored
    now[0] += 2 * 86400.0
    report = await spool.expire()
    assert (report.released, report.objects) == (1, 1)


async def sending(spool: Spool) -> Job:
    await store(spool, content(1, SMALL), 1)
    (job,) = await spool.claim("oncology", 1)
    return job


AFTER = {
    Stage.STORED: (S.ACCEPTED, ""),
    Stage.CONFIRMED: (S.CONFIRMED, ""),
    Stage.HELD: (S.ACCEPTED, "held-at-hub"),
    Stage.DISCARDED: (S.ACCEPTED, "discarded-at-hub"),
}


@pytest.mark.parametrize("stage", list(Stage))
async def test_a_report_that_overtakes_its_own_receipt_counts(
    open_spool: OpenSpool, heard: Heard, stage: Stage
) -> None:
    """The receipt is here, and waits for the journal; what the hub says next must not be lost over that."""
    spool = open_spool()
    job = await sending(spool)
    assert await spool.take_report(HUB, a_report(job, stage, status=0xB000))
    assert await standing(spool) == (S.SENDING, "")
    await spool.settle([Accepted(job.delivery.number, replace(a_receipt(job), hub=True))])
    assert await standing(spool) == AFTER[stage]
    if stage in (Stage.STORED, Stage.CONFIRMED):
        assert [(one.hub, one.status) for one in await receipts(spool)] == [(True, 0), (False, 0xB000)]
    assert len(heard.alarms()) == (stage in (Stage.HELD, Stage.DISCARDED))


@pytest.mark.parametrize("end", ["put back", "held", "restart"])
async def test_what_was_said_early_is_not_kept_for_another_attempt(open_spool: OpenSpool, end: str) -> None:
    spool = open_spool()
    job = await sending(spool)
    await spool.take_report(HUB, a_report(job, Stage.CONFIRMED))
    if end == "restart":
        await spool.close()
        spool = open_spool()
    elif end == "held":
        await spool.settle([Hold(1, "no", "refused")])
        await spool.release(1)
    else:
        await spool.settle([PutBack(1, 0.0, "cut")])
    (job,) = await spool.claim("oncology", 1)
    await spool.settle([Accepted(1, replace(a_receipt(job), hub=True))])
    assert await standing(spool) == (S.ACCEPTED, "at-hub")


async def test_a_report_about_something_else_is_left_alone(spool: Spool) -> None:
    job = await at_hub(spool)
    assert not await spool.take_report(HUB, a_report(job, Stage.CONFIRMED, digest=bytes(32)))
    assert not await spool.take_report(HUB, a_report(job, Stage.CONFIRMED, delivery=99))
    assert await standing(spool) == (S.ACCEPTED, "at-hub")


@pytest.mark.parametrize("stage", list(Stage))
async def test_what_is_sent_again_waits_for_what_comes_of_that(spool: Spool, stage: Stage) -> None:
    job = await at_hub(spool)
    await spool.retry(1)
    assert await spool.take_report(HUB, a_report(job, stage))
    assert await standing(spool) == (S.QUEUED, "")


async def test_a_confirmed_one_stays_confirmed_and_trouble_is_told(spool: Spool, heard: Heard) -> None:
    job = await at_hub(spool)
    await spool.take_report(HUB, a_report(job, Stage.CONFIRMED))
    await spool.take_report(HUB, a_report(job, Stage.STORED, 2))
    await spool.take_report(HUB, a_report(job, Stage.HELD, 3))
    assert (await standing(spool))[0] is S.CONFIRMED
    assert heard.alarms().count("delivery-held-at-hub") == 1


async def test_how_far_a_hub_was_heard_is_remembered(open_spool: OpenSpool) -> None:
    spool = open_spool()
    job = await at_hub(spool)
    assert await spool.reports_taken(HUB) == 0
    await spool.take_report(HUB, a_report(job, Stage.STORED, 7))
    await spool.take_report(HUB, a_report(job, Stage.STORED, 5))
    await spool.close()
    spool = open_spool()
    assert await spool.reports_taken(HUB) == 7
    # A hub whose spool is another one counts from the beginning.
    assert await spool.reports_taken(bytes(16)) == 0
    await spool.take_report(bytes(16), a_report(job, Stage.STORED, 1))
    assert await spool.reports_taken(bytes(16)) == 1


async def test_what_only_the_hub_has_is_not_asked_about(spool: Spool) -> None:
    """The destination does not have it yet: its no would be believed."""
    job = await at_hub(spool)
    await spool.add_commitment(a_request(1))
    assert await to_ask(spool, everything=True) == []
    await spool.take_report(HUB, a_report(job, Stage.STORED))
    assert await to_ask(spool) == [a_reference(1)]


@pytest.mark.parametrize(
    ("stage", "left"), [(Stage.STORED, 0), (Stage.CONFIRMED, 0), (Stage.HELD, 1), (Stage.DISCARDED, 0)]
)
async def test_what_only_the_hub_has_is_on_its_way_still(spool: Spool, stage: Stage, left: int) -> None:
    """A procedure that is reported as completed does not overtake its records."""

    async def unsettled() -> int:
        found = await spool.unsettled(calling_ae="LINAC1", destinations=["oncology"], most=Priority.RECORD)
        return found.count

    job = await at_hub(spool)
    assert await unsettled() == 1
    heard: list[str] = []
    spool.on_settled(heard.append)
    await spool.take_report(HUB, a_report(job, stage))
    assert await unsettled() == left
    assert bool(heard) is (left == 0)


async def test_the_hubs_confirmation_commits(spool: Spool) -> None:
    job = await at_hub(spool)
    await spool.add_commitment(a_request(1))
    await spool.take_report(HUB, a_report(job, Stage.CONFIRMED))
    (report,) = await spool.commitments_to_report(5)
    assert report.committed == (a_reference(1),)
    assert await to_ask(spool, everything=True) == []
