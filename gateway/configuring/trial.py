"""The record of a change under way: beside the configuration, since it must be found before that is read.

It carries both sets of files, so that a start can bring the change to its end, or undo it, from this alone.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from gateway.configuring.durable import remove_file, replace_file
from gateway.configuring.files import MAX_BYTES, Folder
from gateway.configuring.versions import How
from gateway.errors import LocalError
from gateway.operator.configuration_errors import NotWritable

Phase = Literal["writing", "unconfirmed", "returning", "returned"]
"""writing: the new files are being written. unconfirmed: they are in force until the deadline.
returning: the former files are being written. returned: they are in force, and nobody was told yet."""

_MOST = 12 * MAX_BYTES + (1 << 16)


@dataclass(frozen=True, slots=True)
class Trial:
    """A configuration that is in force on trial, and the one that comes back unless it is confirmed."""

    phase: Phase
    number: int  # of its version
    how: How
    who: str
    why: str
    at: float  # wall clock
    texts: dict[str, str]
    former: dict[str, str]
    former_number: int
    state_dir: str  # of the former configuration: its history has this change, too
    window: float  # seconds to confirm in
    boot: str  # of the kernel, when it says; "" otherwise
    written: float  # seconds since the boot, when this record was written
    deadline: float  # the same
    of: int | None = None  # the earlier version whose files these are again
    starts: int = 0  # how often the gateway has set out to start with it
    started: bool = False  # it has been ready with it
    reason: str = ""  # returning, returned: why
    returned_by: str = ""  # the same: who asked for it; "" when nobody did

    @property
    def history(self) -> Path:
        """Where the versions are kept."""
        return history_of(Path(self.state_dir))


def history_of(state_dir: Path) -> Path:
    """Return the folder of the versions of a gateway."""
    return state_dir / "configuration" / "versions"


class Clock:
    """Time since the boot. It runs on through suspend, and no wall clock that is set moves it."""

    def now(self) -> float:
        """Return seconds since the boot."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def boot(self) -> str:
        """Return the kernel's name for this boot; "" where it is out of sight (a confined service)."""
        with suppress(OSError):
            return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return ""

    def left(self, trial: Trial) -> float:
        """Return the seconds left to confirm; 0 or less when the time is over, or went with another boot.

        Without the kernel's name for the boot, a clock that is behind the record tells another boot as well;
        and where it happens not to be behind, what is left is at most the window.
        """
        now = self.now()
        if now < trial.written or (trial.boot and self.boot() != trial.boot):
            return 0.0
        return trial.deadline - now


class Record:
    """The file of the trial beside `folder`'s main file. All methods block."""

    def __init__(self, folder: Folder) -> None:
        self.path = folder.path / f".{folder.main.name}.trial"

    def load(self) -> Trial | None:
        """Return the trial under way, if there is one. LocalError when the record is of no use."""
        try:
            with self.path.open("rb") as file:
                raw = file.read(_MOST)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise LocalError(f"{self.path} cannot be read: {error.strerror}") from error
        try:
            return Trial(**json.loads(raw))
        except (ValueError, TypeError) as error:
            raise LocalError(
                f"{self.path}, the record of a change under way, is damaged. Look whether the configuration "
                "beside it is as it should be, and remove the record"
            ) from error

    def save(self, trial: Trial) -> Trial:
        """Write the record, durably; return it. NotWritable."""
        try:
            replace_file(self.path, json.dumps(asdict(trial)).encode(), mode=0o600)
        except OSError as error:
            raise NotWritable(f"{self.path} cannot be written: {error.strerror}") from error
        return trial

    def remove(self) -> None:
        """End the trial, durably. NotWritable."""
        try:
            remove_file(self.path)
        except OSError as error:
            raise NotWritable(f"{self.path} cannot be removed: {error.strerror}") from error
