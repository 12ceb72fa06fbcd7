"""The exit codes, documented in `dicom-gateway --help` and docs/cli.md. Their meaning never changes."""

from __future__ import annotations

import enum


class ExitCode(enum.IntEnum):
    """What a command tells the shell."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    CONFIG = 3
    NO_DAEMON = 4
    PEER = 5
    ATTENTION = 6
