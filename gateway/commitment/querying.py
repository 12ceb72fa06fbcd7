"""Looks up what a destination has: whether an instance is there (PS3.4 annex C), and whether it is this one.

Study Root C-FIND at IMAGE level with all unique keys, read from the object's own bytes, and with attributes
of its content as return keys. A complete answer without a match is proof that it is not there. A match alone
is no proof that it is: an archive may keep an older object under the same UID. Attributes of the content
decide (attributes.py), or the object itself, given back by C-GET on the same association (giving_back.py);
which of them, `compare` of the peer says. Whatever else comes is no answer.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial
from typing import Final

from gateway.association.asking import AskingAssociation
from gateway.association.fetching import FetchingAssociation
from gateway.commitment import attributes, giving_back
from gateway.commitment.decisions import RESEND, reasons
from gateway.commitment.judging import FOUND, Finding, NoAnswer, Verdict, judge, matches
from gateway.commitment.rounds import REFUSED, Rounds, Workshop
from gateway.commitment.subjects import (
    SERIES,
    SOP_CLASS,
    SOP_INSTANCE,
    STUDY,
    Keys,
    Subject,
    by_series,
    read_keys,
)
from gateway.dicom import messages
from gateway.dicom.commitment import NO_SUCH_INSTANCE, PROCESSING_FAILURE
from gateway.dicom.data_set import EXPLICIT_LITTLE, IMPLICIT_LITTLE, DataSet, Value, encode
from gateway.dicom.negotiation import AcceptedContext, ProposedContext
from gateway.dicom.sop_classes import RECORD_CLASSES, VERIFICATION
from gateway.errors import LocalError, PeerError, SpoolFailure
from gateway.model import DeliveryState, Peer, Priority
from gateway.notices import CommitmentAnswered
from gateway.spool.commitment_values import Reference, ToAsk

STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
UNDECIDED: Final = "commitment.undecided"

_LEVEL: Final = 0x00080052
_SYNTAXES: Final = (EXPLICIT_LITTLE, IMPLICIT_LITTLE)
ALWAYS: Final = (
    ProposedContext(1, STUDY_ROOT_FIND, _SYNTAXES),
    ProposedContext(3, giving_back.STUDY_ROOT_GET, _SYNTAXES),
    ProposedContext(5, VERIFICATION, _SYNTAXES),  # so that one who takes no queries need not reject us
)
_FIRST_CLASS: Final = 7
_SPARE_MATCHES: Final = 4  # beyond one for each instance: there should be none
_BATCH: Final = 50  # instances that are looked up before what was found is written down


class Querier(Rounds):
    """Looks up at one destination what it was sent, and compares it as the peer's `compare` says."""

    everything = True
    _unoffered_words = "accepts no presentation context for queries (Study Root)"

    def __init__(self, peer: Peer, shop: Workshop) -> None:
        super().__init__(peer, shop)
        self._lists = True  # it understands a list of UIDs in one query, for all we know
        self._looks = 0  # in a row at which a record was to be sent there
        self._subjects: dict[Reference, Subject] = {}  # of the round under way

    # --- an association ------------------------------------------------------------------------------

    def _contexts(self) -> Sequence[ProposedContext]:
        return ALWAYS

    async def _open(self, wanted: Sequence[ToAsk]) -> AskingAssociation:
        await self._read(wanted)
        classes = giving_back.contexts([*self._subjects.values()], _FIRST_CLASS) if self._fetches else []
        return await self._shop.dialler.open(
            self.peer,
            [*ALWAYS, *classes],
            roles=giving_back.roles(classes),
            kind=FetchingAssociation,
        )

    def _usable(self, context: AcceptedContext) -> bool:
        return context.as_scu and context.abstract_syntax == STUDY_ROOT_FIND

    @property
    def _fetches(self) -> bool:
        return self.peer.compare in ("object", "auto")

    def _batch(self) -> int:
        return min(_BATCH, self._shop.policy.batch)

    async def _read(self, wanted: Sequence[ToAsk]) -> None:
        self._subjects = {one.reference: await self._subject(one) for one in wanted}

    async def _subject(self, one: ToAsk) -> Subject:
        """Read what the object itself says; its bytes may be gone."""
        if one.object_number is None:
            return Subject(one.reference, None, None)
        try:
            stored = await self._shop.spool.stored(one.object_number)
            keys = await asyncio.to_thread(self._keys, one.object_number, one.reference.sop_instance_uid)
        except LocalError:  # the bytes are not here any more
            return Subject(one.reference, None, None)
        return Subject(one.reference, stored, keys)

    # --- a round -------------------------------------------------------------------------------------

    async def _converse(
        self, association: AskingAssociation, context: AcceptedContext, wanted: list[ToAsk]
    ) -> None:
        offered = {one.abstract_syntax for one in association.contexts.values()}
        while wanted:
            uid = await self._begin(wanted)
            found: dict[Reference, Finding] = {}
            try:
                await self._look_up(association, context, wanted, found)
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
            if self._fetches and any(one.reference.sop_class_uid not in offered for one in wanted):
                self._pace.wake()  # with other classes on another association
                return
            await self._read(wanted)

    async def _tell(self, uid: str, found: dict[Reference, Finding]) -> None:
        """Write down what was found; the rest may be asked about again."""
        if not found:
            return
        there = {one: each.words for one, each in found.items() if each.verdict is Verdict.THERE}
        other = {one: each.words for one, each in found.items() if each.verdict is Verdict.OTHER}
        failed = [
            (one, NO_SUCH_INSTANCE if each.verdict is Verdict.NOT_THERE else PROCESSING_FAILURE)
            for one, each in found.items()
            if each.verdict in (Verdict.NOT_THERE, Verdict.UNKNOWN)
        ]
        done = await self._shop.spool.ask_answered(
            uid, [*there], failed, FOUND, resend=RESEND, other=other, hows=there
        )
        undecided = [each.words for each in found.values() if each.verdict is Verdict.UNDECIDED]
        if undecided:
            self._alarm(
                UNDECIDED,
                f"does not show whether what it keeps is what it was sent ({undecided[0]}): objects stay "
                "accepted, not verified; have it allow C-GET for our AE title, or set `compare` of the peer",
            )
        elif there:
            self._over(UNDECIDED)
        self._shop.notices.publish(
            CommitmentAnswered(
                source=self.peer.name,
                outcome=done.outcome,
                committed=len(there),
                failed=len(failed) + len(other),
                resent=done.resent,
                held=done.held,
                how=FOUND,
                reason=reasons(reason for _, reason in failed),
                undecided=len(undecided),
                other=len(other),
            )
        )

    # --- looking up ----------------------------------------------------------------------------------

    async def _look_up(
        self,
        association: AskingAssociation,
        context: AcceptedContext,
        wanted: Sequence[ToAsk],
        found: dict[Reference, Finding],
    ) -> None:
        """Find out about `wanted`, into `found` as it goes. Raises PeerError when there is no answer."""
        subjects = [self._subjects[one.reference] for one in wanted]
        for subject in subjects:
            if subject.stored is None:
                found[subject.reference] = Finding(Verdict.UNKNOWN)
            elif subject.keys is None:
                found[subject.reference] = Finding(Verdict.UNDECIDED, "its own bytes do not say its study")
        for group in by_series(subjects, self._shop.policy.find_batch):
            answers = await self._ask(association, context, group) if self._lists and len(group) > 1 else []
            for subject in group:
                finding = judge(answers, subject, compare=self._compares)
                if finding.verdict is Verdict.NOT_THERE:  # a list may not have been understood
                    alone = await self._ask(association, context, [subject])
                    finding = judge(alone, subject, compare=self._compares)
                    if finding.verdict is not Verdict.NOT_THERE and len(group) > 1:
                        self._lists = False
                found[subject.reference] = await self._closer(association, context, subject, finding)

    @property
    def _compares(self) -> bool:
        return self.peer.compare != "never"

    async def _ask(
        self, association: AskingAssociation, context: AcceptedContext, group: Sequence[Subject]
    ) -> list[DataSet]:
        """Ask for some instances of one series in one query."""
        wait = self._shop.policy.find_wait
        try:
            async with asyncio.timeout(wait):
                answers = await association.ask_all(
                    context.context_id,
                    partial(messages.c_find_rq, sop_class_uid=STUDY_ROOT_FIND),
                    self._identifier(group, context, [SOP_CLASS]),
                    most=len(group) + _SPARE_MATCHES,
                )
        except TimeoutError:
            raise NoAnswer(f"its answer to a query has no end within {wait:g} s") from None
        return matches(answers, context.transfer_syntax)

    def _identifier(self, group: Sequence[Subject], context: AcceptedContext, wanted: Sequence[int]) -> bytes:
        """Name instances of one series; `wanted`: what else the answer is to say. PS3.4 C.2.2.2.2: a list."""
        keys = group[0].keys
        if keys is None:
            raise LocalError("nothing without keys can be asked about")
        elements: dict[int, tuple[str, Value]] = {
            _LEVEL: ("CS", "IMAGE"),
            SOP_INSTANCE: ("UI", "\\".join(one.reference.sop_instance_uid for one in group)),
            STUDY: ("UI", keys.study),
            SERIES: ("UI", keys.series),
        }
        elements.update(dict.fromkeys(wanted, ("UI", "")))
        if wanted and self._compares:
            for one in group:
                elements.update(attributes.return_keys(one.keys.attributes if one.keys else {}))
        return encode(elements, context.transfer_syntax)

    def _keys(self, object_number: int, sop_instance_uid: str) -> Keys | None:
        with self._shop.spool.open_data(object_number) as reader:
            return read_keys(reader, sop_instance_uid, self._shop.policy.find_head)

    # --- looking closer ------------------------------------------------------------------------------

    async def _closer(
        self, association: AskingAssociation, context: AcceptedContext, subject: Subject, finding: Finding
    ) -> Finding:
        """Compare all of the content, where what was found so far is not enough."""
        if not self._wants_object(subject, finding) or not isinstance(association, FetchingAssociation):
            return finding
        to_ask_on = giving_back.can_give(association, subject.reference.sop_class_uid)
        if to_ask_on is None:
            return self._without(finding, "it does not give objects of this class back (C-GET)")
        await self._after_records()
        identifier = self._identifier([subject], to_ask_on, [])
        policy = self._shop.policy
        closer, size = await giving_back.give_back(
            association,
            to_ask_on,
            identifier,
            subject,
            self._shop.spool.open_data,
            most=policy.fetch_max,
            wait=policy.fetch_wait,
        )
        await asyncio.sleep(size / policy.fetch_rate)
        if closer.verdict is Verdict.NOT_GIVEN:
            return self._without(finding, closer.words)
        return closer

    def _wants_object(self, subject: Subject, finding: Finding) -> bool:
        if finding.verdict not in (Verdict.THERE, Verdict.UNDECIDED):
            return False
        match self.peer.compare:
            case "object":
                return True
            case "auto":
                is_record = subject.reference.sop_class_uid in RECORD_CLASSES
                return is_record or finding.verdict is Verdict.UNDECIDED
            case _:
                return False

    def _without(self, finding: Finding, why: str) -> Finding:
        """The object was not given back: what its attributes say has to do, where that is allowed."""
        if self.peer.compare == "object" or finding.verdict is Verdict.UNDECIDED:
            return Finding(Verdict.UNDECIDED, why)
        return finding

    async def _after_records(self) -> None:
        """Let treatment records that are to be sent there go first, for a bounded time."""
        policy = self._shop.policy
        while self._looks < policy.record_patience:
            summary = await self._shop.spool.summary()
            if not summary.count(
                DeliveryState.QUEUED,
                DeliveryState.SENDING,
                destination=self.peer.name,
                priority=Priority.RECORD,
            ):
                self._looks = 0
                return
            self._looks += 1
            await asyncio.sleep(policy.record_pause)


class Verifier(Querier):
    """Compares what one destination keeps with what it has committed to keep."""

    everything = False  # only what it has committed; whether that is everything, the asker knows
    _unoffered_key = "`compare`"

    async def _wanted(self) -> list[ToAsk]:
        return await self._shop.spool.references_to_compare(self.peer.name, limit=self._batch())

    async def _unoffered(self, wanted: Sequence[ToAsk]) -> None:
        """It takes no queries: unless they are demanded, its commitment is all that can be had."""
        if self.peer.compare != "auto":
            await super()._unoffered(wanted)
            return
        uid = await self._begin(wanted)
        await self._shop.spool.ask_answered(
            uid, [one.reference for one in wanted], [], NOT_COMPARED, resend=RESEND
        )
        self._worked()
        self.wake()


NOT_COMPARED: Final = "committed; not compared: it takes no queries"
