"""A-ASSOCIATE-RQ and -AC: our codec against itself, pynetdicom's, and peers that mean harm."""

from __future__ import annotations

import struct
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ
from pynetdicom.pdu_primitives import (
    A_ASSOCIATE,
    AsynchronousOperationsWindowNegotiation,
    ImplementationClassUIDNotification,
    ImplementationVersionNameNotification,
    MaximumLengthNotification,
    SCP_SCU_RoleSelectionNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.presentation import build_context

from gateway.dicom.associate_pdu import (
    decode_associate_ac,
    decode_associate_rq,
    encode_associate_ac,
    encode_associate_rq,
    title_block,
)
from gateway.dicom.errors import LocalProtocolError, PeerProtocolError
from gateway.dicom.limits import NegotiationLimits
from gateway.dicom.negotiation import (
    AcceptedContext,
    AssociateAccept,
    AssociateRequest,
    CommonExtended,
    ProposedContext,
    UserIdentity,
)
from tests.support.dicom_wire import (
    BEAMS_RECORD,
    EXPLICIT,
    IMPLICIT,
    REQUEST,
    VERIFICATION,
    answers,
    requests,
)

LIMITS = NegotiationLimits()
ECHO = b"ARIA".ljust(16) + b"LINAC1".ljust(16) + bytes(32)
CONTEXTS_AT = 6 + 68 + 4 + 21  # of REQUEST's bytes: after header, fixed fields and application context item

RICH = AssociateRequest(
    "ARIA",
    "LINAC1",
    REQUEST.contexts,
    max_pdu_length=16384,
    roles={BEAMS_RECORD: (True, True), VERIFICATION: (False, True)},
    extended={BEAMS_RECORD: b"\2\0\3\0\0\0"},
    common_extended={BEAMS_RECORD: CommonExtended("1.2.840.10008.4.2", ("1.2.3", "1.2.4"))},
    user_identity=UserIdentity(2, b"console", b"secret", True),
    async_window=(5, 1),
)


def item(kind: int, value: bytes) -> bytes:
    return struct.pack(">BxH", kind, len(value)) + value


def body(*items: bytes) -> bytes:
    return struct.pack(">H2x64s", 1, ECHO) + b"".join(items)


APPLICATION = item(0x10, b"1.2.840.10008.3.1.1.1")
CONTEXT = item(0x20, b"\1\0\0\0" + item(0x30, b"1.2") + item(0x40, b"1.2.3"))
USER = item(0x50, item(0x51, b"\0\0\x40\0"))


@given(requests)
def test_a_request_comes_back_as_it_was(request: AssociateRequest) -> None:
    assert decode_associate_rq(encode_associate_rq(request)[6:], LIMITS) == request


@given(answers)
def test_an_answer_comes_back_as_it_was(answer: AssociateAccept) -> None:
    echo = answer.called_ae.encode().ljust(16) + answer.calling_ae.encode().ljust(16) + bytes(range(32))
    encoded = encode_associate_ac(answer, echo)
    assert decode_associate_ac(encoded[6:], LIMITS) == answer
    assert title_block(encoded[6:]) == echo


@given(requests)
@settings(max_examples=60)
def test_pynetdicom_reads_our_request_and_writes_the_same_bytes(request: AssociateRequest) -> None:
    identity = request.user_identity
    if identity is not None:  # it insists on the secondary field belonging to user name and passcode
        identity = replace(
            identity, kind=2, primary=b"a" + identity.primary, secondary=b"b" + identity.secondary
        )
    ours = encode_associate_rq(replace(request, user_identity=identity))
    theirs = A_ASSOCIATE_RQ()
    theirs.decode(ours)
    assert theirs.encode() == ours
    assert theirs.called_ae_title == request.called_ae
    assert theirs.calling_ae_title == request.calling_ae
    assert [context.context_id for context in theirs.presentation_context] == [
        context.context_id for context in request.contexts
    ]
    assert theirs.user_information is not None
    assert theirs.user_information.maximum_length == request.max_pdu_length
    assert theirs.user_information.role_selection.keys() == request.roles.keys()


@given(answers)
@settings(max_examples=60)
def test_pynetdicom_reads_our_answer_and_writes_the_same_bytes(answer: AssociateAccept) -> None:
    ours = encode_associate_ac(answer, ECHO)
    theirs = A_ASSOCIATE_AC()
    theirs.decode(ours)
    assert theirs.encode() == ours
    assert [(context.context_id, context.result) for context in theirs.presentation_context] == [
        (context.context_id, context.result) for context in answer.contexts
    ]


def pynetdicom_primitive() -> A_ASSOCIATE:
    primitive = A_ASSOCIATE()
    primitive.application_context_name = RICH.application_context
    primitive.called_ae_title, primitive.calling_ae_title = RICH.called_ae, RICH.calling_ae
    length = MaximumLengthNotification()
    length.maximum_length_received = RICH.max_pdu_length
    implementation = ImplementationClassUIDNotification()
    implementation.implementation_class_uid = RICH.implementation_class_uid
    version = ImplementationVersionNameNotification()
    version.implementation_version_name = RICH.implementation_version
    window = AsynchronousOperationsWindowNegotiation()
    window.maximum_number_operations_invoked, window.maximum_number_operations_performed = 5, 1
    parameters: list[Any] = [length, implementation, version, window]
    for uid, (scu, scp) in RICH.roles.items():
        role = SCP_SCU_RoleSelectionNegotiation()
        role.sop_class_uid, role.scu_role, role.scp_role = uid, scu, scp
        parameters.append(role)
    extended = SOPClassExtendedNegotiation()
    extended.sop_class_uid = BEAMS_RECORD
    extended.service_class_application_information = RICH.extended[BEAMS_RECORD]
    common = SOPClassCommonExtendedNegotiation()
    common.sop_class_uid, common.service_class_uid = BEAMS_RECORD, "1.2.840.10008.4.2"
    common.related_general_sop_class_identification = ["1.2.3", "1.2.4"]
    identity = UserIdentityNegotiation()
    identity.user_identity_type, identity.positive_response_requested = 2, True
    identity.primary_field, identity.secondary_field = b"console", b"secret"
    primitive.user_information = [*parameters, extended, common, identity]
    return primitive


def test_we_read_what_pynetdicom_proposes() -> None:
    primitive = pynetdicom_primitive()
    contexts = [build_context(c.abstract_syntax, list(c.transfer_syntaxes)) for c in RICH.contexts]
    for context, ours in zip(contexts, RICH.contexts, strict=True):
        context.context_id = ours.context_id
    primitive.presentation_context_definition_list = contexts
    assert decode_associate_rq(A_ASSOCIATE_RQ(primitive).encode()[6:], LIMITS) == RICH


def test_we_read_what_pynetdicom_answers() -> None:
    primitive = pynetdicom_primitive()
    primitive.user_information = primitive.user_information[:4]
    context = build_context(BEAMS_RECORD, EXPLICIT)
    context.context_id, context.result = 3, 0
    primitive.presentation_context_definition_results_list = [context]
    primitive.result = 0
    answer = decode_associate_ac(A_ASSOCIATE_AC(primitive).encode()[6:], LIMITS)
    assert answer.contexts == (AcceptedContext(3, "", EXPLICIT),)
    assert (answer.max_pdu_length, answer.async_window) == (16384, (5, 1))


def test_items_are_in_increasing_order() -> None:
    """PS3.8 9.3.1."""
    raw = encode_associate_rq(RICH)
    user = raw[raw.index(b"\x50\0", CONTEXTS_AT) + 4 :]
    kinds = []
    while user:
        kinds.append(user[0])
        user = user[4 + int.from_bytes(user[2:4], "big") :]
    assert kinds == sorted(kinds) == [0x51, 0x52, 0x53, 0x54, 0x54, 0x55, 0x56, 0x57, 0x58]


def test_padded_uids_and_titles_are_tolerated() -> None:
    context = item(0x20, b"\1\0\0\0" + item(0x30, b"1.2\0") + item(0x40, b"1.2.3 "))
    raw = body(APPLICATION, context, USER)
    raw = raw[:4] + b"ARIA\0\0\0\0\0\0\0\0\0\0\0\0" + raw[20:]
    request = decode_associate_rq(raw, LIMITS)
    assert request.contexts == (ProposedContext(1, "1.2", ("1.2.3",)),)
    assert request.called_ae == "ARIA"


def test_unknown_items_are_skipped() -> None:
    """PS3.8 9.3.1: not an error at any level."""
    odd = item(0x77, b"whatever")
    context = item(0x20, b"\1\0\0\0" + odd + item(0x30, b"1.2") + item(0x40, b"1.2.3"))
    user = item(0x50, odd + item(0x51, b"\0\0\x40\0"))
    request = decode_associate_rq(body(odd, APPLICATION, context, user), LIMITS)
    assert (len(request.contexts), request.max_pdu_length) == (1, 16384)


def test_user_information_may_be_missing() -> None:
    request = decode_associate_rq(body(APPLICATION, CONTEXT), LIMITS)
    assert (request.max_pdu_length, request.implementation_class_uid) == (16384, "")
    assert decode_associate_ac(body(APPLICATION), LIMITS).max_pdu_length == 16384


@pytest.mark.parametrize(
    "title",
    [
        b"",
        b"\0" * 16,
        b"../../etc/passwd",
        b"<script>alert(1)",
        b"\x1b[31mRED\x1b[0m",
        b"A\\B",
        b"\xe9\xff\n\r",
    ],
)
def test_titles_are_printable_whatever_they_are(title: bytes) -> None:
    raw = body(APPLICATION, CONTEXT, USER)
    request = decode_associate_rq(raw[:4] + title.ljust(16)[:16] + raw[20:], LIMITS)
    assert request.called_ae.isprintable()
    assert request.called_ae.isascii()


REASONS = [
    (5, [APPLICATION, APPLICATION, CONTEXT, USER]),
    (5, [APPLICATION, CONTEXT, USER, USER]),
    (5, [APPLICATION, CONTEXT, item(0x21, b"\1\0\0\0"), USER]),
    (5, [APPLICATION, CONTEXT, item(0x40, b"1.2"), USER]),
    (5, [APPLICATION, item(0x20, b"\1\0\0\0" + item(0x30, b"1.2") * 2 + item(0x40, b"1.2")), USER]),
    (5, [APPLICATION, CONTEXT, item(0x50, item(0x51, bytes(4)) * 2)]),
    (6, []),
    (6, [CONTEXT, USER]),
    (6, [APPLICATION, USER]),
    (6, [APPLICATION, CONTEXT, CONTEXT, USER]),
    (6, [APPLICATION, item(0x20, b"\2\0\0\0" + item(0x30, b"1.2") + item(0x40, b"1.2")), USER]),
    (6, [APPLICATION, item(0x20, b"\1\0\0"), USER]),
    (6, [APPLICATION, item(0x20, b""), USER]),
    (6, [APPLICATION, item(0x20, b"\1\0\0\0" + item(0x30, b"1.2")), USER]),
    (6, [APPLICATION, item(0x20, b"\1\0\0\0" + item(0x40, b"1.2")), USER]),
    (6, [APPLICATION, item(0x20, b"\1\0\0\0" + item(0x30, b"1" * 65) + item(0x40, b"1.2")), USER]),
    (6, [APPLICATION, item(0x20, b"\1\0\0\0" + item(0x30, b"1.2")[:-1]), USER]),
    (6, [APPLICATION, CONTEXT, b"\x50"]),
    (6, [APPLICATION, CONTEXT, b"\x50\0\xff\xff"]),
]


@pytest.mark.parametrize(("reason", "items"), REASONS)
def test_what_is_wrong_has_its_reason(reason: int, items: list[bytes]) -> None:
    with pytest.raises(PeerProtocolError) as caught:
        decode_associate_rq(body(*items), LIMITS)
    assert caught.value.reason == reason


ANSWER = item(0x21, b"\1\0\0\0" + item(0x40, b"1.2.3"))


@pytest.mark.parametrize(
    ("reason", "items"),
    [
        (5, [APPLICATION, APPLICATION]),
        (5, [APPLICATION, CONTEXT]),
        (5, [APPLICATION, ANSWER, USER, USER]),
        (5, [APPLICATION, item(0x21, b"\1\0\0\0" + item(0x40, b"1.2") * 2)]),
        (6, [APPLICATION, ANSWER, ANSWER]),
        (6, [APPLICATION, item(0x21, b"\1\0\0\0")]),
        (6, [APPLICATION, item(0x21, b"\0\0\0\0" + item(0x40, b"1.2"))]),
    ],
)
def test_what_is_wrong_in_an_answer_has_its_reason(reason: int, items: list[bytes]) -> None:
    with pytest.raises(PeerProtocolError) as caught:
        decode_associate_ac(body(*items), LIMITS)
    assert caught.value.reason == reason


def test_a_refused_context_needs_no_transfer_syntax() -> None:
    for refused in (item(0x21, b"\1\0\3\0"), item(0x21, b"\1\0\3\0" + item(0x40, b""))):
        [context] = decode_associate_ac(body(APPLICATION, refused), LIMITS).contexts
        assert (context.result, context.transfer_syntax) == (3, "")


def many_contexts(count: int) -> list[bytes]:
    numbers = [bytes((2 * index + 1 & 0xFF, 0, 0, 0)) for index in range(count)]
    return [item(0x20, number + item(0x30, b"1.2") + item(0x40, b"1.2")) for number in numbers]


def many_syntaxes(count: int) -> bytes:
    return item(0x20, b"\1\0\0\0" + item(0x30, b"1.2") + item(0x40, b"1.2.3") * count)


def related(count: int) -> bytes:
    uid = b"\0\x031.2"
    return item(0x50, item(0x57, uid + uid + struct.pack(">H", 5 * count) + uid * count))


@pytest.mark.parametrize(
    ("allowed", "too_many"),
    [
        (many_contexts(128), many_contexts(129)),
        ([many_syntaxes(64)], [many_syntaxes(65)]),
        ([CONTEXT, item(0x50, item(0x77, b"") * 1024)], [CONTEXT, item(0x50, item(0x77, b"") * 1025)]),
        ([CONTEXT, related(64)], [CONTEXT, related(65)]),
    ],
    ids=["contexts", "transfer syntaxes", "user information", "related general"],
)
def test_counts_are_bounded(allowed: list[bytes], too_many: list[bytes]) -> None:
    decode_associate_rq(body(APPLICATION, *allowed), LIMITS)
    with pytest.raises(PeerProtocolError, match=r"more .* than allowed"):
        decode_associate_rq(body(APPLICATION, *too_many), LIMITS)


def test_answered_contexts_are_bounded() -> None:
    narrow = NegotiationLimits(max_contexts=1)
    second = item(0x21, b"\3\0\0\0" + item(0x40, b"1.2.3"))
    decode_associate_ac(body(APPLICATION, ANSWER), narrow)
    with pytest.raises(PeerProtocolError, match=r"more .* than allowed"):
        decode_associate_ac(body(APPLICATION, ANSWER, second), narrow)


def test_work_is_linear_in_the_longest_pdu() -> None:
    junk = item(0x77, b"") * (262144 // 4 - 100)
    start = time.perf_counter()
    decode_associate_rq(body(APPLICATION, CONTEXT, junk), LIMITS)
    assert time.perf_counter() - start < 1.0


@given(st.binary(max_size=300))
def test_garbage_is_refused_and_nothing_else_happens(raw: bytes) -> None:
    reasons: set[int] = set()
    for decode in (decode_associate_rq, decode_associate_ac):
        for data in (raw, body() + raw, body(APPLICATION, CONTEXT, item(0x50, raw))):
            try:
                decode(data, LIMITS)
            except PeerProtocolError as error:
                reasons.add(error.reason)
    assert reasons <= {5, 6}


@pytest.mark.parametrize(
    "request_",
    [
        replace(REQUEST, contexts=()),
        replace(REQUEST, contexts=REQUEST.contexts * 65),
        replace(REQUEST, called_ae=""),
        replace(REQUEST, called_ae="A" * 17),
        replace(REQUEST, calling_ae="KLINIK Ü"),
        replace(REQUEST, extended={"1.2": bytes(65536)}),
        replace(REQUEST, contexts=(ProposedContext(1, "1.2", (IMPLICIT,) * 4000),)),
        replace(REQUEST, user_identity=UserIdentity(1, bytes(65536))),
    ],
)
def test_what_does_not_fit_is_our_mistake(request_: AssociateRequest) -> None:
    with pytest.raises(LocalProtocolError):
        encode_associate_rq(request_)
