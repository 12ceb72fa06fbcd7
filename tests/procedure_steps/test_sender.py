"""One step to a real peer: what is proposed, what is sent, and what is said of each way to fail."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.association.timeouts import RequestorTimeouts
from gateway.errors import LocalError
from gateway.model import AETitle, Peer, TlsMaterial
from gateway.notices import AssociationClosed, AssociationOpened
from gateway.procedure_steps.policy import StepPolicy
from gateway.procedure_steps.sender import Answered, NotSent, Scope, Sender, Unanswered
from tests.support.loop_clock import turns
from tests.support.mpps_centre import (
    CUT_AFTER,
    CUT_BEFORE,
    SILENT,
    WRONG_OBJECT,
    Answer,
    MppsCentre,
    Received,
)
from tests.support.notice_log import NoticeLog
from tests.support.steps import EXPLICIT, IMPLICIT, UID, a_step
from tests.support.wire_centre import WireCentre, wire_centre

DEFLATED = "1.2.840.10008.1.2.1.99"
LINAC1 = AETitle("LINAC1")
QUICK = RequestorTimeouts(connect=2, associate=5, response=0.5, release=2)


@asynccontextmanager
async def sending(
    centre: MppsCentre,
    log: NoticeLog | None = None,
    *,
    policy: StepPolicy | None = None,
    timeouts: RequestorTimeouts | None = None,
    calling_ae: AETitle | None = None,
) -> AsyncIterator[Sender]:
    peer = Peer("oncology", AETitle(centre.ae_title), "127.0.0.1", centre.port, calling_ae=calling_ae)
    sender = Sender(
        peer,
        (log or NoticeLog()).notices,
        policy or StepPolicy(),
        way_to=lambda peer: None,
        timeouts=timeouts or RequestorTimeouts(connect=2, associate=5, response=5, release=2),
    )
    try:
        yield sender
    finally:
        async with asyncio.timeout(10):
            await sender.close()
        assert all(association.closed for association in sender._open)


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, DEFLATED])
async def test_data_sets_arrive_byte_for_byte_in_their_syntax(syntax: str) -> None:
    with MppsCentre(syntaxes=(IMPLICIT, EXPLICIT, DEFLATED)) as centre:
        async with sending(centre) as sender:
            create, change = a_step(1, syntax=syntax), a_step(1, "set", syntax=syntax)
            for step in (create, change):
                reply = await sender.send(step, LINAC1)
                assert isinstance(reply, Answered)
                assert reply.command.status == 0
                assert not reply.again
            assert [one.data for one in centre.received] == [create.data, change.data]
            assert [one.syntax for one in centre.received] == [syntax, syntax]
            assert centre.instances[f"{UID}1"].status == "COMPLETED"
            assert centre.associations == ["LINAC1"]


async def test_any_status_is_an_answer() -> None:
    with MppsCentre() as centre:
        async with sending(centre) as sender:
            for step, status in (
                (a_step(1, "set"), 0x0112),
                (a_step(1), 0x0000),
                (a_step(1), 0x0111),
                (a_step(1, "set"), 0x0000),
                (a_step(1, "set"), 0x0110),
            ):
                reply = await sender.send(step, LINAC1)
                assert isinstance(reply, Answered)
                assert reply.command.status == status
            assert reply.command.error_id == 0xA710
            assert "no longer" in (reply.command.error_comment or "")
            assert len(centre.associations) == 1


async def test_a_warm_association_is_for_the_title_it_was_opened_with() -> None:
    with MppsCentre() as centre:
        async with sending(centre) as sender:
            for number, title in enumerate(("A", "B", "A", "B"), 1):
                assert isinstance(await sender.send(a_step(number), AETitle(title)), Answered)
            assert sorted(centre.associations) == ["A", "B"]
            assert [one.calling for one in centre.received] == ["A", "B", "A", "B"]


async def test_a_syntax_that_was_not_proposed_needs_another_association() -> None:
    with MppsCentre(syntaxes=(IMPLICIT, DEFLATED)) as centre:
        async with sending(centre) as sender:
            for number, syntax in enumerate((IMPLICIT, DEFLATED, IMPLICIT), 1):
                assert isinstance(await sender.send(a_step(number, syntax=syntax), LINAC1), Answered)
            assert len(centre.associations) == 2


async def test_idle_associations_of_other_titles_make_room() -> None:
    log = NoticeLog()
    with MppsCentre() as centre:
        async with sending(centre, log, policy=StepPolicy(max_associations=1)) as sender:
            await sender.send(a_step(1), AETitle("A"))
            await sender.send(a_step(2), AETitle("B"))
            assert [one.calling_ae for one in log.of(AssociationClosed)] == ["A"]


async def test_an_idle_association_is_released() -> None:
    log = NoticeLog()
    with MppsCentre() as centre:
        async with sending(centre, log, policy=StepPolicy(idle_hold=0.05)) as sender:
            await sender.send(a_step(1), LINAC1)
            closed = await log.wait(AssociationClosed)
            assert closed.outcome == "released"


async def test_the_title_of_the_peer_itself_comes_first() -> None:
    with MppsCentre() as centre:
        async with sending(centre, calling_ae=AETitle("SITE")) as sender:
            await sender.send(a_step(1), LINAC1)
            assert centre.associations == ["SITE"]


async def test_nobody_listens() -> None:
    centre = MppsCentre()
    async with sending(centre) as sender:
        reply = await sender.send(a_step(1), LINAC1)
        assert isinstance(reply, NotSent)
        assert (reply.scope, reply.again) == (Scope.DESTINATION, False)


async def test_the_association_is_refused() -> None:
    with MppsCentre(titles=["OTHER"]) as centre:
        async with sending(centre) as sender:
            reply = await sender.send(a_step(1), LINAC1)
            assert isinstance(reply, NotSent)
            assert (reply.scope, reply.slow) == (Scope.TITLE, True)


async def test_the_destination_does_not_know_procedure_steps() -> None:
    with MppsCentre(sop_class="1.2.840.10008.1.1") as centre:
        async with sending(centre) as sender:
            reply = await sender.send(a_step(1), LINAC1)
            assert isinstance(reply, NotSent)
            assert (reply.scope, reply.slow) == (Scope.TITLE, True)
            assert "MPPS" in reply.reason


async def test_the_destination_does_not_take_the_syntax() -> None:
    with MppsCentre(syntaxes=(IMPLICIT,)) as centre:
        async with sending(centre) as sender:
            reply = await sender.send(a_step(1, syntax=DEFLATED), LINAC1)
            assert isinstance(reply, NotSent)
            assert reply.scope is Scope.STEP
            # The association is good for others.
            assert isinstance(await sender.send(a_step(2), LINAC1), Answered)
            assert len(centre.associations) == 1
            assert not [one for one in centre.received if one.uid == f"{UID}1"]


@pytest.mark.parametrize("how", [CUT_BEFORE, CUT_AFTER, SILENT, WRONG_OBJECT])
async def test_sent_and_not_answered(how: str) -> None:
    with MppsCentre(lambda received: how) as centre:
        async with sending(centre, timeouts=QUICK) as sender:
            reply = await sender.send(a_step(1), LINAC1)
            assert isinstance(reply, Unanswered)
            assert len(centre.received) == 1


@pytest.mark.parametrize("how", [CUT_BEFORE, CUT_AFTER])
async def test_on_a_warm_association_it_is_sent_once_more(how: str) -> None:
    def answer(received: Received) -> Answer:
        return how if len(centre.received) == 2 else None

    with MppsCentre(answer) as centre:
        async with sending(centre) as sender:
            await sender.send(a_step(1), LINAC1)
            reply = await sender.send(a_step(2), LINAC1)
            assert isinstance(reply, Answered)
            assert reply.again
            assert reply.command.status == (0x0000 if how == CUT_BEFORE else 0x0111)
            assert centre.order() == ["create", "create", "create"]
            assert len(centre.associations) == 2


async def test_on_a_warm_association_and_then_nobody_listens() -> None:
    def answer(received: Received) -> Answer:
        if len(centre.received) == 2:
            centre.listen_no_longer()
            return CUT_AFTER
        return None

    with MppsCentre(answer) as centre:
        async with sending(centre) as sender:
            await sender.send(a_step(1), LINAC1)
            reply = await sender.send(a_step(2), LINAC1)
            assert isinstance(reply, NotSent)
            assert (reply.scope, reply.again) == (Scope.DESTINATION, True)


async def test_a_warm_association_that_was_cut_while_idle_is_noticed() -> None:
    log = NoticeLog()
    with MppsCentre() as centre:
        async with sending(centre, log) as sender:
            await sender.send(a_step(1), LINAC1)
            centre.cut()
            await log.wait(AssociationClosed)
            reply = await sender.send(a_step(2), LINAC1)
            assert isinstance(reply, Answered)
            assert not reply.again


async def test_a_silent_warm_association_is_not_asked_twice() -> None:
    with MppsCentre(lambda received: SILENT if len(centre.received) == 2 else None) as centre:
        async with sending(centre, timeouts=QUICK) as sender:
            await sender.send(a_step(1), LINAC1)
            assert isinstance(await sender.send(a_step(2), LINAC1), Unanswered)
            assert len(centre.received) == 2


async def test_a_call_that_is_cancelled_aborts_and_leaves_nothing() -> None:
    log = NoticeLog()
    with MppsCentre(lambda received: SILENT) as centre:
        async with sending(centre, log) as sender:
            task = asyncio.create_task(sender.send(a_step(1), LINAC1))
            await log.wait(AssociationOpened)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            closed = await log.wait(AssociationClosed)
            assert closed.outcome == "aborted"


async def test_closing_does_not_wait_for_a_peer_that_takes_nothing() -> None:
    async def deaf(centre: WireCentre) -> None:
        await centre.accept()
        await asyncio.Event().wait()

    log = NoticeLog()
    async with wire_centre(deaf) as port:
        peer = Peer("oncology", AETitle("CENTRE"), "127.0.0.1", port)
        timeouts = RequestorTimeouts(release=60, stall=60)
        sender = Sender(peer, log.notices, StepPolicy(), way_to=lambda peer: None, timeouts=timeouts)
        step = replace(a_step(1), data=bytes(20_000_000))
        task = asyncio.create_task(sender.send(step, LINAC1))
        async with asyncio.timeout(10):
            await log.wait(AssociationOpened)
            await turns(50)
            [association] = sender._open
            assert association.stream.backlog()
            task.cancel()
            await asyncio.wait([task])
            await sender.close()
        assert association.closed


async def test_our_own_certificate_cannot_be_read(tmp_path: Path) -> None:
    material = TlsMaterial(tmp_path / "a", tmp_path / "b", tmp_path / "c")
    peer = Peer("oncology", AETitle("CENTRE"), "127.0.0.1", 1, tls=material)

    def unreadable(peer: Peer) -> None:
        raise LocalError("the certificate cannot be read")

    sender = Sender(peer, NoticeLog().notices, StepPolicy(), way_to=unreadable, timeouts=RequestorTimeouts())
    reply = await sender.send(a_step(1), LINAC1)
    assert isinstance(reply, NotSent)
    assert reply.scope is Scope.DESTINATION
    await sender.close()
