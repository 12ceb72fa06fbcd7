"""The section of the background check of the store."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.config.kinds import ByteSize, Doc, Duration
from gateway.config.limits import DAY, MIB
from gateway.config.section import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Scrub(Section):
    """The background check: every kept object is read again and compared with its digest."""

    bytes_per_second: Annotated[
        int,
        ByteSize(0),
        Doc("At most so much is read in the background; 0: only when somebody asks (`spool verify`)."),
    ] = 4 * MIB
    every: Annotated[
        float, Duration(3600), Doc("From the end of one check of the whole store to the next.")
    ] = 7 * DAY
