"""The section of the audit trail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.config.kinds import ByteSize, Doc, Duration
from gateway.config.limits import DAY, MIB
from gateway.config.section import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit(Section):
    """The audit trail: who did what to this gateway. Kept here; forwarding it (syslog) is not available."""

    retention: Annotated[float, Duration(DAY), Doc("How long entries are kept.")] = 730 * DAY
    max_size: Annotated[
        int, ByteSize(1 * MIB), Doc("What all entries may take together; the oldest go before it is passed.")
    ] = 64 * MIB
