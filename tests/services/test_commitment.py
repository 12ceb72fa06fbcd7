"""Storage commitment at the door: who may ask what, what is answered, and when the result may go out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from gateway.association.admission import NearSide
from gateway.dicom import commitment, messages
from gateway.dicom.command import Command
from gateway.dicom.commitment import PUSH_MODEL, Result, Sop
from gateway.dicom.data_set import EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.dicom.negotiation import AcceptedContext, AssociateAccept, AssociateRequest, ProposedContext
from gateway.dicom.sop_classes import VERIFICATION
from gateway.errors import NoRoom, SpoolFailure
from gateway.listener import Listener, ListenerSettings
from gateway.model import AETitle, Peer, Route
from gateway.routing import OwnTitle, RoutingTable
from gateway.services.commitment import CommitmentLimits, CommitmentResults, CommitmentService
from gateway.services.registry import ServiceRegistry
from gateway.services.verification import VerificationService
from gateway.spool.commitment_values import AddedCommitment, CommitmentRequest, Reference
from tests.support.notice_log import NoticeLog
from tests.support.wire_peer import WirePeer, wire_peer

OWN = AETitle("GATEWAY")
RECORD = "1.2.840.10008.5.1.4.1.1.481.4"
ONE, TWO = Sop(RECORD, "1.2.3.1"), Sop(RECORD, "1.2.3.2")
STORE = Route(called=AETitle("ARIA"), to=("oncology", "archive"))
RELAY = Route(called=AETitle("LINAC1"), to=("console1",), mode="relay")
NEVER = Route(called=AETitle("PACS"), to=("oncology", "silent"))
PEERS = {
    name: Peer(name, AETitle(title), "127.0.0.1", 1, commitment=policy)
    for name, title, policy in (
        ("oncology", "ARIA", "on-request"),
        ("archive", "ARCHIVE", "query"),
        ("silent", "SILENT", "never"),
        ("console1", "LINAC1", "never"),  # of what is delivered to it; it may ask
    )
}


@dataclass
class Counter:
    """The spool and the desk of the service, and what comes over the counter."""

    added: list[CommitmentRequest] = field(default_factory=list)
    outcome: AddedCommitment | Exception = field(default_factory=lambda: AddedCommitment(7, "new"))
    taken_: list[tuple[int, bool, tuple[NearSide, AcceptedContext] | None]] = field(default_factory=list)
    refused_: list[int] = field(default_factory=list)
    reported: list[tuple[str, Command, bytes]] = field(default_factory=list)
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    asked: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.gate.set()

    async def add_commitment(self, request: CommitmentRequest) -> AddedCommitment:
        self.added.append(request)
        self.asked.set()
        await self.gate.wait()
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome

    def taken(
        self,
        request: CommitmentRequest,
        number: int,
        *,
        again: bool,
        association: str,
        near: tuple[NearSide, AcceptedContext] | None,
    ) -> None:
        assert request in self.added
        assert association
        self.taken_.append((number, again, near))

    def refused(self, association: str, address: str, calling_ae: str, status: int, reason: str) -> None:
        assert (address, calling_ae) == ("127.0.0.1", "LINAC1") or calling_ae == "STRANGER"
        assert reason
        self.refused_.append(status)

    async def take(self, source: str, context: AcceptedContext, command: Command, data: bytes) -> Command:
        assert context.abstract_syntax == PUSH_MODEL
        self.reported.append((source, command, data))
        return messages.response(command, 0x0000)


@asynccontextmanager
async def door(counter: Counter, limits: CommitmentLimits | None = None) -> AsyncIterator[int]:
    services = ServiceRegistry(
        RoutingTable([STORE, RELAY, NEVER], OWN),
        [
            VerificationService(),
            CommitmentService(counter, counter, PEERS, limits),
            CommitmentResults(counter.take, limits),
        ],
    )
    listener = Listener(ListenerSettings("console", "127.0.0.1", 0), services, notices=NoticeLog().notices)
    await listener.start()
    try:
        yield listener.port
    finally:
        await listener.close(grace=1)


def request(
    called: str = "ARIA",
    calling: str = "LINAC1",
    abstract: Sequence[str] = (PUSH_MODEL,),
    syntaxes: tuple[str, ...] = (IMPLICIT_LITTLE, EXPLICIT_LITTLE),
    roles: dict[str, tuple[bool, bool]] | None = None,
) -> AssociateRequest:
    contexts = tuple(ProposedContext(2 * index + 1, uid, syntaxes) for index, uid in enumerate(abstract))
    return AssociateRequest(called, calling, contexts, roles=roles or {})


async def opened(peer: WirePeer, **about: Any) -> AssociateAccept:
    answer = await peer.associate(request(**about))
    assert isinstance(answer, AssociateAccept)
    return answer


async def act(peer: WirePeer, *references: Sop, command: Command | None = None, data: bytes = b"") -> Command:
    command = command or commitment.action_rq(3)
    peer.send_command(1, command)
    if command.has_data_set:
        data = data or commitment.action_information("2.25.1", references or (ONE,), EXPLICIT_LITTLE)
        peer.send_data(1, data)
    return await peer.response()


# --- negotiation ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("route", "served", "accepted"), [(STORE, True, True), (NEVER, True, False), (RELAY, False, False)]
)
def test_which_routes_offer_it(route: Route, served: bool, accepted: bool) -> None:
    service = CommitmentService(Counter(), Counter(), PEERS)
    assert service.serves(PUSH_MODEL, route) is served
    assert not service.serves(VERIFICATION, route)
    assert not service.serves(PUSH_MODEL, OwnTitle(OWN))
    if served:
        answer = service.choose(ProposedContext(1, PUSH_MODEL, (EXPLICIT_LITTLE,)), route)
        assert (answer.result == 0) is accepted
    assert service.extended(PUSH_MODEL, b"") is None


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ((IMPLICIT_LITTLE, EXPLICIT_LITTLE), EXPLICIT_LITTLE),
        ((EXPLICIT_BIG, IMPLICIT_LITTLE), IMPLICIT_LITTLE),
        ((EXPLICIT_BIG,), EXPLICIT_BIG),
        (("1.2.840.10008.1.2.4.50",), None),
        ((), None),
    ],
)
def test_which_transfer_syntax(offered: tuple[str, ...], chosen: str | None) -> None:
    for service, target in (
        (CommitmentService(Counter(), Counter(), PEERS), STORE),
        (CommitmentResults(Counter().take), OwnTitle(OWN)),
    ):
        answer = service.choose(ProposedContext(1, PUSH_MODEL, offered), target)
        assert (answer.transfer_syntax if answer.result == 0 else None) == chosen


async def test_a_console_is_the_scu() -> None:
    async with door(Counter()) as port, wire_peer(port) as peer:
        answer = await opened(peer, roles={PUSH_MODEL: (True, True)})
        assert answer.roles == {PUSH_MODEL: (True, False)}
        assert answer.contexts[0].accepted


# --- what a console asks --------------------------------------------------------------------------------


async def test_success_is_answered_when_the_request_is_durable() -> None:
    counter = Counter()
    counter.gate.clear()
    async with door(counter) as port, wire_peer(port) as peer:
        await opened(peer)
        asking = asyncio.create_task(act(peer, ONE, TWO, ONE))
        await asyncio.wait_for(counter.asked.wait(), 10)
        assert not asking.done()
        assert counter.taken_ == []
        counter.gate.set()
        answer = await asking
        assert (answer.status, answer.message_id_responded_to, answer.action_type_id) == (0, 3, 1)
        assert answer.affected_sop_instance_uid == commitment.PUSH_MODEL_INSTANCE
        await peer.release()
    assert counter.added == [
        CommitmentRequest(
            "2.25.1",
            "LINAC1",
            "ARIA",
            "console",
            "127.0.0.1",
            ("oncology", "archive"),
            (Reference(*ONE), Reference(*TWO)),
        )
    ]
    [(number, again, near)] = counter.taken_
    assert (number, again) == (7, False)
    assert near is not None
    assert near[1].context_id == 1
    assert counter.refused_ == []


async def test_asked_twice_is_success() -> None:
    counter = Counter(outcome=AddedCommitment(7, "again"))
    async with door(counter) as port, wire_peer(port) as peer:
        await opened(peer)
        assert (await act(peer)).status == 0x0000
        await peer.release()
    assert [again for _, again, _ in counter.taken_] == [True]


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        (AddedCommitment(7, "different"), 0x0115),
        (NoRoom("too many"), 0x0213),
        (SpoolFailure("the disk is gone"), 0x0110),
    ],
)
async def test_what_could_not_be_kept_is_not_answered_with_success(
    outcome: AddedCommitment | Exception, status: int
) -> None:
    counter = Counter(outcome=outcome)
    async with door(counter) as port, wire_peer(port) as peer:
        await opened(peer)
        answer = await act(peer)
        assert answer.status == status
        assert answer.error_comment
        counter.outcome = AddedCommitment(8, "new")
        assert (await act(peer)).status == 0x0000  # the association goes on
        await peer.release()
    assert counter.refused_ == [status]
    assert [number for number, _, _ in counter.taken_] == [8]


ACTION = commitment.action_rq(3)


@pytest.mark.parametrize(
    ("command", "data", "status"),
    [
        (replace(ACTION, action_type_id=2), b"", 0x0123),
        (replace(ACTION, requested_sop_instance_uid="1.2.3"), b"", 0x0112),
        (replace(ACTION, requested_sop_class_uid=VERIFICATION), b"", 0x0118),
        (replace(ACTION, has_data_set=False), b"", 0x0114),
        (ACTION, b"nonsense", 0x0115),
        (ACTION, commitment.action_information("2.25.1", [], EXPLICIT_LITTLE), 0x0115),
        (ACTION, commitment.action_information("", [ONE], EXPLICIT_LITTLE), 0x0114),
        (messages.n_get_rq(3, PUSH_MODEL, commitment.PUSH_MODEL_INSTANCE), b"", 0x0211),
        (
            messages.n_event_report_rq(3, PUSH_MODEL, commitment.PUSH_MODEL_INSTANCE, 1, has_data_set=True),
            b"",
            0x0211,
        ),
    ],
)
async def test_what_cannot_be_taken_says_why(command: Command, data: bytes, status: int) -> None:
    counter = Counter()
    async with door(counter) as port, wire_peer(port) as peer:
        await opened(peer)
        assert (await act(peer, command=command, data=data)).status == status
        assert (await act(peer)).status == 0x0000
        await peer.release()
    assert len(counter.added) == 1
    assert counter.refused_ == ([status] if status != 0x0211 else [])


async def test_a_stranger_could_never_be_told() -> None:
    counter = Counter()
    async with door(counter) as port, wire_peer(port) as peer:
        await opened(peer, calling="STRANGER")
        assert (await act(peer)).status == 0x0124
        await peer.release()
    assert (counter.added, counter.refused_) == ([], [0x0124])


@pytest.mark.parametrize("limits", [CommitmentLimits(max_instances=2), CommitmentLimits(max_gathered=200)])
async def test_more_than_allowed_is_refused(limits: CommitmentLimits) -> None:
    counter = Counter()
    async with door(counter, limits) as port, wire_peer(port) as peer:
        await opened(peer)
        many = [Sop(RECORD, f"1.2.3.{number}") for number in range(3)]
        assert (await act(peer, *many)).status == 0x0213
        assert (await act(peer)).status == 0x0000
        await peer.release()
    assert (len(counter.added), counter.refused_) == (1, [0x0213])


async def test_one_that_is_longer_than_anything_sensible_is_not_kept() -> None:
    counter = Counter()
    async with door(counter, CommitmentLimits(max_instances=2)) as port, wire_peer(port) as peer:
        await opened(peer)
        assert (await act(peer, data=bytes(commitment.max_bytes(2) + 2))).status == 0x0213
        await peer.release()
    assert counter.refused_ == [0x0213]


async def test_an_association_with_other_uses_is_not_remembered() -> None:
    counter = Counter()
    async with door(counter) as port, wire_peer(port) as peer:
        await opened(peer, abstract=(PUSH_MODEL, VERIFICATION, RECORD))
        assert (await act(peer)).status == 0x0000
        await peer.release()
    assert [near for _, _, near in counter.taken_] == [None]


async def test_a_console_that_goes_away_in_the_middle_asked_nothing() -> None:
    counter = Counter()
    async with door(counter) as port:
        async with wire_peer(port) as peer:
            await opened(peer)
            peer.send_command(1, ACTION)
            data = commitment.action_information("2.25.1", [ONE], EXPLICIT_LITTLE)
            peer.send_data(1, data[:-10], last=False)
        async with wire_peer(port) as peer:
            await opened(peer)
            assert (await act(peer, TWO)).status == 0x0000
            await peer.release()
    assert [added.references for added in counter.added] == [(Reference(*TWO),)]


# --- what a destination reports -------------------------------------------------------------------------

RESULT = Result("2.25.9", (ONE,), ())


async def report(peer: WirePeer, data: bytes = b"") -> Command:
    peer.send_command(1, commitment.event_rq(5, RESULT))
    peer.send_data(1, data or commitment.event_information(RESULT, EXPLICIT_LITTLE))
    return await peer.response()


@pytest.mark.parametrize(
    ("proposed", "answered"),
    [
        ({PUSH_MODEL: (False, True)}, {PUSH_MODEL: (False, True)}),
        ({PUSH_MODEL: (True, True)}, {PUSH_MODEL: (False, True)}),
        ({}, {}),
    ],
)
async def test_a_destination_is_the_scp_or_forgot_to_say_so(
    proposed: dict[str, tuple[bool, bool]], answered: dict[str, tuple[bool, bool]]
) -> None:
    counter = Counter()
    async with door(counter) as port, wire_peer(port) as peer:
        answer = await opened(peer, called="GATEWAY", calling="ARIA", roles=proposed)
        assert answer.roles == answered
        assert answer.contexts[0].accepted
        response = await report(peer)
        assert (response.status, response.message_id_responded_to) == (0x0000, 5)
        await peer.release()
    [(source, command, data)] = counter.reported
    assert (source, command.event_type_id) == ("ARIA", 1)
    assert commitment.read_event(data, EXPLICIT_LITTLE, 9) == RESULT


async def test_under_our_own_title_nobody_asks() -> None:
    counter = Counter()
    async with door(counter) as port:
        async with wire_peer(port) as peer:
            answer = await opened(peer, called="GATEWAY", roles={PUSH_MODEL: (True, False)})
            assert not answer.contexts[0].accepted
            await peer.release()
        async with wire_peer(port) as peer:
            await opened(peer, called="GATEWAY")
            assert (await act(peer)).status == 0x0211
            await peer.release()
    assert (counter.added, counter.refused_) == ([], [])


async def test_a_result_that_is_too_long_is_refused_and_not_kept() -> None:
    counter = Counter()
    async with door(counter, CommitmentLimits(max_instances=1)) as port, wire_peer(port) as peer:
        await opened(peer, called="GATEWAY", calling="ARIA")
        assert (await report(peer, bytes(commitment.max_bytes(1) + 2))).status == 0x0213
        assert (await report(peer)).status == 0x0000
        await peer.release()
    assert len(counter.reported) == 1


async def test_results_are_taken_at_our_own_title_alone() -> None:
    service = CommitmentResults(Counter().take)
    assert service.serves(PUSH_MODEL, OwnTitle(OWN))
    assert not service.serves(PUSH_MODEL, STORE)
    assert not service.serves(VERIFICATION, OwnTitle(OWN))
    assert service.extended(PUSH_MODEL, b"") is None
