"""A-ASSOCIATE PDUs, whole, bent and invented: read, or refused with a reason; what is read is answered."""

from __future__ import annotations

import struct

from hypothesis import strategies as st

from gateway.dicom.associate_pdu import (
    decode_associate_ac,
    decode_associate_rq,
    encode_associate_ac,
    encode_associate_rq,
)
from gateway.dicom.errors import PeerProtocolError
from gateway.dicom.limits import NegotiationLimits
from gateway.dicom.negotiation import negotiate, refusal, settle
from tests.fuzz.runner import run
from tests.support.dicom_wire import REQUEST, TAKE_FIRST, answers, requests

LIMITS = NegotiationLimits(max_contexts=6, max_transfer_syntaxes=4, max_user_items=12, max_related_general=3)
_KINDS = [0x10, 0x20, 0x21, 0x30, 0x40, 0x50, *range(0x51, 0x5A), 0x77]


def _item(kind: int, value: bytes, lie: int) -> bytes:
    return struct.pack(">BxH", kind, max(0, min(0xFFFF, len(value) + lie))) + value


_lies = st.sampled_from([0, 0, 0, 0, 0, 1, -1, 60000])
_leaves = st.binary(max_size=24) | st.sampled_from([b"1.2.840.10008.1.2", b"\0\0\x40\0", b"\0\x031.2\1\1"])
_trees = st.recursive(
    st.builds(_item, st.sampled_from(_KINDS), _leaves, _lies),
    lambda inner: st.builds(
        lambda kind, head, items, lie: _item(kind, head + b"".join(items), lie),
        st.sampled_from(_KINDS),
        st.sampled_from([b"", b"\1\0\0\0", b"\2\0\0\0"]),
        st.lists(inner, max_size=5),
        _lies,
    ),
    max_leaves=20,
)
_invented = st.builds(
    lambda version, titles, items: struct.pack(">H2x", version) + titles + b"".join(items),
    st.integers(0, 0xFFFF),
    st.binary(min_size=64, max_size=64),
    st.lists(_trees, max_size=8),
)
_real = requests.map(encode_associate_rq) | answers.map(lambda answer: encode_associate_ac(answer, bytes(64)))


@st.composite
def _bent(draw: st.DrawFn) -> bytes:
    raw = bytearray(draw(_real)[6:])
    for position, value in draw(
        st.lists(st.tuples(st.integers(0, len(raw) - 1), st.integers(0, 255)), max_size=5)
    ):
        raw[position] = value
    return bytes(raw)


STRATEGIES = {"body": _invented | _bent() | st.binary(max_size=200)}


def check(body: bytes) -> None:
    """The association codec under arbitrary bytes."""
    reasons = set()
    try:
        request = decode_associate_rq(body, LIMITS)
    except PeerProtocolError as error:
        reasons.add(error.reason)
    else:
        assert len(request.contexts) <= LIMITS.max_contexts
        assert all(
            len(context.transfer_syntaxes) <= LIMITS.max_transfer_syntaxes for context in request.contexts
        )
        words = (request.called_ae, request.calling_ae, *(c.abstract_syntax for c in request.contexts))
        assert all(word.isascii() and (word.isprintable() or not word) for word in words)
        assert repr(request).isascii()
        refusal(request)
        encode_associate_ac(negotiate(request, TAKE_FIRST), body[4:68])
    try:
        answer = decode_associate_ac(body, LIMITS)
    except PeerProtocolError as error:
        reasons.add(error.reason)
    else:
        settled = settle(REQUEST, answer)
        assert {context.context_id for context in settled.contexts} == {1, 3}
    assert reasons <= {5, 6}


if __name__ == "__main__":
    run(check, STRATEGIES)
