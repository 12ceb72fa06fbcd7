"""Tells consoles what became of their requests: N-EVENT-REPORT (PS3.4 J.3.3).

On the association of the request, as long as the console keeps it open for that; otherwise on one that we
open with the console, in the role of the SCP, for all the reports that are ready for it, and under the title
that it had called, because that is how it knows whose answer it is. What the console does not take is sent
again, at growing intervals and after a restart too, until its time is over.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from gateway.association.admission import NearSide
from gateway.association.asking import AskingAssociation
from gateway.commitment.decisions import Reply, is_late, verdict
from gateway.commitment.dialling import Dialler
from gateway.commitment.policy import CommitmentPolicy
from gateway.commitment.ports import Reports
from gateway.commitment.troubles import Troubles
from gateway.dicom.commitment import PUSH_MODEL, Result, Sop, event_information, event_rq
from gateway.dicom.data_set import EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.dicom.negotiation import AcceptedContext, ProposedContext
from gateway.errors import PeerError
from gateway.model import AETitle, Peer
from gateway.notices import CommitmentReported, Notices
from gateway.spool.commitment_values import CommitmentReport

REFUSED: Final = "commitment.report-refused"
GIVEN_UP: Final = "commitment.report-given-up"
UNKNOWN: Final = "commitment.console-unknown"

HERE: Final = "same association"
ANEW: Final = "new association"

_CONTEXTS: Final = (ProposedContext(1, PUSH_MODEL, (EXPLICIT_LITTLE, IMPLICIT_LITTLE)),)
_ROLES: Final = {PUSH_MODEL: (False, True)}

Near = tuple[NearSide, AcceptedContext]
"""A console's own association, and the context of its request on it."""


class Reporter:
    """Reports to all consoles, one association at a time with each."""

    def __init__(
        self,
        spool: Reports,
        consoles: Iterable[Peer],
        dialler: Dialler,
        notices: Notices,
        troubles: Troubles,
        policy: CommitmentPolicy,
        *,
        wall_clock: Callable[[], float],
        rng: random.Random,
        plan: Callable[[], None],
    ) -> None:
        """`consoles`: the peers; a console is the first one with the calling AE title of the request.

        `plan` is called when a report becomes due at another time than was planned.
        """
        self._spool = spool
        self._consoles: Mapping[str, Peer] = {str(peer.ae_title): peer for peer in reversed(list(consoles))}
        self._dialler = dialler
        self._notices = notices
        self._troubles = troubles
        self._policy = policy
        self._wall_clock = wall_clock
        self._rng = rng
        self._plan = plan
        self._changed = asyncio.Event()
        self._busy: set[str] = set()  # consoles that are being told something
        self._near: dict[int, Near] = {}  # by transaction: where the console may be waiting

    def wake(self) -> None:
        """There may be something to report."""
        self._changed.set()

    def remember(self, number: int, near: Near) -> None:
        """Report transaction `number` on `near` if that is still open by then."""
        self._near = {one: side for one, side in self._near.items() if side[0].established}
        self._near[number] = near

    async def run(self) -> None:
        """Work until cancelled. Raises SpoolFailure when the journal fails."""
        self._changed.set()
        async with asyncio.TaskGroup() as group:
            while True:
                await self._changed.wait()
                self._changed.clear()
                for title, reports in (await self._ready()).items():
                    self._busy.add(title)
                    group.create_task(self._serve(title, reports), name=f"report to {title}")
                await asyncio.sleep(self._policy.gather)

    async def _ready(self) -> Mapping[str, Sequence[CommitmentReport]]:
        """By console, the reports that can go on one association: under the title of the first one."""
        ready: dict[str, list[CommitmentReport]] = {}
        for report in await self._spool.commitments_to_report(self._policy.reports_at_once):
            if report.calling_ae not in self._busy:
                together = ready.setdefault(report.calling_ae, [])
                if not together or together[0].called_ae == report.called_ae:
                    together.append(report)
        return ready

    async def _serve(self, title: str, reports: Sequence[CommitmentReport]) -> None:
        try:
            left = [report for report in reports if not await self._tell_here(report)]
            if left:
                await self._tell_anew(title, left)
        finally:
            self._busy.discard(title)
            self._changed.set()  # there may be more for this console

    # --- on the console's association ----------------------------------------------------------------

    async def _tell_here(self, report: CommitmentReport) -> bool:
        """Report on the console's own association; False when it has to be told in another way."""
        side = self._near.pop(report.number, None)
        if side is None or not side[0].established:
            return False
        near, context = side
        result = _result(report)
        data = event_information(result, context.transfer_syntax, retrieve_ae=report.called_ae)
        try:
            response = await near.ask(context.context_id, partial(event_rq, result=result), data)
        except PeerError:
            return False  # it hung up, or does not expect to be asked here
        if verdict(response.status).reply is Reply.REFUSED:
            return False
        await self._taken(report, HERE)
        return True

    # --- on an association of ours -------------------------------------------------------------------

    async def _tell_anew(self, title: str, reports: Sequence[CommitmentReport]) -> None:
        peer = self._consoles.get(title)
        if peer is None:
            reason = f"no peer has the AE title {title}, which is where the result has to go"
            self._troubles.alarm(title, UNKNOWN, f"storage commitment: {reason}")
            await self._failed(reports, reason)
            return
        try:
            called = AETitle.parse(reports[0].called_ae)
            association = await self._dialler.open(peer, _CONTEXTS, roles=_ROLES, calling_ae=called)
        except PeerError as error:
            await self._failed(reports, str(error))
            return
        try:
            context = _usable(association)
            if context is None:
                reason = "it accepts no presentation context in which we are the SCP of storage commitment"
                self._refused(peer, reason)
                await self._failed(reports, reason)
            else:
                await self._tell_all(peer, association, context, reports)
        except BaseException:
            association.abort("given up: the gateway stops")
            raise
        finally:
            await association.release()

    async def _tell_all(
        self,
        peer: Peer,
        association: AskingAssociation,
        context: AcceptedContext,
        reports: Sequence[CommitmentReport],
    ) -> None:
        for index, report in enumerate(reports):
            result = _result(report)
            data = event_information(result, context.transfer_syntax, retrieve_ae=report.called_ae)
            try:
                answer = await association.ask(context.context_id, partial(event_rq, result=result), data)
            except PeerError as error:
                await self._failed(reports[index:], str(error))
                return
            judged = verdict(answer.command.status)
            if judged.reply is Reply.REFUSED:
                self._refused(peer, judged.reason)
                await self._failed([report], judged.reason)
            else:
                self._troubles.over(peer.ae_title, REFUSED, GIVEN_UP)
                await self._taken(report, ANEW)

    def _refused(self, peer: Peer, reason: str) -> None:
        words = f"{peer.name} does not take the result of its request for storage commitment: {reason}"
        self._troubles.alarm(peer.ae_title, REFUSED, words)

    # --- how it went ---------------------------------------------------------------------------------

    async def _taken(self, report: CommitmentReport, where: str) -> None:
        await self._spool.commitment_reported(report.number)
        self._tell(report, "reported", where, "")

    async def _failed(self, reports: Sequence[CommitmentReport], reason: str) -> None:
        now = self._wall_clock()
        for report in reports:
            if is_late(report, now, self._policy.report_for):
                await self._spool.give_up_commitment(report.number, reason)
                self._tell(report, "given up", ANEW, reason)
                words = f"the result of a request for storage commitment never reached {report.calling_ae}"
                advice = "when the console asks again, it is told the same result"
                self._troubles.alarm(report.calling_ae, GIVEN_UP, f"{words}: {reason}; {advice}")
                continue
            delay = self._policy.report_backoff.delay(report.attempts + 1, self._rng)
            await self._spool.commitment_report_failed(report.number, now + delay, reason)
            self._tell(report, "retry", ANEW, reason)
        self._plan()

    def _tell(self, report: CommitmentReport, outcome: str, where: str, reason: str) -> None:
        self._notices.publish(
            CommitmentReported(
                number=report.number,
                calling_ae=report.calling_ae,
                committed=len(report.committed),
                failed=len(report.failed),
                outcome=outcome,
                where=where,
                reason=reason,
            )
        )


def _result(report: CommitmentReport) -> Result:
    return Result(
        report.transaction_uid,
        tuple(Sop(one.sop_class_uid, one.sop_instance_uid) for one in report.committed),
        tuple((Sop(one.sop_class_uid, one.sop_instance_uid), reason) for one, reason in report.failed),
    )


def _usable(association: AskingAssociation) -> AcceptedContext | None:
    """The context to report on: with the SCP role granted, or with nothing said about roles at all.

    Strictly, silence leaves us the SCU (PS3.7 D.3.3.4). Yet a console that accepts this context from somebody
    who proposes to be its SCP, and forgets the sub-item, can mean one thing only.
    """
    for context in association.contexts.values():
        if context.as_scp or PUSH_MODEL not in association.answered_roles:
            return context
    return None
