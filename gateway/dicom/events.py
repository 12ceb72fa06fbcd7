"""What the upper layer and the message reader tell their owner: frozen values, in the order they happened.

Memory: a `memoryview` inside an event points into the receive buffer and is valid only until the next call
of `UpperLayer.buffer()` or `receive()`. Whoever wants the bytes longer copies them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.dicom.command import Command
    from gateway.dicom.negotiation import AssociateAccept, AssociateRequest


@dataclass(frozen=True, slots=True)
class AssociateRequested:
    """A-ASSOCIATE indication (acceptor): answer with `accept()` or `reject()`."""

    request: AssociateRequest


@dataclass(frozen=True, slots=True)
class AssociateAccepted:
    """A-ASSOCIATE confirmation (requestor): the association is established."""

    answer: AssociateAccept


@dataclass(frozen=True, slots=True)
class AssociateRejected:
    """A-ASSOCIATE-RJ: received (requestor), or sent by the upper layer itself (acceptor, AE-6).

    `result` 1 permanent, 2 transient; `source` 1 service-user, 2 provider (ACSE), 3 provider (presentation).
    """

    result: int
    source: int
    diagnostic: int
    words: str


@dataclass(frozen=True, slots=True)
class DataReceived:
    """One PDV (P-DATA indication) on a presentation context that was accepted."""

    context_id: int
    is_command: bool
    is_last: bool
    data: memoryview


@dataclass(frozen=True, slots=True)
class ReleaseRequested:
    """A-RELEASE indication: answer with `release_response()`, at once or after sending what is left.

    `collision` says that both sides asked at the same time (PS3.8 7.2.2.7); the answer is the same.
    """

    collision: bool = False


@dataclass(frozen=True, slots=True)
class ReleaseConfirmed:
    """A-RELEASE confirmation: the peer agreed to our release, after a collision too."""


@dataclass(frozen=True, slots=True)
class Aborted:
    """The association was aborted, by the peer or by our own upper layer (A-ABORT, A-P-ABORT indication).

    `source` 0 service-user, 2 service-provider; `reason` as PS3.8 Table 9-26, meaningful with source 2.
    """

    source: int
    reason: int
    by_peer: bool
    words: str


@dataclass(frozen=True, slots=True)
class ConnectionLost:
    """The transport connection went away while an association was being opened, used or released."""


Event = (
    AssociateRequested
    | AssociateAccepted
    | AssociateRejected
    | DataReceived
    | ReleaseRequested
    | ReleaseConfirmed
    | Aborted
    | ConnectionLost
)
"""Everything `UpperLayer` may return."""


@dataclass(frozen=True, slots=True)
class CommandReceived:
    """A complete command set; with `command.has_data_set` its data set follows on the same context."""

    context_id: int
    command: Command


@dataclass(frozen=True, slots=True)
class DataSetFragment:
    """A piece of the data set that belongs to the last command on this context."""

    context_id: int
    data: memoryview
    is_last: bool


Message = CommandReceived | DataSetFragment
"""Everything `MessageReader` may return."""
