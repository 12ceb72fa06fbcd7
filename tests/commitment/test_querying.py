"""Looking up what a destination has: what proves that it has it, what proves the opposite, what neither."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.association.asking import Answer
from gateway.association.timeouts import RequestorTimeouts
from gateway.commitment.judging import NoAnswer, Verdict, judge, matches
from gateway.commitment.subjects import Keys, Subject, read_keys
from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.data_set import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    SYNTAXES,
    Elements,
    encode,
    parse,
)
from gateway.dicom.negotiation import AcceptorPolicy, ContextAnswer
from gateway.model import Priority
from gateway.notices import CommitmentAnswered, CommitmentAsked
from gateway.spool import DataReader, Spool
from gateway.spool.commitment_values import Reference
from gateway.spool.reader import InlineReader
from tests.support.commitment_scene import Scene, scene
from tests.support.commitment_wire import ask_for, say, wired
from tests.support.committing import a_reference, accept
from tests.support.spooling import BEAMS_RECORD, an_instance, an_origin
from tests.support.wire_centre import WireCentre

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
LEVEL, CLASS, UID, STUDY, SERIES = 0x00080052, 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
ONE = a_reference(1)


def an_object(number: int, syntax: str = EXPLICIT_LITTLE, pixels: int = 100) -> bytes:
    """An object with the keys that a query needs."""
    elements: Elements = {
        CLASS: ("UI", BEAMS_RECORD),
        UID: ("UI", a_reference(number).sop_instance_uid),
        0x00081111: ("SQ", [{0x00081155: ("UI", "1.2.3")}]),
        STUDY: ("UI", f"1.2.77.{number}"),
        SERIES: ("UI", f"1.2.78.{number}"),
        0x7FE00010: ("OW", bytes(pixels)),
    }
    return encode(elements, syntax)


async def put(spool: Spool, *numbers: int, data: bytes | None = None) -> None:
    for number in numbers:
        incoming = spool.receive(an_instance(number), an_origin(), Priority.RECORD, ("oncology",))
        incoming.write(data or an_object(number))
        await incoming.commit()


def a_match(number: int = 1, **other: Any) -> bytes:
    about: dict[int, Any] = {CLASS: ("UI", BEAMS_RECORD), UID: ("UI", a_reference(number).sop_instance_uid)}
    about.update({{"sop_class": CLASS, "uid": UID}[key]: ("UI", value) for key, value in other.items()})
    return encode(about, EXPLICIT_LITTLE)


def answers(*matches: bytes, status: int = 0x0000) -> list[Answer]:
    rq = messages.c_find_rq(1, FIND)
    pending = messages.c_find_rsp(rq, 0xFF00, has_data_set=True)
    return [*(Answer(pending, match) for match in matches), Answer(messages.c_find_rsp(rq, status), b"")]


# --- what an answer proves ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "proves"),
    [
        (answers(), Verdict.NOT_THERE),
        (answers(a_match()), Verdict.THERE),
        (answers(a_match(sop_class="")), Verdict.THERE),
        (answers(a_match(2), a_match(1)), Verdict.THERE),
        (answers(a_match(2)), Verdict.NOT_THERE),
        (answers(a_match(uid="")), Verdict.NOT_THERE),
        (answers(a_match(sop_class="1.2.840.10008.5.1.4.1.1.2")), Verdict.OTHER),
        (answers(a_match(sop_class="1.2.840.10008.5.1.4.1.1.2"), a_match()), Verdict.OTHER),
    ],
)
def test_a_whole_answer_is_proof(given: Sequence[Answer], proves: Verdict) -> None:
    subject = Subject(ONE, None, Keys("1.2.77.1", "1.2.78.1"))
    assert judge(matches(given, EXPLICIT_LITTLE), subject, compare=False).verdict is proves


@pytest.mark.parametrize("status", [0xA700, 0xA900, 0xC001, 0x0122, 0xFE00, 0xB001])
@pytest.mark.parametrize("found", [[], [a_match()]])
def test_anything_but_a_whole_answer_proves_nothing(status: int, found: list[bytes]) -> None:
    with pytest.raises(NoAnswer, match=f"0x{status:04X}"):
        matches(answers(*found, status=status), EXPLICIT_LITTLE)


def test_an_answer_that_cannot_be_read_proves_nothing() -> None:
    with pytest.raises(NoAnswer, match="cannot be read"):
        matches(answers(b"\x08\x00"), EXPLICIT_LITTLE)


# --- the keys of an object ----------------------------------------------------------------------------


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("pixels", [0, 100, 300_000])
def test_the_keys_are_read_from_the_bytes(syntax: str, pixels: int) -> None:
    reader = InlineReader(an_object(1, syntax, pixels))
    assert read_keys(reader, ONE.sop_instance_uid, 1 << 20) == Keys("1.2.77.1", "1.2.78.1")


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_an_object_that_ends_with_its_series_is_read_to_the_end(syntax: str) -> None:
    elements: Elements = {
        UID: ("UI", ONE.sop_instance_uid),
        STUDY: ("UI", "1.2.77.1"),
        SERIES: ("UI", "1.2.78.1"),
    }
    reader = InlineReader(encode(elements, syntax))
    assert read_keys(reader, ONE.sop_instance_uid, 1 << 20) == Keys("1.2.77.1", "1.2.78.1")


def test_keys_behind_something_long_are_found_within_the_bound() -> None:
    elements: Elements = {
        UID: ("UI", ONE.sop_instance_uid),
        0x00091010: ("OB", bytes(200_000)),
        STUDY: ("UI", "1.2.77.1"),
        SERIES: ("UI", "1.2.78.1"),
        0x7FE00010: ("OW", bytes(100)),
    }
    reader = InlineReader(encode(elements, EXPLICIT_LITTLE))
    assert read_keys(reader, ONE.sop_instance_uid, 1 << 20) == Keys("1.2.77.1", "1.2.78.1")
    assert read_keys(reader, ONE.sop_instance_uid, 100_000) is None


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"this is no data set at all, not in any encoding",
        an_object(2),
        encode({UID: ("UI", ONE.sop_instance_uid), 0x7FE00010: ("OW", b"12")}, EXPLICIT_LITTLE),
        encode(
            {UID: ("UI", ONE.sop_instance_uid), STUDY: ("UI", "1.2"), SERIES: ("UI", "")}, IMPLICIT_LITTLE
        ),
    ],
)
def test_without_keys_there_is_nothing_to_ask(data: bytes) -> None:
    assert read_keys(InlineReader(data), ONE.sop_instance_uid, 1 << 20) is None


# --- the conversation ---------------------------------------------------------------------------------


Script = Callable[[WireCentre], Awaitable[object]]


def find(peer: WireCentre, context_id: int, command: Command, *matches: bytes, status: int = 0) -> None:
    """Answer a C-FIND."""
    for match in matches:
        say(peer, context_id, messages.c_find_rsp(command, 0xFF00, has_data_set=True), match)
    peer.answer(context_id, command, status)


def archive(*held: int, seen: list[dict[str, str]] | None = None, count: int = 99) -> Script:
    """An archive that has these objects, and is asked `count` times at most."""

    async def script(peer: WireCentre) -> None:
        await peer.accept()
        for _ in range(count):
            try:
                context_id, command, data = await peer.message()
            except AssertionError:  # no message: a release, or the gateway stops
                if peer.layer.can_answer_release:
                    peer.layer.release_response()
                    peer.flush()
                break
            assert command.affected_sop_class_uid == FIND
            keys = parse(data, EXPLICIT_LITTLE)
            named = {
                name: keys.text(tag)
                for name, tag in (("level", LEVEL), ("uid", UID), ("study", STUDY), ("series", SERIES))
            }
            if seen is not None:
                seen.append(named)
            uids = {a_reference(number).sop_instance_uid: number for number in held}
            found = [a_match(uids[named["uid"]])] if named["uid"] in uids else []
            find(peer, context_id, command, *found)
        await peer.finish()

    return script


async def ready(stage: Scene, *numbers: int) -> None:
    await put(stage.spool, *numbers)
    await accept(stage.spool)
    assert await ask_for(stage.port, "1.2.3.1", *numbers) == 0


async def test_what_is_found_is_committed(tmp_path: Path) -> None:
    seen: list[dict[str, str]] = []
    async with (
        wired(archive(1, 2, seen=seen)) as centre,
        scene(tmp_path, centre_port=centre.port, commitment="query") as stage,
    ):
        await ready(stage, 1, 2)
        await stage.states("confirmed", "confirmed")
        row = await stage.row("reporting")
        assert (row.committed, row.failed) == (2, 0)
        story = await stage.spool.show(1)
        assert "verified by query" in [event.detail for event in story.history]
    assert seen == [
        {
            "level": "IMAGE",
            "uid": a_reference(number).sop_instance_uid,
            "study": f"1.2.77.{number}",
            "series": f"1.2.78.{number}",
        }
        for number in (1, 2)
    ]
    [told] = stage.log.of(CommitmentAnswered)
    assert (told.how, told.committed) == ("verified by query", 2)


async def test_what_is_not_found_is_sent_once_more_and_then_held(tmp_path: Path) -> None:
    async with (
        wired(archive(1), archive(1)) as centre,
        scene(tmp_path, centre_port=centre.port, commitment="query") as stage,
    ):
        await ready(stage, 1, 2)
        await stage.states("confirmed", "queued")
        await accept(stage.spool)
        await stage.states("confirmed", "held")
        row = await stage.row("reporting")
        assert (row.committed, row.failed) == (1, 1)
        assert stage.failures() == {a_reference(2): 0x0112}


async def refuses_the_context(peer: WireCentre) -> None:
    await peer.accept(AcceptorPolicy(choose=lambda _: ContextAnswer.refuse()))
    await peer.finish()


async def refuses_the_query(peer: WireCentre) -> None:
    await peer.accept()
    context_id, command, _ = await peer.message()
    find(peer, context_id, command, status=0xA700)
    await peer.finish()


async def fails_after_a_match(peer: WireCentre) -> None:
    await peer.accept()
    context_id, command, _ = await peer.message()
    find(peer, context_id, command, a_match(), status=0xC001)
    await peer.finish()


async def hangs_up_after_a_match(peer: WireCentre) -> None:
    await peer.accept()
    context_id, command, _ = await peer.message()
    say(peer, context_id, messages.c_find_rsp(command, 0xFF00, has_data_set=True), a_match())
    await peer.writer.drain()


async def never_answers(peer: WireCentre) -> None:
    await peer.accept()
    await peer.message()
    await peer.finish()


async def answers_nonsense(peer: WireCentre) -> None:
    await peer.accept()
    context_id, command, _ = await peer.message()
    find(peer, context_id, command, b"nonsense")
    await peer.finish()


@pytest.mark.parametrize(
    ("script", "alarm"),
    [
        (refuses_the_context, "commitment.not-offered"),
        (refuses_the_query, "commitment.refused"),
        (fails_after_a_match, "commitment.refused"),
        (hangs_up_after_a_match, None),
        (never_answers, None),
        (answers_nonsense, "commitment.refused"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_without_an_answer_it_is_asked_later(script: Script, alarm: str | None, tmp_path: Path) -> None:
    timeouts = RequestorTimeouts(connect=5, associate=5, response=0.2, release=0.3)
    async with (
        wired(script, archive(1)) as centre,
        scene(tmp_path, centre_port=centre.port, commitment="query", timeouts=timeouts) as stage,
    ):
        await ready(stage, 1)
        put_off = await stage.log.wait(CommitmentAsked)
        assert put_off.outcome == "put off"
        assert stage.log.of(CommitmentAnswered) == []
        await stage.states("confirmed")
    assert stage.alarms() == ([alarm] if alarm else [])


async def test_what_was_found_before_a_break_counts(tmp_path: Path) -> None:
    seen: list[dict[str, str]] = []

    async def breaks(peer: WireCentre) -> None:
        await archive(1, 2, count=1)(_NoFinish(peer))

    async with (
        wired(breaks, archive(1, 2, seen=seen)) as centre,
        scene(tmp_path, centre_port=centre.port, commitment="query") as stage,
    ):
        await ready(stage, 1, 2)
        await stage.states("confirmed", "confirmed")
    assert [one["uid"] for one in seen] == [a_reference(2).sop_instance_uid]


class _NoFinish:
    """A centre that hangs up where the script would wait for the release."""

    def __init__(self, peer: WireCentre) -> None:
        self._peer = peer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._peer, name)

    async def finish(self) -> None:
        await self._peer.writer.drain()


async def test_what_never_was_here_cannot_be_looked_up_and_is_not_guessed(tmp_path: Path) -> None:
    async with (
        wired(archive(9)) as centre,
        scene(tmp_path, centre_port=centre.port, commitment="query") as stage,
    ):
        assert await ask_for(stage.port, "1.2.3.1", 9) == 0
        await stage.row("reporting")
        assert stage.failures() == {a_reference(9): 0x0110}


async def test_an_object_whose_bytes_have_gone_is_not_guessed_either(tmp_path: Path) -> None:
    async with (
        wired(archive(1), archive(1)) as centre,
        scene(tmp_path, centre_port=centre.port, commitment="query") as stage,
    ):
        await put(stage.spool, 1)
        await accept(stage.spool)
        await stage.states("confirmed")
        await stage.spool.expire(1e12)
        await stage.states("released")
        assert await ask_for(stage.port, "1.2.3.1", 1) == 0
        await stage.row("reporting")
        assert stage.failures() == {ONE: 0x0110}


async def test_what_no_console_asks_about_is_looked_up_too(tmp_path: Path) -> None:
    async with (
        wired(archive(1)) as centre,
        scene(tmp_path, centre_port=centre.port, commitment="query") as stage,
    ):
        await put(stage.spool, 1)
        await accept(stage.spool)
        await stage.states("confirmed")


async def test_the_bytes_are_read_off_the_event_loop(tmp_path: Path) -> None:
    threads: list[threading.Thread] = []
    async with (
        wired(archive(1)) as centre,
        scene(tmp_path, centre_port=centre.port, commitment="query") as stage,
    ):
        open_data = stage.spool.open_data

        def watched(number: int) -> DataReader:
            threads.append(threading.current_thread())
            return open_data(number)

        stage.spool.open_data = watched  # type: ignore[method-assign]
        await ready(stage, 1)
        await stage.states("confirmed")
    assert threads
    assert threading.main_thread() not in threads


@pytest.mark.parametrize("crash", [False, True])
async def test_a_restart_in_the_middle_ends_well(crash: bool, tmp_path: Path) -> None:
    reached = asyncio.Event()

    async def first(peer: WireCentre) -> None:
        await peer.accept()
        await peer.message()
        reached.set()
        await peer.finish()

    async with (
        wired(first, archive(1)) as centre,
        scene(tmp_path, centre_port=centre.port, commitment="query") as stage,
    ):
        await ready(stage, 1)
        await asyncio.wait_for(reached.wait(), 10)
        await (stage.crash() if crash else stage.stop())
        await stage.start()
        await stage.states("confirmed")


def test_the_tags_are_those_of_the_standard() -> None:
    from pydicom.datadict import tag_for_keyword

    assert tag_for_keyword("QueryRetrieveLevel") == LEVEL
    assert tag_for_keyword("StudyInstanceUID") == STUDY
    assert tag_for_keyword("SeriesInstanceUID") == SERIES
    assert Reference(BEAMS_RECORD, ONE.sop_instance_uid) == ONE
    assert {DEFLATED, EXPLICIT_BIG} < set(SYNTAXES)
