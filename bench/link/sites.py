"""A hub with many sites."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bench.throughput import NotMeasured


@dataclass(frozen=True, slots=True)
class Crowd:
    """One hub, so many sites."""

    HEADINGS: ClassVar[tuple[str, ...]] = ("sites",)
    sites: int

    def row(self) -> tuple[str, ...]:
        """One row of the table."""
        return (str(self.sites),)


def measure(count: int, work: Path) -> Crowd:
    raise NotMeasured(f"{count} {work}")
