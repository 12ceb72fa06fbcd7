"""`dicom-gateway echo`."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.direct import daemon_or_config
from gateway.cli.exit_codes import ExitCode
from gateway.cli.options import json_option, socket_options
from gateway.cli.output import Cell, Column, print_json, say, table
from gateway.operator import codec, facts
from gateway.operator.words import duration

_STEPS = {
    "name": "name lookup",
    "tcp": "TCP connection",
    "tls": "TLS handshake",
    "association": "association",
    "echo": "C-ECHO",
}


@click.command(
    name="echo",
    epilog="\b\nExamples:\n  dicom-gateway echo oncology"
    "\n  dicom-gateway echo oncology --config gateway.toml   # works without a running gateway, too",
)
@click.argument("peer")
@socket_options
@json_option
@click.pass_context
def command(ctx: click.Context, peer: str, socket: Path | None, config: Path | None, as_json: bool) -> None:
    """Verify the way to PEER (its name in the configuration), step by step, each with its time.

    Asks the running gateway to dial; where none runs and --config is given, dials from here. Exit code 5 when
    the peer cannot be reached or says no.
    """
    data = daemon_or_config(
        socket, config, lambda client: client.echo(peer), lambda direct: direct.echo(peer)
    )
    report = codec.decode(facts.EchoReport, data)
    if as_json:
        print_json(data)
    else:
        _show(report)
    ctx.exit(ExitCode.OK if report.ok else ExitCode.PEER)


def _show(report: facts.EchoReport) -> None:
    if report.ok:
        total = sum(step.seconds for step in report.steps)
        say(f"{report.peer} answers ({duration(total)}).", "bold green")
    else:
        say(f"{report.peer} does not answer as it should.", "bold red")
    rows: list[list[Cell | str]] = [
        [
            Cell("ok" if step.ok else "failed", "green" if step.ok else "bold red"),
            _STEPS.get(step.step, step.step),
            duration(step.seconds),
            step.words,
        ]
        for step in report.steps
    ]
    table([Column(""), Column("step"), Column("time", right=True), Column("what")], rows)
    if report.next_step:
        say(f"Next: {report.next_step}", "bold")
