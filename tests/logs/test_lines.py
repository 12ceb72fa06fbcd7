"""Each notice becomes one line with the facts an engineer looks for."""

from __future__ import annotations

import dataclasses
import logging

import pytest

from gateway.logs.lines import Line, line
from gateway.logs.values import Size, Words
from gateway.notices import (
    Alarm,
    AssociationClosed,
    AssociationOpened,
    AssociationRefused,
    ConnectionRefused,
    DeliverySettled,
    LinkChanged,
    Notice,
    ObjectRefused,
    ObjectStored,
)

RT_BEAMS_RECORD = "1.2.840.10008.5.1.4.1.1.481.4"
EXPLICIT_LE = "1.2.840.10008.1.2.1"

STORED = ObjectStored(
    association="a1b2",
    address="192.0.2.20",
    calling_ae="LINAC1",
    called_ae="ARIA",
    number=17,
    sop_class_uid=RT_BEAMS_RECORD,
    transfer_syntax_uid=EXPLICIT_LE,
    priority="record",
    size=24_000,
    seconds=0.5,
    outcome="new",
)
REFUSED = ObjectRefused(
    association="a1b2",
    address="192.0.2.20",
    calling_ae="LINAC1",
    called_ae="ARIA",
    sop_class_uid="1.3.46.670589.11.0.0.12.1",
    size=1_000_000,
    status=0xA700,
    reason="the spool is full but for the reserve",
)
SETTLED = DeliverySettled(
    delivery=5,
    object_number=17,
    destination="oncology",
    sop_class_uid=RT_BEAMS_RECORD,
    transfer_syntax_uid=EXPLICIT_LE,
    priority="record",
    size=24_000,
    seconds=2.0,
    attempts=1,
    outcome="accepted",
    status=0x0000,
    reason="",
)
CLOSED = AssociationClosed(
    association="a1b2",
    inbound=True,
    address="192.0.2.20",
    calling_ae="LINAC1",
    called_ae="ARIA",
    outcome="released",
    reason="",
    objects=3,
    failures=0,
    bytes_in=72_000,
    bytes_out=600,
    seconds=1.2,
)


def facts(told: Line) -> dict[str, object]:
    return dict(told.fields)


def test_a_stored_object_is_one_line_with_class_by_name_size_time_rate_and_status() -> None:
    told = line(STORED)
    assert (told.level, told.event) == (logging.INFO, "object stored")
    assert facts(told) == {
        "object": 17,
        "peer": "192.0.2.20",
        "calling": "LINAC1",
        "called": "ARIA",
        "sop_class": "RT Beams Treatment Record Storage",
        "transfer_syntax": "Explicit VR Little Endian",
        "priority": "record",
        "size": 24_000,
        "duration": 0.5,
        "rate": 48_000,
        "status": "0x0000",
        "status_words": "success",
        "outcome": "new",
        "association": "a1b2",
    }


def test_a_refused_object_tells_the_status_in_hexadecimal_and_words_and_names_a_private_class() -> None:
    told = facts(line(REFUSED))
    assert told["status"] == "0xA700"
    assert "Resources" in str(told["status_words"])
    assert told["sop_class"] == "1.3.46.670589.11.0.0.12.1"
    assert told["reason"] == "the spool is full but for the reserve"


@pytest.mark.parametrize(
    ("notice", "level", "event"),
    [
        (STORED, logging.INFO, "object stored"),
        (REFUSED, logging.WARNING, "object refused"),
        (SETTLED, logging.INFO, "object delivered"),
        (CLOSED, logging.INFO, "association released"),
        (ConnectionRefused("console", "192.0.2.7", "not allowed"), logging.WARNING, "connection refused"),
        (LinkChanged("oncology", "online", "offline", "no route"), logging.WARNING, "destination offline"),
        (LinkChanged("oncology", "offline", "online", ""), logging.INFO, "destination online"),
        (Alarm("spool-full", "make room", 3), logging.ERROR, "alarm"),
        (Notice(), logging.DEBUG, "Notice"),
        (
            AssociationOpened("a1", False, "192.0.2.9", "GW", "ARIA", "TLSv1.3", 2, 1),
            logging.DEBUG,
            "association opened",
        ),
    ],
)
def test_level_and_event(notice: Notice, level: int, event: str) -> None:
    told = line(notice)
    assert (told.level, told.event) == (level, event)


def test_a_lost_association_a_conflict_a_retry_and_a_held_object_stand_out() -> None:
    def level(notice: Notice) -> int:
        return line(notice).level

    assert level(dataclasses.replace(CLOSED, outcome="lost")) == logging.WARNING
    assert level(dataclasses.replace(STORED, outcome="conflict")) == logging.WARNING
    assert level(dataclasses.replace(SETTLED, outcome="retry", status=None)) == logging.WARNING
    assert level(dataclasses.replace(SETTLED, outcome="held", status=0xA900)) == logging.ERROR


def test_a_rejection_is_told_in_words() -> None:
    told = facts(line(AssociationRefused("a1", True, "192.0.2.7", "X", "Y", 1, 1, 7, "no route for 'Y'")))
    assert told["rejected"] == "permanent"
    assert told["source"] == "service-user"
    assert told["diagnostic"] == 7
    assert told["direction"] == "in"


def test_an_association_tells_objects_bytes_and_pace() -> None:
    told = facts(line(CLOSED))
    assert told["objects"] == 3
    assert told["received"] == Size(72_000)
    assert told["rate"] == 60_500
    assert "reason" not in told


def test_hostile_titles_and_reasons_are_made_harmless_and_lose_their_uids() -> None:
    told = facts(
        line(
            AssociationRefused(
                "a1", True, "::1", "\x1b[31mX\n", "Y", 1, 1, 7, "for 2.25.12345678901234567890"
            )
        )
    )
    assert told["calling"] == "\\x1b[31mX\\x0a"
    assert told["reason"] == "for (UID)"
    assert Words("a\nb") == "a\\x0ab"


def test_no_line_names_an_instance() -> None:
    # The SOP class of a private class is shown; an instance UID has no field anywhere.
    for notice in (STORED, REFUSED, SETTLED, CLOSED):
        assert not any("instance" in name for name, _ in line(notice).fields)


def test_no_field_hides_what_every_json_line_has() -> None:
    for notice in (STORED, REFUSED, SETTLED, CLOSED):
        assert not {"time", "level", "event", "logger", "traceback"} & facts(line(notice)).keys()
