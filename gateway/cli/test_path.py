"""`dicom-gateway test`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

import click

from gateway.cli.exit_codes import ExitCode
from gateway.cli.failures import Failure
from gateway.cli.options import Duration, connect, socket_options
from gateway.cli.output import hint, on_terminal, say
from gateway.operator import codec
from gateway.operator.sections.path_test import ObjectClass, PathLine, PathReport, PathStep
from gateway.operator.words import duration

_STEPS = {
    "name": "name lookup",
    "tcp": "TCP connection",
    "tls": "TLS handshake",
    "association": "association",
    "echo": "C-ECHO",
    "store": "C-STORE",
    "commitment-request": "storage commitment",
    "commitment-result": "commitment result",
}
_MARKS = {"ok": "ok", "warning": "remark", "failed": "failed", "skipped": "skipped"}
_STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red", "skipped": ""}


@click.command(
    name="test",
    epilog="\b\nExamples:\n  dicom-gateway test oncology"
    "\n  dicom-gateway test oncology --store rt-record --store rt-plan --commitment"
    "\n  dicom-gateway test oncology --json   # one JSON object a line, as it happens",
)
@click.argument("peer")
@click.option(
    "--store",
    multiple=True,
    type=click.Choice(get_args(ObjectClass)),
    help="Store a synthetic object of this class at the peer, marked as a test. Repeat for more.",
)
@click.option("--commitment", is_flag=True, help="Ask for storage commitment of what was stored.")
@click.option(
    "--wait",
    type=Duration(),
    default="30s",
    show_default=True,
    help="How long to wait for the result of the storage commitment.",
)
@socket_options
@click.option("--json", "as_json", is_flag=True, help="Print each line of the test as JSON, as it comes.")
@click.pass_context
def command(
    ctx: click.Context,
    peer: str,
    store: tuple[str, ...],
    commitment: bool,
    wait: float,
    socket: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Test the way to PEER (its name in the configuration): name, TCP, TLS, association, C-ECHO, and storage.

    Nothing is stored at the peer unless --store says so. What is stored belongs to the patient
    TEST^GATEWAY PATH TEST and is described as "connection test, not a patient"; it stays there until somebody
    deletes it. Exit code 5 when a step fails.
    """
    wanted = {"store": list(store), "commitment": commitment, "commitment_wait": wait}
    report: PathReport | None = None
    with connect(socket, config) as client:
        for data in client.test_path(peer, wanted):
            line = codec.decode(PathLine, data)
            report = line.report or report
            if as_json:
                click.echo(json.dumps(data))
            elif line.step is not None:
                _show(line.step)
    if report is None:
        raise Failure("the gateway ended the test before it was over", ExitCode.NO_DAEMON)
    if not as_json:
        _sum_up(report)
    ctx.exit(ExitCode.OK if report.ok else ExitCode.PEER)


def _show(step: PathStep) -> None:
    name = _STEPS.get(step.step, step.step) + (f" {step.subject}" if step.subject else "")
    if step.outcome == "running":
        if on_terminal():
            hint(f"  ...      {name}")
        return
    mark = _MARKS.get(step.outcome, step.outcome)
    say(f"{mark:8} {name:24} {duration(step.seconds):>9}  {step.words}", _STYLES.get(step.outcome, ""))
    for detail in step.details:
        say(f"{'':9}{detail.what}: {detail.value}")
    if step.next_step:
        say(f"{'':9}Next: {step.next_step}", "bold")


def _sum_up(report: PathReport) -> None:
    if report.ok:
        say(f"The way to {report.peer} is open ({duration(report.seconds)}).", "bold green")
    else:
        say(f"The way to {report.peer} needs mending.", "bold red")
    if report.patient_id:
        say(f"What was stored has the patient ID {report.patient_id}.")
