from __future__ import annotations

import dataclasses

from gateway.delivery.destination_status import DestinationStatus
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
    return SpoolSummary(cells, {"oncology": 5.0}, 13, 130, 1000, 2000, None, left)


def test_a_destination_has_its_own_part_of_the_spool(tmp_path: object) -> None:
    known = DestinationStatus(
        "oncology", "offline", "no route", 4.0, False, 1, 2, 0, "open", 0.6, 1e6, 3.0, 12.0
    )
    assert isinstance(known, DestinationStatus)
    facts = presenting.destination(Peer("oncology", AETitle("ARIA"), "h", 2762), known, summary())
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
