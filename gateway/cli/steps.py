"""`dicom-gateway steps`: messages of procedure steps (MPPS) that are queued for their destination."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from gateway.cli.options import connect, json_option, limit_option, socket_options
from gateway.cli.output import Cell, Column, hint, moment, print_json, say, table
from gateway.cli.several import confirm_discard, each
from gateway.operator import codec, facts

_STATE_STYLE = {"held": "red", "done": "green", "refused": "red", "discarded": "dim"}
_NUMBERS = click.argument("numbers", type=click.IntRange(min=1), nargs=-1, required=True, metavar="NUMBER...")


@click.group(name="steps")
def command() -> None:
    """See and steer messages of procedure steps that are queued for their destination.

    A message is the beginning (create) or a change (set) of a procedure step that a console performs; those
    of one procedure step leave in the order in which they came. No patient data is shown.
    """


@command.command(
    name="list",
    epilog="\b\nExamples:\n  dicom-gateway steps list --state held"
    "\n  dicom-gateway steps list --destination oncology --limit 20",
)
@socket_options
@json_option
@click.option(
    "--state", type=click.Choice(get_args(facts.StepStateName)), help="Only messages in this state."
)
@click.option("--destination", metavar="NAME", help="Only messages to this destination.")
@click.option(
    "--after", type=click.IntRange(min=0), metavar="NUMBER", help="Only messages beyond this number."
)
@limit_option
def list_(
    socket: Path | None,
    config: Path | None,
    as_json: bool,
    state: str | None,
    destination: str | None,
    after: int | None,
    limit: int,
) -> None:
    """List messages by number, a page at a time."""
    with connect(socket, config) as client:
        data = client.steps(state=state, destination=destination, after=after, limit=limit)
    if as_json:
        print_json(data)
        return
    page = codec.decode(facts.StepPage, data)
    if not page.steps:
        say("Nothing to list.")
        return
    columns = [
        Column("number", right=True),
        Column("state"),
        Column("kind"),
        Column("from"),
        Column("to"),
        Column("received"),
        Column("after", right=True),
        Column("tries", right=True),
        Column("not before"),
        Column("answer"),
        Column("why"),
    ]
    table(columns, [_row(one) for one in page.steps])
    if page.next is not None:
        hint(f"There are more: dicom-gateway steps list --after {page.next}")


def _row(one: facts.StepFacts) -> list[Cell | str]:
    answer = "" if one.status is None else f"{one.status} ({one.words})"
    return [
        str(one.number),
        Cell(one.state, _STATE_STYLE.get(one.state, "")),
        one.kind,
        one.calling_ae,
        one.destination,
        moment(one.received_at),
        "" if one.waits_for is None else str(one.waits_for),
        str(one.attempts),
        "" if one.not_before is None else moment(one.not_before),
        answer,
        one.reason,
    ]


def _tell(result: codec.Json) -> str:
    one = codec.decode(facts.StepFacts, result)
    return f"Message {one.number} to {one.destination} is {one.state} now."


@command.command(name="retry", epilog="\b\nExample:\n  dicom-gateway steps retry 17")
@_NUMBERS
@socket_options
@json_option
@click.pass_context
def retry(
    ctx: click.Context, numbers: tuple[int, ...], socket: Path | None, config: Path | None, as_json: bool
) -> None:
    """Try waiting or held messages again now. What follows a held one goes on after it."""
    with connect(socket, config) as client:
        ctx.exit(
            each(
                numbers,
                as_json,
                lambda number: client.act_on_step(number, "retry"),
                noun="message",
                tell=_tell,
            )
        )


@command.command(
    name="discard",
    epilog='\b\nExample:\n  dicom-gateway steps discard 17 --reason "entered at the centre by hand"',
)
@_NUMBERS
@socket_options
@json_option
@click.option("--reason", required=True, help="Why; kept with the message. No patient data here.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_context
def discard(
    ctx: click.Context,
    numbers: tuple[int, ...],
    socket: Path | None,
    config: Path | None,
    as_json: bool,
    reason: str,
    yes: bool,
) -> None:
    """Give messages up for good: the destination never gets them, and those that follow go without them.

    Asks for the word `discard` first.
    """
    if not yes:
        what = f"message {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} messages"
        confirm_discard(
            f"This gives {what} up for good. The console was told that it would arrive: tell the centre."
        )
    with connect(socket, config) as client:
        ctx.exit(
            each(
                numbers,
                as_json,
                lambda number: client.act_on_step(number, "discard", reason=reason),
                noun="message",
                tell=_tell,
            )
        )
