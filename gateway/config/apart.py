"""Loading in a child process: the daemon gets the values, and the memory of the tools is given back.

Checking a configuration needs pydantic and cryptography, some twenty megabytes that a gateway on a small
board would carry for the rest of its life. The child does the work and hands the frozen values over.
"""

from __future__ import annotations

import os
import pickle
import traceback
from pathlib import Path

from gateway.config.problems import ConfigErrors
from gateway.config.schema import Config
from gateway.errors import LocalError


def load_apart(path: Path, *, check_files: bool = True) -> Config:
    """Do as `load`, in a child process. Call it before any thread or event loop is started.

    Raises ConfigErrors as `load` does, and LocalError when the child died without an answer.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        _answer(writer, path, check_files)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(child, 0)
    if not answer or os.waitstatus_to_exitcode(status) != 0:
        raise LocalError("the configuration could not be checked: the process that does it died")
    # Our own child wrote this, over a pipe that nobody else holds.
    result = pickle.loads(answer)  # noqa: S301
    if isinstance(result, ConfigErrors):
        raise result
    if not isinstance(result, Config):
        raise LocalError("the configuration could not be checked: no answer from the process that does it")
    return result


def _answer(writer: int, path: Path, check_files: bool) -> None:
    """Load, write the result, and end this process without running anything the parent has set up."""
    from gateway.config.loader import load  # what checks is for this process alone

    code = 1
    try:
        try:
            result: Config | ConfigErrors = load(path, check_files=check_files)
        except ConfigErrors as errors:
            result = errors
        with os.fdopen(writer, "wb") as pipe:
            pickle.dump(result, pipe)
        code = 0
    except Exception:  # noqa: BLE001 - this process ends here; the parent raises in its place
        traceback.print_exc()  # the parent says that we died; this says of what
    finally:
        os._exit(code)
