"""Doing one thing to several numbers, and asking before something is given up for good."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from gateway.cli.exit_codes import ExitCode
from gateway.cli.failures import Failure
from gateway.cli.output import hint, print_json, say
from gateway.operator import codec
from gateway.operator.client import ApiProblem


def each(
    numbers: Sequence[int],
    as_json: bool,
    act: Callable[[int], codec.Json],
    *,
    noun: str,
    tell: Callable[[codec.Json], str],
) -> ExitCode:
    """Act on each number; one that cannot be done does not keep the others from it."""
    code = ExitCode.OK
    results = []
    for number in numbers:
        try:
            result = act(number)
        except ApiProblem as error:
            code = ExitCode.FAILURE
            hint(f"Error: {noun} {number}: {error}")
            continue
        results.append(result)
        if not as_json:
            say(tell(result))
    if as_json:
        print_json(results)
    return code


def confirm_discard(warning: str) -> None:
    """Ask for the word `discard`; raise Failure when it is not typed."""
    hint(warning)
    if click.prompt("Type discard to go on", err=True, default="", show_default=False) != "discard":
        raise Failure("nothing was discarded")
