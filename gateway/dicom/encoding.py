"""How data sets are encoded (PS3.5 7): what every reader of their bytes has to know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ITEM: Final = 0xFFFEE000
ITEM_END: Final = 0xFFFEE00D
SEQUENCE_END: Final = 0xFFFEE0DD
UNDEFINED: Final = 0xFFFFFFFF
"""A length that is not told: the items end with a delimiter."""

LONG_VRS: Final = frozenset(("OB", "OD", "OF", "OL", "OV", "OW", "SQ", "SV", "UC", "UN", "UR", "UT", "UV"))
"""With a length of four bytes, after two that are reserved (PS3.5 Table 7.1-1)."""

SHORT_VRS: Final = frozenset(
    (
        *("AE", "AS", "AT", "CS", "DA", "DS", "DT", "FD", "FL", "IS", "LO", "LT"),
        *("PN", "SH", "SL", "SS", "ST", "TM", "UI", "UL", "US"),
    )
)
"""With a length of two bytes (PS3.5 Table 7.1-2)."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """What a transfer syntax says of the bytes outside pixel data."""

    explicit: bool
    big: bool = False

    @property
    def order(self) -> str:
        """The byte order, for struct."""
        return ">" if self.big else "<"
