"""Who answers each presentation context when there is a far end: a service here, the far end, or both."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import cast

import pytest

from gateway.association.admission import RELAYED, Admission, Caller, Operation, Relay
from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.negotiation import (
    AcceptedContext,
    AssociateAccept,
    AssociateRequest,
    ProposedContext,
    Rejection,
    UserIdentity,
)
from gateway.model import AETitle, Route
from gateway.notices import Notices
from gateway.relay.mirror import Mirror, Wanted, mirror
from gateway.routing import RoutingTable
from gateway.services.registry import Connection, ServiceRegistry, Visit
from gateway.services.storage import StorageService
from gateway.services.verification import VerificationService
from tests.support.door import OWN_TITLE, Knowledge
from tests.support.fake_spool import FakeSpool

VERIFICATION = "1.2.840.10008.1.1"
FIND = "1.2.840.10008.5.1.4.1.2.2.1"
RT_PLAN = "1.2.840.10008.5.1.4.1.1.481.5"
RECORD = "1.2.840.10008.5.1.4.1.1.481.4"
PRIVATE = "1.2.826.0.1.3680043.9.9999.1"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
STORE = Route(called=AETitle("ARIA"), to=("oncology",))
THROUGH = Route(called=AETitle("THROUGH"), to=("oncology",), mode="relay")
ANYBODY = cast("Relay", object())


@dataclass
class FarEnd:
    """Answers what it is asked as the test says; None: it is not there."""

    accepts: Mapping[str, str] | None  # abstract syntax -> transfer syntax
    rejection: Rejection | None = None
    roles: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    extended: Mapping[str, bytes] = field(default_factory=dict)
    window: tuple[int, int] | None = None
    identity: bytes | None = None
    asked: list[tuple[Wanted, bool]] = field(default_factory=list)
    relays: int = 0
    left: int = 0

    async def connect(self, visit: Visit, wanted: Wanted, *, alone: bool) -> Connection:
        self.asked.append((wanted, alone))
        await asyncio.sleep(0)
        return _Found(self, self._mirror(wanted))

    def _mirror(self, wanted: Wanted) -> Mirror:
        if self.accepts is None:
            return Mirror()
        contexts = []
        for context in wanted.contexts:
            syntax = self.accepts.get(context.abstract_syntax)
            scu, scp = self.roles.get(context.abstract_syntax, (True, False))
            contexts.append(
                replace(
                    AcceptedContext(context.context_id, context.abstract_syntax, syntax or IMPLICIT),
                    result=0 if syntax else 4,
                    as_scu=scu,
                    as_scp=scp,
                )
            )
        answer = AssociateAccept(
            "CENTRE",
            "LINAC1",
            tuple(contexts),
            roles=self.roles,
            extended=self.extended,
            user_identity_response=self.identity,
            async_window=self.window,
        )
        ids = [context.context_id for context in wanted.contexts]
        return mirror(ids, ids, answer)


class _Found:
    def __init__(self, far: FarEnd, seen: Mirror) -> None:
        self.mirror = seen
        self.rejection = far.rejection
        self._far = far

    def relay(self) -> Relay | None:
        self._far.relays += 1
        return ANYBODY

    def leave(self) -> None:
        self._far.left += 1


def asked(*classes: str, called: str = "ARIA", **more: object) -> AssociateRequest:
    contexts = tuple(ProposedContext(2 * n + 1, uid, (EXPLICIT, IMPLICIT)) for n, uid in enumerate(classes))
    return AssociateRequest(called, "LINAC1", contexts, **more)  # type: ignore[arg-type]  # its fields


async def admit(far: FarEnd | None, request: AssociateRequest) -> Admission | Rejection:
    notices = Notices()
    registry = ServiceRegistry(
        RoutingTable((STORE, THROUGH), OWN_TITLE),
        [VerificationService(), StorageService(FakeSpool(), Knowledge(), notices=notices)],
        relaying=far,
    )
    return await registry.admit(request, Caller("a", "console", "192.0.2.7", ""))


async def admitted(far: FarEnd | None, request: AssociateRequest) -> Admission:
    found = await admit(far, request)
    assert not isinstance(found, Rejection), found
    return found


def results(admission: Admission) -> list[int]:
    return [context.result for context in admission.answer.contexts]


def performed(admission: Admission, index: int, command: Command) -> str:
    """Who does it: "relay", "here", or the status of a refusal."""
    outcome = admission.perform(admission.answer.contexts[index], command)
    if outcome is RELAYED:
        return "relay"
    if isinstance(outcome, Command):
        return "here" if not outcome.status else f"0x{outcome.status:04X}"
    cast("Operation", outcome).abandon()
    return "here"


ECHO = messages.c_echo_rq(1)
QUERY = messages.c_find_rq(1, FIND)


def store(uid: str) -> Command:
    return messages.c_store_rq(1, uid, "1.2.3")


async def test_on_a_store_route_objects_stay_here_and_the_rest_goes_on() -> None:
    far = FarEnd({FIND: EXPLICIT})
    admission = await admitted(far, asked(FIND, RECORD, "1.2.840.10008.5.1.4.31"))
    assert results(admission) == [0, 0, 4]
    assert [one.abstract_syntax for one in far.asked[0][0].contexts] == [FIND, "1.2.840.10008.5.1.4.31"]
    assert far.asked[0][1] is False
    assert (far.relays, far.left) == (1, 0)
    assert performed(admission, 0, QUERY) == "relay"
    assert performed(admission, 1, store(RECORD)) == "here"


async def test_on_a_relay_route_objects_go_on_too() -> None:
    far = FarEnd({FIND: IMPLICIT, RECORD: IMPLICIT})
    admission = await admitted(far, asked(FIND, RECORD, called="THROUGH"))
    assert [context.transfer_syntax for context in admission.answer.contexts] == [IMPLICIT, IMPLICIT]
    assert far.asked[0][1] is True
    assert performed(admission, 1, store(RECORD)) == "relay"


async def test_nothing_is_dialled_for_objects_alone_or_for_our_own_title() -> None:
    far = FarEnd({})
    admission = await admitted(far, asked(VERIFICATION, RECORD))
    assert results(admission) == [0, 0]
    assert admission.relay is None
    admission = await admitted(far, asked(VERIFICATION, FIND, called=OWN_TITLE))
    assert results(admission) == [0, 3]
    assert far.asked == []


async def test_the_far_end_is_asked_for_a_verification_that_it_has_anyway() -> None:
    far = FarEnd({FIND: IMPLICIT, VERIFICATION: IMPLICIT})
    admission = await admitted(far, asked(VERIFICATION, FIND))
    assert far.asked[0][1] is True  # nothing but Verification is served here
    assert performed(admission, 0, ECHO) == "relay"
    far = FarEnd({FIND: IMPLICIT})
    admission = await admitted(far, asked(VERIFICATION, FIND))
    assert results(admission) == [4, 0]  # the caller is told what the far end really takes
    far = FarEnd(None)
    admission = await admitted(far, asked(VERIFICATION, FIND, RECORD))
    assert results(admission) == [0, 2, 0]
    assert performed(admission, 0, ECHO) == "here"


async def test_without_a_far_end_store_contexts_are_accepted_and_relay_contexts_refused_by_the_provider() -> (
    None
):
    far = FarEnd(None)
    admission = await admitted(far, asked(FIND, RECORD, RT_PLAN))
    assert results(admission) == [2, 0, 0]
    assert admission.relay is None
    assert (far.relays, far.left) == (0, 1)
    assert performed(admission, 1, store(RECORD)) == "here"


@pytest.mark.parametrize("classes", [(FIND,), (VERIFICATION, FIND)])
async def test_where_nothing_is_left_the_association_is_rejected_as_transient(
    classes: tuple[str, ...],
) -> None:
    found = await admit(FarEnd(None), asked(*classes))
    assert isinstance(found, Rejection)
    assert (found.result, found.source, found.diagnostic) == (2, 3, 1)
    found = await admit(FarEnd(None), asked(RECORD, called="THROUGH"))
    assert isinstance(found, Rejection)


async def test_what_the_far_end_itself_rejects_is_passed_on() -> None:
    theirs = Rejection(1, 1, 3, "calling AE title not recognized")
    assert await admit(FarEnd(None, rejection=theirs), asked(FIND)) is theirs
    admission = await admitted(FarEnd(None, rejection=theirs), asked(FIND, RECORD))
    assert results(admission) == [2, 0]


async def test_a_far_end_that_takes_nothing_of_it_is_given_back() -> None:
    far = FarEnd({})
    admission = await admitted(far, asked(FIND, called="THROUGH"))
    assert results(admission) == [4]
    assert admission.relay is None
    assert (far.relays, far.left) == (0, 1)
    assert performed(admission, 0, QUERY) == "0x0211"


async def test_without_a_relay_what_no_service_serves_is_an_unsupported_abstract_syntax() -> None:
    admission = await admitted(None, asked(FIND, RECORD))
    assert results(admission) == [3, 0]


# --- both at once --------------------------------------------------------------------------------------


async def test_a_class_that_comes_down_by_c_get_and_goes_up_to_the_spool_is_shared() -> None:
    far = FarEnd({FIND: IMPLICIT, RT_PLAN: IMPLICIT}, roles={RT_PLAN: (False, True)})
    admission = await admitted(far, asked(FIND, RT_PLAN, roles={RT_PLAN: (True, True)}))
    wanted = far.asked[0][0]
    assert [one.abstract_syntax for one in wanted.contexts] == [FIND, RT_PLAN]
    assert wanted.both == {RT_PLAN}
    assert admission.answer.roles == {RT_PLAN: (True, True)}
    shared = admission.answer.contexts[1]
    assert (shared.transfer_syntax, shared.as_scu, shared.as_scp) == (IMPLICIT, True, True)
    assert performed(admission, 1, store(RT_PLAN)) == "here"


async def test_a_class_that_the_far_end_does_not_send_down_stays_with_the_spool() -> None:
    far = FarEnd({FIND: IMPLICIT, RT_PLAN: IMPLICIT})
    admission = await admitted(far, asked(FIND, RT_PLAN, roles={RT_PLAN: (True, True)}))
    assert admission.answer.roles == {RT_PLAN: (True, False)}
    assert admission.answer.contexts[1].transfer_syntax == EXPLICIT  # as the spool likes it


async def test_a_class_that_only_comes_down_is_the_far_ends_alone() -> None:
    far = FarEnd({RT_PLAN: IMPLICIT}, roles={RT_PLAN: (False, True)})
    admission = await admitted(far, asked(RT_PLAN, roles={RT_PLAN: (False, True)}))
    assert far.asked[0] == (Wanted(admission_contexts(admission), frozenset()), True)
    assert admission.answer.roles == {RT_PLAN: (False, True)}
    assert performed(admission, 0, store(RT_PLAN)) == "relay"
    found = await admit(FarEnd(None), asked(RT_PLAN, roles={RT_PLAN: (False, True)}))
    assert isinstance(found, Rejection)


def admission_contexts(admission: Admission) -> tuple[ProposedContext, ...]:
    return tuple(
        ProposedContext(one.context_id, one.abstract_syntax, (EXPLICIT, IMPLICIT))
        for one in admission.answer.contexts
    )


async def test_of_a_private_class_objects_stay_here_and_everything_else_goes_on() -> None:
    far = FarEnd({PRIVATE: IMPLICIT})
    admission = await admitted(far, asked(PRIVATE))
    assert admission.answer.contexts[0].transfer_syntax == IMPLICIT
    assert performed(admission, 0, store(PRIVATE)) == "here"
    create = Command(command_field=CommandField.N_CREATE_RQ, message_id=1)
    assert performed(admission, 0, create) == "relay"
    assert performed(admission, 0, Command(command_field=0x0042, message_id=1)) == "relay"


@pytest.mark.parametrize("accepts", [None, {}])
async def test_of_a_private_class_that_the_far_end_does_not_know_objects_are_taken_all_the_same(
    accepts: Mapping[str, str] | None,
) -> None:
    admission = await admitted(FarEnd(accepts), asked(PRIVATE))
    assert results(admission) == [0]
    assert performed(admission, 0, store(PRIVATE)) == "here"
    create = Command(command_field=CommandField.N_CREATE_RQ, message_id=1)
    assert performed(admission, 0, create) == "0x0211"


# --- sub-items -----------------------------------------------------------------------------------------


async def test_roles_and_extended_negotiation_are_the_far_ends() -> None:
    far = FarEnd({FIND: IMPLICIT}, roles={FIND: (True, False)}, extended={FIND: b"\x01\x00"})
    request = asked(FIND, RECORD, roles={FIND: (True, True)}, extended={FIND: b"\x01\x01", RECORD: b"\x02"})
    admission = await admitted(far, request)
    assert admission.answer.roles == {FIND: (True, False)}
    assert admission.answer.extended[FIND] == b"\x01\x00"
    assert admission.answer.extended[RECORD] != b"\x02"  # that of the spool
    silent = await admitted(FarEnd({FIND: IMPLICIT}), request)
    assert FIND not in silent.answer.roles
    assert FIND not in silent.answer.extended


@pytest.mark.parametrize(
    ("proposed", "theirs", "granted"),
    [((8, 1), (4, 1), (4, 1)), ((8, 1), None, (1, 1)), ((0, 0), (0, 0), (16, 16)), (None, None, None)],
)
async def test_the_window_is_no_wider_than_the_far_ends_or_ours(
    proposed: tuple[int, int] | None, theirs: tuple[int, int] | None, granted: tuple[int, int] | None
) -> None:
    far = FarEnd({FIND: IMPLICIT}, window=theirs)
    admission = await admitted(far, asked(FIND, RECORD, async_window=proposed))
    assert admission.answer.async_window == granted


async def test_without_the_far_end_the_window_is_ours() -> None:
    admission = await admitted(FarEnd(None), asked(FIND, RECORD, async_window=(8, 1)))
    assert admission.answer.async_window == (8, 1)


async def test_a_user_identity_is_confirmed_only_by_the_far_end() -> None:
    identity = UserIdentity(1, b"physicist", response_requested=True)
    far = FarEnd({FIND: IMPLICIT}, identity=b"known")
    assert (
        await admitted(far, asked(FIND, user_identity=identity))
    ).answer.user_identity_response == b"known"
    far = FarEnd({FIND: IMPLICIT})
    assert (await admitted(far, asked(FIND, user_identity=identity))).answer.user_identity_response is None
    nobody = await admitted(FarEnd(None), asked(FIND, RECORD, user_identity=identity))
    assert nobody.answer.user_identity_response is None
