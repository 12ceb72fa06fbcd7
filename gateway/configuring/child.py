"""Check a candidate in a process of its own: `python -m gateway.configuring.child`, JSON in, JSON out.

Checking needs pydantic and cryptography, which the daemon does not carry, and what is checked may be hostile:
this process has its own limits of time and memory, and can do nothing but read and answer.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.config import ConfigErrors, Problem, Severity, load
from gateway.configuring.summary import summarise
from gateway.operator import codec
from gateway.operator.configuration_facts import ConfigurationProblem, Summary

MAX_CPU = 15  # seconds; a large configuration on a small board takes three
MAX_MEMORY = 1 << 30  # of address space; 150 MiB are used
MAX_PROBLEMS = 200
_MAX_TEXT = 500  # characters of any part of a problem


def answer(asked: dict[str, Any]) -> codec.Json:
    """Return what is wrong with the candidate in `asked`, and what it comes to if it is valid."""
    main = Path(asked["main"])
    summary: Summary | None = None
    try:
        config = load(main, texts=asked["texts"])
        found = config.warnings
        summary = summarise(config)
    except ConfigErrors as errors:
        found = tuple(errors.problems)
    problems = [_problem(one, main.parent) for one in found[:MAX_PROBLEMS]]
    if len(found) > MAX_PROBLEMS:
        left = f"{len(found) - MAX_PROBLEMS} more problems are not shown"
        problems.append(ConfigurationProblem("warning", "", None, "", "", left, ""))
    return {"problems": codec.encode(problems), "summary": codec.encode(summary) if summary else None}


def _problem(problem: Problem, folder: Path) -> ConfigurationProblem:
    file = ""
    if problem.file is not None:
        file = str(problem.file.relative_to(folder)) if problem.file.is_relative_to(folder) else ""
    return ConfigurationProblem(
        severity="error" if problem.severity is Severity.ERROR else "warning",
        file=file,
        line=problem.line,
        key=problem.key[:_MAX_TEXT],
        value=problem.value[:_MAX_TEXT],
        message=problem.message[:_MAX_TEXT],
        allowed=problem.allowed[:_MAX_TEXT],
    )


def main() -> None:
    """Read one request, answer it, end."""
    # The unit's system call filter may refuse both; who started us has a limit of time of its own.
    with suppress(OSError, ValueError):
        os.nice(10)  # consoles come first
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU, MAX_CPU + 1))
        resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    json.dump(answer(json.load(sys.stdin)), sys.stdout)


if __name__ == "__main__":
    main()
