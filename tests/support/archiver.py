"""7-Zip, the second opinion on what we export."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def seven_zip(command: str, path: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run `7z COMMAND PATH`; a visible skip where there is none, a failure where peers are required."""
    program = shutil.which("7z")
    if program is None:
        words = "7z is not here (Debian: p7zip-full)"
        if os.environ.get("GATEWAY_REQUIRE_PEERS"):
            pytest.fail(words)
        pytest.skip(words)
    return subprocess.run(
        [program, command, *options, str(path)], capture_output=True, text=True, errors="replace"
    )
