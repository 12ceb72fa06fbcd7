"""Comparing an object with what its destination gives back: C-GET, then all of the content."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.association.fetching import Fetched, FetchingAssociation, Wanted
from gateway.commitment.contents import AsKept
from gateway.commitment.judging import Finding, NoAnswer, Verdict
from gateway.commitment.subjects import Subject
from gateway.dicom.data_set import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.dicom.negotiation import AcceptedContext, ProposedContext
from gateway.dicom.status import Service, words
from gateway.errors import LocalError
from gateway.model import Instance, StoredObject
from gateway.spool.compare import Copy, Incomparable, compared
from gateway.spool.values import DataReader

STUDY_ROOT_GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"
_MARGIN: Final = 1024 * 1024
"""Bytes by which an object may have grown at its destination, and be compared all the same."""
_EXPANSION: Final = 8
"""How much larger it may be there because it is not compressed any more."""
MOST_CLASSES: Final = 50
"""SOP classes of one association: two contexts each, of 128 that there can be."""

_CHUNK: Final = 1024 * 1024

SAME_BYTES: Final = "fetched back: the same bytes"
SAME_CONTENT: Final = "fetched back: the same content"


def contexts(subjects: Sequence[Subject], first_id: int) -> list[ProposedContext]:
    """Propose to be given these objects: each class as it is here, and without compression."""
    syntaxes: dict[str, dict[str, None]] = {}
    for subject in subjects:
        if subject.stored is not None:
            instance = subject.stored.instance
            syntaxes.setdefault(instance.sop_class_uid, {})[instance.transfer_syntax_uid] = None
    proposed: list[ProposedContext] = []
    plain = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
    for uid, here in list(syntaxes.items())[:MOST_CLASSES]:
        for offered in (tuple(here), tuple(one for one in plain if one not in here)):
            if offered:
                proposed.append(ProposedContext(first_id + 2 * len(proposed), uid, offered))
    return proposed


def roles(proposed: Sequence[ProposedContext]) -> Mapping[str, tuple[bool, bool]]:
    """For each class: the peer stores to us, we do not store (PS3.7 D.3.3.4)."""
    return {context.abstract_syntax: (False, True) for context in proposed}


def can_give(association: FetchingAssociation, sop_class_uid: str) -> AcceptedContext | None:
    """Return the context to ask on, when the peer can give objects of this class back."""
    offered = association.contexts.values()
    if not any(one.abstract_syntax == sop_class_uid and one.as_scp for one in offered):
        return None
    return next((one for one in offered if one.abstract_syntax == STUDY_ROOT_GET and one.as_scu), None)


async def give_back(
    association: FetchingAssociation,
    context: AcceptedContext,
    identifier: bytes,
    subject: Subject,
    open_data: Callable[[int], DataReader],
    *,
    most: int,
    wait: float,
) -> tuple[Finding, int]:
    """Have `subject` given back and compare it; return what was found, and how many bytes came.

    `most` bytes are compared element by element; of larger objects the digest alone. Raises PeerError when
    there is no answer.
    """
    stored = subject.stored
    if stored is None:
        raise LocalError("an object without its bytes cannot be compared")
    size = stored.size
    bearable = min(max(size * _EXPANSION, size + _MARGIN), size + max(most * 2, _MARGIN))
    wanted = Wanted(
        subject.reference.sop_class_uid, subject.reference.sop_instance_uid, min(most, bearable), bearable
    )
    try:
        async with asyncio.timeout(wait):
            answer, fetched = await association.fetch(context.context_id, STUDY_ROOT_GET, identifier, wanted)
    except TimeoutError:
        raise NoAnswer("it did not give an object back in time") from None
    if fetched is None:
        status = answer.command.status or 0
        refused = status != 0x0000  # it says success, and gives something else: that is another matter
        verdict = Verdict.NOT_GIVEN if refused else Verdict.UNDECIDED
        return Finding(verdict, f"it is not given back ({words(status, Service.GET)})"), 0
    finding = await asyncio.to_thread(_compare, stored, fetched, open_data, most)
    return finding, fetched.size


def _compare(
    stored: StoredObject, fetched: Fetched, open_data: Callable[[int], DataReader], most: int
) -> Finding:
    if fetched.digest == stored.digest and fetched.transfer_syntax_uid == stored.instance.transfer_syntax_uid:
        return Finding(Verdict.THERE, SAME_BYTES)
    if fetched.data is None or stored.size > most:
        return Finding(Verdict.UNDECIDED, "it is not given back byte for byte, and too large to be compared")
    try:
        with open_data(stored.number) as reader:
            data = b"".join(iter(lambda: reader.read(_CHUNK), b""))
        instance = Instance(
            stored.instance.sop_class_uid, stored.instance.sop_instance_uid, fetched.transfer_syntax_uid
        )
        found = compared(Copy(stored.instance, data), Copy(instance, fetched.data), most, AsKept())
    except LocalError:
        return Finding(Verdict.UNDECIDED, "its bytes cannot be read here")
    except Incomparable as error:
        return Finding(Verdict.UNDECIDED, f"what is given back cannot be compared: {error}")
    return Finding(Verdict.OTHER, f"fetched back: {found}") if found else Finding(Verdict.THERE, SAME_CONTENT)
