"""Helpers for tests of storage commitment and procedure steps in the spool."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

from gateway.model import DeliveryState
from gateway.spool import Accepted, CommitmentRequest, Reference, Spool, Step
from gateway.spool.step_values import StepKind
from tests.support.spooling import BEAMS_RECORD, SMALL, a_receipt, an_instance, content, store

NOT_HERE = 0x0112
"""No such object instance (PS3.3 C.14.1.1)."""
MPPS = "1.2.840.10008.3.1.2.3.3"
_numbers = count(1)


class Clock:
    """A wall clock that stands still until it is set."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def a_reference(number: int = 1) -> Reference:
    """The object that `store(spool, ..., number)` puts in."""
    return Reference(BEAMS_RECORD, an_instance(number).sop_instance_uid)


def references(*numbers: int) -> tuple[Reference, ...]:
    return tuple(a_reference(number) for number in numbers)


def a_request(
    *numbers: int,
    uid: str = "1.2.3.1",
    to: Sequence[str] = ("oncology",),
    calling: str = "LINAC1",
    called: str = "ARIA",
) -> CommitmentRequest:
    return CommitmentRequest(
        uid, calling, called, "console", "192.0.2.20", tuple(to), references(*(numbers or (1,)))
    )


async def put(spool: Spool, *numbers: int, to: Sequence[str] = ("oncology",)) -> None:
    for number in numbers:
        await store(spool, content(number, SMALL), number, to=to)


async def accept(spool: Spool, destination: str = "oncology") -> None:
    """Let a destination accept all that is queued for it."""
    while jobs := await spool.claim(destination, 100):
        await spool.settle([Accepted(job.delivery.number, a_receipt(job)) for job in jobs])


async def to_ask(spool: Spool, destination: str = "oncology", *, everything: bool = False) -> list[Reference]:
    found = await spool.references_to_ask(destination, everything=everything, limit=1000)
    return [one.reference for one in found]


async def ask(
    spool: Spool, *numbers: int, destination: str = "oncology", deadline: float = 1_003_600.0
) -> str:
    """Ask about objects; return the transaction UID."""
    uid = f"2.25.{next(_numbers)}"
    await spool.ask_begun(destination, uid, references(*numbers), deadline)
    return uid


async def answer(
    spool: Spool, uid: str, *committed: int, failed: Sequence[int] = (), resend: Sequence[int] = ()
) -> tuple[str, int, int]:
    """Answer: these are committed, those are not here."""
    result = await spool.ask_answered(
        uid,
        references(*committed),
        [(one, NOT_HERE) for one in references(*failed)],
        "committed by the archive",
        resend=frozenset(resend),
    )
    return result.outcome, result.resent, result.held


async def states(spool: Spool) -> list[DeliveryState]:
    return [row.delivery.state for row in await spool.list_deliveries()]


def a_step(
    kind: StepKind = "create", number: int = 1, *, to: str = "oncology", data: bytes = b"data"
) -> Step:
    return Step(
        MPPS,
        f"1.2.826.0.1.3680043.10.2.{number}",
        kind,
        "1.2.840.10008.1.2.1",
        "LINAC1",
        "ARIA",
        to,
        data,
    )
