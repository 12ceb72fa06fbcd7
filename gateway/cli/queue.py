"""`dicom-gateway queue`: what waits, is held, or was delivered; the group and its looking commands."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from gateway.cli import queue_actions
from gateway.cli.options import connect, json_option, limit_option, socket_options
from gateway.cli.output import Cell, Column, hint, moment, print_json, say, table
from gateway.operator import codec, facts
from gateway.operator.words import count_of, size

_STATE_STYLE = {
    "held": "red",
    "sending": "cyan",
    "confirmed": "green",
    "discarded": "dim",
}

_STATE_WORDS = {
    "queued": "waits for its turn",
    "sending": "is being sent",
    "accepted": "is accepted, not verified: nothing proves yet that the destination keeps these bytes",
    "confirmed": "is confirmed: there is proof that the destination keeps it",
    "held": "is held and waits for a person to decide",
    "released": "was delivered; its bytes are deleted here, because the retention is over",
    "discarded": "was given up by an operator",
}

_STATE_LABELS = {"accepted": "accepted, not verified"}


@click.group(name="queue")
def command() -> None:
    """See and steer what waits, is held, or was delivered.

    A delivery is one object on its way to one destination; its number names it in all these commands. No
    patient data is shown: only `export` writes it, to a file.
    """


@command.command(
    name="list",
    epilog="\b\nExamples:\n  dicom-gateway queue list --state held"
    "\n  dicom-gateway queue list --destination oncology --limit 20",
)
@socket_options
@json_option
@click.option("--state", type=click.Choice(get_args(facts.State)), help="Only deliveries in this state.")
@click.option("--destination", metavar="NAME", help="Only deliveries to this destination.")
@click.option(
    "--priority", type=click.Choice(get_args(facts.PriorityName)), help="Only deliveries of this priority."
)
@click.option("--sop-class", metavar="CLASS", help="Only objects of this SOP class, by name or UID.")
@click.option("--calling-ae", metavar="TITLE", help="Only what this AE title has sent.")
@click.option("--cause", metavar="WORD", help="Only what is held for this cause, such as conflict.")
@click.option(
    "--search",
    "q",
    metavar="TEXT",
    help="Number of the delivery or its object, SOP Instance UID, or how the AE title or SOP class begins.",
)
@click.option("--newest", is_flag=True, help="The newest first.")
@click.option(
    "--after", type=click.IntRange(min=0), metavar="NUMBER", help="Only deliveries beyond this number."
)
@click.option(
    "--before", type=click.IntRange(min=1), metavar="NUMBER", help="Only deliveries below this number."
)
@limit_option
def list_(
    socket: Path | None, config: Path | None, as_json: bool, newest: bool, **filters: str | int | None
) -> None:
    """List deliveries by number, a page at a time."""
    if filters["after"] is not None and filters["before"] is not None:
        raise click.UsageError("--after or --before, not both")
    with connect(socket, config) as client:
        data = client.deliveries(**filters, order="newest" if newest else None)
    if as_json:
        print_json(data)
        return
    page = codec.decode(facts.DeliveryPage, data)
    if not page.deliveries:
        say("Nothing to list." if page.next is None else "Nothing so far.")
        if page.next is not None:
            _there_are_more(newest, page.next)
        return
    columns = [
        Column("number", right=True),
        Column("state"),
        Column("priority"),
        Column("SOP class"),
        Column("size", right=True),
        Column("from"),
        Column("to"),
        Column("received"),
        Column("tries", right=True),
        Column("why"),
    ]
    table(columns, [_row(delivery) for delivery in page.deliveries])
    if page.next is not None:
        _there_are_more(newest, page.next)


def _there_are_more(newest: bool, following: int) -> None:
    hint(f"There are more: the same with --{'before' if newest else 'after'} {following}")


def _row(delivery: facts.DeliveryFacts) -> list[Cell | str]:
    return [
        str(delivery.number),
        Cell(_STATE_LABELS.get(delivery.state, delivery.state), _STATE_STYLE.get(delivery.state, "")),
        delivery.priority,
        delivery.sop_class,
        size(delivery.size),
        delivery.calling_ae,
        delivery.destination,
        moment(delivery.received_at),
        str(delivery.attempts),
        delivery.reason,
    ]


@command.command(name="show", epilog="\b\nExample:\n  dicom-gateway queue show 4711")
@click.argument("number", type=click.IntRange(min=1))
@socket_options
@json_option
def show(number: int, socket: Path | None, config: Path | None, as_json: bool) -> None:
    """Tell the story of one delivery: from the association that brought the object to the receipt.

    Ends with what to do next.
    """
    with connect(socket, config) as client:
        data = client.story(number)
    if as_json:
        print_json(data)
    else:
        _tell(codec.decode(facts.Story, data))


def _tell(story: facts.Story) -> None:
    delivery, thing = story.delivery, story.object
    words = _STATE_WORDS.get(delivery.state, f"is {delivery.state}")
    say(
        f"Delivery {delivery.number} to {delivery.destination} {words}.",
        _STATE_STYLE.get(delivery.state, "bold"),
    )
    if delivery.reason:
        say(f"Why: {delivery.reason}.")
    say()
    say(f"Object {thing.number}: {thing.sop_class}, {size(thing.size)}, priority {thing.priority}")
    say(f"  received   {moment(thing.received_at)} from {thing.calling_ae} at {thing.address}")
    say(f"  called     {thing.called_ae}")
    say(f"  through    listener {thing.listener}, association {thing.association}")
    say(f"  encoding   {thing.transfer_syntax} ({thing.transfer_syntax_uid}), as received")
    say(f"  SOP class  {thing.sop_class_uid}")
    say(f"  SHA-256    {thing.sha256}")
    for other in story.others:
        state = _STATE_LABELS.get(other.state, other.state)
        say(f"  also to    {other.destination}: {state} (delivery {other.number})")
    say()
    say(f"Tried {count_of(delivery.attempts, 'time')} so far.")
    if delivery.state == "queued" and delivery.not_before is not None:
        say(f"Not tried again before {moment(delivery.not_before)}.")
    for event in story.history:
        by = f" by {event.who}" if event.who else ""
        say(f"  {moment(event.at)}  {event.what}{by}{': ' + event.words if event.words else ''}")
    for receipt in story.receipts:
        _tell_receipt(receipt)
    say()
    say(f"Next: {story.next_step}", "bold")


def _tell_receipt(receipt: facts.ReceiptFacts) -> None:
    say(f"  {moment(receipt.at)}  {receipt.destination} answered {receipt.status} ({receipt.words})")
    if receipt.comment:
        say(f"      in its own words: {receipt.comment}")
    how = (
        "the bytes as received"
        if receipt.same_bytes
        else f"a lossless conversion to {receipt.transfer_syntax}"
    )
    say(f"      it was sent {how}")


for _action in queue_actions.ACTIONS:
    command.add_command(_action)
