"""C-STORE to the gateway: what is kept, what is answered, and when."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.events import DataReceived
from gateway.dicom.negotiation import AssociateAccept, CommonExtended, ProposedContext
from gateway.errors import NoRoom, SpoolFailure
from gateway.model import AETitle, Priority, Route
from gateway.notices import AssociationClosed, ObjectRefused, ObjectStored
from gateway.spool.values import Stored
from tests.support.door import open_door
from tests.support.fake_spool import FakeIncoming
from tests.support.wire_peer import BEAMS_RECORD, EXPLICIT, IMPLICIT, RT_IMAGE, request, wire_peer

JPEG_LS = "1.2.840.10008.1.2.4.80"
DEFLATED = "1.2.840.10008.1.2.1.99"
CT = "1.2.840.10008.5.1.4.1.1.2"


def refuse(error: Exception) -> None:
    raise error


# --- what is kept --------------------------------------------------------------------------------------


async def test_an_object_is_kept_exactly_as_received_with_all_that_is_known_of_it() -> None:
    data = bytes(range(256)) * 1500
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request("PACS"))
        response = await peer.store(data)
        assert response.status == 0x0000
        assert response.affected_sop_instance_uid == "1.2.3.4"
        [kept] = door.spool.kept
        assert kept.data == data
        assert kept.instance.sop_class_uid == RT_IMAGE
        assert kept.instance.sop_instance_uid == "1.2.3.4"
        assert kept.instance.transfer_syntax_uid == EXPLICIT
        assert kept.destinations == ("pacs", "archive")
        assert kept.priority is Priority.IMAGE
        assert (kept.origin.listener, kept.origin.address) == ("console", "127.0.0.1")
        assert (kept.origin.calling_ae, kept.origin.called_ae) == ("LINAC1", "PACS")
        stored = await door.log.wait(ObjectStored)
        assert (stored.number, stored.size, stored.outcome) == (1, len(data), "new")
        assert stored.association == kept.origin.association
        assert "1.2.3.4" not in repr(door.log.all)


async def test_a_treatment_record_has_priority_and_a_route_may_say_otherwise() -> None:
    route = Route(AETitle("ARIA"), ("oncology",), priorities={RT_IMAGE: Priority.BULK})
    async with open_door(routes=[route]) as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        await peer.store(context_id=5, sop_class=BEAMS_RECORD)
        await peer.store(context_id=3)
        assert [kept.priority for kept in door.spool.kept] == [Priority.RECORD, Priority.BULK]


async def test_success_is_not_answered_before_the_commit() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        door.spool.gate = asyncio.Event()
        await peer.associate(request())
        answer = asyncio.create_task(peer.store())
        await asyncio.wait_for(door.spool.committing.wait(), 10)
        await asyncio.wait([answer], timeout=0.05)
        assert not answer.done()
        door.spool.gate.set()
        assert (await answer).status == 0x0000


@pytest.mark.parametrize("outcome", ["duplicate", "conflict", "checking"])
async def test_whatever_is_durable_is_a_success(outcome: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def commit(incoming: FakeIncoming) -> Stored:
        return Stored(41, outcome, b"", incoming.size)  # type: ignore[arg-type]  # one of the literals

    monkeypatch.setattr(FakeIncoming, "commit", commit)
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        assert (await peer.store()).status == 0x0000
        stored = await door.log.wait(ObjectStored)
        assert (stored.number, stored.outcome) == (41, outcome)


# --- what is refused -----------------------------------------------------------------------------------


async def after(peer_status: Command, expected: int, words: str) -> None:
    assert peer_status.status == expected
    assert words in (peer_status.error_comment or "")


@pytest.mark.parametrize("when", ["on_receive", "on_write", "on_commit"])
@pytest.mark.parametrize(
    ("error", "status", "words"),
    [(NoRoom("mark"), 0xA700, "no room"), (SpoolFailure("disk"), 0x0110, "could not store")],
)
async def test_a_failing_spool_is_a_failure_and_the_association_lives_on(
    when: str, error: Exception, status: int, words: str
) -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        setattr(door.spool, when, lambda *_: refuse(error))
        await after(await peer.store(b"x" * 400_000), status, words)
        refused = await door.log.wait(ObjectRefused)
        assert (refused.status, refused.reason, refused.size) == (status, str(error), 400_000)
        setattr(door.spool, when, lambda *_: None)
        assert (await peer.store(message_id=2)).status == 0x0000
        assert [kept.data for kept in door.spool.kept] == [b"pixels"]
        await peer.release()
        closed = await door.log.wait(AssociationClosed)
        assert (closed.objects, closed.failures, closed.outcome) == (1, 1, "released")


async def test_after_a_failed_write_nothing_more_of_the_object_reaches_the_spool() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        sizes: list[int] = []

        def on_write(size: int) -> None:
            sizes.append(size)
            raise NoRoom("mark")

        door.spool.on_write = on_write
        await peer.associate(request())
        assert (await peer.store(b"x" * 500_000)).status == 0xA700
        assert len(sizes) == 1


@pytest.mark.parametrize("uid", ["", "../../x", "1.2.\x003", "1..2", "1" * 65, "<b>"])
async def test_an_instance_uid_that_is_none_is_refused(uid: str) -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        await after(await peer.store(instance=uid), 0x0117, "not a UID")
        assert not door.spool.incoming


async def test_a_class_other_than_the_contexts_is_refused() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        await after(await peer.store(sop_class=BEAMS_RECORD), 0xA900, "differs")
        assert not door.spool.incoming


async def test_a_declared_specialisation_of_the_contexts_class_is_taken() -> None:
    private = "1.2.826.0.1.3680043.9.9999.7"
    declared = {private: CommonExtended("1.2.840.10008.4.2", (RT_IMAGE,))}
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(replace(request(), common_extended=declared))
        assert (await peer.store(sop_class=private)).status == 0x0000
        assert (await peer.store(sop_class=CT)).status == 0xA900


async def test_a_request_without_a_data_set_is_refused() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        peer.send_command(3, replace(messages.c_store_rq(1, RT_IMAGE, "1.2.3"), has_data_set=False))
        await after(await peer.response(), 0xC000, "no data set")
        assert (await peer.store()).status == 0x0000


async def test_an_empty_data_set_is_refused_and_given_back() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        await after(await peer.store(b""), 0xC000, "empty")
        assert door.spool.incoming[0].abandoned.is_set()
        assert not door.spool.kept


async def test_a_peer_that_aborts_in_the_middle_leaves_nothing_behind() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        peer.send_command(3, messages.c_store_rq(1, RT_IMAGE, "1.2.3"))
        peer.send_data(3, b"half", last=False)
        await asyncio.wait_for(door.spool.begun.wait(), 10)
        await asyncio.wait_for(door.spool.incoming[0].started.wait(), 10)
        peer.layer.abort()
        peer.flush()
        await asyncio.wait_for(door.spool.incoming[0].abandoned.wait(), 10)
        closed = await door.log.wait(AssociationClosed)
        assert (closed.outcome, closed.objects) == ("aborted", 0)


# --- the choice of a transfer syntax -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("offered", "known", "chosen"),
    [
        ((IMPLICIT, EXPLICIT), {}, EXPLICIT),
        ((JPEG_LS, IMPLICIT), {}, JPEG_LS),
        ((DEFLATED,), {}, DEFLATED),
        ((EXPLICIT, IMPLICIT), {"oncology": {IMPLICIT}}, IMPLICIT),
        ((JPEG_LS, IMPLICIT, EXPLICIT), {"oncology": {IMPLICIT, JPEG_LS}}, JPEG_LS),
        ((IMPLICIT, EXPLICIT), {"oncology": {JPEG_LS}}, EXPLICIT),
        (("not a uid", IMPLICIT), {}, IMPLICIT),
    ],
)
async def test_what_the_destination_takes_comes_first_then_explicit_then_the_first_offer(
    offered: tuple[str, ...], known: dict[str, set[str]], chosen: str
) -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        door.known.accepted = {name: frozenset(syntaxes) for name, syntaxes in known.items()}
        answer = await peer.associate(request(contexts=[ProposedContext(1, RT_IMAGE, offered)]))
        assert isinstance(answer, AssociateAccept)
        assert answer.contexts[0].accepted
        assert answer.contexts[0].transfer_syntax == chosen


async def test_with_several_destinations_only_what_all_of_them_take_is_preferred() -> None:
    async with open_door() as door:
        for known, chosen in (
            ({"pacs": {IMPLICIT}, "archive": {IMPLICIT, EXPLICIT}}, IMPLICIT),
            ({"pacs": {IMPLICIT}}, EXPLICIT),  # the other one is not known yet
        ):
            door.known.accepted = {name: frozenset(syntaxes) for name, syntaxes in known.items()}
            async with wire_peer(door.port) as peer:
                answer = await peer.associate(request("PACS"))
                assert isinstance(answer, AssociateAccept)
                assert answer.contexts[1].transfer_syntax == chosen


async def test_a_context_without_any_transfer_syntax_that_is_a_uid_is_refused() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        asked = request(contexts=[ProposedContext(1, RT_IMAGE, ("../x",))])
        answer = await peer.associate(asked)
        assert isinstance(answer, AssociateAccept)
        assert answer.contexts[0].result == 4


# --- asynchronous operations ---------------------------------------------------------------------------


async def test_operations_overlap_and_answers_come_as_they_are_ready() -> None:
    gates = {"1.1": asyncio.Event(), "1.2": asyncio.Event(), "1.3": asyncio.Event()}

    async def commit(incoming: FakeIncoming) -> Stored:
        instance = incoming._about[0].sop_instance_uid
        await gates[instance].wait()
        return Stored(1, "new", b"", incoming.size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeIncoming, "commit", commit)
        async with open_door() as door, wire_peer(door.port) as peer:
            await peer.associate(request(window=(8, 1)))
            for number, instance in enumerate(gates, start=1):
                peer.send_store(b"data", message_id=number, instance=instance)
            gates["1.3"].set()
            assert (await peer.response()).message_id_responded_to == 3
            gates["1.1"].set()
            assert (await peer.response()).message_id_responded_to == 1
            gates["1.2"].set()
            assert (await peer.response()).message_id_responded_to == 2
            assert len(door.log.of(ObjectStored)) <= 3


async def test_data_sets_may_interleave_on_different_contexts() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request(window=(8, 1)))
        peer.send_command(3, messages.c_store_rq(1, RT_IMAGE, "1.1"))
        peer.send_command(5, messages.c_store_rq(2, BEAMS_RECORD, "1.2"))
        peer.send_data(3, b"im", last=False)
        peer.send_data(5, b"rec", last=False)
        peer.send_data(3, b"age")
        peer.send_data(5, b"ord")
        answered = {(await peer.response()).message_id_responded_to for _ in range(2)}
        assert answered == {1, 2}
        assert sorted(kept.data for kept in door.spool.kept) == [b"image", b"record"]


async def test_nothing_is_answered_for_an_object_that_is_not_complete() -> None:
    async with open_door() as door, wire_peer(door.port) as peer:
        await peer.associate(request())
        peer.send_command(3, messages.c_store_rq(1, RT_IMAGE, "1.1"))
        peer.send_data(3, b"half", last=False)
        assert (await peer.echo(2)).message_id_responded_to == 2
        peer.send_data(3, b" and half")
        event = await peer.event()
        assert isinstance(event, DataReceived)
        assert door.spool.kept[0].data == b"half and half"
