"""What an HTTP answer to a Store Instances request means, for the destination and for each object. Pure.

Three questions, in this order: does the status say something of the destination as a whole (it lets nobody
in, it has no such service, it is overloaded); what does the body say of each object; and where it says
nothing, what does the status say of an object that came alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

from gateway.delivery.classification import Cause, classify_status
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.web.answers import Said, Unreadable, read

SYNTAX_NOT_SUPPORTED = 0xC122
"""Failure reason "referenced transfer syntax not supported" (PS3.18 Table I.2-2)."""

_SPEAKING = frozenset({200, 202, 409})
"""Statuses whose body tells of each instance (PS3.18 Table 10.5.3-1)."""

_OVERLOADED = frozenset({408, 425, 429, 502, 503, 504})
_NOT_LET_IN = frozenset({401, 403, 407})
_NO_SERVICE = frozenset({404, 405, 410, 421, 426, 501, 505})


@dataclass(frozen=True, slots=True)
class Stored:
    """The server has it: status 0, or a warning."""

    status: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What went wrong. `certain`: the server said it of this very object."""

    cause: Cause
    words: str
    status: int | None = None  # the failure reason, as in DIMSE
    certain: bool = False


def of_request(status: int, *, asking: bool = False) -> Verdict | None:
    """What `status` says of the destination as a whole; None: nothing, it is about the objects.

    With `asking` nothing was sent: an unknown method is no trouble, and any trouble is the destination's.
    """
    name = http_words(status)
    if status in _NOT_LET_IN:
        return Verdict(Cause.REJECTED_PERMANENT, f"the destination does not let us in ({name})")
    if 300 <= status <= 399:
        return Verdict(Cause.REJECTED_PERMANENT, f"the destination is elsewhere: change the url ({name})")
    if status in _OVERLOADED:
        return Verdict(Cause.REJECTED_TRANSIENT, f"the destination is out of service for now ({name})")
    if asking and status in (405, 501):
        return None
    if status in _NO_SERVICE and not (asking and status == 404):
        return Verdict(Cause.REJECTED_PERMANENT, f"there is no store service at this url ({name})")
    if asking and status >= 500:
        return Verdict(Cause.NO_ASSOCIATION, f"the destination is in trouble ({name})")
    return None


def of_object(
    status: int, body: bytes, uids: Sequence[str], policy: DeliveryPolicy
) -> Mapping[str, Stored | Verdict | None]:
    """What the answer says of each of `uids`; None: nothing, and it came with others."""
    said: Mapping[str, Said] = {}
    doubt = "the destination answered without telling what it stored"
    if status in _SPEAKING:
        try:
            said = read(body)
        except Unreadable as error:
            doubt = f"the destination's answer cannot be read: {error}"
    found = {uid: _of(said[uid], policy) if uid in said else None for uid in uids}
    if len(uids) == 1 and found[uids[0]] is None:
        return {uids[0]: _alone(status, doubt)}
    return found


def _of(said: Said, policy: DeliveryPolicy) -> Stored | Verdict:
    meaning = classify_status(said.status, policy)
    if said.stored and meaning.cause is None:
        return Stored(said.status)
    if said.status == SYNTAX_NOT_SUPPORTED and not said.stored:
        words = "the destination does not support this transfer syntax (0xC122)"
        return Verdict(Cause.NO_CONTEXT, words, said.status, certain=True)
    # A warning nobody knows is no success; a failure whose reason means success is a failure all the same.
    cause = meaning.cause or Cause.UNKNOWN_STATUS
    words = meaning.words if meaning.cause else f"the destination reports a failure (0x{said.status:04X})"
    return Verdict(cause, words, said.status, certain=True)


def _alone(status: int, doubt: str) -> Verdict:
    name = http_words(status)
    if status == 413:
        return Verdict(Cause.REFUSED, f"the object is too large for the destination ({name})")
    if status in (406, 415):
        return Verdict(Cause.NO_CONTEXT, f"the destination does not take objects like this one ({name})")
    if status >= 500:
        return Verdict(Cause.PROCESSING, f"the destination failed to process the object ({name})")
    if status in _SPEAKING:
        return Verdict(Cause.VIOLATION, f"{doubt} ({name})")
    if 400 <= status <= 499:
        return Verdict(Cause.REFUSED, f"the destination refuses the object ({name})")
    return Verdict(Cause.VIOLATION, f"the destination answered what makes no sense here ({name})")


def http_words(status: int) -> str:
    """Return "HTTP 503 Service Unavailable"."""
    try:
        return f"HTTP {status} {HTTPStatus(status).phrase}"
    except ValueError:
        return f"HTTP {status}"
