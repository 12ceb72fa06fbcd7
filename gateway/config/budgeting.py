"""The section for links that are paid by the byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.config.kinds import NAME, ByteSize, Doc, Flag, Number, Whole
from gateway.config.section import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class DataBudget(Section):
    """How much data a month may have. When it runs short bulk objects wait, then images; records never."""

    monthly_bytes: Annotated[
        int | None, ByteSize(1_000_000), Doc("Bytes both ways in a month. Without it, data is only counted.")
    ] = None
    day: Annotated[int, Whole(1, 28), Doc("Day of the month on which the budget begins anew.")] = 1
    counted: Annotated[
        tuple[Annotated[str, NAME], ...] | None,
        Doc("Peers whose data counts. Without it, all that objects are delivered to."),
    ] = None
    defer: Annotated[
        bool, Flag(), Doc("Whether anything waits for the next month. false: the budget is only shown.")
    ] = True
    bulk_share: Annotated[
        float, Number(0, 1), Doc("Part of the budget after which bulk objects to counted peers wait.")
    ] = 0.8
    image_share: Annotated[
        float, Number(0, 1), Doc("The same for images. The rest is for treatment records.")
    ] = 0.95
