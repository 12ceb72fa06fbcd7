"""Where results of storage commitment (N-EVENT-REPORT) are looked at before anybody else sees them.

A peer tells a result on the association on which it was asked, or on one that it opens to us; either way it
comes here first. What no test waits for goes on to the commitment engine.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.commitment import INVALID_ARGUMENT, PUSH_MODEL, Refused, Result, check_event, read_event
from gateway.dicom.negotiation import AcceptedContext

_MOST_INSTANCES: Final = 100
_REMEMBERED: Final = 64
"""Transactions that nobody waits for any more, whose late results are still taken politely."""

Take = Callable[[str, AcceptedContext, Command, bytes], Awaitable[Command]]


@dataclass(frozen=True, slots=True)
class Told:
    """A result, and how it came."""

    result: Result
    same_association: bool


class Inbox:
    """The transactions of the tests that are running."""

    def __init__(self) -> None:
        self._awaited: dict[str, asyncio.Future[Told]] = {}
        self._late: OrderedDict[str, None] = OrderedDict()

    def expect(self, transaction_uid: str) -> asyncio.Future[Told]:
        """Return what will hold the result of a transaction; `forget` it in the end."""
        waiting: asyncio.Future[Told] = asyncio.get_running_loop().create_future()
        self._awaited[transaction_uid] = waiting
        return waiting

    def forget(self, transaction_uid: str) -> None:
        """Nobody waits for this one any more."""
        waiting = self._awaited.pop(transaction_uid, None)
        if waiting is not None:
            waiting.cancel()
        self._late[transaction_uid] = None
        while len(self._late) > _REMEMBERED:
            self._late.popitem(last=False)

    def take(
        self, context: AcceptedContext, command: Command, data: bytes, *, same_association: bool
    ) -> Command | None:
        """Return the response to a result that a test waits for, or waited for; None: it is not ours."""
        if command.command_field != CommandField.N_EVENT_REPORT_RQ or context.abstract_syntax != PUSH_MODEL:
            return None
        try:
            check_event(command)
            result = read_event(data, context.transfer_syntax, _MOST_INSTANCES)
        except Refused:
            return None  # whoever comes next says what is wrong with it
        waiting = self._awaited.get(result.transaction_uid)
        if waiting is not None and not waiting.done():
            waiting.set_result(Told(result, same_association))
        elif waiting is None and result.transaction_uid not in self._late:
            return None
        return messages.response(command, 0x0000)

    def before(self, otherwise: Take) -> Take:
        """Return a handler for results on associations that peers open: ours are taken, others go on."""

        async def take(source: str, context: AcceptedContext, command: Command, data: bytes) -> Command:
            response = self.take(context, command, data, same_association=False)
            return response if response is not None else await otherwise(source, context, command, data)

        return take

    async def on_our_association(self, context: AcceptedContext, command: Command, data: bytes) -> Command:
        """Take what the peer asks on the association of a test."""
        response = self.take(context, command, data, same_association=True)
        if response is not None:
            return response
        return messages.response(
            command, INVALID_ARGUMENT, error_comment="this Transaction UID is not one of ours"
        )
