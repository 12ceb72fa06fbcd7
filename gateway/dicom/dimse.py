"""DIMSE messages out of PDVs, and back into fragments (PS3.7 6.3, PS3.8 annex E).

The command sets are in `command`, the builders in `messages`; both are offered from here too, because a
service needs all three together.
"""

from __future__ import annotations

from collections.abc import Iterator

from gateway.dicom.command import NO_DATA_SET, Command, CommandField, decode
from gateway.dicom.errors import PeerProtocolError
from gateway.dicom.events import CommandReceived, DataReceived, DataSetFragment, Message
from gateway.dicom.limits import MessageLimits
from gateway.dicom.messages import (
    SubOperations,
    c_cancel_rq,
    c_echo_rq,
    c_echo_rsp,
    c_find_rq,
    c_find_rsp,
    c_get_rq,
    c_get_rsp,
    c_move_rq,
    c_move_rsp,
    c_store_rq,
    c_store_rsp,
    n_action_rq,
    n_action_rsp,
    n_create_rq,
    n_create_rsp,
    n_delete_rq,
    n_delete_rsp,
    n_event_report_rq,
    n_event_report_rsp,
    n_get_rq,
    n_get_rsp,
    n_set_rq,
    n_set_rsp,
    response,
)
from gateway.dicom.pdu import Buffer

__all__ = [
    "NO_DATA_SET",
    "Command",
    "CommandField",
    "CommandReceived",
    "DataSetFragment",
    "Message",
    "MessageLimits",
    "MessageReader",
    "SubOperations",
    "c_cancel_rq",
    "c_echo_rq",
    "c_echo_rsp",
    "c_find_rq",
    "c_find_rsp",
    "c_get_rq",
    "c_get_rsp",
    "c_move_rq",
    "c_move_rsp",
    "c_store_rq",
    "c_store_rsp",
    "decode",
    "fragments",
    "n_action_rq",
    "n_action_rsp",
    "n_create_rq",
    "n_create_rsp",
    "n_delete_rq",
    "n_delete_rsp",
    "n_event_report_rq",
    "n_event_report_rsp",
    "n_get_rq",
    "n_get_rsp",
    "n_set_rq",
    "n_set_rsp",
    "response",
]


class MessageReader:
    """Turns PDVs into commands and data set fragments.

    Messages on different presentation contexts may be interleaved fragment by fragment; on one context they
    follow each other: command fragments, then the data set's if the command announces one (PS3.8 E.2).
    Data set fragments are passed on as they come, not collected.
    """

    __slots__ = ("_limits", "_open")

    def __init__(self, limits: MessageLimits | None = None) -> None:
        self._limits = limits or MessageLimits()
        # By context ID: the command bytes so far, or None while the data set is arriving.
        self._open: dict[int, bytearray | None] = {}

    @property
    def open_messages(self) -> int:
        """How many messages have begun and are not complete."""
        return len(self._open)

    def read(self, event: DataReceived) -> Message | None:
        """Say what the PDV completes; None for a command that goes on. PeerProtocolError ends everything."""
        context_id = event.context_id
        if not event.is_command:
            if self._open.get(context_id, b"") is not None:
                raise PeerProtocolError("a data set fragment came without a command that announces it")
            if event.is_last:
                del self._open[context_id]
            return DataSetFragment(context_id, event.data, event.is_last)
        data: Buffer = event.data
        if context_id in self._open:
            collected = self._open[context_id]
            if collected is None:
                raise PeerProtocolError("a command came before the data set of the last one was complete")
            self._check_length(len(collected) + len(data))
            collected += data
            if not event.is_last:
                return None
            data = collected
            del self._open[context_id]
        else:
            self._check_length(len(data))
            if not event.is_last:
                self._begin(context_id, bytearray(data))
                return None
        command = decode(data)
        if command.has_data_set:
            self._begin(context_id, None)
        return CommandReceived(context_id, command)

    def _check_length(self, length: int) -> None:
        if length > self._limits.max_command_length:
            raise PeerProtocolError(f"a command set has more than {self._limits.max_command_length} bytes")

    def _begin(self, context_id: int, collected: bytearray | None) -> None:
        if len(self._open) >= self._limits.max_open_messages:
            raise PeerProtocolError(f"more than {self._limits.max_open_messages} messages are unfinished")
        self._open[context_id] = collected


def fragments(data: Buffer, max_fragment: int) -> Iterator[tuple[memoryview, bool]]:
    """Cut `data` into (fragment, is last) of at most `max_fragment` bytes; no data is one empty fragment."""
    view = memoryview(data)
    last = max(len(view) - 1, 0) // max_fragment * max_fragment
    for start in range(0, last + 1, max_fragment):
        yield view[start : start + max_fragment], start == last
