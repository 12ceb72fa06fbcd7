"""What `dicom-gateway run` does about configurations on trial, before the gateway is there and after it went.

Small on purpose: this stays in the daemon.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from gateway.configuring.applying import Applying
from gateway.configuring.files import Folder
from gateway.configuring.sockets import hand_over
from gateway.errors import LocalError
from gateway.systemd import ActivatedSocket

_log = logging.getLogger(__name__)


def prepare(config: Path) -> None:
    """Finish or undo what was interrupted. LocalError when it is not known which files are in force."""
    Applying(Folder(config)).recover()


def failed(config: Path, reason: str) -> bool:
    """The gateway did not start, or ended by itself. If that was on trial, put the former files back.

    Says whether it did, and a new start makes sense.
    """
    applying = Applying(Folder(config))
    try:
        trial = applying.record.load()
        if trial is None or trial.phase != "unconfirmed":
            return False
        applying.put_back(trial, f"the gateway does not run with it: {reason}")
    except LocalError as error:
        _log.critical("the former configuration cannot be put back: %s", error)
        return False
    _log.critical("the former configuration is back: the gateway does not run with the new one: %s", reason)
    return True


def again(sockets: Sequence[ActivatedSocket] = ()) -> NoReturn:
    """Become a fresh `dicom-gateway run` in this very process, with the same command line and sockets.

    The process id stays, so for systemd it is one service that reloads.
    """
    hand_over(sockets)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - our own command line
