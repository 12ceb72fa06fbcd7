"""What asking by N-ACTION and looking up by C-FIND have in common: a destination, an association a round."""

from __future__ import annotations

import random
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from gateway.association.asking import AskingAssociation, RequestHandler
from gateway.association.errors import AssociateRejectedError
from gateway.commitment.dialling import Dialler
from gateway.commitment.pace import Pace
from gateway.commitment.policy import CommitmentPolicy
from gateway.commitment.ports import Asks
from gateway.commitment.troubles import Troubles
from gateway.dicom.negotiation import AcceptedContext, ProposedContext
from gateway.errors import PeerError
from gateway.model import Peer
from gateway.notices import CommitmentAsked, Notices
from gateway.spool.commitment_values import ToAsk

REJECTED = "commitment.rejected"
REFUSED = "commitment.refused"
UNOFFERED = "commitment.not-offered"
UNANSWERED = "commitment.unanswered"


def fresh_uid() -> str:
    """A Transaction UID of our own (PS3.5 B.2)."""
    return f"2.25.{uuid.uuid4().int}"


@dataclass(frozen=True, slots=True)
class Workshop:
    """What every worker of this room needs."""

    spool: Asks
    dialler: Dialler
    notices: Notices
    troubles: Troubles
    policy: CommitmentPolicy
    clock: Callable[[], float]
    wall_clock: Callable[[], float]
    rng: random.Random
    plan: Callable[[], None]  # something becomes due at another time than was planned
    new_uid: Callable[[], str] = fresh_uid


class Rounds(ABC):
    """Works for one destination, in rounds: whatever is to be asked, over one association."""

    everything = False  # every delivery, or only what consoles wait for

    def __init__(self, peer: Peer, shop: Workshop) -> None:
        self.peer = peer
        self._shop = shop
        self._pace = Pace(shop.clock)
        self._failures = 0  # rounds in a row

    # --- when ----------------------------------------------------------------------------------------

    def wake(self, *, at_once: bool = False) -> None:
        """There may be something to ask; unless `at_once`, more may come within `batch_wait`."""
        self._pace.wake(0.0 if at_once else self._shop.policy.batch_wait)

    def kick(self) -> None:
        """The destination is back: do not wait any longer."""
        self._pace.resume()
        self._pace.wake()

    async def run(self) -> None:
        """Work until cancelled. Raises SpoolFailure when the journal fails."""
        self._pace.wake()
        while True:
            await self._pace.wait()
            await self._round()

    async def _round(self) -> None:
        wanted = await self._wanted()
        if not wanted:
            return
        try:
            association = await self._open(wanted)
        except PeerError as error:
            self._failed(len(wanted), str(error))
            if isinstance(error, AssociateRejectedError) and error.permanent:
                self._alarm(REJECTED, f"rejects our association for storage commitment: {error}")
            return
        self._over(REJECTED)
        try:
            context = next((one for one in association.contexts.values() if self._usable(one)), None)
            if context is None:
                await self._unoffered(wanted)
            else:
                self._over(UNOFFERED)
                await self._converse(association, context, wanted)
        except BaseException:
            association.abort("given up: the gateway stops")
            raise
        finally:
            await association.release()

    async def _wanted(self) -> list[ToAsk]:
        return await self._shop.spool.references_to_ask(
            self.peer.name, everything=self.everything, limit=self._batch()
        )

    # --- how -----------------------------------------------------------------------------------------

    @abstractmethod
    def _contexts(self) -> Sequence[ProposedContext]:
        """What to propose."""

    async def _open(self, wanted: Sequence[ToAsk]) -> AskingAssociation:
        """Open an association on which to ask about `wanted`. Raises PeerError."""
        return await self._shop.dialler.open(self.peer, self._contexts(), on_request=self._on_request())

    def _usable(self, context: AcceptedContext) -> bool:
        """Say whether the destination can be asked on a context that it accepted."""
        return context.as_scu

    def _on_request(self) -> RequestHandler | None:
        """Who performs what the destination asks of us on our association."""
        return None

    def _batch(self) -> int:
        """How many instances one ask names, at most."""
        return self._shop.policy.batch

    @abstractmethod
    async def _converse(
        self, association: AskingAssociation, context: AcceptedContext, wanted: list[ToAsk]
    ) -> None:
        """Ask about `wanted`, and whatever else there is to ask, until there is nothing or it fails."""

    async def _begin(self, wanted: Sequence[ToAsk]) -> str:
        """Record that the destination is about to be asked; return the Transaction UID."""
        shop = self._shop
        transaction_uid = shop.new_uid()
        references = [one.reference for one in wanted]
        deadline = shop.wall_clock() + shop.policy.answer
        await shop.spool.ask_begun(self.peer.name, transaction_uid, references, deadline)
        shop.plan()
        return transaction_uid

    # --- how it went ---------------------------------------------------------------------------------

    def _worked(self) -> None:
        self._failures = 0
        self._pace.resume()

    def _failed(self, count: int, reason: str) -> float:
        """Put the next round off; return for how long."""
        self._failures += 1
        delay = self._shop.policy.ask_backoff.delay(self._failures, self._shop.rng)
        self._pause(count, reason, delay)
        return delay

    async def _unoffered(self, wanted: Sequence[ToAsk]) -> None:
        """The destination accepted no context that `_usable` likes."""
        advice = f"set {self._unoffered_key} of the peer to what it offers"
        self._alarm(UNOFFERED, f"{self._unoffered_words}; {advice}")
        self._pause(len(wanted), self._unoffered_words, self._shop.policy.unoffered_pause)

    _unoffered_words = "accepts no presentation context for storage commitment"
    _unoffered_key = "`commitment`"

    def _pause(self, count: int, reason: str, delay: float) -> None:
        self._shop.notices.publish(CommitmentAsked(self.peer.name, count, "put off", reason))
        self._pace.put_off(delay)

    async def _put_off(self, transaction_uid: str, count: int, reason: str) -> None:
        """An ask that was begun came to nothing: its instances are asked about again when we try again."""
        delay = self._failed(count, reason)
        await self._shop.spool.ask_put_off(transaction_uid, self._shop.wall_clock() + delay, reason)
        self._shop.plan()

    def _alarm(self, code: str, what: str) -> None:
        self._shop.troubles.alarm(self.peer.name, code, f"{self.peer.name} {what}")

    def _over(self, *codes: str) -> None:
        self._shop.troubles.over(self.peer.name, *codes)
