"""Asking on an association of ours: answers with data sets, streams of them, and being asked back."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from gateway.association.asking import Answer, AnswerTooLarge, AskingAssociation, AskingLimits, open_asking
from gateway.association.errors import (
    AssociateRejectedError,
    AssociationAborted,
    AssociationLost,
    ProtocolViolation,
    ResponseTimeout,
)
from gateway.association.timeouts import RequestorTimeouts
from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.dimse import fragments
from gateway.dicom.events import ReleaseRequested
from gateway.dicom.negotiation import (
    AcceptedContext,
    AcceptorPolicy,
    AssociateRequest,
    ContextAnswer,
    ProposedContext,
)
from gateway.errors import LocalError, PeerError
from gateway.model import AETitle, Peer
from tests.support.notice_log import NoticeLog
from tests.support.wire_centre import WireCentre, wire_centre
from tests.support.wire_peer import IMPLICIT

COMMITMENT = "1.2.840.10008.1.20.1"
INSTANCE = "1.2.840.10008.1.20.1.1"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
CONTEXTS = (ProposedContext(1, COMMITMENT, (IMPLICIT,)), ProposedContext(3, FIND, (IMPLICIT,)))
SHORT = RequestorTimeouts(connect=5, associate=5, response=0.2, release=0.2, stall=0.2)
Script = Callable[[WireCentre], Awaitable[object]]


async def opened(port: int, **options: Any) -> AskingAssociation:
    peer = Peer("centre", AETitle("CENTRE"), "127.0.0.1", port)
    given: dict[str, Any] = {"calling_ae": AETitle("GW"), "notices": NoticeLog().notices, **options}
    return await open_asking(peer, CONTEXTS, **given)


def action(message_id: int) -> Command:
    return messages.n_action_rq(message_id, COMMITMENT, INSTANCE, 1, has_data_set=True)


def find(message_id: int) -> Command:
    return messages.c_find_rq(message_id, FIND)


def event(message_id: int) -> Command:
    return messages.n_event_report_rq(message_id, COMMITMENT, INSTANCE, 1, has_data_set=True)


def say(centre: WireCentre, context_id: int, command: Command, data: bytes = b"") -> None:
    centre.send(context_id, command)
    if command.has_data_set:
        for fragment, last in fragments(data, centre.layer.max_fragment):
            centre.layer.send_pdv(context_id, False, last, fragment)
        centre.flush()


def match(command: Command, data: bytes) -> tuple[Command, bytes]:
    return messages.c_find_rsp(command, 0xFF00, has_data_set=True), data


async def test_a_response_comes_with_its_data_set() -> None:
    got: list[bytes] = []

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, data = await centre.message()
        got.append(data)
        say(centre, context_id, messages.n_action_rsp(command, 0x0000, has_data_set=True), b"reply" * 9000)
        context_id, command, data = await centre.message()
        got.append(data)
        centre.answer(context_id, command, 0x0110)
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port)
        answer = await association.ask(1, action, b"first")
        assert (answer.command.status, answer.data) == (0x0000, b"reply" * 9000)
        answer = await association.ask(1, action, b"second")
        assert (answer.command.status, answer.command.action_type_id, answer.data) == (0x0110, 1, b"")
        await association.release()
    assert got == [b"first", b"second"]


async def test_a_request_without_a_data_set() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, data = await centre.message()
        assert (command.command_field, data) == (CommandField.N_GET_RQ, b"")
        centre.answer(context_id, command)
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port)
        answer = await association.ask(1, lambda number: messages.n_get_rq(number, COMMITMENT, INSTANCE))
        assert answer.command.status == 0x0000
        await association.release()


async def test_a_request_that_does_not_fit_its_data_set_costs_nothing() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, _ = await centre.message()
        centre.answer(context_id, command)
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port)
        with pytest.raises(LocalError, match="fit"):
            await association.ask(1, action)
        assert (await association.ask(1, action, b"data")).command.status == 0x0000
        await association.release()


async def test_pending_responses_are_kept_in_order_before_the_final_one() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, data = await centre.message()
        assert data == b"keys"
        for number in range(3):
            say(centre, context_id, *match(command, b"match %d" % number))
        centre.answer(context_id, command)
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port)
        answers = await association.ask_all(3, find, b"keys", most=3)
        assert [answer.data for answer in answers] == [b"match 0", b"match 1", b"match 2", b""]
        assert [answer.command.status for answer in answers] == [0xFF00] * 3 + [0x0000]
        await association.release()


async def test_pending_responses_that_come_one_by_one_each_get_the_whole_time() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, _ = await centre.message()
        for _ in range(4):
            await asyncio.sleep(0.1)  # the peer takes its time: twice the time-out in all
            say(centre, context_id, *match(command, b"match"))
        centre.answer(context_id, command)
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port, timeouts=SHORT)
        assert len(await association.ask_all(3, find, b"keys", most=10)) == 5
        await association.release()


async def test_silence_after_a_pending_response_is_silence() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, _ = await centre.message()
        say(centre, context_id, *match(command, b"match"))
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port, timeouts=SHORT)
        with pytest.raises(ResponseTimeout):
            await association.ask_all(3, find, b"keys", most=10)
        assert (await association.wait_closed()).outcome == "timeout"


async def test_more_responses_than_wanted_are_cancelled_and_dropped() -> None:
    seen: list[int] = []

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, _ = await centre.message()
        for number in range(5):
            say(centre, context_id, *match(command, b"match %d" % number))
        _, cancel, _ = await centre.message()
        seen.append(cancel.command_field)
        assert cancel.message_id_responded_to == command.message_id
        centre.answer(context_id, command, 0xFE00)
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port)
        answers = await association.ask_all(3, find, b"keys", most=2)
        assert [(answer.command.status, answer.data) for answer in answers] == [
            (0xFF00, b"match 0"),
            (0xFF00, b"match 1"),
            (0xFE00, b""),
        ]
        await association.release()
    assert seen == [CommandField.C_CANCEL_RQ]


async def test_a_peer_that_does_not_stop_answering_is_left() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, _ = await centre.message()
        for _ in range(7):
            say(centre, context_id, *match(command, b"match"))
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port, limits=AskingLimits(max_surplus=5))
        with pytest.raises(ProtocolViolation, match="does not stop"):
            await association.ask_all(3, find, b"keys", most=1)


@pytest.mark.parametrize("limits", [AskingLimits(max_data_set=100), AskingLimits(max_answers=150)])
async def test_an_answer_that_is_too_large_is_no_answer_and_the_association_goes_on(
    limits: AskingLimits,
) -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, _ = await centre.message()
        say(centre, context_id, *match(command, bytes(100)))
        say(centre, context_id, *match(command, bytes(101)))
        centre.answer(context_id, command)
        context_id, command, _ = await centre.message()
        say(centre, context_id, messages.response(command, 0, has_data_set=True), bytes(100))
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port, limits=limits)
        with pytest.raises(AnswerTooLarge):
            await association.ask_all(3, find, b"keys", most=9)
        assert len((await association.ask(1, action, b"data")).data) == 100
        await association.release()


async def test_only_what_is_wanted_counts_as_too_large() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, _ = await centre.message()
        say(centre, context_id, *match(command, bytes(300)))
        centre.answer(context_id, command)
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port, limits=AskingLimits(max_data_set=100))
        assert await association.ask(3, find, b"keys")
        await association.release()


@pytest.mark.parametrize("when", ["before", "pending", "half"])
async def test_a_peer_that_goes_away_fails_the_question(when: str) -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, _ = await centre.message()
        if when == "pending":
            say(centre, context_id, *match(command, b"match"))
        if when == "half":
            centre.send(context_id, match(command, b"")[0])
            centre.layer.send_pdv(context_id, False, False, b"half of it")
            centre.flush()
        await centre.writer.drain()

    async with wire_centre(script) as port:
        association = await opened(port)
        with pytest.raises(AssociationLost):
            await association.ask_all(3, find, b"keys", most=9)
        assert (await association.wait_closed()).outcome == "lost"


async def test_two_final_responses_are_one_too_many() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, _ = await centre.message()
        centre.send(context_id, messages.response(command, 0, has_data_set=True))
        other = 3 if context_id == 1 else 1
        centre.send(other, messages.response(command, 0, has_data_set=True))
        for each in (context_id, other):
            centre.layer.send_pdv(each, False, True, b"answer")
        centre.flush()
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port)
        assert (await association.ask(1, action, b"data")).data == b"answer"
        assert (await association.wait_closed()).outcome == "violation"


async def test_a_question_that_is_given_up_aborts() -> None:
    arrived = asyncio.Event()

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, _ = await centre.message()
        say(centre, context_id, *match(command, b"match"))
        arrived.set()
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port)
        asking = asyncio.create_task(association.ask_all(3, find, b"keys", most=9))
        await asyncio.wait_for(arrived.wait(), 10)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        assert (await association.wait_closed()).outcome == "aborted"
        with pytest.raises(AssociationAborted):
            await association.ask(1, action, b"data")


# --- opening -------------------------------------------------------------------------------------------


async def test_roles_are_proposed_and_the_answer_is_known() -> None:
    async def script(centre: WireCentre) -> None:
        asked = await centre.accept(
            AcceptorPolicy(
                choose=lambda context: (
                    ContextAnswer.accept(IMPLICIT)
                    if context.abstract_syntax == COMMITMENT
                    else ContextAnswer.refuse()
                ),
                roles=lambda *_: (False, True),
            )
        )
        assert asked.roles == {COMMITMENT: (False, True)}
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port, roles={COMMITMENT: (False, True)})
        assert list(association.contexts) == [1]
        assert (association.contexts[1].as_scu, association.contexts[1].as_scp) == (False, True)
        await association.release()


async def test_a_rejection_is_raised() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.requested()
        centre.layer.reject(2, 1, 1)
        centre.flush()
        await centre.finish()

    async with wire_centre(script) as port:
        with pytest.raises(AssociateRejectedError):
            await opened(port)


async def test_giving_up_while_the_peer_hangs_up_leaves_nothing_to_complain_about() -> None:
    hung_up = asyncio.Event()

    async def script(centre: WireCentre) -> None:
        centre.writer.transport.abort()
        hung_up.set()

    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    async with wire_centre(script) as port:
        for turns in range(12):  # cancelled a little later each time
            opening = asyncio.create_task(opened(port))
            for _ in range(turns):
                await asyncio.sleep(0)
            opening.cancel()
            await asyncio.gather(opening, return_exceptions=True)
    gc.collect()
    await asyncio.sleep(0)
    assert errors == []


def test_a_failure_to_open_that_nobody_waits_for_is_no_complaint() -> None:
    errors: list[dict[str, Any]] = []

    async def scenario() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        association = AskingAssociation(
            AssociateRequest("CENTRE", "GW", CONTEXTS),
            notices=NoticeLog().notices,
            timeouts=SHORT,
            on_request=None,
            limits=AskingLimits(),
        )
        association.on_lost(None)
        del association
        gc.collect()

    asyncio.run(scenario())
    gc.collect()
    assert errors == []


# --- being asked ---------------------------------------------------------------------------------------


class Desk:
    """Takes what the peer asks, and answers when the test says so."""

    def __init__(self, *, open_at_once: bool = True) -> None:
        self.taken: list[tuple[str, Command, bytes]] = []
        self.may_answer = asyncio.Event()
        self.arrived = asyncio.Event()
        self.done = 0
        if open_at_once:
            self.may_answer.set()

    async def __call__(self, context: AcceptedContext, command: Command, data: bytes) -> Command:
        self.taken.append((context.abstract_syntax, command, data))
        self.arrived.set()
        await self.may_answer.wait()
        self.done += 1
        return messages.response(command, 0x0000)


async def test_the_peer_asks_on_the_same_association_and_gets_its_answer() -> None:
    statuses: list[Any] = []

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, _ = await centre.message()
        # Before the response, as some archives do, and after it.
        say(centre, context_id, event(11), b"early")
        _, answer, _ = await centre.message()
        statuses.append((answer.status, answer.message_id_responded_to))
        centre.answer(context_id, command)
        say(centre, context_id, event(12), b"late" * 40_000)
        _, answer, _ = await centre.message()
        statuses.append((answer.status, answer.message_id_responded_to))
        await centre.finish()

    desk = Desk()
    async with wire_centre(script) as port:
        association = await opened(port, on_request=desk)
        await association.ask(1, action, b"data")
        while len(desk.taken) < 2:
            desk.arrived.clear()
            await asyncio.wait_for(desk.arrived.wait(), 10)
        await association.release()
    assert statuses == [(0x0000, 11), (0x0000, 12)]
    assert [(syntax, data) for syntax, _, data in desk.taken] == [
        (COMMITMENT, b"early"),
        (COMMITMENT, b"late" * 40_000),
    ]


async def test_without_a_desk_requests_are_turned_down() -> None:
    refused = asyncio.Event()

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        say(centre, 1, event(5), b"event")
        _, refusal, _ = await centre.message()
        assert (refusal.status, refusal.message_id_responded_to) == (0x0211, 5)
        refused.set()
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port)
        await asyncio.wait_for(refused.wait(), 10)
        await association.release()


async def test_a_request_that_is_too_large_is_refused_and_not_kept() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        say(centre, 1, event(5), bytes(101))
        _, refusal, _ = await centre.message()
        assert refusal.status == 0x0213
        say(centre, 1, event(6), bytes(100))
        _, answer, _ = await centre.message()
        assert answer.status == 0x0000
        context_id, command, _ = await centre.message()
        centre.answer(context_id, command)
        await centre.finish()

    desk = Desk()
    async with wire_centre(script) as port:
        association = await opened(port, on_request=desk, limits=AskingLimits(max_data_set=100))
        await desk.arrived.wait()
        await association.ask(1, action, b"data")
        await association.release()
    assert [len(data) for _, _, data in desk.taken] == [100]


async def test_more_requests_than_can_be_performed_are_refused() -> None:
    refused = asyncio.Event()

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        for number in (5, 6, 7):
            say(centre, 1, event(number), b"event")
        _, refusal, _ = await centre.message()
        assert (refusal.status, refusal.message_id_responded_to) == (0x0213, 7)
        refused.set()
        answered = [(await centre.message())[1] for _ in range(2)]
        assert {answer.message_id_responded_to for answer in answered} == {5, 6}
        await centre.finish()

    desk = Desk(open_at_once=False)
    async with wire_centre(script) as port:
        association = await opened(port, on_request=desk, limits=AskingLimits(max_requests=2))
        await asyncio.wait_for(refused.wait(), 10)
        desk.may_answer.set()
        await association.release()
    assert len(desk.taken) == 2


async def test_a_release_waits_for_what_the_peer_asked() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        say(centre, 1, event(5), b"event")
        _, answer, _ = await centre.message()
        assert answer.status == 0x0000
        await centre.finish()

    desk = Desk(open_at_once=False)
    async with wire_centre(script) as port:
        association = await opened(port, on_request=desk)
        await asyncio.wait_for(desk.arrived.wait(), 10)
        releasing = asyncio.create_task(association.release())
        await asyncio.sleep(0)
        desk.may_answer.set()
        await releasing
        assert (await association.wait_closed()).outcome == "released"


async def test_a_release_does_not_wait_for_ever() -> None:
    released = asyncio.Event()

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        say(centre, 1, event(5), b"event")
        assert isinstance(await centre.event(), ReleaseRequested)
        released.set()
        centre.layer.release_response()
        centre.flush()
        await centre.finish()

    desk = Desk(open_at_once=False)
    async with wire_centre(script) as port:
        association = await opened(port, on_request=desk, timeouts=SHORT)
        await asyncio.wait_for(desk.arrived.wait(), 10)
        releasing = asyncio.create_task(association.release())
        await asyncio.wait_for(released.wait(), 10)
        desk.may_answer.set()
        await asyncio.wait_for(releasing, 10)
        assert desk.done == 1


async def test_what_the_peer_told_us_is_taken_in_without_it() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        say(centre, 1, event(5), b"event")
        await centre.writer.drain()

    desk = Desk(open_at_once=False)
    async with wire_centre(script) as port:
        association = await opened(port, on_request=desk)
        await asyncio.wait_for(desk.arrived.wait(), 10)
        with pytest.raises(AssociationLost):
            await association.ask(1, action, b"data")
        assert not association.closed
        desk.may_answer.set()
        assert (await association.wait_closed()).outcome == "lost"
        assert desk.done == 1


async def test_a_defect_of_the_desk_ends_this_association_alone() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        say(centre, 1, event(5), b"event")
        await centre.finish()

    async def broken(context: AcceptedContext, command: Command, data: bytes) -> Command:
        raise RuntimeError("a defect")

    errors: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
    async with wire_centre(script) as port:
        association = await opened(port, on_request=broken)
        assert (await association.wait_closed()).outcome == "aborted"
    [context] = errors
    assert context["protocol"] is association.stream


async def test_an_objects_response_is_still_an_objects_response() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port, on_request=Desk())
        with pytest.raises(LocalError, match="Verification"):
            await association.c_echo()
        await association.release()


def test_an_answer_is_a_pair() -> None:
    command = replace(messages.c_echo_rq(1))
    assert Answer(command, b"data") == (command, b"data")
    assert issubclass(AnswerTooLarge, PeerError)
