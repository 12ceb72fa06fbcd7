"""Errors as a person sees them: what went wrong, what to do next, and an exit code."""

from __future__ import annotations

from typing import IO, Any

import click

from gateway.cli.exit_codes import ExitCode
from gateway.config.problems import ConfigErrors
from gateway.errors import GatewayError, PeerError
from gateway.operator.client import ApiProblem, DaemonUnreachable
from gateway.operator.words import printable


class Failure(click.ClickException):
    """Ends the command with a message on stderr and an exit code."""

    def __init__(self, message: str, code: ExitCode = ExitCode.FAILURE, next_step: str = "") -> None:
        super().__init__(message)
        self.exit_code = int(code)  # type: ignore[misc]  # meant to be overridden
        self.next_step = next_step

    def show(self, file: IO[Any] | None = None) -> None:
        """Print the message, and the next step below it."""
        for line in [f"Error: {self.message}", self.next_step]:
            if line:
                click.echo(
                    "\n".join(printable(part, 4000) for part in line.splitlines()), file=file, err=True
                )


def failure(error: GatewayError) -> Failure:
    """Return `error` as a Failure."""
    if isinstance(error, DaemonUnreachable):
        return Failure(
            str(error),
            ExitCode.NO_DAEMON,
            "Start it with `dicom-gateway run --config FILE` or `systemctl start dicom-gateway`. If it "
            "listens on another socket, name that with --socket, or name its configuration with --config.",
        )
    if isinstance(error, ApiProblem):
        code = ExitCode.PEER if error.details.status == 502 else ExitCode.FAILURE
        return Failure(error.details.detail, code, error.details.next_step)
    if isinstance(error, ConfigErrors):
        return Failure(
            f"the configuration is not valid:\n{error}",
            ExitCode.CONFIG,
            "`dicom-gateway check-config` shows the problems as a table.",
        )
    return Failure(str(error), ExitCode.PEER if isinstance(error, PeerError) else ExitCode.FAILURE)
