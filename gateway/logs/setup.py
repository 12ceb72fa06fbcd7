"""The process's log: where it goes and how it looks."""

from __future__ import annotations

import logging
import sys
import warnings
from typing import Protocol, TextIO

from gateway.logs.formats import JsonFormatter, LogfmtFormatter
from gateway.logs.journald import SOCKET, JournaldHandler, stderr_is_journal

_OURS = "dicom-gateway"
_LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}
# They log identifiers and pieces of data sets; what they have to say reaches us as errors and statuses.
_SILENCED = ("pydicom", "pynetdicom")
# Libraries that talk a lot at info and below.
_QUIET = ("asyncio", "aiohttp")


class LogSettings(Protocol):
    """The [log] section, as far as the log is concerned."""

    @property
    def level(self) -> str:
        """debug, info, warning or error."""

    @property
    def format(self) -> str:
        """auto, logfmt, json or journald."""


def setup(settings: LogSettings, stream: TextIO | None = None) -> logging.Handler:
    """Send the log of this process where `settings` say, replacing what was set up before.

    `stream` stands for stderr. Returns the handler that was installed.
    """
    plain = logging.StreamHandler(stream or sys.stderr)
    plain.setFormatter(JsonFormatter() if settings.format == "json" else LogfmtFormatter())
    handler: logging.Handler = plain
    wants_journal = settings.format == "journald" or (settings.format == "auto" and stderr_is_journal())
    if wants_journal and SOCKET.exists():
        handler = JournaldHandler(plain)
    root = logging.getLogger()
    for old in [other for other in root.handlers if other.name == _OURS]:
        root.removeHandler(old)
        old.close()
    handler.name = _OURS
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("gateway").setLevel(_LEVELS[settings.level])
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
    for name in _SILENCED:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    if not sys.warnoptions:
        # pydicom warns about odd values and quotes them; warnings go to stderr, which is a log too.
        warnings.filterwarnings("ignore", category=UserWarning)
    return handler
