"""`dicom-gateway check-config`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from gateway.cli.exit_codes import ExitCode
from gateway.cli.options import json_option
from gateway.cli.output import Cell, Column, print_json, say, table
from gateway.config import ConfigErrors, load
from gateway.config.problems import Problem, Severity
from gateway.operator.words import count_of


@click.command(
    name="check-config",
    epilog="\b\nExample:\n"
    "  dicom-gateway check-config --config gateway.toml && systemctl restart dicom-gateway",
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    envvar="DICOM_GATEWAY_CONFIG",
    help="Configuration file; the folder conf.d beside it is read too.",
)
@json_option
@click.pass_context
def command(ctx: click.Context, config: Path, as_json: bool) -> None:
    """Check a configuration as a whole; name every problem at once, with what is wrong and what is allowed.

    Changes nothing and needs no running gateway. Exit code 3 when the gateway would not start with it;
    warnings do not count.
    """
    try:
        settings = load(config)
    except ConfigErrors as error:
        problems: Sequence[Problem] = error.problems
        summary = ""
    else:
        problems = settings.warnings
        summary = ", ".join(
            (
                count_of(len(settings.listeners), "listener"),
                count_of(len(settings.peers), "peer"),
                count_of(len(settings.routes), "route"),
            )
        )
    errors = [problem for problem in problems if problem.severity is Severity.ERROR]
    if as_json:
        print_json({"valid": not errors, "problems": [_facts(problem) for problem in problems]})
    else:
        _print(config, problems, len(errors), summary)
    ctx.exit(ExitCode.CONFIG if errors else ExitCode.OK)


def _facts(problem: Problem) -> dict[str, str | int | None]:
    return {
        "severity": problem.severity.value,
        "file": str(problem.file) if problem.file else None,
        "line": problem.line,
        "key": problem.key,
        "value": problem.value,
        "message": problem.message,
        "allowed": problem.allowed,
    }


def _print(config: Path, problems: Sequence[Problem], errors: int, summary: str) -> None:
    if errors:
        say(f"{config}: {count_of(errors, 'error')}; the gateway would not start.", "bold red")
    else:
        say(f"{config}: valid ({summary}).", "green")
    if problems:
        columns = [
            Column(title) for title in ("", "file", "key", "found", "what is wrong", "what is allowed")
        ]
        table(columns, [_row(problem) for problem in problems])


def _row(problem: Problem) -> list[Cell | str]:
    place = problem.file.name if problem.file else ""
    if place and problem.line:
        place += f":{problem.line}"
    style = "red" if problem.severity is Severity.ERROR else "yellow"
    kind = Cell(problem.severity.value, style)
    return [kind, place, problem.key, problem.value, problem.message, problem.allowed]
