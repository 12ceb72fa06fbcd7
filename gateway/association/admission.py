"""What an association that a peer opened with us needs of those who serve it.

This room does not know any service. `Services` decides who may associate; its `Admission` says for each
request whether it is answered at once, performed here (`Operation`) or passed through (`Relay`).
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from gateway.association.association import Association
from gateway.dicom.command import Command
from gateway.dicom.negotiation import AcceptedContext, AssociateAccept, AssociateRequest, Rejection


class NearSide(Protocol):
    """The association of a caller, for a service that has something to ask of it."""

    @property
    def established(self) -> bool:
        """True from when the association is open until it begins to end."""

    async def ask(self, context_id: int, build: Callable[[int], Command], data: bytes = b"") -> Command:
        """Send the request that `build` makes for a message ID, and return the caller's response.

        For N-EVENT-REPORT, in which the SCP asks (PS3.7 10.1.1). Raises PeerError when no response comes.
        """


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks for an association, beyond what the A-ASSOCIATE-RQ says."""

    association: str
    listener: str
    address: str
    tls: str
    near: NearSide | None = None


class Operation(Protocol):
    """One DIMSE request while it is being performed."""

    @property
    def pressure(self) -> bool:
        """True when so much is waiting that no more should be read before `drained()` returns."""

    async def drained(self) -> None:
        """Wait until `pressure` is over."""

    def write(self, data: memoryview) -> None:
        """Take a piece of the data set; the memory is only lent for the call. Never raises, never blocks."""

    async def finish(self) -> Command:
        """All of the data set is here: do what was asked, and return the response to send."""

    def answered(self) -> None:
        """The response is on its way (or the peer is gone): tell the world, off the critical path."""

    def abandon(self) -> None:
        """The data set will never be complete: give back what was taken for it."""


class Relay(Protocol):
    """The way to a far association, for the messages that are not served here."""

    @property
    def busy(self) -> bool:
        """True while a request of the near side has no final response, or a message is under way to it."""

    def attach(self, near: Association, rested: Callable[[], None]) -> None:
        """Begin: `near` is open. `rested` is to be called whenever `busy` may have become false."""

    def knows(self, message_id: int) -> bool:
        """Say whether a request of the near side with this message ID is under way."""

    def asks(self, message_id: int) -> bool:
        """Say whether the near side owes the far side a response to a request with this message ID."""

    def request(self, context: AcceptedContext, command: Command) -> None:
        """Pass a request of the near side on; its data set, if it has one, follows."""

    def response(self, context: AcceptedContext, command: Command) -> bool:
        """Pass a response of the near side on; False when nothing of the kind was asked of it."""

    def cancel(self, context: AcceptedContext, command: Command) -> None:
        """Pass a C-CANCEL on; without effect when what it names is over."""

    def fragment(self, context_id: int, data: memoryview, is_last: bool) -> None:
        """Pass on a piece of the data set of the last message on this context."""

    def flush(self) -> None:
        """Everything that came in one read was handed over: send it."""

    def give_up(self, reason: str) -> None:
        """The process stops: answer what is open with a failure, and let the far side go."""

    def near_ending(self, released: bool) -> None:
        """The near association begins to end; `released` says that it was in good order."""


class Relayed(enum.Enum):
    """What `Admission.perform` returns for a request that the admission's relay is to pass on."""

    RELAYED = "relayed"


RELAYED: Final = Relayed.RELAYED


class Admission(Protocol):
    """An association that was let in: how it was answered, and what its requests lead to."""

    @property
    def answer(self) -> AssociateAccept:
        """What the A-ASSOCIATE-AC says."""

    @property
    def relay(self) -> Relay | None:
        """Where requests go for which `perform` says RELAYED, and what the far side asks comes from."""

    def perform(self, context: AcceptedContext, command: Command) -> Command | Operation | Relayed:
        """Begin what a request asks for, or return the response when that is all there is to it.

        A data set that comes with a request answered at once is read and dropped before the response.
        """


class Services(Protocol):
    """Who may associate, and for what."""

    async def admit(self, request: AssociateRequest, caller: Caller) -> Admission | Rejection:
        """Decide on an A-ASSOCIATE-RQ. The peer waits; the task is cancelled when it goes away."""
