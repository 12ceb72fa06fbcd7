"""Asks one destination for storage commitment: N-ACTION out, N-EVENT-REPORT back (PS3.4 J.3.2, J.3.3).

The answer may come on the same association, which is therefore kept for a few seconds, or at any later time
on one that the destination opens to us. An ask is in the journal before it leaves, under a Transaction UID
that is never used again; a new try is a new ask, and a late answer to an old one still counts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from gateway.association.asking import AskingAssociation, RequestHandler
from gateway.commitment.decisions import Reply, ask_again_after, verdict
from gateway.commitment.results import Results
from gateway.commitment.rounds import REFUSED, UNANSWERED, Rounds, Workshop
from gateway.dicom.command import Command
from gateway.dicom.commitment import PUSH_MODEL, Sop, action_information, action_rq
from gateway.dicom.data_set import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.dicom.negotiation import AcceptedContext, ProposedContext
from gateway.errors import PeerError, SpoolFailure
from gateway.model import Peer
from gateway.notices import CommitmentAsked
from gateway.spool.commitment_values import OpenAsk, ToAsk

CONTEXTS = (ProposedContext(1, PUSH_MODEL, (EXPLICIT_LITTLE, IMPLICIT_LITTLE)),)


class Asker(Rounds):
    """Asks one destination, in batches, over one association at a time."""

    def __init__(self, peer: Peer, shop: Workshop, results: Results) -> None:
        """`results` takes what the destination reports."""
        super().__init__(peer, shop)
        self.everything = peer.commitment == "always"
        self._results = results
        self._asked: set[str] = set()  # Transaction UIDs since the start that have no answer yet
        self._awaited: set[str] = set()  # those of the association that is open
        self._silences = 0  # times in a row that answers did not come
        self._news = asyncio.Event()

    def known(self, transaction_uid: str) -> None:
        """The answer to an ask was taken in, on whichever association."""
        if transaction_uid in self._asked:
            self._asked.discard(transaction_uid)
            self._silences = 0
            self._over(UNANSWERED)
        self._awaited.discard(transaction_uid)
        self._news.set()

    def unanswered(self, asks: Sequence[OpenAsk]) -> float:
        """The time for answers to `asks` is over; return how many seconds to wait before asking again."""
        self._asked.difference_update(ask.transaction_uid for ask in asks)
        self._silences += 1
        self._alarm(
            UNANSWERED,
            "took a request for storage commitment and has not answered it; it has to know our host and port "
            "under the AE title that we call with",
        )
        return ask_again_after(self._silences, self._shop.policy.answer)

    def _contexts(self) -> Sequence[ProposedContext]:
        return CONTEXTS

    def _on_request(self) -> RequestHandler:
        async def take(context: AcceptedContext, command: Command, data: bytes) -> Command:
            return await self._results.take(self.peer.name, context, command, data)

        return take

    async def _converse(
        self, association: AskingAssociation, context: AcceptedContext, wanted: list[ToAsk]
    ) -> None:
        self._awaited.clear()
        while True:
            if wanted and not await self._ask(association, context, wanted):
                return
            if len(wanted) < self._batch() and not await self._linger(association):
                return
            wanted = await self._wanted()

    async def _ask(
        self, association: AskingAssociation, context: AcceptedContext, wanted: Sequence[ToAsk]
    ) -> bool:
        """Send one ask; False when there is no use in another one now."""
        uid = await self._begin(wanted)
        named = [Sop(one.reference.sop_class_uid, one.reference.sop_instance_uid) for one in wanted]
        data = action_information(uid, named, context.transfer_syntax)
        self._asked.add(uid)
        self._awaited.add(uid)
        try:
            answer = await association.ask(context.context_id, action_rq, data)
        except PeerError as error:
            # It may have been taken all the same: its answer would count, and asking once more does no harm.
            await self._put_off(uid, len(named), str(error))
            return False
        except asyncio.CancelledError:
            with contextlib.suppress(SpoolFailure):  # the next start finds it unanswered, and waits longer
                await self._shop.spool.ask_put_off(uid, self._shop.wall_clock(), "stopped while it was asked")
            raise
        judged = verdict(answer.command.status)
        if judged.reply is Reply.REFUSED:
            self._asked.discard(uid)
            self._alarm(REFUSED, f"refuses requests for storage commitment: {judged.reason}")
            await self._put_off(uid, len(named), judged.reason)
            return False
        self._over(REFUSED)
        self._worked()
        self._shop.notices.publish(CommitmentAsked(self.peer.name, len(named), "asked", ""))
        return True

    async def _linger(self, association: AskingAssociation) -> bool:
        """Give the destination a little time to answer here: some never open an association of their own.

        True when there may be more to ask in the meantime.
        """
        while self._awaited and association.established:
            self._news.clear()
            before = len(self._awaited)
            due = asyncio.ensure_future(self._pace.wait())
            waits = (
                due,
                asyncio.ensure_future(self._news.wait()),
                asyncio.ensure_future(association.wait_closed()),
            )
            try:
                await asyncio.wait(
                    waits, timeout=self._shop.policy.linger, return_when=asyncio.FIRST_COMPLETED
                )
            finally:
                for wait in waits:
                    wait.cancel()
            if due.done():
                if not association.closed:
                    return True
                self._pace.wake()  # on another one then
            if len(self._awaited) == before:
                break
        return False
