"""Has everything reached the centre? Case by case, and what must never be said."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admin.glance import Glance, Known, Level, glance, join
from gateway.operator import facts
from gateway.operator.sections.records import RecordTotals
from gateway.operator.verdict import judge
from tests.support.english import English
from tests.support.fake_control import NOW, SPOOL, destination

ENGLISH = English()
NONE = facts.Amount()


def waiting(records: int = 0, images: int = 0, bulk: int = 0) -> facts.Waiting:
    return facts.Waiting(*(facts.Amount(count, count * 20_000) for count in (records, images, bulk)))


def totals(records: int = 12, **changes: object) -> RecordTotals:
    """Totals of a day on which everything has arrived, but for the changes."""
    plain = RecordTotals(records=records, reached=records, destinations=("oncology",) if records else ())
    return replace(plain, **changes)  # type: ignore[arg-type]  # names of fields


def known(
    *destinations: facts.DestinationFacts,
    today: RecordTotals | None = None,
    spool: facts.SpoolFacts = SPOOL,
    held_steps: int = 0,
    orphans: dict[str, int] | None = None,
) -> Known:
    steps = facts.StepTotals(0, held_steps)
    verdict = judge(destinations, spool, NOW, steps=steps, orphans=orphans)
    status = facts.Status(
        "clinic-07", "CLINIC07", "0", NOW - 9, NOW, verdict.level, verdict.headline, verdict.attention,
        destinations, spool, (), steps=steps,
    )  # fmt: skip
    return Known(status, totals() if today is None else today, NOW)


def plain(said: Glance) -> Glance:
    """The same with ordinary spaces: a number and its unit have one between them that does not break."""
    details = tuple(line.replace("\xa0", " ") for line in said.details)
    return replace(said, headline=said.headline.replace("\xa0", " "), details=details)


def say(*destinations: facts.DestinationFacts, **more: object) -> Glance:
    what = known(*(destinations or (destination(),)), **more)  # type: ignore[arg-type]  # as `known` has them
    return plain(glance(what, NOW, ENGLISH))


DOWN = {"link": "offline", "link_since": NOW - 840}
DOWN_WORDS = "the link to ARIA has been down for 14 min. Nothing is lost."
PACS = {"name": "archive", "ae_title": "PACS"}

# ---- everything is there ----


def test_all_have_arrived() -> None:
    said = say()
    assert (said.level, said.word) == ("ok", "All arrived")
    assert said.headline == "All 12 records of today have reached ARIA."


def test_the_only_one_has_arrived() -> None:
    assert say(today=totals(1)).headline == "The record of today has reached ARIA."


@pytest.mark.parametrize(
    ("confirmed", "detail"),
    [
        (
            0,
            "ARIA has accepted them; not verified: it has not been asked, or has not yet confirmed, "
            "that it keeps them.",
        ),
        (5, "ARIA has confirmed that it keeps 5 of them; the rest is accepted, not verified."),
        (12, "ARIA has confirmed that it keeps them."),
    ],
)
def test_accepted_is_not_confirmed(confirmed: int, detail: str) -> None:
    said = say(today=totals(confirmed=confirmed))
    assert said.details == (detail,)
    assert said.level == "ok"


def test_nothing_came_today() -> None:
    said = say(today=totals(0))
    assert (said.level, said.headline) == ("ok", "No treatment record has come in today.")
    assert said.details == ("Everything that came before has reached ARIA.",)


def test_no_centre_is_set_up() -> None:
    said = glance(known(today=totals(0)), NOW, ENGLISH)
    assert (said.level, said.details) == ("info", ("No centre is set up yet.",))


def test_several_centres_are_named() -> None:
    both = totals(destinations=("oncology", "archive"))
    assert say(destination(), destination(**PACS), today=both).headline == (
        "All 12 records of today have reached ARIA and PACS."
    )
    # Only those that records went to.
    assert say(destination(), destination(**PACS)).headline == "All 12 records of today have reached ARIA."


def test_more_than_are_counted() -> None:
    assert say(today=totals(2000, complete=False)).headline == "All records of today have reached ARIA."


@pytest.mark.parametrize(
    ("count", "headline"),
    [
        (1, "The record of today is not of a treatment (a simulation or a check). It has reached ARIA."),
        (
            2,
            "None of the 2 records of today is of a treatment (simulations or checks). "
            "They have reached ARIA.",
        ),
    ],
)
def test_only_simulations(count: int, headline: str) -> None:
    said = say(today=totals(count, not_treatments=count))
    assert (said.level, said.headline) == ("ok", headline)


def test_some_simulations() -> None:
    said = say(today=totals(not_treatments=2))
    assert said.headline == "All 12 records of today have reached ARIA."
    assert said.details[-1] == "2 of them are not of treatments (simulations or checks)."


def test_one_was_given_up() -> None:
    said = say(today=totals(12, reached=11, given_up=1))
    assert (said.level, said.word) == ("info", "Not all")
    assert said.headline == "11 of the 12 records of today have reached ARIA."
    assert "1 was discarded by somebody here, and is not sent." in said.details


def test_the_link_is_down_and_nothing_waits() -> None:
    said = say(destination(**DOWN))
    assert (said.level, said.headline) == ("ok", "All 12 records of today have reached ARIA.")
    assert said.details[-1] == (
        "The link to ARIA has been down for 14 min. What comes in now waits here, and is safe."
    )
    unknown = say(destination(link="offline", link_since=None))
    assert unknown.details[-1] == "The link to ARIA is down. What comes in now waits here, and is safe."


def test_paused_and_nothing_waits() -> None:
    assert say(destination(paused=True)).details[-1] == (
        "Somebody has paused sending to ARIA. What comes in now waits here, and is safe."
    )


# ---- something waits ----


def test_records_wait_while_the_link_is_down() -> None:
    said = say(destination(waiting=waiting(3), **DOWN), today=totals(12, reached=9, waiting=3))
    assert (said.level, said.word) == ("waiting", "Waiting")
    assert said.headline == f"3 records are waiting: {DOWN_WORDS}"
    assert said.details == ("9 of the 12 records of today have arrived.",)


def test_one_record_waits_and_nobody_knows_since_when() -> None:
    said = say(destination(waiting=waiting(1), link="offline", link_since=None), today=totals(1, reached=0))
    assert said.headline == "1 record is waiting: the link to ARIA is down. Nothing is lost."


def test_images_wait_while_the_link_is_down() -> None:
    said = say(destination(waiting=waiting(0, 40, 2), **DOWN))
    assert said.headline == f"42 images are waiting: {DOWN_WORDS}"
    assert say(destination(waiting=waiting(0, 1), link="offline", link_since=None)).headline == (
        "1 image is waiting: the link to ARIA is down. Nothing is lost."
    )


def test_records_come_before_images() -> None:
    said = say(destination(waiting=waiting(2, 40), **DOWN), today=totals(12, reached=10))
    assert said.headline.startswith("2 records are waiting")
    assert said.details[0].startswith("40 images are waiting")


def test_they_are_on_their_way() -> None:
    said = say(destination(waiting=waiting(2, 1), in_flight=1), today=totals(12, reached=10))
    assert (said.level, said.word) == ("waiting", "On the way")
    assert said.headline == "2 records are on their way to ARIA."
    assert said.details[0] == "1 image is on its way to ARIA."


def test_sending_is_paused() -> None:
    said = say(destination(waiting=waiting(2, 1), paused=True, **DOWN), today=totals(12, reached=10))
    assert said.headline == "2 records are waiting: somebody has paused sending to ARIA. Nothing is lost."
    assert said.details[0] == "1 image is waiting: somebody has paused sending to ARIA. Nothing is lost."


def test_what_waits_longest_behind_a_working_link_is_told() -> None:
    late = destination(waiting=waiting(1), oldest_due_at=NOW - 600)
    assert "The link to ARIA works, but the oldest has been waiting for 10 min." in say(late).details
    assert not [one for one in say(replace(late, oldest_due_at=NOW - 20)).details if "oldest" in one]
    assert not [one for one in say(replace(late, paused=True)).details if "oldest" in one]


def test_several_centres_the_most_pressing_first() -> None:
    said = say(
        destination(waiting=waiting(0, 5)),
        destination(name="b", ae_title="B", waiting=waiting(1)),
        destination(waiting=waiting(1), **PACS, **DOWN),
    )
    assert said.headline.startswith("1 record is waiting: the link to PACS")
    assert said.details[:2] == ("1 record is on its way to B.", "5 images are on their way to ARIA.")


def test_between_two_questions_nothing_is_promised() -> None:
    """The status says that nothing waits, the records say that one does."""
    said = say(today=totals(12, reached=11, waiting=1))
    assert (said.level, said.headline) == ("waiting", "11 of the 12 records of today have arrived.")


# ---- somebody must look ----


def test_a_record_is_held() -> None:
    said = say(destination(held=facts.Amount(1, 9)), today=totals(12, reached=11, held=1))
    assert (said.level, said.word) == ("attention", "Needs a look")
    assert said.headline == "1 treatment record is held back: somebody has to decide about it."
    assert said.details == ("11 of the 12 records of today have arrived.",)


def test_something_older_is_held() -> None:
    said = say(destination(held=facts.Amount(2, 9)))
    assert said.headline == "2 objects are held back: somebody has to decide about them."
    assert said.details == ("All 12 records of today have reached ARIA.",)


def test_held_and_waiting() -> None:
    said = say(
        destination(held=facts.Amount(1, 9), waiting=waiting(3), **DOWN),
        today=totals(12, reached=8, held=1, waiting=3),
    )
    assert said.headline.startswith("1 treatment record is held back")
    assert said.details[0].startswith("3 records are waiting: the link to ARIA has been down")


def test_the_device_is_full() -> None:
    full = replace(SPOOL, accepts_records=False, accepts_images=False)
    said = say(spool=full)
    assert said.level == "attention"
    assert said.headline.startswith("This device is full: treatment records are being refused.")
    images = say(spool=replace(SPOOL, accepts_images=False))
    assert images.headline.startswith("This device has room for treatment records only: images")


def test_a_procedure_step_is_held() -> None:
    assert say(held_steps=1).headline == (
        "1 message about a procedure step is held back: somebody has to decide about it."
    )


def test_what_this_page_does_not_know_is_not_hidden() -> None:
    said = say(orphans={"old-pacs": 3})
    assert (said.level, said.headline) == (
        "attention",
        "Something on this device needs a look by your service engineer.",
    )
    assert "old-pacs" in said.details[0]


# ---- nobody answers ----


def test_the_gateway_does_not_answer_and_never_did() -> None:
    said = glance(None, NOW, ENGLISH, answering=False)
    assert (said.level, said.word) == ("attention", "No answer")
    assert said.headline == "The gateway program does not answer: nobody can say now what has arrived."
    assert said.details == ("What was received before is safe on the disk of this device.",)


def test_the_gateway_does_not_answer_any_more() -> None:
    said = plain(glance(known(destination()), NOW + 180, ENGLISH, answering=False))
    assert said.headline == "The gateway program does not answer: nobody can say now what has arrived."
    assert said.details[0].startswith("This is how it was 3 min ago, at ")
    assert said.details[1] == "All 12 records of today have reached ARIA."
    assert said.details[-1] == "What was received before is safe on the disk of this device."


def test_nothing_is_known_yet() -> None:
    assert glance(None, NOW, ENGLISH).level == "info"


# ---- what must never be said ----

_counts = st.integers(0, 3)
_destinations = st.lists(
    st.builds(
        lambda link, since, paused, records, images, held: destination(
            link=link, link_since=since, paused=paused, waiting=waiting(records, images),
            held=facts.Amount(held, held),
        ),
        st.sampled_from(get_args(facts.LinkState)), st.sampled_from([None, NOW - 60, NOW + 60]),
        st.booleans(), _counts, _counts, _counts,
    ),
    max_size=3,
)  # fmt: skip


@given(_destinations, _counts, _counts, _counts, _counts, _counts, st.booleans(), st.booleans())
def test_nothing_is_said_to_have_arrived_that_has_not(
    destinations: list[facts.DestinationFacts],
    reached: int,
    held: int,
    behind: int,
    given_up: int,
    not_treatments: int,
    room: bool,
    answering: bool,
) -> None:
    records = reached + held + behind + given_up
    today = RecordTotals(
        records, True, min(not_treatments, records), 0, 1, reached, min(1, reached), behind, held, given_up
    )
    spool = replace(SPOOL, accepts_records=room)
    what = known(*destinations, today=today, spool=spool)
    said = glance(what, NOW, ENGLISH, answering=answering)
    assert said.level in get_args(Level)
    everything = " ".join((said.headline, *said.details))
    missing = held or behind or any(one.waiting.total.count or one.held.count for one in destinations)
    if missing or not room or not answering:
        assert said.level != "ok"
        assert not said.headline.startswith(("All ", "The record of today has reached"))
    if held or behind or given_up:
        assert "All " not in everything
    assert "%(" not in everything
    assert said.word


@pytest.mark.parametrize("since", [NOW - 0.6, NOW, NOW + 500])
def test_a_link_that_has_just_gone_has_been_down_for_a_second(since: float) -> None:
    said = say(destination(waiting=waiting(1), link="offline", link_since=since))
    assert "has been down for 1 s. Nothing is lost." in said.headline


# ---- what waits to spare the line ----


def test_what_waits_to_spare_the_line_is_not_said_to_be_on_its_way() -> None:
    said = say(
        destination(
            waiting=waiting(0, 3), leaves="record", held_back="the month", oldest_waiting_at=NOW - 900
        )
    )
    assert said.headline == "3 images for ARIA wait here for now, to spare the line. Nothing is lost."
    assert not any("works, but the oldest" in line for line in said.details)


def test_records_go_on_meanwhile() -> None:
    said = say(destination(waiting=waiting(1, 3), leaves="record", held_back="the month"))
    assert "1 record is on its way to ARIA." in (said.headline, *said.details)
    assert "3 images for ARIA wait here for now, to spare the line. Nothing is lost." in said.details


def test_what_only_the_hub_has_has_not_arrived() -> None:
    said = say(destination(at_hub=2))
    assert (said.level, said.word) == ("waiting", "On the way")
    assert said.headline == "2 objects are safe at the hub, and on their way from there to ARIA."


def test_names_are_joined_as_the_language_does() -> None:
    assert join(["A", "B", "C"], ENGLISH) == "A, B, and C"
    french = English()
    french.lang = "fr"
    assert join(["A", "B"], french) == "A et B"
    assert join([], ENGLISH) == "–"
