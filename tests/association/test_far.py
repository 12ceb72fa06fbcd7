"""The far association: everything on it belongs to its holder, and between two holders it is ours."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.association.association import Closed
from gateway.association.errors import AssociationLost, ConnectFailed
from gateway.association.far import FarAssociation, open_far
from gateway.association.timeouts import RequestorTimeouts
from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.negotiation import (
    AcceptedContext,
    AssociateRequest,
    ProposedContext,
    UserIdentity,
    negotiate,
)
from gateway.errors import LocalError
from gateway.model import AETitle, Peer
from gateway.notices import Notices
from tests.support.relay_play import FIND, abort, fin, gone, part, reset
from tests.support.wire_centre import TAKE_FIRST, WireCentre, wire_centre
from tests.support.wire_peer import IMPLICIT, VERIFICATION

CONTEXTS = (ProposedContext(1, FIND, (IMPLICIT,)), ProposedContext(3, VERIFICATION, (IMPLICIT,)))
TIMEOUTS = RequestorTimeouts(connect=2, associate=2, response=2, release=0.5)


class Holder:
    """Notes what it gets."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.flushed = asyncio.Event()
        self.ended: asyncio.Future[Closed] = asyncio.get_running_loop().create_future()

    def far_command(self, context: AcceptedContext, command: Command) -> None:
        self.heard.append((context.context_id, command.name))

    def far_fragment(self, context_id: int, data: memoryview, is_last: bool) -> None:
        self.heard.append((context_id, bytes(data), is_last))

    def far_flush(self) -> None:
        self.flushed.set()

    def far_ended(self, closed: Closed) -> None:
        self.ended.set_result(closed)


@asynccontextmanager
async def opened(
    script: Callable[[WireCentre], Awaitable[object]],
    contexts: tuple[ProposedContext, ...] = CONTEXTS,
    identity: UserIdentity | None = None,
) -> AsyncIterator[FarAssociation[str]]:
    async with wire_centre(script) as port:
        far = await open_far(
            Peer("oncology", AETitle("CENTRE"), "127.0.0.1", port),
            AssociateRequest("CENTRE", "LINAC1", contexts, user_identity=identity),
            profile="what it was opened for",
            notices=Notices(),
            timeouts=TIMEOUTS,
            way=None,
        )
        try:
            yield far
        finally:
            far.abort()
            await far.wait_closed()


async def answers_everything(centre: WireCentre) -> None:
    await centre.accept()
    while True:
        try:
            context_id, command, _ = await centre.message()
        except AssertionError:
            return
        centre.answer(context_id, command)


async def test_it_knows_whom_it_is_with_and_what_was_answered() -> None:
    async with opened(answers_everything) as far:
        assert (far.peer, far.profile, far.personal, far.usable) == (
            "oncology",
            "what it was opened for",
            False,
            True,
        )
        assert [context.accepted for context in far.answer.contexts] == [True, True]
        assert far.heard_at > 0
        far.abort()
        assert not far.usable


async def test_one_with_a_user_identity_is_personal() -> None:
    async with opened(answers_everything, identity=UserIdentity(1, b"physicist")) as far:
        assert far.personal


async def test_the_answer_is_not_there_before_the_association_is() -> None:
    far = FarAssociation(
        AssociateRequest("CENTRE", "LINAC1", CONTEXTS),
        peer="oncology",
        profile=None,
        notices=Notices(),
        timeouts=TIMEOUTS,
    )
    with pytest.raises(LocalError):
        _ = far.answer


async def test_an_echo_takes_some_time_and_any_status_is_an_answer() -> None:
    async def refuses(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, _ = await centre.message()
        centre.answer(context_id, command, 0x0122)
        await centre.finish()

    async with opened(refuses) as far:
        assert 0 <= await far.echo() < 2


async def test_without_verification_there_is_no_echo() -> None:
    async with opened(answers_everything, CONTEXTS[:1]) as far:
        with pytest.raises(LocalError):
            await far.echo()


async def test_a_holder_gets_everything_in_order_and_one_flush_for_what_came_together() -> None:
    say = asyncio.Event()

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await say.wait()
        report = messages.n_event_report_rq(1, FIND, "1.2", 1, has_data_set=True)
        part(centre, 1, report, b"one")
        centre.layer.send_pdv(1, False, True, b"two")
        centre.send(3, messages.c_cancel_rq(1))
        await centre.finish()

    async with opened(script) as far:
        holder = Holder()
        far.hold(holder)
        with pytest.raises(RuntimeError):
            far.hold(Holder())
        say.set()
        while len(holder.heard) < 4:
            await asyncio.wait_for(holder.flushed.wait(), 5)
            holder.flushed.clear()
        assert holder.heard == [
            (1, "N-EVENT-REPORT-RQ"),
            (1, b"one", False),
            (1, b"two", True),
            (3, "C-CANCEL-RQ"),
        ]


async def test_between_two_holders_what_the_peer_asks_is_turned_down() -> None:
    told = asyncio.get_running_loop().create_future()

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        part(centre, 1, messages.n_event_report_rq(1, FIND, "1.2", 1, has_data_set=True), b"x")
        centre.layer.send_pdv(1, False, True, b"")
        centre.flush()
        told.set_result((await centre.message())[1].status)
        await centre.finish()

    async with opened(script) as far:
        far.hold(Holder())
        far.let_go()
        assert await asyncio.wait_for(told, 5) == 0x0211
        assert far.usable


@pytest.mark.parametrize("kill", [reset, fin, abort], ids=["RST", "FIN", "A-ABORT"])
async def test_its_end_is_told_to_the_holder_once_or_to_whoever_keeps_it(kill: Callable[[Any], None]) -> None:
    for held in (True, False):
        go = asyncio.Event()

        async def script(centre: WireCentre, go: asyncio.Event = go) -> None:
            await centre.accept()
            await go.wait()
            kill(centre)
            await gone(centre)

        async with opened(script) as far:
            holder = Holder()
            over: list[str] = []
            far.on_gone = lambda over=over: over.append("gone")  # type: ignore[misc]
            if held:
                far.hold(holder)
            go.set()
            closed = await far.wait_closed()
            if held:
                assert await holder.ended is closed
            assert over == ([] if held else ["gone"])


async def test_our_own_abort_is_told_too() -> None:
    async with opened(answers_everything) as far:
        holder = Holder()
        far.hold(holder)
        far.expire("no answer")
        assert (await holder.ended).outcome == "timeout"


async def test_who_asks_while_it_ends_is_told() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await centre.message()
        reset(centre)

    async with opened(script) as far:
        with pytest.raises(AssociationLost):
            await far.echo()


async def test_one_that_ends_in_the_read_that_accepts_it_was_never_opened() -> None:
    async def script(centre: WireCentre) -> None:
        asked = await centre.requested()
        centre.layer.accept(negotiate(asked, TAKE_FIRST))
        centre.layer.abort()
        centre.flush()
        await gone(centre)

    with pytest.raises(ConnectFailed, match="ended at once"):
        async with opened(script):
            pass
