"""An association on which we ask for one object to be given back: C-GET (PS3.4 C.4.3, PS3.7 9.1.3).

The peer stores it to us on this very association, in the roles that were negotiated for the storage classes.
Only the object that was asked for is taken; it is hashed as it comes and kept up to a bound, so that whoever
asked can compare it. Nothing of it is written anywhere.
"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from gateway.association.asking import Answer, AskingAssociation
from gateway.association.association import TIMEOUT, VIOLATION
from gateway.dicom import messages
from gateway.dicom.command import Command, CommandField
from gateway.dicom.events import CommandReceived, DataSetFragment
from gateway.dicom.status import Category, category
from gateway.errors import LocalError

NOT_ASKED_FOR: Final = 0xA900
"""Data set does not match SOP class (PS3.4 B.2.3): our answer to an object that was not asked for."""
TAKEN_ALREADY: Final = 0xA700
"""Out of resources (PS3.4 B.2.3): our answer to the same object once more."""
_MOST_STRAYS: Final = 4
"""Objects that were not asked for, before the association is ended."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """The object to be given back, and how much of it is borne."""

    sop_class_uid: str
    sop_instance_uid: str
    keep: int  # bytes that are kept in memory: of a larger object there are size and digest only
    most: int  # bytes of data sets, of all objects that come, after which the association is ended


@dataclass(frozen=True, slots=True)
class Fetched:
    """An object that was given back. `data` is None when it was larger than what is kept."""

    transfer_syntax_uid: str
    digest: bytes  # SHA-256 of the data set
    size: int
    data: bytes | None


@dataclass(slots=True)
class _Coming:
    """One C-STORE of the peer whose data set is on its way; of one that is not wanted nothing is kept."""

    command: Command
    taken: bool
    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    size: int = 0
    data: bytearray | None = field(default_factory=bytearray)


class FetchingAssociation(AskingAssociation):
    """An association in which we ask, and are given objects back. Made by `open_fetching`."""

    _wanted: Wanted | None = None
    _coming: dict[int, _Coming]
    _fetched: list[Fetched]
    _strays = 0
    _came = 0  # bytes of data sets since the last question

    async def fetch(
        self, context_id: int, sop_class_uid: str, identifier: bytes, wanted: Wanted
    ) -> tuple[Answer, Fetched | None]:
        """Ask with C-GET (`sop_class_uid` is the information model's) for `wanted`.

        Returns the final response, whatever its status, and the object, if it came. Raises PeerError when
        there is no response, or more comes than `wanted` bears. A call that is cancelled aborts the
        association.
        """
        if self._wanted is not None:
            raise LocalError("one object is fetched at a time")
        self._wanted, self._coming, self._fetched = wanted, {}, []
        self._strays = self._came = 0
        try:
            build = partial(messages.c_get_rq, sop_class_uid=sop_class_uid)
            answers = await self.ask_all(context_id, build, identifier, most=0)
            return answers[-1], self._fetched[0] if len(self._fetched) == 1 else None
        finally:
            self._wanted = None

    async def _response(self, pending: asyncio.Future[Command]) -> Command:
        """Wait for a response; while an object is coming, the clock runs anew with every byte of it."""
        if self._wanted is None:
            return await super()._response(pending)
        while not pending.done():
            before = self.stream.bytes_in
            await asyncio.wait((pending,), timeout=self._timeouts.response)
            if not pending.done() and self.stream.bytes_in == before:
                self._stop(TIMEOUT, f"nothing came within {self._timeouts.response:g} s")
        return pending.result()

    # --- what the peer gives --------------------------------------------------------------------------

    def _on_command(self, message: CommandReceived) -> None:
        command = message.command
        wanted = self._wanted
        if wanted is None or command.command_field != CommandField.C_STORE_RQ or not command.has_data_set:
            super()._on_command(message)
            return
        self._coming[message.context_id] = _Coming(command, self._is_wanted(wanted, message))

    def _answered(self, command: Command, data: bytes | None) -> None:
        if category(command.status or 0) is not Category.PENDING:
            self._wanted = None  # what comes after the final response was not asked for
        super()._answered(command, data)

    def _is_wanted(self, wanted: Wanted, message: CommandReceived) -> bool:
        command = message.command
        context = self.contexts[message.context_id]
        return (
            context.as_scp
            and context.abstract_syntax == wanted.sop_class_uid
            and command.affected_sop_class_uid == wanted.sop_class_uid
            and command.affected_sop_instance_uid == wanted.sop_instance_uid
        )

    def _on_fragment(self, message: DataSetFragment) -> None:
        coming = self._coming.get(message.context_id) if self._wanted is not None else None
        if coming is None or self._wanted is None:
            super()._on_fragment(message)
            return
        self._came += len(message.data)
        if self._came > self._wanted.most:
            self._stop(VIOLATION, "aborted here: what the peer gives back is larger than what was asked for")
            return
        if coming.taken:
            self._take(coming, message.data, self._wanted.keep)
        if message.is_last:
            del self._coming[message.context_id]
            self._received(message.context_id, coming)

    def _take(self, coming: _Coming, data: bytes | memoryview, keep: int) -> None:
        coming.digest.update(data)
        coming.size += len(data)
        if coming.data is not None:
            if coming.size > keep:
                coming.data = None
            else:
                coming.data += data

    def _received(self, context_id: int, coming: _Coming) -> None:
        status = 0x0000
        if not coming.taken:
            self._strays += 1
            status = NOT_ASKED_FOR
            if self._strays > _MOST_STRAYS:
                self._stop(VIOLATION, "aborted here: the peer gives objects that were not asked for")
                return
        elif self._fetched:
            status = TAKEN_ALREADY
            self._fetched.append(self._fetched[0])  # the same UID twice: neither is the answer
        else:
            self._fetched.append(
                Fetched(
                    self.contexts[context_id].transfer_syntax,
                    coming.digest.digest(),
                    coming.size,
                    None if coming.data is None else bytes(coming.data),
                )
            )
        if self.layer.can_send:
            self.send_command(context_id, messages.c_store_rsp(coming.command, status))
            self.stream.flush()
