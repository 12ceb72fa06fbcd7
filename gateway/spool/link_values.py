"""Values of what goes over a link between two gateways, as the journal has them (FORMAT.md, "Links")."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Stage(enum.IntEnum):
    """What became of an object after a hub had it. The numbers are written to the journal: never renumber."""

    STORED = 1  # the destination has taken it
    CONFIRMED = 2  # there is proof beyond that
    HELD = 3  # it waits at the hub for a person
    DISCARDED = 4  # a person at the hub has decided that it is not to be delivered


@dataclass(frozen=True, slots=True)
class Transfer:
    """Which delivery of which site an object came with: the name of a transfer, for good."""

    site: str
    spool: bytes  # identity of the site's spool
    delivery: int  # number of the delivery there
    digest: bytes  # of the object: a spool that was restored from a copy uses numbers again


@dataclass(frozen=True, slots=True)
class Arrived:
    """An object that a site had brought before, and that is here or was delivered from here."""

    object: int
    at: float  # wall clock


@dataclass(frozen=True, slots=True)
class StageReport:
    """What a hub has to say of a delivery, the newest only. `seq` grows with every change, for each spool."""

    seq: int
    spool: bytes
    delivery: int
    digest: bytes
    stage: Stage
    status: int  # DIMSE status of the destination; 0 when there is nothing to say
    words: str
    at: float  # wall clock of the hub
