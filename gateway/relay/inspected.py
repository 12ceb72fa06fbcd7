"""Requests that are looked at before they go on: collected whole, within a bound, one task each."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from gateway.dicom import messages
from gateway.dicom.command import Command
from gateway.dicom.negotiation import AcceptedContext
from gateway.model import Route
from gateway.relay.failure import RESOURCE_LIMITATION
from gateway.relay.inspection import Inspector


class Inspected:
    """One request with its data set, as far as it has come."""

    __slots__ = ("_most", "command", "context", "data", "inspector", "too_long")

    def __init__(self, inspector: Inspector, context: AcceptedContext, command: Command, most: int) -> None:
        self.inspector = inspector
        self.context = context
        self.command = command
        self.data = bytearray()
        self.too_long = False
        self._most = most

    def write(self, data: memoryview) -> None:
        """Keep a piece of the data set; nothing is kept of one that is too long."""
        if len(self.data) + len(data) > self._most:
            self.too_long = True
            self.data.clear()
        elif not self.too_long:
            self.data += data


class Inspections:
    """The requests of one caller that are being looked at."""

    def __init__(self, inspectors: Sequence[Inspector], route: Route, calling_ae: str, most: int) -> None:
        """`most`: bytes of one data set. A longer one is refused: nothing passes unseen."""
        self._inspectors = tuple(inspectors)
        self._route = route
        self._calling_ae = calling_ae
        self._most = most
        self._receiving: dict[int, Inspected] = {}  # by context
        self._open: dict[int, Inspected] = {}  # by message ID
        self._tasks: set[asyncio.Task[Command | None]] = set()

    def __contains__(self, message_id: int) -> bool:
        """Say whether the request with this message ID is being looked at."""
        return message_id in self._open

    def __len__(self) -> int:
        """How many are being looked at, or are on their way to that."""
        return len(self._open)

    def begin(self, context: AcceptedContext, command: Command) -> Inspected | None:
        """Take a request that somebody wants to look at; None when nobody does."""
        for inspector in self._inspectors:
            if inspector.wants(self._route, context, command):
                inspected = Inspected(inspector, context, command, self._most)
                self._open[command.message_id or 0] = inspected
                if command.has_data_set:
                    self._receiving[context.context_id] = inspected
                return inspected
        return None

    def receiving(self, context_id: int) -> Inspected | None:
        """Return the request whose data set is coming on this context."""
        return self._receiving.get(context_id)

    def received(self, context_id: int) -> None:
        """All of that data set is here."""
        del self._receiving[context_id]

    def start(self, inspected: Inspected) -> asyncio.Task[Command | None]:
        """Have it looked at; the task's result is None, or the answer to the caller."""
        task = asyncio.get_running_loop().create_task(self._look(inspected))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _look(self, inspected: Inspected) -> Command | None:
        if inspected.too_long:
            comment = f"the data set has more than {self._most} bytes"
            return messages.response(inspected.command, RESOURCE_LIMITATION, error_comment=comment)
        return await inspected.inspector.inspect(
            self._route, self._calling_ae, inspected.context, inspected.command, bytes(inspected.data)
        )

    def end(self, inspected: Inspected) -> None:
        """It was looked at."""
        self._open.pop(inspected.command.message_id or 0, None)

    def cancel(self) -> None:
        """The caller is gone."""
        for task in self._tasks:
            task.cancel()
        self._receiving.clear()
        self._open.clear()
