"""The methods of the spool for storage commitment."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from types import MappingProxyType

from gateway.model import StoredObject
from gateway.spool import answers, asks, commitment_queries, commitments
from gateway.spool.access import Access
from gateway.spool.asks import Found
from gateway.spool.commitment_values import (
    AddedCommitment,
    AskAnswered,
    CommitmentCounts,
    CommitmentReport,
    CommitmentRequest,
    CommitmentRow,
    OpenAsk,
    Reference,
    ToAsk,
)
from gateway.spool.queries import locate
from gateway.spool.transaction import Transaction

_ROW_BYTES = 400
"""About what an item takes in the journal, indexes included."""
_START = (-1.0, 0)
_MAX_ASKS = 100


def _pages(items: int) -> int:
    """About how many pages of the journal are written for so many items."""
    return 8 + items // 2


def _look(
    look: Callable[[Transaction, str, int, tuple[float, int]], Found],
    destination: str,
    limit: int,
    after: tuple[float, int],
    tx: Transaction,
) -> Found:
    return look(tx, destination, limit, after)


class CommitmentMethods(Access):
    """What consoles ask, what destinations are asked, and what both are told."""

    async def add_commitment(self, request: CommitmentRequest) -> AddedCommitment:
        """Keep a console's request; durable when it returns.

        The same request again (same calling title, transaction UID, called title and references) adds
        nothing; a result that was reported already is to be reported once more. Raises NoRoom when as many
        transactions, or instances, are open as there may be, LocalError when it names nothing.
        """
        count = len(request.references) * len(request.destinations)
        self._check_room(_ROW_BYTES * count)
        return await self._submit(partial(commitments.add, request=request), pages=_pages(count))

    async def commitments_to_report(self, limit: int) -> list[CommitmentReport]:
        """Return up to `limit` transactions whose result is complete, not reported, and due."""
        now, age, longest = self._wall_clock(), self._age_clock(), self._limits.max_wait_seconds
        return await self._ask(lambda db: commitment_queries.to_report(db, now, age, longest, limit))

    async def commitment_reported(self, number: int) -> None:
        """Record that the console has taken the report; LocalError when it was not to be reported."""
        await self._submit(partial(commitments.reported, number=number))

    async def commitment_report_failed(self, number: int, not_before: float, reason: str) -> None:
        """Record that a report failed: the next one goes at `not_before` (wall clock) or later."""
        work = partial(commitments.report_failed, number=number, not_before=not_before, reason=reason)
        await self._submit(work)

    async def give_up_commitment(self, number: int, reason: str) -> None:
        """Record that the report is given up. The console can ask for it again."""
        await self._submit(partial(commitments.give_up, number=number, reason=reason))

    async def expire_commitments(self, before: float) -> int:
        """Fail what is still open of transactions received before `before`, with 0x0110; return how much."""
        total, more = 0, True
        while more:
            count, more = await self._submit(partial(commitments.expire_slice, before=before))
            total += count
        return total

    async def oldest_open_commitment(self) -> float | None:
        """Return when the oldest transaction was received that has something open; None: there is none."""
        now, age = self._wall_clock(), self._age_clock()
        return await self._ask(lambda db: commitment_queries.oldest_open(db, now, age))

    async def references_to_ask(self, destination: str, *, everything: bool, limit: int) -> list[ToAsk]:
        """Return up to `limit` instances that `destination` is to be asked about now, without changing that.

        Those that consoles wait for come first. With `everything` every accepted delivery is asked about,
        whether a console wants to know or not. Nothing that is being asked about, or before its time.
        """
        looks: list[Callable[[Transaction, str, int, tuple[float, int]], Found]] = [asks.ready_items]
        if everything:
            looks += [asks.put_off_deliveries, asks.accepted_deliveries]
        return await self._found(looks, destination, limit)

    async def _found(
        self,
        looks: Sequence[Callable[[Transaction, str, int, tuple[float, int]], Found]],
        destination: str,
        limit: int,
    ) -> list[ToAsk]:
        found: dict[Reference, ToAsk] = {}
        for look in looks:
            after: tuple[float, int] | None = _START
            while after is not None and len(found) < limit:
                one = await self._submit(
                    partial(_look, look, destination, limit - len(found), after), durable=False
                )
                after = one.after
                for to_ask in one.to_ask:
                    found.setdefault(to_ask.reference, to_ask)
        return list(found.values())

    async def ask_begun(
        self, destination: str, transaction_uid: str, references: Sequence[Reference], deadline: float
    ) -> int:
        """Record that `destination` is about to be asked; durable before the N-ACTION leaves.

        It is overdue at `deadline` (wall clock; a day ahead at most). LocalError when the transaction UID
        is known already. Returns a number for logs.
        """
        work = partial(
            asks.begin,
            destination=destination,
            transaction_uid=transaction_uid,
            references=tuple(references),
            deadline=deadline,
        )
        return await self._submit(work, pages=_pages(len(references)))

    async def ask_put_off(self, transaction_uid: str, not_before: float, reason: str) -> None:
        """Record that an ask was refused or not answered: its instances may be asked about again later.

        Harmless when the answer has come in the meantime. An answer that comes later still counts.
        """
        work = partial(asks.put_off, transaction_uid=transaction_uid, not_before=not_before, reason=reason)
        await self._submit(work)

    async def ask_answered(
        self,
        transaction_uid: str,
        committed: Sequence[Reference],
        failed: Sequence[tuple[Reference, int]],
        how: str,
        *,
        resend: frozenset[int],
        other: Mapping[Reference, str] = MappingProxyType({}),
        hows: Mapping[Reference, str] = MappingProxyType({}),
        compare: Collection[str] = (),
    ) -> AskAnswered:
        """Apply an answer, as one transaction; durable when it returns. `how` goes into the history.

        Committed: accepted deliveries that were asked about become confirmed. Failed: they are queued once
        more when the reason is in `resend` and they never were before, held otherwise, with an alarm. What
        the answer does not name may be asked about again after a while; what it names unasked is ignored.

        `other`: instances in whose place the destination keeps something else, and what tells so: held, with
        an alarm. `hows`: for single instances, in place of `how`. `compare`: destinations whose commitment is
        no proof before `references_to_compare` was done: what they committed stays accepted until then.
        """
        work = partial(
            answers.answered,
            transaction_uid=transaction_uid,
            committed=tuple(committed),
            failed=tuple(failed),
            how=how,
            resend=resend,
            other=other,
            hows=hows,
            compare=compare,
        )
        return await self._submit(work, pages=_pages(len(committed) + len(failed) + len(other)))

    async def references_to_compare(self, destination: str, *, limit: int) -> list[ToAsk]:
        """Return up to `limit` instances that `destination` has committed and that are to be compared now."""
        return await self._found([asks.deliveries_to_compare], destination, limit)

    async def forget_comparisons(self, destination: str) -> None:
        """Ask `destination` anew about what it has committed and nobody is going to compare any more."""
        while await self._submit(partial(asks.forget_comparisons, destination=destination)):
            pass

    async def look_ups_interrupted(self, destination: str, *, comparisons: bool) -> None:
        """Let what was being looked up at `destination` when the process ended be looked up again at once.

        `comparisons`: only what compares what it has committed. To be called before anybody looks up there.
        """
        work = partial(asks.look_ups_interrupted, destination=destination, comparisons=comparisons)
        await self._submit(work)

    async def stored(self, object_number: int) -> StoredObject:
        """Return what is known of an object whose bytes are here. LocalError when they are not."""
        return await self._ask(lambda db: locate(db, object_number).object)

    async def unconfirmed_since(self, destination: str) -> float | None:
        """Return since when the oldest delivery is accepted at `destination` that nothing confirms."""
        return await self._ask(lambda db: commitment_queries.unconfirmed_since(db, destination))

    async def overdue_asks(self, now: float) -> list[OpenAsk]:
        """Return open asks whose deadline is over, the oldest first, a hundred at most."""
        longest = self._limits.max_wait_seconds
        return await self._ask(lambda db: commitment_queries.overdue(db, now, longest, _MAX_ASKS))

    async def next_commitment_due(self, now: float) -> float | None:
        """Return the first moment after `now` (wall clock) at which something becomes due without an event.

        That is: an ask overdue, an instance to be asked about again, a report. What was due at `now` already
        does not count; neither does the age at which `expire_commitments` is called for.
        """
        return await self._ask(lambda db: commitment_queries.next_due(db, now))

    def on_commitment(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback()` on the event loop when there may be something to ask or to report.

        A transaction was added or completed, a delivery was accepted or given up, an ask ended. The returned
        function ends that.
        """
        return self._side.on_commitment(callback)

    async def list_commitments(self, limit: int, before: int | None = None) -> list[CommitmentRow]:
        """List transactions, the newest first, those with numbers below `before`."""
        return await self._ask(lambda db: commitment_queries.listing(db, limit, before))

    async def commitment_counts(self) -> CommitmentCounts:
        """Count transactions that are not finished, and open asks."""
        return await self._ask(commitment_queries.counts)
