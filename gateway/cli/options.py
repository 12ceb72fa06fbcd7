"""Options that several commands share, and how the socket of the daemon is found."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import click

from gateway.operator.client import OperatorClient
from gateway.operator.routes import DEFAULT_PAGE, MAX_PAGE

DEFAULT_CONFIG = Path("/etc/dicom-gateway/gateway.toml")
DEFAULT_SOCKET = Path("/run/dicom-gateway/operator.sock")

F = TypeVar("F", bound=Callable[..., Any])

_FILE = click.Path(dir_okay=False, path_type=Path)


def socket_options(command: F) -> F:
    """Add --socket and --config, by which `connect` finds the daemon."""
    command = click.option(
        "--config",
        type=_FILE,
        envvar="DICOM_GATEWAY_CONFIG",
        help=f"Configuration that names the socket ({DEFAULT_CONFIG} if it exists).",
    )(command)
    return click.option(
        "--socket",
        type=_FILE,
        envvar="DICOM_GATEWAY_SOCKET",
        help=f"Socket of the running gateway (else from the configuration, else {DEFAULT_SOCKET}).",
    )(command)


json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the facts as JSON, with stable keys."
)


limit_option = click.option(
    "--limit",
    type=click.IntRange(1, MAX_PAGE),
    default=DEFAULT_PAGE,
    show_default=True,
    help="At most so many.",
)


def connect(socket: Path | None, config: Path | None) -> OperatorClient:
    """Return a client for the daemon that the options name. ConfigErrors when the configuration is wrong."""
    return OperatorClient(socket or _socket_of(config))


def _socket_of(config: Path | None) -> Path:
    if config is None:
        if not DEFAULT_CONFIG.is_file():
            return DEFAULT_SOCKET
        config = DEFAULT_CONFIG
    from gateway.config import load  # reading a configuration imports much; a socket alone needs none of it

    return load(config, check_files=False).operator.socket


class Duration(click.ParamType[float]):
    """A span of time: 90, 90s, 15m, 1h, 2d. In seconds."""

    name = "duration"

    _UNITS: ClassVar = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the seconds in `value`."""
        if isinstance(value, int | float):
            return float(value)
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,3})?)\s*([smhd]?)", value)
        if match is None:
            self.fail(f"{value!r} is not a duration; write 90s, 15m, 1h or 2d", param, ctx)
        return float(match[1]) * self._UNITS[match[2]]
