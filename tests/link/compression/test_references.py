"""Earlier records: which belong together, and how many are kept."""

from __future__ import annotations

import os

import pytest
from pydicom.uid import ImplicitVRLittleEndian

from gateway.demo.synthetic import Sizes, Treatment, make_record
from gateway.link.compression.references import DAY, References, reference_key
from tests.support.link_offers import BEAMS_RECORD

_SMALL = Sizes(segments=2)


def key_of(**arguments: object) -> bytes | None:
    thing = make_record(sizes=_SMALL, **arguments)  # type: ignore[arg-type]
    return reference_key(thing.sop_class_uid, thing.data)


@pytest.mark.parametrize("kind", ["beams-record", "ion-record", "brachy-record"])
@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", ImplicitVRLittleEndian])
def test_fractions_of_one_plan_belong_together(kind: str, syntax: str) -> None:
    keys = [key_of(kind=kind, fraction=n, transfer_syntax_uid=syntax) for n in (1, 2, 3)]
    assert keys[0] is not None
    assert len(set(keys)) == 1
    plan = Treatment(1, sizes=_SMALL).patient.instance_uid(
        {"beams-record": "plan", "ion-record": "ion-plan", "brachy-record": "brachy-plan"}[kind]
    )
    assert plan.encode() in keys[0]


def test_other_plans_and_other_classes_do_not() -> None:
    assert key_of(seed=1) != key_of(seed=2)
    data = make_record(sizes=_SMALL).data
    assert reference_key("1.2", data) != reference_key("1.3", data)


def test_what_names_no_plan_has_no_key() -> None:
    for data in (b"", b"\x0c\x30\x02\x00", b"\x0c\x30\x02\x00SQ\0\0", os.urandom(2000)):
        assert reference_key(BEAMS_RECORD, data) is None
    cut = b"\x0c\x30\x02\x00" + bytes(12) + b"\x08\x00\x55\x11"
    for end in (b"", b"UI", b"UI\xff\xff", b"\xff\xff\xff\xff"):
        assert reference_key(BEAMS_RECORD, cut + end) is None


def test_the_newest_is_found_by_key_and_all_by_digest() -> None:
    kept = References(1 << 20, 14)
    kept.put("a", b"plan", b"1" * 32, b"first")
    kept.put("a", b"plan", b"2" * 32, b"second")
    assert kept.latest("a", b"plan") == (b"2" * 32, b"second")
    assert kept.get("a", b"1" * 32) == b"first"
    assert kept.latest("a", b"other") is None


def test_sites_do_not_see_each_other() -> None:
    kept = References(1 << 20, 14)
    kept.put("a", b"plan", b"1" * 32, b"first")
    assert kept.get("b", b"1" * 32) is None
    assert kept.latest("b", b"plan") is None


def test_memory_is_bounded_and_the_least_used_goes_first() -> None:
    kept = References(50_000, 14)
    for n in range(12):
        kept.put("a", b"plan%d" % n, bytes([n]) * 32, os.urandom(10_000))
        kept.get("a", bytes([0]) * 32)  # in use
    assert kept.size <= 50_000
    assert len(kept) == 4
    assert kept.get("a", bytes([0]) * 32) is not None
    assert kept.get("a", bytes([1]) * 32) is None
    assert kept.latest("a", b"plan1") is None


def test_nothing_is_kept_where_nothing_may_be() -> None:
    kept = References(0, 14)
    kept.put("a", b"plan", b"1" * 32, b"first")
    assert len(kept) == kept.size == 0


def test_records_are_not_kept_for_longer_than_said() -> None:
    now = 1000.0
    kept = References(1 << 20, 14, wall_clock=lambda: now)
    kept.put("a", b"plan", b"1" * 32, b"first")
    now += 13 * DAY
    assert kept.get("a", b"1" * 32) == b"first"
    now += 2 * DAY
    assert kept.get("a", b"1" * 32) is None
    assert len(kept) == kept.size == 0


def test_the_same_record_twice_counts_once() -> None:
    kept = References(1 << 20, 14)
    sizes = set()
    for _ in range(3):
        kept.put("a", b"plan", b"1" * 32, b"first" * 100)
        sizes.add(kept.size)
    assert (len(kept), len(sizes)) == (1, 1)
    kept.forget_all()
    assert (len(kept), kept.size, kept.latest("a", b"plan")) == (0, 0, None)
