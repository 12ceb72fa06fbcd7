"""Whether a test fails on a mutant: it is run in a process of its own that sees the changed copy only."""

from __future__ import annotations

import enum
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.durability.mutants.mutation import REPOSITORY, Mutant, apply, copy_package

TIMEOUT = 120.0
"""Seconds that one test has on one mutant: some mutants make it wait for what never comes."""

COPY = "GATEWAY_MUTANT_COPY"
"""Where the package must come from: `guard.py` looks, in the process that runs the test."""

_PASSED, _FAILED = 0, 1  # exit codes of pytest; every other means that the test was not run


class Verdict(enum.Enum):
    """What the test said about the mutant."""

    CAUGHT = "caught"
    PASSED = "not caught"
    BROKEN = "the test could not be run"


@dataclass(frozen=True, slots=True)
class Catch:
    """How one test (or several, as one) did on one mutant. `words`: the end of what it printed."""

    verdict: Verdict
    seconds: float
    words: str


def try_mutant(mutant: Mutant | None, tests: Sequence[str]) -> Catch:
    """Run `tests` (pytest's names) on a changed copy (None: an unchanged one), up to the first failure."""
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        package = copy_package(Path(folder))
        if mutant is not None:
            apply(mutant, package)
        return run_tests(tests, package)


def run_tests(tests: Sequence[str], package: Path) -> Catch:
    """Run `tests` with `package` in the place of the repository's own."""
    started = time.monotonic()
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--tb=short", f"--timeout={TIMEOUT / 2:.0f}"]
    # Only the plugins that the tests need: the others take longer to load than a short test to run.
    command += ["-p", "pytest_asyncio.plugin", "-p", "pytest_timeout", "-p", "no:cacheprovider"]
    command += ["-p", "tests.durability.mutants.guard", "--rootdir", str(REPOSITORY), *tests]
    try:
        ended = subprocess.run(
            command,
            cwd=REPOSITORY,
            env=_environment(package),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Catch(Verdict.BROKEN, time.monotonic() - started, f"no end within {TIMEOUT:.0f} s")
    verdict = {_PASSED: Verdict.PASSED, _FAILED: Verdict.CAUGHT}.get(ended.returncode, Verdict.BROKEN)
    if verdict is Verdict.PASSED and " passed" not in ended.stdout:
        verdict = Verdict.BROKEN  # skipped: this machine lacks something that the test needs
    words = (ended.stdout + ended.stderr)[-3000:]
    return Catch(verdict, time.monotonic() - started, words)


def _environment(package: Path) -> dict[str, str]:
    """The changed copy first, then the repository (for its tests); the current directory not at all."""
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join((str(package.parent), str(REPOSITORY)))
    environment["PYTHONSAFEPATH"] = "1"
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    environment[COPY] = str(package)
    environment.pop("PYTEST_ADDOPTS", None)
    return environment
