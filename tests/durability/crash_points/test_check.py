"""What was promised against what is there: every kind of promise, kept and broken."""

from __future__ import annotations

import pytest

from tests.durability.crash_points.check import broken_promises
from tests.durability.crash_points.facts import FORGOTTEN, facts_of, say
from tests.durability.crash_points.observe import Found, Row

UID, DIGEST = "1.2.3", "ab"
OFFER = say("offer", uid=UID, digest=DIGEST)
ACKNOWLEDGED = say(
    "acknowledge", object=1, uid=UID, digest=DIGEST, size=10, to=["oncology"], states=["queued"]
)
ROW = Row(1, UID, DIGEST, 10, 7, "oncology", "queued")


def found(*rows: Row, steps: tuple[tuple[int, str, str], ...] = (), asked: str = "") -> Found:
    return Found(rows, steps, (("1.9", asked),) if asked else (), 0, 0)


def complaints(marks: list[str], there: Found) -> list[tuple[bool, str]]:
    return list(broken_promises(facts_of(marks), there))


def test_what_was_acknowledged_and_is_here_is_as_promised() -> None:
    assert complaints([OFFER, ACKNOWLEDGED], found(ROW)) == []


def test_what_was_only_offered_may_be_here_or_not() -> None:
    assert complaints([OFFER], found()) == []
    assert complaints([OFFER], found(ROW)) == []


def test_what_was_acknowledged_and_is_not_here_is_lost() -> None:
    [(lost, words)] = complaints([OFFER, ACKNOWLEDGED], found())
    assert lost
    assert words == "object 1 was acknowledged and is not here"


@pytest.mark.parametrize(
    "row",
    [
        Row(1, UID, "cd", 10, 7, "oncology", "queued"),
        Row(1, "1.2.4", DIGEST, 10, 7, "oncology", "queued"),
        Row(1, UID, DIGEST, 11, 7, "oncology", "queued"),
        Row(1, UID, DIGEST, 10, 7, "archive", "queued"),
    ],
)
def test_another_object_or_destination_is_a_loss(row: Row) -> None:
    assert any(lost for lost, _ in complaints([OFFER, ACKNOWLEDGED], found(row)))


def test_a_state_that_was_not_promised() -> None:
    accepted = Row(1, UID, DIGEST, 10, 7, "oncology", "accepted")
    assert complaints([OFFER, ACKNOWLEDGED], found(accepted))
    both = say("state", object=1, destination="oncology", states=["queued", "accepted"])
    assert complaints([OFFER, ACKNOWLEDGED, both], found(accepted)) == []
    settled = say("state", object=1, destination="oncology", states=["accepted"])
    assert complaints([OFFER, ACKNOWLEDGED, both, settled], found(ROW))


def test_what_nobody_sent_must_not_be_here() -> None:
    assert complaints([OFFER], found(Row(2, "1.5", "ee", 10, 8, "oncology", "queued")))


def test_history_that_may_be_dropped_may_be_gone() -> None:
    gone = say("state", object=1, destination="oncology", states=["released", FORGOTTEN])
    assert complaints([OFFER, ACKNOWLEDGED, gone], found()) == []


def test_steps() -> None:
    said = say("step", number=3, digest="ee", states=["queued"])
    assert complaints([said], found(steps=((3, "queued", "ee"),))) == []
    assert complaints([said], found())[0][0]
    assert complaints([said], found(steps=((3, "queued", "ff"),)))[0][0]
    assert complaints([said], found(steps=((3, "done", ""),)))


def test_commitments() -> None:
    said = say("commitment", uid="1.9", states=["open"])
    assert complaints([said], found(asked="open")) == []
    assert complaints([said], found())[0][0]
    assert complaints([said], found(asked="reported"))


def test_nobody_says_what_is_not_known() -> None:
    with pytest.raises(ValueError, match="nobody says"):
        facts_of([say("nonsense")])
