from __future__ import annotations

import dataclasses

from gateway.delivery.destination_status import DestinationStatus
from gateway.link_state import LinkMeasures, SiteStatus
from gateway.model import (
    AETitle,
    Delivery,
    DeliveryState,
    Instance,
    Origin,
    Peer,
    Priority,
    Receipt,
    StoredObject,
    TlsMaterial,
)
from gateway.operator import codec, presenting
from gateway.operator.advice import Advice
from gateway.spool import DeliveryStory, HistoryEvent, SpoolSummary, SummaryCell

UID = "1.2.826.0.1.3680043.8.498.1"
OBJECT = StoredObject(
    7, Instance("1.2.840.10008.5.1.4.1.1.481.4", UID, "1.2.840.10008.1.2"),
    Origin("console", "192.0.2.20", AETitle("LINAC1"), AETitle("ARIA"), "a1b2"),
    Priority.RECORD, b"\xab" * 32, 20_480, 5.0,
)  # fmt: skip
PEER = Peer("oncology", AETitle("ARIA"), "h", 2762)
DELIVERY = Delivery(9, 7, "oncology", Priority.RECORD, DeliveryState.QUEUED, 1, 0.0, "", 6.0)
RECEIPT = Receipt("oncology", 0xB000, "changed", "1.2.840.10008.1.2.1", b"\xcd" * 32, 8.0)


def summary(**room: int) -> SpoolSummary:
    cells = (
        SummaryCell("oncology", DeliveryState.QUEUED, Priority.RECORD, 2, 20),
        SummaryCell("oncology", DeliveryState.SENDING, Priority.RECORD, 1, 10),
        SummaryCell("oncology", DeliveryState.HELD, Priority.IMAGE, 4, 40),
        SummaryCell("oncology", DeliveryState.ACCEPTED, Priority.BULK, 5, 50),
        SummaryCell("oncology", DeliveryState.CONFIRMED, Priority.BULK, 1, 10),
        SummaryCell("oncology", DeliveryState.RELEASED, Priority.BULK, 99, 99),
        SummaryCell("archive", DeliveryState.QUEUED, Priority.RECORD, 7, 70),
    )
    left = {
        Priority.RECORD: room.get("record", 100),
        Priority.IMAGE: room.get("image", 60),
        Priority.BULK: 60,
    }
    return SpoolSummary(
        cells, {"oncology": {Priority.RECORD: 6.0, Priority.IMAGE: 5.0}}, 13, 130, 1000, 2000, None, left
    )


def test_a_destination_has_its_own_part_of_the_spool(tmp_path: object) -> None:
    known = DestinationStatus(
        "oncology", "offline", "no route", 4.0, False, 1, 2, 0, "open", 0.6, 1e6, 3.0, 12.0
    )
    assert isinstance(known, DestinationStatus)
    facts = presenting.destination(PEER, known, summary())
    assert (facts.waiting.record.count, facts.waiting.record.bytes) == (3, 30)
    assert facts.waiting.total.count == 3
    assert (facts.held.count, facts.delivered.count) == (4, 6)
    assert (facts.link, facts.link_since, facts.next_try_at, facts.oldest_waiting_at) == (
        "offline",
        4.0,
        12.0,
        5.0,
    )
    assert not facts.tls
    assert (facts.leaves, facts.held_back, facts.oldest_due_at) == ("bulk", "", 5.0)
    assert facts.loss is facts.compression is facts.retransmitted_bytes is facts.eta_seconds is None


def test_what_is_measured_and_held_back_is_shown() -> None:
    known = DestinationStatus(
        "oncology", "online", "", 4.0, False, 1, 2, 1, "closed", None, None, 3.0, None,
        most=Priority.RECORD, held_back="the month", throughput=3.0,
    )  # fmt: skip
    measures = LinkMeasures(rtt=0.7, goodput=9.0, loss=0.01, retransmitted=12, ratio=2.5)
    facts = presenting.destination(PEER, known, summary(), measures, rate_cap=2)
    assert (facts.rtt_seconds, facts.bytes_per_second) == (0.7, 9.0)
    assert (facts.loss, facts.retransmitted_bytes, facts.compression) == (0.01, 12, 2.5)
    assert (facts.leaves, facts.held_back, facts.rate_cap) == ("record", "the month", 2)
    assert facts.eta_seconds == 10  # thirty bytes of records, which no cap holds
    assert facts.oldest_due_at == 6.0
    assert [facts.lets(one) for one in ("record", "image", "bulk")] == [True, False, False]


def test_a_site_is_shown_as_it_stands() -> None:
    known = SiteStatus(
        "clinic-07", True, 1.0, 2.0, "198.51.100.7", "1.0", measures=LinkMeasures(rtt=0.6), objects=5, bytes=9
    )
    shown = presenting.site(known)
    assert (shown.name, shown.connected, shown.since, shown.last_contact_at) == ("clinic-07", True, 1.0, 2.0)
    assert (shown.rtt_seconds, shown.received_objects, shown.received_bytes) == (0.6, 5, 9)
    assert (shown.waiting_objects, shown.waiting_bytes, shown.oldest_waiting_at) == (None, None, None)


def test_tls_is_said(tmp_path: object) -> None:
    from pathlib import Path

    material = TlsMaterial(Path("a"), Path("b"), Path("c"))
    known = DestinationStatus("o", "online", "", 4.0, False, 0, 0, 0, "closed", None, None, None, None)
    assert presenting.destination(Peer("o", AETitle("A"), "h", 1, material), known, summary()).tls


def test_room_is_what_records_may_use_and_the_reserve_is_what_only_they_may() -> None:
    facts = presenting.spool(summary())
    assert (facts.free_bytes, facts.reserve_bytes) == (100, 40)
    assert presenting.spool(summary(image=0)).accepts_images is False
    full = presenting.spool(summary(record=0, image=-5))
    assert (full.accepts_records, full.free_bytes, full.reserve_bytes) == (False, 0, 0)


def test_a_story_belongs_to_one_delivery() -> None:
    other = dataclasses.replace(DELIVERY, number=10, destination="archive")
    told = DeliveryStory(
        DELIVERY, "", OBJECT, True, (DELIVERY, other), ((9, RECEIPT), (10, RECEIPT)),
        (HistoryEvent(1.0, 0, "received-again", ""), HistoryEvent(2.0, 9, "retried", "", "anna"),
         HistoryEvent(3.0, 10, "held", "not ours")),
    )  # fmt: skip
    story = presenting.story(told, Advice("on-its-way", "wait"))
    assert [one.number for one in story.others] == [10]
    assert [event.what for event in story.history] == ["received-again", "retried"]
    assert story.history[1].who == "anna"
    (receipt,) = story.receipts
    assert (receipt.status, receipt.same_bytes) == ("0xB000", False)
    assert receipt.transfer_syntax == "Explicit VR Little Endian"
    assert story.object.sop_class == "RT Beams Treatment Record Storage"
    assert UID not in repr(codec.encode(story))


def test_times_that_mean_nothing_are_null() -> None:
    assert presenting.delivery(DELIVERY, OBJECT).not_before is None
    assert presenting.delivery(dataclasses.replace(DELIVERY, not_before=9.0), OBJECT).not_before == 9.0
