"""How a destination is looked up: few queries, bounded fetching, records first."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.commitment.giving_back import MOST_CLASSES, contexts, roles
from gateway.commitment.subjects import Keys, Subject, by_series
from gateway.dicom import messages
from gateway.dicom.command import CommandField
from gateway.dicom.data_set import EXPLICIT_LITTLE, IMPLICIT_LITTLE, encode, parse
from gateway.dicom.negotiation import AssociateRequest
from gateway.model import AETitle, DeliveryState, Instance, Origin, Priority, StoredObject
from gateway.spool import Spool
from gateway.spool.commitment_values import Reference
from tests.support.commitment_scene import QUICK, scene
from tests.support.commitment_wire import commits, say, wired
from tests.support.committing import a_reference, accept
from tests.support.lying_centre import NO_GET, ROLES, a_match, a_record, finds, gives, put
from tests.support.spooling import BEAMS_RECORD, an_instance, an_origin
from tests.support.wire_centre import WireCentre

UID, STUDY, SERIES = 0x00080018, 0x0020000D, 0x0020000E
Script = Callable[[WireCentre], Awaitable[object]]


def archive(
    held: set[int],
    asked: list[list[str]],
    *,
    lists: bool = True,
    requests: list[AssociateRequest] | None = None,
) -> Script:
    """An archive that tells the truth about what it has, and writes down which UIDs each query named."""
    uids = {a_reference(number).sop_instance_uid: number for number in held}

    async def script(peer: WireCentre) -> None:
        request = await peer.accept(NO_GET)
        if requests is not None:
            requests.append(request)
        with contextlib.suppress(AssertionError, TimeoutError, ConnectionError):
            while True:
                context_id, command, data = await peer.message()
                named = parse(data, EXPLICIT_LITTLE).text(UID).split("\\")
                asked.append(named)
                for uid in named if lists or len(named) == 1 else []:
                    if uid in uids:
                        match = a_match(uids[uid], created="101530", treated="101500")
                        say(peer, context_id, messages.c_find_rsp(command, 0xFF00, has_data_set=True), match)
                peer.answer(context_id, command)
        if peer.layer.can_answer_release:
            peer.layer.release_response()
            peer.flush()
        with contextlib.suppress(ConnectionError):
            await peer.finish()

    return script


def uids(*numbers: int) -> list[str]:
    return [a_reference(number).sop_instance_uid for number in numbers]


# --- few queries ----------------------------------------------------------------------------------------


async def test_a_series_is_looked_up_in_one_query(tmp_path: Path) -> None:
    asked: list[list[str]] = []
    policy = replace(QUICK, find_batch=20, batch_wait=0.2)
    async with (
        wired(archive(set(range(1, 31)), asked), repeat=True) as wire,
        scene(
            tmp_path, centre_port=wire.port, commitment="query", compare="attributes", policy=policy
        ) as stage,
    ):
        await put(stage.spool, *range(1, 31))
        await accept(stage.spool)
        await stage.states(*["confirmed"] * 30)
    assert [len(one) for one in asked] == [20, 10]


async def test_what_a_list_leaves_out_is_asked_about_alone(tmp_path: Path) -> None:
    asked: list[list[str]] = []
    async with (
        wired(archive({1, 3}, asked), repeat=True) as wire,
        scene(
            tmp_path,
            centre_port=wire.port,
            commitment="query",
            compare="attributes",
            policy=replace(QUICK, batch_wait=0.2),
        ) as stage,
    ):
        await put(stage.spool, 1, 2, 3)
        await accept(stage.spool)
        await stage.states("confirmed", "queued", "confirmed")
    assert asked[:2] == [uids(1, 2, 3), uids(2)]


async def test_a_centre_that_does_not_know_lists_is_asked_one_by_one(tmp_path: Path) -> None:
    asked: list[list[str]] = []
    async with (
        wired(archive({1, 2, 3, 4, 5}, asked, lists=False), repeat=True) as wire,
        scene(
            tmp_path,
            centre_port=wire.port,
            commitment="query",
            compare="attributes",
            policy=replace(QUICK, batch_wait=0.2),
        ) as stage,
    ):
        await put(stage.spool, 1, 2, 3)
        await accept(stage.spool)
        await stage.states(*["confirmed"] * 3)
        await put(stage.spool, 4, 5)
        await accept(stage.spool)
        await stage.states(*["confirmed"] * 5)
    assert [len(one) for one in asked] == [3, 1, 1, 1, 1, 1]


def a_subject(number: int, series: str) -> Subject:
    return Subject(a_reference(number), None, Keys("1.2", series))


def test_subjects_are_put_together_by_series() -> None:
    subjects = [a_subject(1, "1"), a_subject(2, "2"), a_subject(3, "1"), a_subject(4, "1")]
    groups = by_series([*subjects, Subject(a_reference(5), None, None)], 2)
    assert [[one.reference for one in group] for group in groups] == [
        [a_reference(1), a_reference(3)],
        [a_reference(2)],
        [a_reference(4)],
    ]


# --- what is proposed -----------------------------------------------------------------------------------


def stored(number: int, sop_class: str, syntax: str) -> Subject:
    instance = Instance(sop_class, f"1.2.{number}", syntax)
    origin = Origin("console", "127.0.0.1", AETitle("LINAC1"), AETitle("ARIA"), "a1")
    thing = StoredObject(number, instance, origin, Priority.IMAGE, b"", 100, 0.0)
    return Subject(Reference(sop_class, f"1.2.{number}"), thing, Keys("1.2", "1.3"))


def test_classes_are_proposed_as_stored_and_uncompressed() -> None:
    jpeg = "1.2.840.10008.1.2.4.70"
    proposed = contexts(
        [stored(1, "1.1", jpeg), stored(2, "1.1", EXPLICIT_LITTLE), stored(3, "1.2", jpeg)], 7
    )
    assert [(one.context_id, one.abstract_syntax, one.transfer_syntaxes) for one in proposed] == [
        (7, "1.1", (jpeg, EXPLICIT_LITTLE)),
        (9, "1.1", (IMPLICIT_LITTLE,)),
        (11, "1.2", (jpeg,)),
        (13, "1.2", (EXPLICIT_LITTLE, IMPLICIT_LITTLE)),
    ]
    assert roles(proposed) == {"1.1": (False, True), "1.2": (False, True)}


def test_an_association_has_room_for_all_that_is_proposed() -> None:
    proposed = contexts([stored(n, f"1.{n}", "1.2.3") for n in range(1, 200)], 7)
    assert len(proposed) == 2 * MOST_CLASSES
    assert max(one.context_id for one in proposed) <= 255


@pytest.mark.parametrize(("compare", "wanted"), [("auto", True), ("attributes", False), ("never", False)])
async def test_storage_is_proposed_only_where_objects_are_fetched(
    compare: str, wanted: bool, tmp_path: Path
) -> None:
    requests: list[AssociateRequest] = []
    async with (
        wired(archive({1}, [], requests=requests), repeat=True) as wire,
        scene(tmp_path, centre_port=wire.port, commitment="query", compare=compare) as stage,
    ):
        await put(stage.spool, 1)
        await accept(stage.spool)
        await stage.states("confirmed")
    assert (requests[0].roles == {BEAMS_RECORD: (False, True)}) is wanted
    assert any(one.abstract_syntax == BEAMS_RECORD for one in requests[0].contexts) is wanted


# --- fetching in the background ---------------------------------------------------------------------------


def giver(*numbers: int, fetched: list[int] | None = None) -> Script:
    """An archive whose index knows UIDs only, and that gives objects back."""

    async def script(peer: WireCentre) -> None:
        await peer.accept(ROLES)
        with contextlib.suppress(AssertionError, TimeoutError, ConnectionError):
            while True:
                context_id, command, data = await peer.message()
                named = parse(data, EXPLICIT_LITTLE).text(UID).split("\\")
                wanted = [number for number in numbers if a_reference(number).sop_instance_uid in named]
                if command.command_field == CommandField.C_FIND_RQ:
                    await finds(*(a_match(number) for number in wanted))(peer, context_id, command, data)
                else:
                    if fetched is not None:
                        fetched.extend(wanted)
                    await gives(*((number, a_record(number)) for number in wanted))(
                        peer, context_id, command, data
                    )
        if peer.layer.can_answer_release:
            peer.layer.release_response()
            peer.flush()
        with contextlib.suppress(ConnectionError):
            await peer.finish()

    return script


async def test_what_is_fetched_has_a_rate(tmp_path: Path) -> None:
    size = len(a_record())
    policy = replace(QUICK, fetch_rate=size * 5)  # five objects a second
    async with (
        wired(giver(1, 2, 3, 4), repeat=True) as wire,
        scene(tmp_path, centre_port=wire.port, commitment="query", compare="auto", policy=policy) as stage,
    ):
        await put(stage.spool, 1, 2, 3, 4)
        began = asyncio.get_running_loop().time()
        await accept(stage.spool)
        await stage.states(*["confirmed"] * 4)
        assert asyncio.get_running_loop().time() - began >= 0.8


async def test_nothing_is_fetched_while_a_record_is_to_be_sent_there(tmp_path: Path) -> None:
    fetched: list[int] = []
    policy = replace(QUICK, record_pause=0.02, record_patience=10_000)
    async with (
        wired(giver(1, fetched=fetched), repeat=True) as wire,
        scene(tmp_path, centre_port=wire.port, commitment="query", compare="auto", policy=policy) as stage,
    ):
        await put(stage.spool, 1)
        await accept(stage.spool)
        await put(stage.spool, 2)  # a record that waits to be sent
        await asyncio.sleep(0.3)
        assert fetched == []
        await stage.spool.discard(2, "not wanted any more")
        await stage.states("confirmed", "discarded")
        assert fetched == [1]


async def test_records_that_cannot_leave_do_not_keep_it_from_verifying_for_ever(tmp_path: Path) -> None:
    policy = replace(QUICK, record_pause=0.02, record_patience=5)
    async with (
        wired(giver(1), repeat=True) as wire,
        scene(tmp_path, centre_port=wire.port, commitment="query", compare="auto", policy=policy) as stage,
    ):
        await put(stage.spool, 1)
        await accept(stage.spool)
        await put(stage.spool, 2)
        await stage.states("confirmed", "queued")


async def a_large_object(spool: Spool, data: bytes) -> None:
    incoming = spool.receive(an_instance(1), an_origin(), Priority.IMAGE, ("oncology",))
    incoming.write(data)
    await incoming.commit()


@pytest.mark.parametrize(("same", "ends"), [(True, "confirmed"), (False, "accepted")])
async def test_of_an_object_beyond_the_bound_the_digest_decides(
    same: bool, ends: str, tmp_path: Path
) -> None:
    data = a_record() + encode({0x7FE00010: ("OB", bytes(300_000))}, EXPLICIT_LITTLE)
    theirs = data if same else data[:-2] + b"\1\0"

    async def serve(peer: WireCentre) -> None:
        await peer.accept(ROLES)
        with contextlib.suppress(AssertionError, TimeoutError, ConnectionError):
            while True:
                context_id, command, keys = await peer.message()
                if command.command_field == CommandField.C_FIND_RQ:
                    await finds(a_match())(peer, context_id, command, keys)
                else:
                    await gives((1, theirs))(peer, context_id, command, keys)
        if peer.layer.can_answer_release:
            peer.layer.release_response()
            peer.flush()
        with contextlib.suppress(ConnectionError):
            await peer.finish()

    async with (
        wired(serve, repeat=True) as wire,
        scene(
            tmp_path,
            centre_port=wire.port,
            commitment="query",
            compare="object",
            policy=replace(QUICK, fetch_max=100_000, fetch_rate=1 << 30),
        ) as stage,
    ):
        await a_large_object(stage.spool, data)
        await accept(stage.spool)
        if not same:
            await stage.alarm("commitment.undecided")
        await stage.states(ends)


# --- what is outstanding ----------------------------------------------------------------------------------


async def test_an_alarm_tells_of_what_is_not_verified_for_long(tmp_path: Path) -> None:
    policy = replace(QUICK, outstanding=3600.0, outstanding_every=0.05)

    async def refuses(peer: WireCentre) -> None:
        await peer.accept(NO_GET)
        with contextlib.suppress(AssertionError, TimeoutError, ConnectionError):
            while True:
                context_id, command, _ = await peer.message()
                peer.answer(context_id, command, 0xA700)
        with contextlib.suppress(ConnectionError):
            await peer.finish()

    async with (
        wired(refuses, repeat=True) as wire,
        scene(tmp_path, centre_port=wire.port, commitment="query", compare="auto", policy=policy) as stage,
    ):
        await put(stage.spool, 1)
        await accept(stage.spool)
        await stage.alarm("commitment.refused")
        assert "commitment.outstanding" not in stage.alarms()
        stage.clock.ahead = 4000
        alarm = await stage.alarm("commitment.outstanding")
        assert "more than 1 h ago" in alarm.text
        assert [row.delivery.state for row in await stage.spool.list_deliveries()] == [DeliveryState.ACCEPTED]
    assert stage.alarms().count("commitment.outstanding") == 1


async def test_where_consoles_alone_ask_nothing_is_outstanding(tmp_path: Path) -> None:
    policy = replace(QUICK, outstanding=0.0, outstanding_every=0.02)
    async with (
        wired(commits()) as wire,
        scene(tmp_path, centre_port=wire.port, policy=policy, compare="auto") as stage,
    ):
        await put(stage.spool, 1)
        await accept(stage.spool)
        await asyncio.sleep(0.2)
        assert stage.alarms() == []


async def test_without_a_comparison_what_waits_for_one_is_asked_about_anew(tmp_path: Path) -> None:
    async with (
        wired(commits(), repeat=True) as wire,
        scene(tmp_path, centre_port=wire.port, commitment="always", compare="attributes") as stage,
    ):
        await put(stage.spool, 1)
        await accept(stage.spool)
        await stage.until(lambda: _is_committed(stage.spool))
        stage.peers["oncology"] = replace(stage.peers["oncology"], compare="never")
        await stage.restart()
        await stage.states("confirmed")


async def _is_committed(spool: Spool) -> bool:
    return "committed" in [event.what for event in (await spool.show(1)).history]
