"""The spool of a gateway that does not run, checked and rebuilt: the way of the command line to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from gateway import settings
from gateway.config.loader import load
from gateway.spool.offline_check import OfflineReport, verify
from gateway.spool.salvage.rebuild import rebuild
from gateway.spool.salvage.report import Progress, RebuildReport

__all__ = ["OfflineReport", "Progress", "RebuildReport", "Workshop"]

Tell = Callable[[Progress], None]


class Workshop:
    """One spool, by its folder or by the configuration that names it."""

    def __init__(self, directory: Path, destinations: Sequence[str] = ()) -> None:
        self.directory = directory
        self.destinations = tuple(destinations)

    @classmethod
    def of_configuration(cls, path: Path) -> Workshop:
        """Return the spool of a configuration. Raises ConfigErrors."""
        config = load(path, check_files=False)
        return cls(config.gateway.state_dir / "spool", settings.destination_names(config))

    def verify(self, tell: Tell) -> OfflineReport:
        """Read everything, change nothing. SpoolFailure."""
        return verify(self.directory, tell=tell)

    def rebuild(self, tell: Tell, *, anyway: bool) -> RebuildReport:
        """Make a new journal of what remains. SpoolFailure."""
        return rebuild(self.directory, self.destinations, tell=tell, anyway=anyway)
