from __future__ import annotations

from dataclasses import replace

from gateway.operator.facts import Amount, StepTotals, Waiting
from gateway.operator.verdict import ALL_DELIVERED, judge
from tests.support.fake_control import NOW, SPOOL, destination

NONE = Amount()


def waiting(record: int = 0, image: int = 0, bulk: int = 0) -> Waiting:
    return Waiting(Amount(record, 1), Amount(image, 1), Amount(bulk, 1))


def test_nothing_waits() -> None:
    verdict = judge([destination()], SPOOL, NOW)
    assert (verdict.level, verdict.headline, verdict.attention) == ("ok", ALL_DELIVERED, ())


def test_the_link_is_down() -> None:
    down = destination(name="aria", waiting=waiting(record=3), link="offline", link_since=NOW - 14 * 60)
    verdict = judge([down], SPOOL, NOW)
    assert verdict.level == "waiting"
    assert verdict.headline == "3 records wait for ARIA; the link is down for 14 min; nothing is lost."


def test_kinds_are_counted_apart_and_the_name_is_what_commands_take() -> None:
    verdict = judge([destination(waiting=waiting(1, 2, 1), link_since=None, link="offline")], SPOOL, NOW)
    assert verdict.headline == (
        "1 record, 2 images and 1 bulk object wait for oncology (ARIA); the link is down; nothing is lost."
    )


def test_one_object_waits_in_the_singular() -> None:
    assert judge([destination(waiting=waiting(1))], SPOOL, NOW).headline.startswith("1 record waits for")


def test_paused_and_sending_are_said() -> None:
    assert (
        "deliveries are paused" in judge([destination(waiting=waiting(1), paused=True)], SPOOL, NOW).headline
    )
    assert "being sent" in judge([destination(waiting=waiting(2), in_flight=1)], SPOOL, NOW).headline


def test_what_is_at_the_hub_has_not_arrived() -> None:
    verdict = judge([destination(name="aria", at_hub=3)], SPOOL, NOW)
    assert verdict.level == "waiting"
    assert verdict.headline == "3 objects for ARIA are at the hub, and will be passed on from there."
    one = judge([destination(name="aria", at_hub=1, waiting=waiting(1))], SPOOL, NOW)
    assert one.headline.startswith("1 record waits for ARIA")
    assert one.headline.endswith("1 object for ARIA is at the hub, and will be passed on from there.")


def test_other_destinations_are_mentioned() -> None:
    many = [destination(name=f"d{n}", waiting=waiting(1)) for n in range(3)]
    assert judge(many, SPOOL, NOW).headline.endswith("Objects wait for 2 other destinations too.")


def test_held_objects_need_a_person() -> None:
    verdict = judge([destination(held=Amount(1, 1)), destination(name="b", held=Amount(2, 1))], SPOOL, NOW)
    assert verdict.level == "attention"
    assert verdict.attention[0] == "1 object for oncology (ARIA) is held and waits for a decision."
    assert "2 objects for b (ARIA) are held and wait" in verdict.attention[1]


def test_a_full_spool_is_the_first_thing_said() -> None:
    full = replace(SPOOL, accepts_images=False, accepts_records=False)
    verdict = judge([destination(held=Amount(1, 1), waiting=waiting(2))], full, NOW)
    assert verdict.headline.startswith("The spool is full")
    assert "2 records wait" in verdict.headline
    images_only = judge([destination()], replace(SPOOL, accepts_images=False), NOW)
    assert "images are refused" in images_only.headline


def test_objects_for_a_name_that_is_gone_need_a_person() -> None:
    verdict = judge([destination()], SPOOL, NOW, orphans={"old": 4})
    assert verdict.level == "attention"
    assert verdict.headline.startswith("4 objects for old cannot leave")


def test_a_held_message_of_a_procedure_step_needs_a_person() -> None:
    queued = judge([destination()], SPOOL, NOW, steps=StepTotals(queued=3))
    assert (queued.level, queued.headline) == (
        "waiting",
        "3 messages of procedure steps wait to be passed on; nothing is lost.",
    )
    verdict = judge([destination()], SPOOL, NOW, steps=StepTotals(held=2))
    assert verdict.level == "attention"
    assert verdict.attention == (
        "2 messages of procedure steps are held and wait for a decision: "
        "dicom-gateway steps list --state held",
    )
