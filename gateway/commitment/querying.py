"""A destination without storage commitment: whether it has an instance is looked up (PS3.4 annex C).

Study Root C-FIND at IMAGE level for each instance, with all unique keys, read from the object's own bytes. A
match with the right SOP Instance UID is proof; a complete answer without one is proof of the opposite; and
whatever else comes is no answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from gateway.association.asking import Answer, AskingAssociation
from gateway.commitment.decisions import RESEND, reasons
from gateway.commitment.rounds import REFUSED, Rounds
from gateway.dicom import messages
from gateway.dicom.commitment import CLASS_INSTANCE_CONFLICT, NO_SUCH_INSTANCE, PROCESSING_FAILURE
from gateway.dicom.data_set import (
    DEFLATED,
    EXPLICIT_BIG,
    EXPLICIT_LITTLE,
    IMPLICIT_LITTLE,
    DataSet,
    DataSetCut,
    DataSetError,
    encode,
    parse,
    parse_head,
)
from gateway.dicom.negotiation import AcceptedContext, ProposedContext
from gateway.dicom.status import Service, words
from gateway.errors import LocalError, PeerError, SpoolFailure
from gateway.notices import CommitmentAnswered
from gateway.spool.commitment_values import Reference, ToAsk
from gateway.spool.values import DataReader

HOW: Final = "verified by query"
STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
CONTEXTS: Final = (ProposedContext(1, STUDY_ROOT_FIND, (EXPLICIT_LITTLE, IMPLICIT_LITTLE)),)

COMMITTED: Final = 0
"""In place of a failure reason."""

_LEVEL: Final = 0x00080052
_SOP_CLASS: Final = 0x00080016
_SOP_INSTANCE: Final = 0x00080018
_STUDY: Final = 0x0020000D
_SERIES: Final = 0x0020000E

_FIRST_READ: Final = 64 * 1024
_MOST_MATCHES: Final = 4  # there can be one
_BATCH: Final = 50  # instances that are looked up before what was found is written down


class NoAnswer(PeerError):
    """The query was refused, or its answer cannot be understood."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The unique keys of an instance above its own."""

    study: str
    series: str


class Querier(Rounds):
    """Looks up what one destination has of what consoles ask about."""

    _unoffered_words = "accepts no presentation context for queries (Study Root)"

    def _contexts(self) -> Sequence[ProposedContext]:
        return CONTEXTS

    def _batch(self) -> int:
        return min(_BATCH, self._shop.policy.batch)

    async def _converse(
        self, association: AskingAssociation, context: AcceptedContext, wanted: list[ToAsk]
    ) -> None:
        while wanted:
            uid = await self._begin(wanted)
            found: dict[Reference, int] = {}
            try:
                for one in wanted:
                    found[one.reference] = await self._look_up(association, context, one)
            except PeerError as error:
                await self._tell(uid, found)
                await self._put_off(uid, len(wanted) - len(found), str(error))
                if isinstance(error, NoAnswer):
                    self._alarm(REFUSED, f"cannot be asked what it has: {error}")
                return
            except asyncio.CancelledError:
                with contextlib.suppress(SpoolFailure):
                    await self._shop.spool.ask_put_off(uid, self._shop.wall_clock(), "stopped while it asked")
                raise
            self._over(REFUSED)
            self._worked()
            await self._tell(uid, found)
            wanted = await self._wanted()

    async def _tell(self, uid: str, found: dict[Reference, int]) -> None:
        """Write down what was found; the rest may be asked about again."""
        if not found:
            return
        committed = [one for one, reason in found.items() if reason == COMMITTED]
        failed = [(one, reason) for one, reason in found.items() if reason != COMMITTED]
        done = await self._shop.spool.ask_answered(uid, committed, failed, HOW, resend=RESEND)
        self._shop.notices.publish(
            CommitmentAnswered(
                source=self.peer.name,
                outcome=done.outcome,
                committed=len(committed),
                failed=len(failed),
                resent=done.resent,
                held=done.held,
                how=HOW,
                reason=reasons(reason for _, reason in failed),
            )
        )

    async def _look_up(self, association: AskingAssociation, context: AcceptedContext, one: ToAsk) -> int:
        """Return COMMITTED or a failure reason. Raises PeerError when there is no answer."""
        keys = await asyncio.to_thread(self._keys, one)
        if keys is None:
            return PROCESSING_FAILURE  # its keys are gone with its bytes: it cannot be found out
        identifier = encode(
            {
                _LEVEL: ("CS", "IMAGE"),
                _SOP_CLASS: ("UI", ""),
                _SOP_INSTANCE: ("UI", one.reference.sop_instance_uid),
                _STUDY: ("UI", keys.study),
                _SERIES: ("UI", keys.series),
            },
            context.transfer_syntax,
        )
        answers = await association.ask_all(
            context.context_id,
            partial(messages.c_find_rq, sop_class_uid=STUDY_ROOT_FIND),
            identifier,
            most=_MOST_MATCHES,
        )
        return judge(answers, one.reference, context.transfer_syntax)

    def _keys(self, one: ToAsk) -> Keys | None:
        if one.object_number is None:
            return None
        try:
            with self._shop.spool.open_data(one.object_number) as reader:
                return read_keys(reader, one.reference.sop_instance_uid, self._shop.policy.find_head)
        except LocalError:  # the bytes are not here any more
            return None


def judge(answers: Sequence[Answer], reference: Reference, transfer_syntax_uid: str) -> int:
    """Return what a whole answer to a query proves: COMMITTED, or a failure reason. Raises NoAnswer."""
    status = answers[-1].command.status or 0
    if status != 0x0000:
        raise NoAnswer(f"it answered the query with {words(status, Service.FIND)}")
    found = NO_SUCH_INSTANCE
    for answer in answers[:-1]:
        try:
            match = parse(answer.data, transfer_syntax_uid)
        except DataSetError:
            raise NoAnswer("its answer to the query cannot be read") from None
        if match.text(_SOP_INSTANCE) != reference.sop_instance_uid:
            continue  # an archive that ignores a key answers with all there is: that proves nothing
        if match.text(_SOP_CLASS) in ("", reference.sop_class_uid):
            return COMMITTED
        found = CLASS_INSTANCE_CONFLICT
    return found


def read_keys(reader: DataReader, sop_instance_uid: str, most: int) -> Keys | None:
    """Read the keys of an object from its first `most` bytes; None when they are not there. Blocking.

    How it is encoded shows in the bytes: an encoding in which they say the right SOP Instance UID is theirs.
    """
    for size in sorted({min(_FIRST_READ, most), most}):
        head = reader.pread(size, 0)
        for syntax in (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED):
            data = _head(head, syntax, whole=len(head) == reader.size)
            if data is not None and data.text(_SOP_INSTANCE) == sop_instance_uid:
                keys = Keys(data.text(_STUDY), data.text(_SERIES))
                return keys if keys.study and keys.series else None
    return None


def _head(head: bytes, syntax: str, *, whole: bool) -> DataSet | None:
    readers: list[Callable[[bytes, str], DataSet]] = [partial(parse_head, last=_SERIES)]
    if whole:
        readers.append(parse)
    for read in readers:
        try:
            return read(head, syntax)
        except DataSetCut:
            continue
        except DataSetError:
            return None
    return None
