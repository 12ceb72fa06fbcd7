"""The requestor: opening, sending, and every way the other side can fail us."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any

import pytest

from gateway.association.errors import (
    AssociateRejectedError,
    AssociationAborted,
    AssociationLost,
    ConnectFailed,
    ProtocolViolation,
    ResponseTimeout,
)
from gateway.association.requestor import RequestorAssociation, RequestorTimeouts, open_association
from gateway.association.sources import BytesSource, DataSource
from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.events import ReleaseConfirmed, ReleaseRequested
from gateway.dicom.negotiation import ProposedContext, UserIdentity, negotiate, split_contexts
from gateway.errors import LocalError
from gateway.model import AETitle, Instance, Peer
from gateway.notices import (
    AssociationClosed,
    AssociationNegotiated,
    AssociationOpened,
    AssociationRefused,
    DialFailed,
)
from tests.support.notice_log import NoticeLog
from tests.support.wire_centre import TAKE_FIRST, WireCentre, wire_centre
from tests.support.wire_peer import CONTEXTS, EXPLICIT, IMPLICIT, RT_IMAGE

OBJECT = Instance(RT_IMAGE, "1.2.3", IMPLICIT)
SHORT = RequestorTimeouts(connect=5, associate=0.2, response=0.2, release=0.2, stall=0.2)


def peer_on(port: int) -> Peer:
    return Peer("centre", AETitle("CENTRE"), "127.0.0.1", port)


async def opened(port: int, log: NoticeLog | None = None, **options: Any) -> RequestorAssociation:
    settings: dict[str, Any] = {"calling_ae": AETitle("GW"), "contexts": CONTEXTS, **options}
    contexts = settings.pop("contexts")
    return await open_association(peer_on(port), contexts, notices=(log or NoticeLog()).notices, **settings)


async def store(association: RequestorAssociation, data: bytes = b"data", **options: Any) -> Command:
    return await association.c_store(3, OBJECT, BytesSource(data), **options)


# --- opening -------------------------------------------------------------------------------------------


async def test_everything_proposed_arrives_and_the_answer_is_known() -> None:
    asked: list[Any] = []

    async def script(centre: WireCentre) -> None:
        asked.append(await centre.accept(replace(TAKE_FIRST, max_operations=3)))
        await centre.finish()

    log = NoticeLog()
    identity = UserIdentity(1, b"gateway")
    async with wire_centre(script) as port:
        association = await opened(
            port,
            log,
            max_outstanding=8,
            user_identity=UserIdentity(1, b"gateway"),
            roles={RT_IMAGE: (True, False)},
        )
        assert association.established
        assert association.max_outstanding == 3
        assert association.context_for(RT_IMAGE, IMPLICIT) == 3
        assert association.context_for(RT_IMAGE, EXPLICIT) is None
        assert association.peer_max_pdu == 131072
        await association.release()
        assert association.closed
    [request] = asked
    assert (request.called_ae.strip(), request.calling_ae.strip()) == ("CENTRE", "GW")
    assert request.async_window == (8, 1)
    assert request.user_identity == identity
    [told] = log.of(AssociationNegotiated)
    assert (told.association, told.inbound, told.peer, told.listener) == (association.id, False, "centre", "")
    assert [answered.abstract_syntax for answered in told.answered] == [
        proposed.abstract_syntax for proposed in told.proposed
    ]
    assert told.async_window == (3, 1)
    [open_notice], [closed] = log.of(AssociationOpened), log.of(AssociationClosed)
    assert (open_notice.inbound, open_notice.accepted, open_notice.called_ae) == (False, 3, "CENTRE")
    assert (closed.outcome, closed.reason, closed.association) == (
        "released",
        "released by us",
        association.id,
    )


async def test_the_peers_own_title_for_us_is_used() -> None:
    async def script(centre: WireCentre) -> None:
        assert (await centre.accept()).calling_ae.strip() == "SPECIAL"
        await centre.finish()

    async with wire_centre(script) as port:
        peer = replace(peer_on(port), calling_ae=AETitle("SPECIAL"))
        association = await open_association(
            peer, CONTEXTS, calling_ae=AETitle("GW"), notices=NoticeLog().notices
        )
        await association.release()


async def test_more_classes_than_fit_are_split_over_associations() -> None:
    wanted = [(f"1.2.826.0.1.3680043.9.9999.{number}", (EXPLICIT,)) for number in range(170)]

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await centre.finish()

    async with wire_centre(script) as port:
        covered = set()
        for batch in split_contexts(wanted):
            association = await opened(port, contexts=batch)
            covered |= {context.abstract_syntax for context in association.contexts.values()}
            await association.release()
    assert covered == {uid for uid, _ in wanted}


async def test_a_rejection_says_what_the_peer_said() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.requested()
        centre.layer.reject(1, 1, 7)
        centre.flush()
        await centre.finish()

    log = NoticeLog()
    async with wire_centre(script) as port:
        with pytest.raises(AssociateRejectedError, match="called AE title") as raised:
            await opened(port, log)
    assert (raised.value.result, raised.value.source, raised.value.diagnostic) == (1, 1, 7)
    assert raised.value.permanent
    assert log.of(AssociationRefused)[0].inbound is False
    [told] = log.of(DialFailed)
    assert (told.phase, "called AE title" in told.reason) == ("association", True)


async def test_nobody_listens() -> None:
    server = await asyncio.start_server(lambda *_: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    log = NoticeLog()
    with pytest.raises(ConnectFailed, match="refused") as raised:
        await opened(port, log)
    assert raised.value.phase == "tcp"
    [told] = log.of(DialFailed)
    assert (told.peer, told.phase, told.reason) == ("centre", "tcp", str(raised.value))


async def test_a_peer_that_accepts_tcp_and_says_nothing() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.requested()
        await centre.finish()

    log = NoticeLog()
    async with wire_centre(script) as port:
        with pytest.raises(ConnectFailed, match=r"no answer.*within 0\.2 s") as raised:
            await opened(port, log, timeouts=SHORT)
    assert raised.value.phase == "association"


async def test_a_peer_that_hangs_up_instead_of_answering() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.requested()

    async with wire_centre(script) as port:
        with pytest.raises(ConnectFailed) as raised:
            await opened(port)
    assert raised.value.phase == "association"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x02", AssociationAborted),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", ProtocolViolation),
        (b"\x02\x00\xff\xff\xff\xff" + b"x" * 100, ProtocolViolation),
    ],
)
async def test_other_answers_to_an_association_request(words: bytes, error: type[Exception]) -> None:
    async def script(centre: WireCentre) -> None:
        await centre.requested()
        centre.writer.write(words)
        await centre.finish()

    async with wire_centre(script) as port:
        with pytest.raises(error):
            await opened(port)


async def test_giving_up_while_opening_leaves_no_connection() -> None:
    gone = asyncio.Event()
    asked = asyncio.Event()

    async def script(centre: WireCentre) -> None:
        await centre.requested()
        asked.set()
        await centre.finish()
        gone.set()

    async with wire_centre(script) as port:
        opening = asyncio.create_task(opened(port))
        await asyncio.wait_for(asked.wait(), 10)
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await asyncio.wait_for(gone.wait(), 10)


# --- sending -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 122, 131_066, 131_067, 3_000_001])
@pytest.mark.parametrize("max_pdu", [128, 16_384, 131_072])
async def test_an_object_arrives_whole_whatever_the_sizes(size: int, max_pdu: int) -> None:
    if size > 1_000_000 and max_pdu == 128:
        size = 200_001
    data = bytes(range(251)) * (size // 251 + 1)
    received: list[tuple[int, Command, bytes]] = []

    async def script(centre: WireCentre) -> None:
        await centre.accept(replace(TAKE_FIRST, max_pdu_length=max_pdu))
        context_id, command, body = await centre.message()
        received.append((context_id, command, body))
        centre.answer(context_id, command, 0xB000)
        await centre.finish()

    log = NoticeLog()
    async with wire_centre(script) as port:
        association = await opened(port, log)
        response = await store(association, data[:size], priority=1, originator=("MOVER", 9))
        assert response.status == 0xB000
        assert association.objects == 1
        await association.release()
    [(context_id, command, body)] = received
    assert (context_id, body == data[:size]) == (3, True)
    assert (command.affected_sop_class_uid, command.affected_sop_instance_uid) == (RT_IMAGE, "1.2.3")
    assert (command.priority, command.move_originator_ae, command.move_originator_message_id) == (
        1,
        "MOVER",
        9,
    )
    [closed] = log.of(AssociationClosed)
    assert closed.bytes_out > size


async def test_echo() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, _ = await centre.message()
        centre.answer(context_id, command, 0x0122)
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port)
        assert await association.c_echo() == 0x0122
        await association.release()


async def test_echo_without_a_context_for_it_is_our_own_mistake() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port, contexts=[ProposedContext(1, RT_IMAGE, (EXPLICIT,))])
        with pytest.raises(LocalError, match="Verification"):
            await association.c_echo()
        await association.release()


async def test_a_failure_status_is_an_answer_not_an_error() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        for status in (0xA700, 0x0000):
            context_id, command, _ = await centre.message()
            centre.answer(context_id, command, status)
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port)
        assert (await store(association)).status == 0xA700
        assert (await store(association)).status == 0x0000
        assert (association.failures, association.objects) == (1, 1)
        await association.release()


async def test_without_a_window_requests_wait_for_each_other() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        for _ in range(3):
            context_id, command, _ = await centre.message()
            assert not centre._events
            centre.answer(context_id, command)
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port, max_outstanding=1)
        await asyncio.gather(*(store(association) for _ in range(3)))
        await association.release()


async def test_with_a_window_requests_overlap_up_to_it_and_answers_may_come_in_any_order() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept(replace(TAKE_FIRST, max_operations=2))
        first = await centre.message()
        second = await centre.message()
        waiting = asyncio.create_task(centre.message())
        await asyncio.wait([waiting], timeout=0.1)
        assert not waiting.done()  # two are outstanding: the third waits its turn
        centre.answer(second[0], second[1], 0xB000)
        third = await waiting
        centre.answer(first[0], first[1], 0x0000)
        centre.answer(third[0], third[1], 0xB006)
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port, max_outstanding=8)
        assert association.max_outstanding == 2
        answers = await asyncio.gather(*(store(association) for _ in range(3)))
        assert [answer.status for answer in answers] == [0x0000, 0xB000, 0xB006]
        await association.release()


class Endless:
    """A source that counts what it gave, so that a test can see who holds it back."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.given = 0
        self.stopped = asyncio.Event()

    async def chunks(self, max_size: int) -> AsyncGenerator[bytes, None]:
        try:
            while self.given < self.size:
                piece = min(max_size, self.size - self.given)
                self.given += piece
                yield bytes(piece)
        finally:
            self.stopped.set()


async def test_memory_stays_flat_as_the_source_is_read_no_faster_than_the_peer_takes_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on = asyncio.Event()

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await go_on.wait()
        context_id, command, body = await centre.message()
        assert len(body) == 40_000_000
        centre.answer(context_id, command)
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port)
        source = Endless(40_000_000)
        paused = asyncio.Event()
        pause = association.stream.pause_writing
        monkeypatch.setattr(association.stream, "pause_writing", lambda: (pause(), paused.set()))
        sending = asyncio.create_task(association.c_store(3, OBJECT, source))
        await asyncio.wait_for(paused.wait(), 10)
        # What is in flight is in the kernel (some MB at most) or in the bounded output buffer.
        assert source.given < 20_000_000
        assert association.stream._transport is not None
        assert association.stream._transport.get_write_buffer_size() < 2 * 256 * 1024 + 1000
        go_on.set()
        assert (await sending).status == 0x0000
        await association.release()


# --- how it can fail -----------------------------------------------------------------------------------


async def test_no_response_in_time_aborts_and_says_so() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await centre.message()
        await centre.finish()

    log = NoticeLog()
    async with wire_centre(script) as port:
        association = await opened(port, log, timeouts=SHORT)
        with pytest.raises(ResponseTimeout, match=r"no response within 0\.2 s"):
            await store(association)
        await association.wait_closed()
        with pytest.raises(ResponseTimeout):
            await store(association)
    assert log.of(AssociationClosed)[0].outcome == "timeout"


async def test_the_clock_of_a_response_runs_from_when_the_request_has_left() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await centre.message()
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port, timeouts=replace(SHORT, response=1.0))
        started = asyncio.get_running_loop().time()
        with pytest.raises(ResponseTimeout):
            await store(association)
        seconds = asyncio.get_running_loop().time() - started
        assert 1.0 <= seconds < 1.9  # once, not once more because it had not left at the very first look


async def test_who_answers_one_after_the_other_is_given_time_for_each() -> None:
    """What was pipelined is behind others at the peer; its turn comes."""

    async def script(centre: WireCentre) -> None:
        asked = await centre.requested()
        centre.layer.accept(replace(negotiate(asked, TAKE_FIRST), async_window=(4, 1)))
        centre.flush()
        waiting = [await centre.message() for _ in range(4)]
        for context, command, _ in waiting:
            await asyncio.sleep(0.35)  # what it does with each takes that long
            centre.answer(context, command)
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port, max_outstanding=4, timeouts=replace(SHORT, response=0.8))
        answers = await asyncio.gather(*(store(association) for _ in range(4)))
        assert [answer.status for answer in answers] == [0] * 4
        await association.release()


async def test_a_request_that_never_left_is_the_connection_s_fault() -> None:
    server = socket.create_server(("127.0.0.1", 0))
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    done = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await WireCentre(reader, writer).accept()
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # it can, being a socket's
        await done.wait()
        writer.transport.abort()

    async with await asyncio.start_server(serve, sock=server):
        port = server.getsockname()[1]
        association = await opened(port, timeouts=replace(SHORT, response=0.4, stall=60))
        with pytest.raises(AssociationLost, match=r"nothing we sent was taken for 0\.4 s"):
            await store(association, bytes(60_000))
        association.stream.kill()
        done.set()


async def test_an_abort_in_the_middle_of_sending_ends_the_sending_at_once() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await centre.event()
        centre.layer.abort(2, 0)
        centre.flush()
        await centre.writer.drain()
        while await centre.reader.read(100_000):
            pass

    async with wire_centre(script) as port:
        association = await opened(port)
        source = Endless(10**12)
        with pytest.raises((AssociationAborted, AssociationLost)):
            await association.c_store(3, OBJECT, source)
        assert source.stopped.is_set()


async def test_a_peer_that_takes_nothing_any_more_is_given_up() -> None:
    stay = asyncio.Event()

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await stay.wait()

    async with wire_centre(script) as port:
        association = await opened(port, timeouts=SHORT)
        source = Endless(10**12)
        with pytest.raises(ResponseTimeout, match="does not read"):
            await association.c_store(3, OBJECT, source)
        assert source.stopped.is_set()
        stay.set()


@pytest.mark.parametrize("complete", [True, False])
async def test_a_lost_connection_fails_every_request(complete: bool) -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept(replace(TAKE_FIRST, max_operations=2))
        if complete:
            await centre.message()
            await centre.message()
        else:
            await centre.event()

    async with wire_centre(script) as port:
        association = await opened(port, max_outstanding=2)
        size = 1000 if complete else 5_000_000
        results = await asyncio.gather(
            *(store(association, bytes(size)) for _ in range(3)), return_exceptions=True
        )
        assert [type(result) for result in results] == [AssociationLost] * 3


async def test_a_release_while_we_wait_is_answered_and_fails_what_is_open() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await centre.message()
        centre.layer.release()
        centre.flush()
        assert isinstance(await centre.event(), ReleaseConfirmed)

    log = NoticeLog()
    async with wire_centre(script) as port:
        association = await opened(port, log)
        with pytest.raises(AssociationLost, match="released by the peer"):
            await store(association)
        await association.wait_closed()
    assert log.of(AssociationClosed)[0].outcome == "released"


async def test_a_release_while_idle_is_answered() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        centre.layer.release()
        centre.flush()
        assert isinstance(await centre.event(), ReleaseConfirmed)

    async with wire_centre(script) as port:
        association = await opened(port)
        assert (await association.wait_closed()).outcome == "released"
        await association.release()  # harmless when it is over


async def test_a_release_collision_ends_well() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        centre.layer.release()
        assert isinstance(await centre.event(), ReleaseRequested)
        centre.layer.release_response()
        centre.flush()
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port)
        await association.release()
        assert (await association.wait_closed()).outcome == "released"


async def test_a_peer_that_does_not_answer_a_release_is_left() -> None:
    stay = asyncio.Event()

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await stay.wait()

    async with wire_centre(script) as port:
        association = await opened(port, timeouts=SHORT)
        await association.release()
        assert (await association.wait_closed()).outcome == "timeout"
        stay.set()


async def test_whoever_gives_up_a_release_does_not_wait_for_the_peer() -> None:
    stay = asyncio.Event()

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        assert isinstance(await centre.event(), ReleaseRequested)
        asked.set()
        await stay.wait()

    asked = asyncio.Event()
    async with wire_centre(script) as port:
        association = await opened(port)
        releasing = asyncio.create_task(association.release())
        await asked.wait()
        releasing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await releasing
        async with asyncio.timeout(5):  # the time-out of a release is longer
            await association.wait_closed()
        stay.set()


async def test_whoever_gives_up_opening_does_not_wait_for_the_peer() -> None:
    asked, stay = asyncio.Event(), asyncio.Event()
    gone = asyncio.Event()

    async def script(centre: WireCentre) -> None:
        await centre.event()
        asked.set()
        await stay.wait()
        while await centre.reader.read(1000):
            pass
        gone.set()

    async with wire_centre(script) as port:
        opening = asyncio.create_task(opened(port))
        await asked.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        stay.set()
        async with asyncio.timeout(5):
            await gone.wait()


async def test_a_response_to_nothing_is_a_violation() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, _ = await centre.message()
        centre.answer(context_id, replace(command, message_id=4711))
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port)
        with pytest.raises(ProtocolViolation, match="nothing we asked"):
            await store(association)


async def test_a_request_of_the_peer_is_turned_down_and_we_go_on() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, _ = await centre.message()
        centre.send(1, messages.c_echo_rq(5))
        _, refusal, _ = await centre.message()
        assert (refusal.status, refusal.message_id_responded_to) == (0x0211, 5)
        centre.send(3, messages.c_store_rq(6, RT_IMAGE, "1.2"))
        centre.layer.send_pdv(3, False, True, b"unwelcome")
        centre.flush()
        _, refusal, _ = await centre.message()
        assert (refusal.status, refusal.message_id_responded_to) == (0x0211, 6)
        centre.answer(context_id, command)
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port)
        assert (await store(association)).status == 0x0000
        await association.release()


async def test_a_peer_that_keeps_asking_us_is_told_to_go() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        for number in range(1, 100):
            centre.send(1, messages.c_echo_rq(number))
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port)
        closed = await association.wait_closed()
        assert (closed.outcome, "keeps asking" in closed.reason) == ("violation", True)


@pytest.mark.parametrize("wrong", [-1, 1])
async def test_a_source_of_another_size_than_announced_aborts(wrong: int) -> None:
    class Wrong(Endless):
        async def chunks(self, max_size: int) -> AsyncGenerator[bytes, None]:
            yield bytes(self.size + wrong)

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port)
        source: DataSource = Wrong(1000)
        with pytest.raises(LocalError, match="more" if wrong > 0 else "fewer"):
            await association.c_store(3, OBJECT, source)
        assert (await association.wait_closed()).outcome == "aborted"


async def test_an_empty_object_is_our_own_mistake_and_costs_nothing() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        context_id, command, _ = await centre.message()
        centre.answer(context_id, command)
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port)
        with pytest.raises(LocalError, match="no data set"):
            await store(association, b"")
        assert (await store(association)).status == 0x0000
        await association.release()


async def test_a_cancelled_request_aborts_because_half_a_message_cannot_be_taken_back() -> None:
    arrived = asyncio.Event()

    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await centre.message()
        arrived.set()
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port)
        sending = asyncio.create_task(store(association))
        await asyncio.wait_for(arrived.wait(), 10)
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        assert (await association.wait_closed()).outcome == "aborted"


async def test_an_association_that_was_aborted_here_says_so_to_late_callers() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port)
        association.abort("no longer needed")
        with pytest.raises(AssociationAborted, match="no longer needed"):
            await store(association)


async def test_an_idle_association_is_ended_by_us() -> None:
    async def script(centre: WireCentre) -> None:
        await centre.accept()
        await centre.finish()

    async with wire_centre(script) as port:
        association = await opened(port, timeouts=replace(SHORT, idle=0.1, associate=5))
        assert (await association.wait_closed()).outcome == "timeout"
