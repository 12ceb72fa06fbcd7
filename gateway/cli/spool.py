"""`dicom-gateway spool`: is everything kept still what was received, and a new journal if that is damaged."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gateway.cli.exit_codes import ExitCode
from gateway.cli.failures import Failure
from gateway.cli.options import DEFAULT_CONFIG, connect, json_option, socket_options
from gateway.cli.output import Cell, Column, hint, moment, print_json, say, table
from gateway.cli.spool_progress import Meter
from gateway.operator import codec
from gateway.operator.sections.store_check import CheckReport, FoundObject, StoreCheck
from gateway.operator.words import count_of, size

if TYPE_CHECKING:
    from gateway.workshop import OfflineReport, RebuildReport, Workshop

_ASK_EVERY = 0.5  # seconds

_directory_option = click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    help="The spool itself, while no gateway runs: the folder `spool` in the state directory.",
)


@click.group(name="spool")
def command() -> None:
    """Check what is kept, and make a new journal when the old one is damaged.

    Objects are named by number, SOP class and SOP Instance UID. No patient data is shown.
    """


@command.command(
    name="verify",
    epilog="\b\nExamples:\n  dicom-gateway spool verify\n  dicom-gateway spool verify --last"
    "\n  dicom-gateway spool verify --directory /var/lib/dicom-gateway/spool",
)
@socket_options
@json_option
@_directory_option
@click.option("--last", is_flag=True, help="Only tell how the last check of the running gateway ended.")
@click.pass_context
def verify(
    ctx: click.Context,
    socket: Path | None,
    config: Path | None,
    as_json: bool,
    directory: Path | None,
    last: bool,
) -> None:
    """Read every object again and compare it with its digest. Exit code 6 when something was found.

    The running gateway does it beside its work, and holds what is damaged: it is never sent. With
    --directory the spool of a gateway that does not run is checked, and nothing is changed.
    """
    if directory is not None:
        if last:
            raise click.UsageError("--last asks the running gateway: not with --directory")
        sound = _verify_offline(directory, as_json=as_json)
    else:
        with connect(socket, config) as client:
            data = client.store_check() if last else _verify_running(client)
        sound = _tell(codec.decode(StoreCheck, data), data, as_json=as_json)
    if not sound:
        ctx.exit(ExitCode.ATTENTION)


def _verify_running(client: Any) -> codec.Json:
    """Have the gateway check everything, and show how far it is."""
    data = client.check_store()
    asked_at = codec.decode(StoreCheck, data).now
    with Meter() as meter:
        while True:
            status = codec.decode(StoreCheck, data)
            current, done = status.current, status.last
            if current is not None and current.kind == "requested":
                meter.show("objects", current.bytes, status.total_bytes)
            elif done is not None and done.kind == "requested" and (done.ended_at or 0) >= asked_at:
                return data
            time.sleep(_ASK_EVERY)
            data = client.store_check()


def _tell(status: StoreCheck, data: codec.Json, *, as_json: bool) -> bool:
    if as_json:
        print_json(data)
    elif status.last is None:
        say("The store was not checked yet.")
    else:
        _tell_report(status.last, [one for one in status.found if one.found != "back"])
    return status.last is None or status.last.sound


def _tell_report(report: CheckReport, found: list[FoundObject]) -> None:
    read = f"{count_of(report.objects, 'object')} ({size(report.bytes)}) were read again"
    if report.sound:
        say(f"Everything is as it was received: {read}.", "green")
    else:
        say(f"Something was found: {read}.", "bold red")
    if report.ended_at is not None:
        say(f"  checked   {moment(report.started_at)} to {moment(report.ended_at)}")
    for count, words in (
        (report.damaged, "damaged: held, never sent. Have them sent again by the console"),
        (report.missing, "missing: held. Have them sent again by the console"),
        (report.unreadable, "not given back by the disk: held. Check the disk, then retry them"),
        (report.back, "right again: release them with `dicom-gateway queue release`"),
    ):
        if count:
            say(f"  {count_of(count, 'object')} {words}.")
    if report.journal_faults:
        say(f"  The journal is damaged: {report.journal_words}.", "bold red")
        say("  Stop the gateway, and run: dicom-gateway spool rebuild")
    _name([(one.number, one.sop_class_uid, one.sop_instance_uid, one.found, "") for one in found])


def _name(rows: list[tuple[int, str, str, str, str]]) -> None:
    if not rows:
        return
    columns = [
        Column("object", right=True),
        Column("SOP class"),
        Column("SOP Instance UID"),
        Column("found"),
        Column("what"),
    ]
    cells: list[list[Cell | str]] = [
        [str(number) if number else "-", uid, instance, Cell(found, "red"), words]
        for number, uid, instance, found, words in rows
    ]
    table(
        columns if any(row[4] for row in rows) else columns[:4], [row[: 5 if row[4] else 4] for row in cells]
    )


def _verify_offline(directory: Path, *, as_json: bool) -> bool:
    from gateway.workshop import Workshop

    with Meter() as meter:
        report = Workshop(directory).verify(lambda progress: meter.show(*_values(progress)))
    if as_json:
        print_json({"sound": report.sound, **asdict(report)})
    else:
        _tell_offline(report)
    return report.sound


def _values(progress: Any) -> tuple[str, int, int]:
    return progress.stage, progress.done, progress.total


def _tell_offline(report: OfflineReport) -> None:
    read = f"{count_of(report.objects, 'object')} ({size(report.bytes)}) were read again"
    if report.sound:
        say(f"Everything is as it was received: {read}.", "green")
    else:
        say(f"Something was found: {read}.", "bold red")
    for count, words in (
        (report.damaged, "damaged. The gateway will hold them and never send them"),
        (report.missing, "missing. The gateway will hold them"),
        (report.unreadable, "not given back by the disk"),
    ):
        if count:
            say(f"  {count_of(count, 'object')} {words}.")
    if report.leftovers:
        say(f"  {count_of(report.leftovers, 'file')} of no acknowledged object: removed at start.")
    for fault in report.journal_faults:
        say(f"  journal: {fault}", "red")
    if report.journal_faults:
        say("  Next: dicom-gateway spool rebuild")
    _name([(one.number, one.sop_class_uid, one.sop_instance_uid, one.verdict, "") for one in report.found])


@command.command(
    name="rebuild",
    epilog="\b\nExamples:\n  dicom-gateway spool rebuild --config /etc/dicom-gateway/gateway.toml"
    "\n  dicom-gateway spool rebuild --directory /var/lib/dicom-gateway/spool --destination oncology",
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="DICOM_GATEWAY_CONFIG",
    help=f"Configuration that names the state directory ({DEFAULT_CONFIG} if it exists).",
)
@_directory_option
@click.option(
    "--destination",
    "destinations",
    metavar="NAME",
    multiple=True,
    help="Hold for this destination what has lost its own (repeat it for several; else from --config).",
)
@click.option("--anyway", is_flag=True, help="Rebuild a journal in which nothing is wrong, too.")
@json_option
@click.pass_context
def rebuild(
    ctx: click.Context,
    config: Path | None,
    directory: Path | None,
    destinations: tuple[str, ...],
    anyway: bool,
    as_json: bool,
) -> None:
    """Make a new journal of what remains of a damaged or lost one. The gateway must not run.

    What is readable keeps its place in the queue. An object that has lost where it was to go, or whether it
    was delivered, is held with the cause `rebuilt` for a person. What is damaged is held and never sent. The
    old journal is kept in a folder with the date. Exit code 6 when something could not be recovered.
    """
    from gateway.workshop import Workshop

    workshop = _workshop(config, directory)
    if destinations:
        workshop = Workshop(workshop.directory, destinations)
    with Meter() as meter:
        report = workshop.rebuild(lambda progress: meter.show(*_values(progress)), anyway=anyway)
    if as_json:
        print_json(asdict(report))
    else:
        _tell_rebuilt(report)
    if report.named or report.lost_deliveries:
        ctx.exit(ExitCode.ATTENTION)


def _workshop(config: Path | None, directory: Path | None) -> Workshop:
    from gateway.workshop import Workshop

    if directory is not None and config is None:
        return Workshop(directory)
    if config is None:
        if not DEFAULT_CONFIG.is_file():
            raise Failure(
                "no spool is named",
                next_step="Name it with --directory, or the configuration with --config.",
            )
        config = DEFAULT_CONFIG
    found = Workshop.of_configuration(config)
    return found if directory is None else Workshop(directory, found.destinations)


def _tell_rebuilt(report: RebuildReport) -> None:
    if report.whole:
        say("The journal is whole: nothing was done.", "green")
        hint("What is wrong with objects, `dicom-gateway spool verify` finds.")
        return
    say(
        f"The journal was rebuilt: {count_of(report.objects, 'object')} with their bytes, "
        f"{report.deliveries} deliveries.",
        "bold",
    )
    say(f"  What was there before is kept in the folder {report.aside} of the spool.")
    for fate, words in (
        ("damaged", "damaged: held, never sent"),
        ("missing", "without their bytes: held"),
        ("rebuilt", "found again without what was known of their delivery: held with the cause rebuilt"),
        ("set-aside", "in files that are no DICOM files: moved to that folder"),
        ("lost", "not recovered"),
    ):
        count = report.fates.get(fate, 0)  # type: ignore[call-overload]  # the words of report.Fate
        if count:
            say(f"  {count} {words}.")
    if report.lost_deliveries:
        say(f"  {report.lost_deliveries} deliveries of objects that are not known any more.")
    if report.tables:
        say(f"  Nothing was found in its place of: {', '.join(report.tables)}.")
    _name(
        [(one.number, one.sop_class_uid, one.sop_instance_uid, one.fate, one.words) for one in report.named]
    )
    say()
    say("Next: start the gateway, and look at what is held: dicom-gateway queue list --state held", "bold")
