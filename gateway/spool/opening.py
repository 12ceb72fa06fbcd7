"""Opening the spool on the disk that there is: also on one that others have filled to the last block."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import SpoolFailure
from gateway.notices import Alarm
from gateway.spool.advice import FULL, in_words
from gateway.spool.ballast import Ballast
from gateway.spool.files import Disk, Files
from gateway.spool.recovery import Recovered, recover
from gateway.spool.store import Store
from gateway.spool.values import KIB, SpoolLimits

_NOTHING = 64 * KIB
"""With less free room than this the disk counts as full: SQLite says all sorts of things then."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A spool that has been recovered, and the disk it is on."""

    recovered: Recovered
    disk: Disk
    alarms: tuple[Alarm, ...]


def open_on_disk(
    directory: Path,
    files: Files,
    store: Store,
    limits: SpoolLimits,
    wall_clock: Callable[[], float],
    steady_clock: Callable[[], float],
) -> Opened:
    """Recover, with the room that is kept for it if there is no other. Blocking; raises SpoolFailure."""
    ballast = Ballast(directory, files)
    alarms: list[Alarm] = []

    def attempt() -> Recovered:
        return recover(directory, files, store, limits, wall_clock, steady_clock)

    try:
        recovered = attempt()
    except SpoolFailure as error:
        if not ballast.drop():
            raise _full(directory, files, error) or error from error
        recovered = attempt()
        alarms.append(
            Alarm(
                "spool.full", f"the disk was full at the start; what is here goes on being delivered; {FULL}"
            )
        )
    try:
        disk = files.disk(directory)
    except OSError as error:
        with contextlib.suppress(sqlite3.Error):
            recovered.db.close()
        raise SpoolFailure(f"the filesystem of the spool does not answer: {in_words(error)}") from error
    if not alarms:
        ballast.keep(limits)
    return Opened(recovered, disk, (*recovered.alarms, *alarms))


def _full(directory: Path, files: Files, error: SpoolFailure) -> SpoolFailure | None:
    """Say that the disk is full when that is all there is to say."""
    if type(error) is not SpoolFailure:
        return None  # it knows better
    with contextlib.suppress(OSError):
        if files.disk(directory).free < _NOTHING:
            return SpoolFailure(f"the spool cannot be opened: the disk is full ({FULL})")
    return None
