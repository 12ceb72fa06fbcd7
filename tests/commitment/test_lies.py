"""Centres that lie: whatever they answer, what they do not have is never confirmed."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.association.timeouts import RequestorTimeouts
from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.commitment import Result
from gateway.dicom.data_set import EXPLICIT_LITTLE, encode, parse
from gateway.dicom.negotiation import AcceptorPolicy, ContextAnswer, negotiate
from gateway.model import DeliveryState
from gateway.notices import CommitmentAnswered, CommitmentAsked
from tests.support.commitment_scene import QUICK, Scene, scene
from tests.support.commitment_wire import asked, report, wired
from tests.support.committing import accept
from tests.support.lying_centre import (
    CREATED,
    CREATED_AT,
    NO_GET,
    PATIENT_NAME,
    RECORD,
    TREATED,
    TREATED_AT,
    TRUE_MATCH,
    UID,
    Find,
    Script,
    a_match,
    a_record,
    centre,
    finds,
    gives,
    pending,
    put,
)
from tests.support.spooling import BEAMS_RECORD
from tests.support.wire_centre import WireCentre

SHORT = RequestorTimeouts(connect=5, associate=5, response=0.5, release=0.3)
HASTY = replace(QUICK, find_wait=1.0, fetch_wait=1.0)


async def ready(stage: Scene) -> None:
    await put(stage.spool, 1)
    await accept(stage.spool)


# --- C-FIND ---------------------------------------------------------------------------------------------


async def echoes(peer: WireCentre, context_id: int, command: Command, data: bytes) -> None:
    """Whatever is asked for is there, it says: the keys, as they came."""
    pending(peer, context_id, command, data)
    peer.answer(context_id, command)


async def returns_everything(peer: WireCentre, context_id: int, command: Command, data: bytes) -> None:
    for number in range(2, 40):
        pending(peer, context_id, command, a_match(number, created="101530", treated="101500"))
    peer.answer(context_id, command)


async def never_ends(peer: WireCentre, context_id: int, command: Command, data: bytes) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):
        while not peer.layer.close_wanted and not peer.writer.is_closing():
            pending(peer, context_id, command, TRUE_MATCH)
            await peer.writer.drain()
            await asyncio.sleep(0.05)


async def drips_without_end(peer: WireCentre, context_id: int, command: Command, data: bytes) -> None:
    pending(peer, context_id, command, TRUE_MATCH)
    await never_ends(peer, context_id, command, data)


async def dies(peer: WireCentre, context_id: int, command: Command, data: bytes) -> None:
    pending(peer, context_id, command, TRUE_MATCH)
    await peer.writer.drain()
    peer.writer.transport.abort()


async def pending_without_data(peer: WireCentre, context_id: int, command: Command, data: bytes) -> None:
    peer.send(context_id, messages.c_find_rsp(command, 0xFF00))
    peer.answer(context_id, command)


UNDECIDED = "commitment.undecided"
REFUSED = "commitment.refused"


@pytest.mark.parametrize(
    ("find", "alarm"),
    [
        (echoes, UNDECIDED),
        (finds(a_match()), UNDECIDED),
        (finds(a_match(created="10")), UNDECIDED),
        (returns_everything, None),
        (never_ends, REFUSED),
        (drips_without_end, REFUSED),
        (dies, None),
        (pending_without_data, REFUSED),
        (finds(b"\x08\x00\x16"), REFUSED),
        (finds(TRUE_MATCH, status=0xA700), REFUSED),
        (finds(TRUE_MATCH, status=0xFE00), REFUSED),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_a_lying_answer_to_a_query_confirms_nothing(
    find: Find, alarm: str | None, tmp_path: Path
) -> None:
    async with (
        wired(centre(find=find, policy=NO_GET), repeat=True) as wire,
        scene(
            tmp_path,
            centre_port=wire.port,
            commitment="query",
            compare="auto",
            timeouts=SHORT,
            policy=HASTY,
        ) as stage,
    ):
        await ready(stage)
        if alarm is not None:
            await stage.alarm(alarm)
        else:
            await stage.log.wait(CommitmentAsked if find is dies else CommitmentAnswered)
        [row] = await stage.spool.list_deliveries()
        assert row.delivery.state in (DeliveryState.ACCEPTED, DeliveryState.QUEUED)


@pytest.mark.parametrize(
    "matches",
    [
        (a_match(created="090000"),),
        (a_match(treated="090000"),),
        (TRUE_MATCH, a_match(created="090000")),
        (a_match(created="090000"), TRUE_MATCH),
    ],
)
async def test_an_answer_with_an_older_object_holds_the_delivery(
    matches: tuple[bytes, ...], tmp_path: Path
) -> None:
    async with (
        wired(centre(find=finds(*matches), policy=NO_GET), repeat=True) as wire,
        scene(tmp_path, centre_port=wire.port, commitment="query", compare="auto") as stage,
    ):
        await ready(stage)
        await stage.states("held")
        [row] = await stage.spool.list_deliveries()
        assert row.cause == "kept-other"
        assert "is different" in row.delivery.reason


async def test_the_truth_is_confirmed(tmp_path: Path) -> None:
    """The control of all the others: the same centre, telling the truth."""
    async with (
        wired(centre(find=finds(TRUE_MATCH), policy=NO_GET), repeat=True) as wire,
        scene(tmp_path, centre_port=wire.port, commitment="query", compare="auto") as stage,
    ):
        await ready(stage)
        await stage.states("confirmed")


# --- C-GET ----------------------------------------------------------------------------------------------


async def gives_half(peer: WireCentre, context_id: int, command: Command, data: bytes) -> None:
    store = next(key for key, one in peer.layer.contexts.items() if one.abstract_syntax == BEAMS_RECORD)
    peer.send(store, messages.c_store_rq(1, BEAMS_RECORD, UID))
    peer.layer.send_pdv(store, False, False, RECORD[: len(RECORD) // 2])
    peer.flush()
    await peer.writer.drain()
    peer.writer.transport.abort()


async def gives_nothing_for_ever(peer: WireCentre, context_id: int, command: Command, data: bytes) -> None:
    with contextlib.suppress(ConnectionError, RuntimeError):
        while not peer.writer.is_closing():
            peer.send(context_id, messages.response(command, 0xFF00))
            await peer.writer.drain()
            await asyncio.sleep(0.05)


HUGE = RECORD + encode({0x7FE00010: ("OB", bytes(40 * 1024 * 1024))}, EXPLICIT_LITTLE)


@pytest.mark.parametrize(
    ("get", "auto", "always"),
    [
        (gives((1, RECORD)), "confirmed", "confirmed"),
        (gives((1, a_record(meterset="0.0"))), "held", "held"),
        (gives(status=0xA900), "confirmed", "accepted"),  # refused: attributes are enough for auto
        (gives(), "accepted", "accepted"),
        (gives((2, a_record(2))), "accepted", "accepted"),
        (gives((1, b"not a data set")), "accepted", "accepted"),
        (gives((1, RECORD), (1, RECORD)), "accepted", "accepted"),
    ],
)
@pytest.mark.parametrize("compare", ["auto", "object"])
async def test_what_is_given_back_decides(
    compare: str, get: Find, auto: str, always: str, tmp_path: Path
) -> None:
    """With `object` nothing but the object itself confirms."""
    ends = auto if compare == "auto" else always
    async with (
        wired(centre(find=finds(TRUE_MATCH), get=get), repeat=True) as wire,
        scene(
            tmp_path,
            centre_port=wire.port,
            commitment="query",
            compare=compare,
            timeouts=SHORT,
            policy=HASTY,
        ) as stage,
    ):
        await ready(stage)
        if ends == "accepted":
            await stage.alarm(UNDECIDED)
        await stage.states(ends)


@pytest.mark.parametrize("compare", ["auto", "object"])
@pytest.mark.parametrize(
    "get",
    [gives_half, gives_nothing_for_ever, gives((1, HUGE)), gives(*[(2, a_record(2))] * 9)],
    ids=["half", "nothing for ever", "huge", "strangers"],
)
async def test_what_breaks_while_it_is_given_back_confirms_nothing(
    get: Find, compare: str, tmp_path: Path
) -> None:
    async with (
        wired(centre(find=finds(TRUE_MATCH), get=get), repeat=True) as wire,
        scene(
            tmp_path,
            centre_port=wire.port,
            commitment="query",
            compare=compare,
            timeouts=SHORT,
            policy=HASTY,
        ) as stage,
    ):
        await ready(stage)
        put_off = await stage.log.wait(CommitmentAsked)
        assert put_off.outcome == "put off"
        await stage.states("accepted")


# --- storage commitment ---------------------------------------------------------------------------------


def commits_and_then(find: Find, *, queries: bool = True) -> Script:
    """A centre that commits whatever it is asked to, and answers queries as told."""

    async def script(peer: WireCentre) -> None:
        try:
            request = await peer.requested()
        except AssertionError:  # the gateway stopped while it dialled
            return
        wants_query = any(
            one.abstract_syntax.startswith("1.2.840.10008.5.1.4.1.2") for one in request.contexts
        )
        refuse = wants_query and not queries
        policy = AcceptorPolicy(choose=lambda _: ContextAnswer.refuse()) if refuse else NO_GET
        peer.layer.accept(negotiate(request, policy))
        peer.flush()
        if wants_query:
            with contextlib.suppress(AssertionError, TimeoutError):
                while queries:
                    context_id, command, data = await peer.message()
                    await find(peer, context_id, command, data)
        else:
            context_id, command, action = await asked(peer)
            peer.answer(context_id, command)
            done = Result(action.transaction_uid, action.references, ())
            assert await report(peer, context_id, done) == 0x0000
        if peer.layer.can_answer_release:
            peer.layer.release_response()
            peer.flush()
        with contextlib.suppress(ConnectionError):
            await peer.finish()

    return script


async def test_a_centre_that_commits_and_keeps_nothing_is_found_out(tmp_path: Path) -> None:
    async with (
        wired(commits_and_then(finds()), repeat=True) as wire,
        scene(tmp_path, centre_port=wire.port, commitment="always", compare="auto") as stage,
    ):
        await ready(stage)
        await stage.states("queued")
        await accept(stage.spool)
        await stage.states("held")
        told = [event.what for event in (await stage.spool.show(1)).history]
        assert told == ["committed", "sent-again", "committed", "held"]
        assert "spool.not-committed" in stage.alarms()


async def test_a_centre_that_commits_an_older_object_is_found_out(tmp_path: Path) -> None:
    async with (
        wired(commits_and_then(finds(a_match(created="090000"))), repeat=True) as wire,
        scene(tmp_path, centre_port=wire.port, commitment="always", compare="attributes") as stage,
    ):
        await ready(stage)
        await stage.states("held")
        assert stage.alarms() == ["spool.kept-other"]


@pytest.mark.parametrize(("compare", "ends"), [("auto", "confirmed"), ("attributes", "accepted")])
async def test_a_centre_without_queries_is_taken_at_its_word_where_that_is_allowed(
    compare: str, ends: str, tmp_path: Path
) -> None:
    async with (
        wired(commits_and_then(finds(), queries=False), repeat=True) as wire,
        scene(tmp_path, centre_port=wire.port, commitment="always", compare=compare) as stage,
    ):
        await ready(stage)
        if ends == "accepted":
            await stage.alarm("commitment.not-offered")
        await stage.states(ends)
        if ends == "confirmed":
            story = await stage.spool.show(1)
            assert story.history[-1].detail == "committed; not compared: it takes no queries"


async def test_what_is_committed_and_not_compared_survives_a_restart(tmp_path: Path) -> None:
    reached = asyncio.Event()

    async def stays_silent(peer: WireCentre, context_id: int, command: Command, data: bytes) -> None:
        if not reached.is_set():
            reached.set()
            await peer.finish()
        else:
            await finds(TRUE_MATCH)(peer, context_id, command, data)

    async with (
        wired(commits_and_then(stays_silent), repeat=True) as wire,
        scene(tmp_path, centre_port=wire.port, commitment="always", compare="attributes") as stage,
    ):
        await ready(stage)
        await asyncio.wait_for(reached.wait(), 10)
        await stage.crash()
        await stage.start()
        await stage.states("confirmed")
        told = [event.what for event in (await stage.spool.show(1)).history]
        assert told == ["committed", "confirmed"]


async def test_the_query_asks_for_what_tells_contents_apart(tmp_path: Path) -> None:
    seen: list[set[int]] = []

    async def look(peer: WireCentre, context_id: int, command: Command, data: bytes) -> None:
        seen.append(set(parse(data, EXPLICIT_LITTLE)))
        await finds(TRUE_MATCH)(peer, context_id, command, data)

    async with (
        wired(centre(find=look, policy=NO_GET), repeat=True) as wire,
        scene(tmp_path, centre_port=wire.port, commitment="query", compare="auto") as stage,
    ):
        await ready(stage)
        await stage.states("confirmed")
    assert {CREATED, CREATED_AT, TREATED, TREATED_AT} <= seen[0]
    assert PATIENT_NAME not in seen[0]
