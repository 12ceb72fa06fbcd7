"""The section for links that are paid by the byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.config.kinds import NAME, ByteSize, Doc, Whole
from gateway.config.section import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class DataBudget(Section):
    """How much data a month may have. Shown with a forecast and warnings; nothing is held back for it."""

    monthly_bytes: Annotated[
        int | None, ByteSize(1_000_000), Doc("Bytes both ways in a month. Without it, data is only counted.")
    ] = None
    day: Annotated[int, Whole(1, 28), Doc("Day of the month on which the budget begins anew.")] = 1
    counted: Annotated[
        tuple[Annotated[str, NAME], ...] | None,
        Doc("Peers whose data counts. Without it, all that objects are delivered to."),
    ] = None
