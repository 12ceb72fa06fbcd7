"""`dicom-gateway audit`: who did what to this gateway, and whether the trail is whole."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.audit.values import AuditPage, AuditVerdict
from gateway.cli.exit_codes import ExitCode
from gateway.cli.options import connect, json_option, limit_option, socket_options
from gateway.cli.output import Cell, Column, hint, moment, print_json, say, table
from gateway.operator import codec


@click.group(name="audit")
def command() -> None:
    """See who did what to this gateway, and check that nothing was changed afterwards.

    Everything that is steered through the command line or the page is in the trail, and what the page knows
    alone: sign-ins, refusals, reveals, downloads. No patient data.
    """


@command.command(
    name="list",
    epilog="\b\nExamples:\n  dicom-gateway audit list\n  dicom-gateway audit list --what discard --json",
)
@socket_options
@json_option
@click.option("--who", metavar="NAME", help="Only by whom: a part of the name.")
@click.option("--what", metavar="WORD", help="Only this, as in discard or sign-in.")
@click.option("--text", metavar="TEXT", help="Only with this text anywhere.")
@click.option(
    "--before", type=click.IntRange(min=1), metavar="NUMBER", help="Only entries below this number."
)
@limit_option
def list_(
    socket: Path | None,
    config: Path | None,
    as_json: bool,
    who: str | None,
    what: str | None,
    text: str | None,
    before: int | None,
    limit: int,
) -> None:
    """List entries, the newest first, a page at a time."""
    with connect(socket, config) as client:
        data = client.audit(who=who, what=what, q=text, before=before, limit=limit)
    if as_json:
        print_json(data)
        return
    page = codec.decode(AuditPage, data)
    if not page.entries:
        say("Nothing to list.")
    else:
        titles = ("when", "who", "what", "to what", "outcome", "detail")
        columns = [Column("number", right=True), *(Column(title) for title in titles)]
        rows: list[list[Cell | str]] = [
            [
                str(one.number),
                moment(one.at),
                one.who,
                one.what,
                one.subject,
                Cell(one.outcome, "" if one.outcome == "done" else "red"),
                one.detail,
            ]
            for one in page.entries
        ]
        table(columns, rows)
    if page.next is not None:
        hint(f"There are more: dicom-gateway audit list --before {page.next}")


@command.command(
    name="verify",
    epilog="\b\nExamples:\n  dicom-gateway audit verify\n  dicom-gateway audit verify --digest 5d4140...",
)
@socket_options
@json_option
@click.option("--digest", metavar="DIGEST", help="A digest noted earlier; it must still be in the trail.")
@click.pass_context
def verify(
    ctx: click.Context, socket: Path | None, config: Path | None, as_json: bool, digest: str | None
) -> None:
    """Check that no entry was changed, removed or put in between. Exit code 6 when one was.

    Prints the digest of the newest entry: note it elsewhere to compare later.
    """
    with connect(socket, config) as client:
        data = client.verify_audit(digest)
    verdict = codec.decode(AuditVerdict, data)
    if as_json:
        print_json(data)
    else:
        say(verdict.words, "green" if verdict.ok else "bold red")
        for line in (*verdict.damage[1:], *verdict.notes):
            say(f"  {line}")
        say(f"Newest digest: {verdict.digest}")
    if not verdict.ok:
        ctx.exit(ExitCode.ATTENTION)
