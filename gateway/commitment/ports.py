"""What the rest of the gateway has to offer for storage commitment to work."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Protocol

from gateway.model import StoredObject
from gateway.spool.commitment_values import AskAnswered, CommitmentReport, OpenAsk, Reference, ToAsk
from gateway.spool.values import DataReader, SpoolSummary


class Asks(Protocol):
    """The spool's side of asking destinations. See spool/commitment_methods.py for what each call means."""

    async def references_to_ask(self, destination: str, *, everything: bool, limit: int) -> list[ToAsk]: ...

    async def ask_begun(
        self, destination: str, transaction_uid: str, references: Sequence[Reference], deadline: float
    ) -> int: ...

    async def ask_put_off(self, transaction_uid: str, not_before: float, reason: str) -> None: ...

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
    ) -> AskAnswered: ...

    async def references_to_compare(self, destination: str, *, limit: int) -> list[ToAsk]: ...

    async def stored(self, object_number: int) -> StoredObject: ...

    async def summary(self) -> SpoolSummary: ...

    def open_data(self, object_number: int) -> DataReader: ...


class Reports(Protocol):
    """The spool's side of reporting to consoles."""

    async def commitments_to_report(self, limit: int) -> list[CommitmentReport]: ...

    async def commitment_reported(self, number: int) -> None: ...

    async def commitment_report_failed(self, number: int, not_before: float, reason: str) -> None: ...

    async def give_up_commitment(self, number: int, reason: str) -> None: ...


class CommitmentSpool(Asks, Reports, Protocol):
    """All that the engine needs of the spool."""

    async def expire_commitments(self, before: float) -> int: ...

    async def look_ups_interrupted(self, destination: str, *, comparisons: bool) -> None: ...

    async def forget_comparisons(self, destination: str) -> None: ...

    async def unconfirmed_since(self, destination: str) -> float | None: ...

    async def oldest_open_commitment(self) -> float | None: ...

    async def overdue_asks(self, now: float) -> list[OpenAsk]: ...

    async def next_commitment_due(self, now: float) -> float | None: ...

    def on_commitment(self, callback: Callable[[], None]) -> Callable[[], None]: ...
