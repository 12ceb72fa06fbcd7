"""The books: nothing counts as proved that is not at the centre bit for bit."""

from __future__ import annotations

import hashlib

from gateway.demo.ledger import Answer, Arrival, Ledger


def answer(
    uid: str, *, kind: str = "beams-record", status: int | None = 0, seconds: float = 0.01, up: bool = True
) -> Answer:
    return Answer(kind, uid, 100, hashlib.sha256(uid.encode()).digest(), status, seconds, up)


def arrival(uid: str, *, content: str | None = None, size: int = 100, at: float = 1.0) -> Arrival:
    return Arrival(uid, size, hashlib.sha256((content or uid).encode()).digest(), at)


def test_complete_when_everything_arrived_once() -> None:
    ledger = Ledger()
    for uid in ("1", "2"):
        ledger.answered(answer(uid))
        ledger.arrived(arrival(uid))
    proof = ledger.proof()
    assert proof.complete
    assert (proof.rows[0].answered, proof.rows[0].kept, proof.rows[0].equal) == (2, 2, 2)
    assert ledger.settled()


def test_centre_may_be_faster_than_the_answer() -> None:
    ledger = Ledger()
    ledger.arrived(arrival("1"))
    ledger.answered(answer("1"))
    assert ledger.proved_by_group()["record"] == 1
    assert ledger.proof().complete


def test_missing_object_is_not_proved() -> None:
    ledger = Ledger()
    ledger.answered(answer("1"))
    assert not ledger.settled()
    assert not ledger.proof().complete


def test_other_bytes_are_not_proved() -> None:
    for wrong in (arrival("1", content="other"), arrival("1", size=99)):
        ledger = Ledger()
        ledger.answered(answer("1"))
        ledger.arrived(wrong)
        assert ledger.proved_by_group()["record"] == 0
        assert not ledger.proof().complete


def test_failure_or_silence_to_the_console_is_not_proved() -> None:
    for status in (0xA700, None):
        ledger = Ledger()
        ledger.answered(answer("1", status=status))
        assert ledger.proof().rows[0].refused == 1
        assert not ledger.proof().complete


def test_object_the_console_never_got_an_answer_for_is_a_stranger() -> None:
    ledger = Ledger()
    ledger.arrived(arrival("1"))
    assert ledger.proof().strangers == 1
    assert not ledger.proof().complete


def test_same_bytes_again_are_counted_and_harmless() -> None:
    ledger = Ledger()
    ledger.answered(answer("1"))
    ledger.arrived(arrival("1"))
    ledger.arrived(arrival("1"))
    assert ledger.proof().rows[0].again == 1
    assert ledger.proof().complete


def test_other_bytes_under_the_same_uid_are_a_difference() -> None:
    ledger = Ledger()
    ledger.answered(answer("1"))
    ledger.arrived(arrival("1"))
    ledger.arrived(arrival("1", content="other"))
    assert ledger.proof().differing == 1
    assert not ledger.proof().complete


def test_slowest_answer_by_state_of_the_link() -> None:
    ledger = Ledger()
    assert ledger.slowest(link_up=True) is None
    ledger.answered(answer("1", seconds=0.1))
    ledger.answered(answer("2", seconds=0.3, up=False))
    ledger.answered(answer("3", seconds=0.2, up=False))
    assert ledger.slowest(link_up=True) == 0.1
    assert ledger.slowest(link_up=False) == 0.3


def test_last_arrival_counts_from_a_moment_and_by_group() -> None:
    ledger = Ledger()
    for number, kind in enumerate(("beams-record", "rt-image", "beams-record"), start=1):
        ledger.answered(answer(str(number), kind=kind))
        ledger.arrived(arrival(str(number), at=10.0 + number))
    assert ledger.last_arrival("record", 10.0) == 3.0
    assert ledger.last_arrival("image", 10.0) == 2.0
    assert ledger.last_arrival("record", 20.0) is None
    assert ledger.last_arrival("bulk", 0.0) is None
