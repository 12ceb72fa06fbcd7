"""`dicom-gateway commitments`: what consoles asked about storage commitment, and how far that is."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.options import connect, json_option, limit_option, socket_options
from gateway.cli.output import Cell, Column, hint, moment, print_json, say, table
from gateway.operator import codec, facts

_STATE_STYLE = {"open": "cyan", "reporting": "yellow", "reported": "green", "given-up": "red"}


@click.group(name="commitments")
def command() -> None:
    """See what consoles asked about storage commitment.

    A console asks whether the centre has its objects for good; the gateway asks the centre once they are
    there, and reports the centre's answer to the console. No patient data is shown.
    """


@command.command(
    name="list",
    epilog="\b\nExamples:\n  dicom-gateway commitments list"
    "\n  dicom-gateway commitments list --limit 20 --json",
)
@socket_options
@json_option
@click.option(
    "--before", type=click.IntRange(min=1), metavar="NUMBER", help="Only transactions below this number."
)
@limit_option
def list_(socket: Path | None, config: Path | None, as_json: bool, before: int | None, limit: int) -> None:
    """List transactions, the newest first, a page at a time."""
    with connect(socket, config) as client:
        data = client.commitments(before=before, limit=limit)
    if as_json:
        print_json(data)
        return
    page = codec.decode(facts.CommitmentPage, data)
    if not page.commitments:
        say("Nothing to list.")
        return
    columns = [
        Column("number", right=True),
        Column("state"),
        Column("from"),
        Column("called"),
        Column("to"),
        Column("open", right=True),
        Column("committed", right=True),
        Column("failed", right=True),
        Column("received"),
        Column("reports failed", right=True),
        Column("why"),
    ]
    table(columns, [_row(one) for one in page.commitments])
    if page.next is not None:
        hint(f"There are more: dicom-gateway commitments list --before {page.next}")


def _row(one: facts.CommitmentFacts) -> list[Cell | str]:
    return [
        str(one.number),
        Cell(one.state, _STATE_STYLE.get(one.state, "")),
        one.calling_ae,
        one.called_ae,
        ", ".join(one.destinations),
        str(one.open),
        str(one.committed),
        Cell(str(one.failed), "red" if one.failed else ""),
        moment(one.received_at),
        str(one.attempts),
        one.reason,
    ]
