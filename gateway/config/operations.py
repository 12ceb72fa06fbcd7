"""The sections for those who run the gateway: log, metrics, operator socket."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from gateway.config.kinds import NAME, Address, Choice, Doc, FileMode, FileName, Whole
from gateway.config.section import Section


@dataclass(frozen=True, slots=True, kw_only=True)
class Log(Section):
    """What is logged, and how it looks. Patient data never is."""

    level: Annotated[
        Literal["debug", "info", "warning", "error"],
        Choice("debug", "info", "warning", "error"),
        Doc("The least important lines to log. info has one line per association and per object."),
    ] = "info"
    format: Annotated[
        Literal["auto", "logfmt", "json", "journald"],
        Choice("auto", "logfmt", "json", "journald"),
        Doc("auto: journald when it runs under systemd, else logfmt on stderr. json: one object per line."),
    ] = "auto"
    refusals_per_minute: Annotated[
        int,
        Whole(1, 10_000),
        Doc("Lines per minute about refusals of one address; the rest is counted in one summary line."),
    ] = 5
    keep: Annotated[
        int, Whole(100, 20_000), Doc("Last lines kept in memory for the page and the support bundle.")
    ] = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Metrics(Section):
    """Prometheus metrics. The operator socket always serves them; a TCP port only when one is named."""

    address: Annotated[str, Address(), Doc("Address to serve metrics on, over plain HTTP.")] = "127.0.0.1"
    port: Annotated[
        int | None, Whole(1, 65535), Doc("TCP port to serve metrics on, at /metrics. Without it, none.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator(Section):
    """The Unix socket on which the command line and the status page reach the gateway."""

    socket: Annotated[Path, FileName(), Doc("Path of the socket.")] = Path("/run/dicom-gateway/operator.sock")
    mode: Annotated[int, FileMode(), Doc("Permissions of the socket: who may operate the gateway.")] = 0o660
    group: Annotated[str | None, NAME, Doc("Group of the socket, when it is not the process's own.")] = None
