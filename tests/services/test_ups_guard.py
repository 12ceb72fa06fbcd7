"""The UPS safety rule: no COMPLETED at the centre before the records that came before it are there."""

from __future__ import annotations

import asyncio
import struct
from dataclasses import replace

import pytest
from pydicom._uid_dict import UID_dictionary

from gateway.dicom import data_set, messages
from gateway.dicom.command import Command
from gateway.errors import SpoolFailure
from gateway.model import Priority
from gateway.notices import Alarm
from gateway.services import ups_guard
from gateway.services.ups_guard import UPS_CLASSES, UpsGuard, UpsGuarded, UpsGuardLimits
from tests.support.loop_clock import run_fast, turns
from tests.support.notice_log import NoticeLog
from tests.support.ups_records import FakeRecords
from tests.support.ups_scene import (
    CONSOLE,
    IMPLICIT,
    MPPS,
    PULL,
    PUSH,
    ROUTE,
    STEP,
    SYNTAXES,
    TRIAL_PULL,
    TRIAL_PUSH,
    Scene,
    change,
    context,
    state,
)

# --- which requests are looked at ----------------------------------------------------------------------


def test_the_classes_are_those_of_the_standard_and_of_the_retired_trial() -> None:
    known = {
        uid
        for uid, (name, kind, *_) in UID_dictionary.items()
        if kind == "SOP Class" and name.startswith("Unified Procedure Step")
    }
    assert known == UPS_CLASSES


def guard_alone() -> UpsGuard:
    return UpsGuard(FakeRecords(), NoticeLog().notices)


@pytest.mark.parametrize("sop_class", [PUSH, TRIAL_PUSH])
@pytest.mark.parametrize("on", [PUSH, PULL, TRIAL_PUSH, TRIAL_PULL, "1.2.826.0.1.3680043.9.1"])
async def test_a_change_of_state_is_looked_at_on_every_context(sop_class: str, on: str) -> None:
    assert guard_alone().wants(ROUTE, context(on), change(sop_class))


async def test_a_change_of_state_with_another_class_on_a_ups_context_is_looked_at() -> None:
    assert guard_alone().wants(ROUTE, context(PULL), change(MPPS))
    assert guard_alone().wants(ROUTE, context(PULL), replace(change(), requested_sop_class_uid=None))


async def test_a_request_without_an_action_type_is_looked_at() -> None:
    assert guard_alone().wants(ROUTE, context(), replace(change(), action_type_id=None))


@pytest.mark.parametrize(
    ("on", "command"),
    [
        (PULL, change(action=2)),  # request UPS cancel
        (PULL, change(action=3)),  # subscribe
        (MPPS, change(MPPS)),
        (PULL, messages.n_set_rq(1, PUSH, STEP)),
        (PUSH, messages.n_create_rq(1, PUSH, STEP)),
        (PULL, messages.n_get_rq(1, PUSH, STEP)),
        (PULL, messages.c_find_rq(1, PULL)),
    ],
)
async def test_everything_else_is_not_even_looked_at(on: str, command: Command) -> None:
    assert not guard_alone().wants(ROUTE, context(on), command)


async def test_the_rule_can_be_switched_off() -> None:
    assert not guard_alone().wants(replace(ROUTE, ups_guard=0.0), context(), change())


# --- what is asked for ---------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["IN PROGRESS", "CANCELED", "SCHEDULED", "", "UNCOMPLETED"])
async def test_another_state_passes_at_once_whatever_waits(value: str) -> None:
    scene = Scene()
    scene.records.store("oncology")
    assert await scene.ask(data=state(value)) is None
    assert not scene.records.questions
    assert not scene.log.all


async def test_a_request_without_a_state_or_without_a_data_set_passes() -> None:
    scene = Scene()
    scene.records.store("oncology")
    only_a_transaction = data_set.encode({0x00081195: ("UI", "1.2.3")}, IMPLICIT)
    assert await scene.ask(data=only_a_transaction) is None
    for syntax in SYNTAXES:
        assert await scene.guard.inspect(ROUTE, CONSOLE, context(PULL, syntax), change(), b"") is None


@pytest.mark.parametrize("value", ["COMPLETED", " COMPLETED", "completed", "CANCELED\\COMPLETED"])
@pytest.mark.parametrize("syntax", SYNTAXES)
def test_completed_is_recognised_however_it_is_written(value: str, syntax: str) -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.records.store("oncology")
        answer = await scene.guard.inspect(
            ROUTE, CONSOLE, context(PULL, syntax), change(), state(value, syntax)
        )
        assert answer is not None
        assert answer.status == 0xC304

    run_fast(scenario())


@pytest.mark.parametrize(
    ("data", "syntax"),
    [
        (b"\x74\x00\x00\x10", IMPLICIT),  # cut in the middle
        (state()[:-1], IMPLICIT),
        (state() + state(), IMPLICIT),  # the state is there twice
        (state(), "1.2.840.10008.1.2.1"),  # not in the syntax that was agreed on
        (state(), "1.2.826.0.1.3680043.9.9"),  # a private syntax
        (struct.pack("<HHI", 0x0074, 0x1000, 0xFFFFFFF0), IMPLICIT),
    ],
)
async def test_what_cannot_be_read_is_refused(data: bytes, syntax: str) -> None:
    scene = Scene()
    answer = await scene.guard.inspect(ROUTE, CONSOLE, context(PULL, syntax), change(), data)
    assert answer is not None
    assert answer.status == 0x0110
    assert answer.message_id_responded_to == 7
    assert scene.log.of(UpsGuarded)[0].outcome == "refused"


async def test_a_data_set_that_is_far_too_large_is_refused_unread() -> None:
    scene = Scene()
    padding = data_set.encode({0x00041142: ("LO", "x" * 300_000)}, IMPLICIT)
    answer = await scene.ask(data=padding + state())
    assert answer is not None
    assert answer.status == 0x0110
    many = b"".join(struct.pack("<HHI", 0x0009, number, 0) for number in range(0x1000, 0x1000 + 10_000))
    answer = await scene.ask(data=many + state())
    assert answer is not None
    assert answer.status == 0x0110


# --- waiting -------------------------------------------------------------------------------------------


async def test_with_nothing_on_its_way_completed_passes_at_once_and_unnoticed() -> None:
    scene = Scene()
    assert await scene.ask() is None
    assert not scene.log.all
    assert not scene.records.listeners


def test_completed_waits_until_the_last_record_has_arrived() -> None:
    async def scenario() -> None:
        scene = Scene()
        first, second = scene.records.store("oncology"), scene.records.store("oncology")
        asked = scene.ask()
        await turns()
        scene.records.settle(first, "accepted")
        await turns()
        assert not asked.done()
        await asyncio.sleep(3)
        scene.records.settle(second, "accepted")
        assert await asked is None
        [told] = scene.log.all
        assert told == UpsGuarded(CONSOLE, "ARIA", "passed", 2, 3.0, "")
        assert not scene.records.listeners

    run_fast(scenario())


@pytest.mark.parametrize("first_state", ["queued", "sending", "held"])
def test_a_record_on_its_way_holds_completed_back_until_the_time_is_over(first_state: str) -> None:
    async def scenario() -> None:
        scene = Scene()
        number = scene.records.store("oncology")
        scene.records.settle(number, first_state)
        before = asyncio.get_running_loop().time()
        answer = await scene.ask()
        assert asyncio.get_running_loop().time() - before == pytest.approx(15.0, abs=0.01)
        assert answer is not None
        assert answer.status == 0xC304
        assert answer.command_field == 0x8130
        assert "have not reached the centre" in (answer.error_comment or "")
        assert not scene.records.listeners
        told = scene.log.of(UpsGuarded)
        assert [(one.outcome, one.records) for one in told] == [("refused", 1)]
        [alarm] = scene.log.of(Alarm)
        assert alarm.code == "ups-held-back"
        assert STEP not in repr(scene.log.all)

    run_fast(scenario())


def test_a_held_record_that_a_person_releases_in_time_lets_it_pass() -> None:
    async def scenario() -> None:
        scene = Scene()
        number = scene.records.store("oncology")
        scene.records.settle(number, "held")
        asked = scene.ask()
        await asyncio.sleep(5)
        scene.records.settle(number, "queued")
        await asyncio.sleep(5)
        scene.records.settle(number, "accepted")
        assert await asked is None

    run_fast(scenario())


def test_a_record_that_a_person_discards_is_not_waited_for() -> None:
    async def scenario() -> None:
        scene = Scene()
        number = scene.records.store("oncology")
        asked = scene.ask()
        await turns()
        scene.records.settle(number, "discarded")
        assert await asked is None

    run_fast(scenario())


def test_what_comes_after_it_does_not_hold_it_back() -> None:
    async def scenario() -> None:
        scene = Scene()
        before = scene.records.store("oncology")
        asked = scene.ask()
        await turns()
        scene.records.store("oncology")
        scene.records.settle(before, "accepted")
        assert await asked is None

    run_fast(scenario())


@pytest.mark.parametrize(
    ("destination", "calling_ae", "priority", "held_back"),
    [
        ("oncology", CONSOLE, Priority.RECORD, True),
        ("copy", CONSOLE, Priority.RECORD, True),
        ("elsewhere", CONSOLE, Priority.RECORD, False),
        ("oncology", "LINAC2", Priority.RECORD, False),
        ("oncology", CONSOLE, Priority.IMAGE, False),
        ("oncology", CONSOLE, Priority.BULK, False),
    ],
)
def test_only_this_consoles_records_for_this_route_hold_it_back(
    destination: str, calling_ae: str, priority: Priority, held_back: bool
) -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.records.store(destination, calling_ae=calling_ae, priority=priority)
        answer = await scene.ask()
        assert (answer is not None) is held_back

    run_fast(scenario())


def test_news_during_the_first_look_are_not_missed() -> None:
    async def scenario() -> None:
        scene = Scene()
        number = scene.records.store("oncology")
        # The journal is read, and only then, before the answer is here, the record arrives.
        scene.records.after_reading = lambda: scene.records.settle(number, "accepted")
        assert await scene.ask() is None

    run_fast(scenario())


def test_nothing_polls() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.records.store("oncology")
        await scene.ask(replace(ROUTE, ups_guard=3600.0))
        assert len(scene.records.questions) == 1
        # What is settled elsewhere is not looked at either.
        asked = scene.ask(replace(ROUTE, ups_guard=3600.0))
        await turns()
        scene.records.settle(scene.records.store("elsewhere"), "accepted")
        await asked
        assert len(scene.records.questions) == 2

    run_fast(scenario())


def test_two_procedure_steps_at_once_wait_each_for_what_was_before_it() -> None:
    async def scenario() -> None:
        scene = Scene()
        first = scene.records.store("oncology")
        early = scene.ask()
        await turns()
        second = scene.records.store("oncology")
        late = scene.ask()
        await turns()
        scene.records.settle(first, "accepted")
        assert await early is None
        await turns()
        assert not late.done()
        scene.records.settle(second, "accepted")
        assert await late is None
        assert not scene.records.listeners

    run_fast(scenario())


def test_a_console_that_goes_away_leaves_nothing_behind() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.records.store("oncology")
        asked = scene.ask()
        await turns()
        assert scene.records.listeners
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert not scene.records.listeners
        assert not scene.log.all

    run_fast(scenario())


def test_a_journal_that_does_not_answer_is_no_reason_to_let_it_pass() -> None:
    async def scenario() -> None:
        scene = Scene()
        scene.records.stuck = asyncio.Event()
        answer = await scene.ask()
        assert answer is not None
        assert answer.status == 0xC304
        assert not scene.records.listeners
        assert scene.log.of(Alarm)

    run_fast(scenario())


async def test_a_journal_that_fails_is_no_reason_to_let_it_pass() -> None:
    scene = Scene()
    scene.records.failure = SpoolFailure("the disk")
    answer = await scene.ask()
    assert answer is not None
    assert answer.status == 0x0110
    assert not scene.records.listeners


def test_comments_are_what_a_console_can_show() -> None:
    for words in (ups_guard._NOT_THERE, ups_guard._UNREADABLE, ups_guard._UNKNOWN):
        assert len(words) <= 64
        assert words.isascii()


# --- the alarm -----------------------------------------------------------------------------------------


def test_the_alarm_is_raised_once_until_something_passes() -> None:
    async def scenario() -> None:
        scene = Scene()
        number = scene.records.store("oncology")
        for _ in range(3):
            await scene.ask()
        assert len(scene.log.of(UpsGuarded)) == 3
        assert len(scene.log.of(Alarm)) == 1
        scene.records.settle(number, "accepted")
        assert await scene.ask() is None
        scene.records.store("oncology")
        await scene.ask()
        assert len(scene.log.of(Alarm)) == 2

    run_fast(scenario())


def test_what_is_remembered_of_callers_is_bounded() -> None:
    async def scenario() -> None:
        scene = Scene(UpsGuardLimits(max_alarmed=2))
        for title in ("A", "B", "C", "A"):
            scene.records.store("oncology", calling_ae=title)
            await scene.ask(calling_ae=title)
        assert len(scene.log.of(Alarm)) == 4
        assert len(scene.guard._alarmed) == 2

    run_fast(scenario())
