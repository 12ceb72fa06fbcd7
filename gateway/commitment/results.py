"""What a destination reports (N-EVENT-REPORT), on an association of ours or on one that it opened."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Final

from gateway.commitment.decisions import RESEND, reasons
from gateway.commitment.ports import Asks
from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.commitment import (
    INVALID_ARGUMENT,
    PROCESSING_FAILURE,
    PUSH_MODEL,
    Refused,
    Result,
    check_event,
    read_event,
)
from gateway.dicom.negotiation import AcceptedContext
from gateway.errors import SpoolFailure
from gateway.notices import CommitmentAnswered, Notices
from gateway.spool.commitment_values import AskAnswered, Reference

HOW: Final = "N-EVENT-REPORT"
_UNRECOGNIZED: Final = 0x0211


class Results:
    """Takes results in: durable first, then answered."""

    def __init__(
        self,
        spool: Asks,
        notices: Notices,
        *,
        most: int,
        on_known: Callable[[str], None],
        compare: Collection[str] = (),
    ) -> None:
        """`most` instances in one result; `on_known` is given the Transaction UID of each that was ours.

        `compare`: destinations whose word is not enough: what they keep is compared before it counts.
        """
        self._spool = spool
        self._notices = notices
        self._most = most
        self._on_known = on_known
        self._compare = compare

    async def take(self, source: str, context: AcceptedContext, command: Command, data: bytes) -> Command:
        """Apply an N-EVENT-REPORT that `source` (a name for the log) sent; return the response.

        A result for no ask of ours is answered 0x0115: whoever sent it may have meant somebody else. One that
        came before is answered success: the destination was not sure that we had got it.
        """
        try:
            result = self._read(context, command, data)
            applied = await self._apply(result)
        except Refused as refused:
            self._tell(source, "refused", reason=f"0x{refused.status:04X}: {refused.comment}")
            return messages.response(command, refused.status, error_comment=refused.comment)
        self._tell(source, applied.outcome, result, applied)
        if applied.outcome == "unknown":
            return messages.response(
                command, INVALID_ARGUMENT, error_comment="this Transaction UID is not one of ours"
            )
        self._on_known(result.transaction_uid)
        return messages.response(command, 0x0000)

    def _read(self, context: AcceptedContext, command: Command, data: bytes) -> Result:
        if command.command_field != CommandField.N_EVENT_REPORT_RQ or context.abstract_syntax != PUSH_MODEL:
            raise Refused(_UNRECOGNIZED, "only results of storage commitment are taken here")
        check_event(command)
        return read_event(data, context.transfer_syntax, self._most)

    async def _apply(self, result: Result) -> AskAnswered:
        try:
            return await self._spool.ask_answered(
                result.transaction_uid,
                [Reference(*one) for one in result.committed],
                [(Reference(*one), reason) for one, reason in result.failed],
                HOW,
                resend=RESEND,
                compare=self._compare,
            )
        except SpoolFailure as error:
            # Whoever runs the spool ends the process; the destination should send it once more.
            raise Refused(PROCESSING_FAILURE, "the gateway could not keep the result") from error

    def _tell(
        self,
        source: str,
        outcome: str,
        result: Result | None = None,
        applied: AskAnswered | None = None,
        reason: str = "",
    ) -> None:
        failed = [why for _, why in result.failed] if result else []
        self._notices.publish(
            CommitmentAnswered(
                source=source,
                outcome=outcome,
                committed=len(result.committed) if result else 0,
                failed=len(failed),
                resent=applied.resent if applied else 0,
                held=applied.held if applied else 0,
                how=HOW,
                reason=reason or reasons(failed),
            )
        )
