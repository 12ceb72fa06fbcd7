"""What the receiver needs of whatever keeps partial objects. The contract is tested: partials_contract.py.

A store of partials may be a directory of this machine or something that several hubs share: nothing here says
where bytes are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gateway.model import Instance, Origin, Priority
from gateway.spool import Stored, Transfer


@dataclass(frozen=True, slots=True)
class Expected:
    """What a transfer says of its object before it comes."""

    transfer: Transfer
    instance: Instance
    origin: Origin
    priority: Priority
    size: int  # bytes of the data set


class Partial(Protocol):
    """The part of one object that is here. One caller at a time uses it.

    Raised are NoRoom and SpoolFailure, when the disk does not play along.
    """

    @property
    def held(self) -> int:
        """Bytes of the data set from its beginning on. They survive the end of the process."""

    async def append(self, data: bytes) -> None:
        """Add what follows. More than the size that was expected is a ValueError."""

    async def begin_anew(self) -> None:
        """Forget the bytes: they were not what was promised."""

    def digest(self) -> bytes:
        """SHA-256 of what is held."""

    async def keep(self, destinations: tuple[str, ...]) -> Stored:
        """Put the object, which is whole, into the spool, durably. The partial is gone then.

        On failure the partial is as it was, and this can be tried again.
        """

    async def rest(self) -> None:
        """Nobody adds anything for now: let go of all but the bytes."""


class Partials(Protocol):
    """All partials of a hub, bounded for each site."""

    async def open(self, expected: Expected) -> Partial:
        """Return what there is of an object, or an empty beginning. For one caller at a time, until `rest`.

        What is found was checked: its bytes are those that were appended. Raises NoRoom when there is no room
        for the object, SpoolFailure when the disk fails.
        """
