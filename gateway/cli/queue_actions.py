"""`dicom-gateway queue`: the commands that change something, or take something out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import click

from gateway.cli.exit_codes import ExitCode
from gateway.cli.failures import Failure
from gateway.cli.options import connect, json_option, socket_options
from gateway.cli.output import print_json, say
from gateway.cli.several import confirm_discard, each
from gateway.operator import codec, facts
from gateway.operator.client import OperatorClient
from gateway.operator.words import count_of, size

_NUMBERS = click.argument("numbers", type=click.IntRange(min=1), nargs=-1, required=True, metavar="NUMBER...")
_REASON = click.option(
    "--reason", required=True, help="Why; kept in the object's history. No patient data here."
)


@click.command(
    name="retry",
    epilog="\b\nExamples:\n  dicom-gateway queue retry 4711"
    "\n  dicom-gateway queue retry --held --destination oncology\n  dicom-gateway queue retry --all",
)
@click.argument("numbers", type=click.IntRange(min=1), nargs=-1, metavar="[NUMBER...]")
@socket_options
@json_option
@click.option("--all", "everything", is_flag=True, help="Try every destination now, whatever its pauses.")
@click.option("--held", is_flag=True, help="Put held deliveries back into the queue.")
@click.option("--destination", metavar="NAME", help="With --all or --held: only this destination.")
@click.option(
    "--cause", metavar="WORD", help="With --held: only those held for this cause, such as conflict."
)
@click.pass_context
def retry(
    ctx: click.Context,
    numbers: tuple[int, ...],
    socket: Path | None,
    config: Path | None,
    as_json: bool,
    everything: bool,
    held: bool,
    destination: str | None,
    cause: str | None,
) -> None:
    """Try deliveries again now: those named, all that are held, or all that wait."""
    if bool(numbers) + everything + held != 1:
        raise click.UsageError("name deliveries by number, or say --held, or say --all")
    if (destination and numbers) or (cause and not held):
        raise click.UsageError("--destination goes with --all or --held, --cause with --held")
    with connect(socket, config) as client:
        if numbers:
            ctx.exit(_each(numbers, as_json, lambda number: client.act(number, "retry")))
        if held:
            data = client.retry_held(destination, cause)
            if as_json:
                print_json(data)
            else:
                say(f"{count_of(data['count'], 'held delivery', 'held deliveries')} put back into the queue.")
            return
        names = [destination] if destination else [d["name"] for d in client.status()["destinations"]]
        _steer(client, names, "retry", "is tried now", as_json)


@click.command(
    name="hold", epilog='\b\nExample:\n  dicom-gateway queue hold 4711 --reason "physics checks it first"'
)
@_NUMBERS
@socket_options
@json_option
@_REASON
@click.pass_context
def hold(
    ctx: click.Context,
    numbers: tuple[int, ...],
    socket: Path | None,
    config: Path | None,
    as_json: bool,
    reason: str,
) -> None:
    """Keep waiting deliveries back until somebody releases them."""
    with connect(socket, config) as client:
        ctx.exit(_each(numbers, as_json, lambda number: client.act(number, "hold", reason=reason)))


@click.command(name="release", epilog="\b\nExample:\n  dicom-gateway queue release 4711")
@_NUMBERS
@socket_options
@json_option
@click.pass_context
def release(
    ctx: click.Context, numbers: tuple[int, ...], socket: Path | None, config: Path | None, as_json: bool
) -> None:
    """Let held deliveries go: they are queued again."""
    with connect(socket, config) as client:
        ctx.exit(_each(numbers, as_json, lambda number: client.act(number, "release")))


@click.command(
    name="discard",
    epilog='\b\nExample:\n  dicom-gateway queue discard 4711 --reason "test object, never treated"',
)
@_NUMBERS
@socket_options
@json_option
@_REASON
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
    """Give deliveries up for good. What nobody else has to get is deleted, and cannot be brought back.

    Asks for the word `discard` first, since a treatment record may exist nowhere else.
    """
    if not yes:
        what = f"delivery {numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} deliveries"
        confirm_discard(
            f"This gives {what} up for good. To keep a copy first: dicom-gateway queue export NUMBER"
        )
    with connect(socket, config) as client:
        ctx.exit(_each(numbers, as_json, lambda number: client.act(number, "discard", reason=reason)))


@click.command(name="export", epilog="\b\nExample:\n  dicom-gateway queue export 4711 /tmp/record.dcm")
@click.argument("number", type=click.IntRange(min=1))
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), required=False)
@socket_options
@json_option
def export(number: int, file: Path | None, socket: Path | None, config: Path | None, as_json: bool) -> None:
    """Write the object of a delivery to FILE (object-N.dcm) as a DICOM file, exactly as received.

    The file contains patient data; only its owner may read it. A file that exists is never overwritten.
    """
    with connect(socket, config) as client:
        target = file or Path(f"object-{client.story(number)['object']['number']}.dcm")
        written = _export(client, number, target)
    if as_json:
        print_json({"number": number, "file": str(target), "bytes": written})
    else:
        say(f"Written to {target} ({size(written)}). The file contains patient data.")


def _export(client: OperatorClient, number: int, target: Path) -> int:
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise Failure(
            f"{target} exists already; it is not overwritten", next_step="Name another file."
        ) from None
    except OSError as error:
        raise Failure(f"{target} cannot be written: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            return client.export(number, file)
    except BaseException:
        target.unlink()  # half a file would pass for a whole one
        raise


@click.command(name="pause", epilog="\b\nExample:\n  dicom-gateway queue pause oncology")
@click.argument("destination")
@socket_options
@json_option
def pause(destination: str, socket: Path | None, config: Path | None, as_json: bool) -> None:
    """Stop deliveries to a destination. Objects for it are still accepted, and wait."""
    with connect(socket, config) as client:
        _steer(client, [destination], "pause", "is paused", as_json)


@click.command(name="resume", epilog="\b\nExample:\n  dicom-gateway queue resume oncology")
@click.argument("destination")
@socket_options
@json_option
def resume(destination: str, socket: Path | None, config: Path | None, as_json: bool) -> None:
    """Let deliveries to a destination go again."""
    with connect(socket, config) as client:
        _steer(client, [destination], "resume", "goes on", as_json)


def _steer(client: OperatorClient, names: list[str], action: str, words: str, as_json: bool) -> None:
    results = [client.steer(name, action) for name in names]
    if as_json:
        print_json(results)
        return
    for result in results:
        say(f"Delivery to {result['name']} {words}.")


def _each(numbers: tuple[int, ...], as_json: bool, act: Callable[[int], codec.Json]) -> ExitCode:
    return each(numbers, as_json, act, noun="delivery", tell=_tell)


def _tell(result: codec.Json) -> str:
    delivery = codec.decode(facts.DeliveryFacts, result)
    return f"Delivery {delivery.number} to {delivery.destination} is {delivery.state} now."


ACTIONS = (retry, hold, release, discard, export, pause, resume)
