"""The port between the operator API and the running daemon: exactly what the API needs, and nothing more.

Every method answers in facts. What cannot be done is raised as one of the errors here, each with words for a
person; the API gives each its HTTP status. `who` names the person who asked (from the socket's peer
credentials) and ends up in the object's history.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Literal, Protocol

from gateway.errors import LocalError
from gateway.notices import Notices
from gateway.operator.facts import (
    AssociationFacts,
    CommitmentPage,
    DeliveryFacts,
    DeliveryFilter,
    DeliveryPage,
    DestinationFacts,
    EchoReport,
    SendReport,
    Status,
    StepFacts,
    StepPage,
    StepStateName,
    Story,
)

Action = Literal["retry", "hold", "release", "discard"]
StepAction = Literal["retry", "discard"]


class NotFound(LocalError):
    """There is no such delivery, object, destination or peer."""


class NotPossible(LocalError):
    """The state table, or the state of the gateway, does not allow this now."""


class NoSuchStep(NotFound):
    """There is no such message of a procedure step."""


class StepNotPossible(NotPossible):
    """The state of the message does not allow this now."""


class NotAnObject(LocalError):
    """What was sent is not a DICOM file that can be passed on."""


class Busy(LocalError):
    """Too much of this is going on already; try again soon."""


@dataclass(frozen=True, slots=True)
class ExportStream:
    """A Part 10 file to be: its length and its bytes, in bounded pieces."""

    object_number: int
    length: int
    chunks: AsyncIterator[bytes]


@dataclass(frozen=True, slots=True)
class Cut:
    """Which part of a listing: from its beginning, after a number, or before one (one of the two)."""

    newest: bool = False  # first
    after: int | None = None
    before: int | None = None
    limit: int = 100
    count: int = 0  # how far to count what matches; 0: not at all


class Control(Protocol):
    """What the operator API may ask of the daemon."""

    notices: Notices

    async def status(self) -> Status:
        """Return the whole gateway on one page."""

    async def deliveries(self, wanted: DeliveryFilter, cut: Cut) -> DeliveryPage:
        """Return a page of deliveries. NotFound: unknown destination; ValueError: no such SOP class."""

    async def story(self, number: int) -> Story:
        """Return everything known of one delivery and its object. NotFound."""

    async def act(self, number: int, action: Action, *, reason: str, who: str) -> DeliveryFacts:
        """Move one delivery. NotFound; NotPossible when the state table forbids it."""

    async def retry_held(self, *, destination: str | None, cause: str | None, who: str) -> int:
        """Put held deliveries back into the queue; return how many. NotFound: unknown destination."""

    async def commitments(self, *, before: int | None, limit: int) -> CommitmentPage:
        """Return transactions of storage commitment, the newest first, with numbers below `before`."""

    async def steps(
        self, *, state: StepStateName | None, destination: str | None, after: int | None, limit: int
    ) -> StepPage:
        """Return messages of procedure steps by ascending number, those beyond `after` only."""

    async def act_on_step(self, number: int, action: StepAction, *, reason: str, who: str) -> StepFacts:
        """Try one message again, or give it up. NoSuchStep; StepNotPossible when it is finished."""

    async def export(self, number: int) -> ExportStream:
        """Return the object of a delivery as a Part 10 file. NotFound; NotPossible: its bytes are gone."""

    async def pause(self, destination: str, *, who: str) -> DestinationFacts:
        """Stop deliveries to `destination` until resumed. NotFound."""

    async def resume(self, destination: str, *, who: str) -> DestinationFacts:
        """Let deliveries to `destination` go again. NotFound."""

    async def kick(self, destination: str, *, who: str) -> DestinationFacts:
        """Try `destination` now, whatever its back-off says. NotFound."""

    async def echo(self, peer: str) -> EchoReport:
        """Dial `peer` and verify it with C-ECHO. A failure is in the report. NotFound; Busy."""

    async def send(self, peer: str, size: int, body: AsyncIterator[bytes]) -> SendReport:
        """Pass a Part 10 file of `size` bytes straight to `peer`. NotFound; NotAnObject; Busy."""

    def associations(self) -> tuple[AssociationFacts, ...]:
        """Return the associations established now, in both directions."""

    async def metrics(self) -> bytes:
        """Return all metrics in the Prometheus text format."""
