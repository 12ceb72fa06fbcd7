"""`dicom-gateway config`: the configuration of the running gateway, changed on trial."""

from __future__ import annotations

import difflib
import time
from pathlib import Path
from typing import Any

import click

from gateway.cli.exit_codes import ExitCode
from gateway.cli.failures import Failure
from gateway.cli.options import Duration, connect, json_option, socket_options
from gateway.cli.output import Cell, Column, hint, moment, print_json, say, table
from gateway.operator import codec
from gateway.operator import configuration_facts as facts
from gateway.operator.client import DaemonUnreachable, OperatorClient
from gateway.operator.words import count_of

_PATIENCE = 120.0  # seconds for the gateway to be back with another configuration
_LOOK = 0.2  # seconds between two looks

_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=False)
_WHY = click.option("--why", default="", metavar="TEXT", help="For the history. No patient data here.")
_WITHIN = click.option(
    "--within",
    type=Duration(),
    default="2m",
    show_default=True,
    help="Time to confirm; then it is put back.",
)
_ACKNOWLEDGE = click.option(
    "--acknowledge",
    multiple=True,
    metavar="CODE",
    help="Something that the change does, and that is meant (the refusal names the code).",
)
_KEEP = click.option("--keep", is_flag=True, help="Confirm as soon as the gateway runs with it.")


@click.group(name="config")
def command() -> None:
    """See, check and change the configuration of the running gateway.

    A change is tried: the gateway starts with it, and unless somebody confirms within two minutes, the former
    configuration comes back by itself.
    """


@command.command(
    name="show",
    epilog="\b\nExamples:\n  dicom-gateway config show\n  dicom-gateway config show --version 3",
)
@socket_options
@json_option
@click.option("--version", "number", type=click.IntRange(min=1), help="An earlier version of the history.")
def show(socket: Path | None, config: Path | None, as_json: bool, number: int | None) -> None:
    """Show what is in force, what is on trial, and the files."""
    with connect(socket, config) as client:
        data = client.configuration() if number is None else client.configuration_version(number)
    if as_json:
        print_json(data)
        return
    if number is None:
        found = codec.decode(facts.ConfigurationFacts, data)
        _tell(found.state)
        if found.edited:
            say("The files below were edited on the disk; the gateway runs with what it read at its start.")
        if found.obstacle:
            say(found.obstacle, "yellow")
        files = found.files
    else:
        files = codec.decode(facts.ConfigurationVersionDetail, data).files
    for file in files:
        say()
        say(f"# {file.name}", "bold")
        for line in file.text.splitlines():
            say(line)


@command.command(
    name="check",
    epilog="\b\nExamples:\n  dicom-gateway config check\n  dicom-gateway config check new/gateway.toml",
)
@_FILE
@socket_options
@json_option
@click.pass_context
def check(
    ctx: click.Context, file: Path | None, socket: Path | None, config: Path | None, as_json: bool
) -> None:
    """Let the running gateway check FILE, with the folder conf.d beside it, or what is on the disk.

    Unlike check-config it also tells what the change would do to the gateway as it runs.
    """
    with connect(socket, config) as client:
        files, _ = _candidate(client, file)
        data = client.check_configuration(files)
    report = codec.decode(facts.ConfigurationReport, data)
    if as_json:
        print_json(data)
    else:
        _print_report(report)
    ctx.exit(ExitCode.OK if report.valid else ExitCode.CONFIG)


@command.command(
    name="apply",
    epilog='\b\nExamples:\n  dicom-gateway config apply --why "the centre has moved"'
    "\n  dicom-gateway config apply new/gateway.toml --within 10m",
)
@_FILE
@_WHY
@_WITHIN
@_ACKNOWLEDGE
@_KEEP
@socket_options
@json_option
def apply(
    file: Path | None,
    why: str,
    within: float,
    acknowledge: tuple[str, ...],
    keep: bool,
    socket: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """Try FILE, with the folder conf.d beside it, or what was edited on the disk.

    The gateway checks it, starts again with it, and puts the former configuration back if it does not start,
    or if nobody confirms in time.
    """
    with connect(socket, config) as client:
        files, based_on = _candidate(client, file)
        body = {
            "files": files,
            "based_on": based_on,
            "why": why,
            "confirm_within": within,
            "acknowledged": list(acknowledge),
        }
        _follow(client, client.apply_configuration(body), keep, as_json)


@command.command(name="confirm", epilog="\b\nExample:\n  dicom-gateway config confirm")
@click.argument("number", type=click.IntRange(min=1), required=False)
@socket_options
@json_option
def confirm(number: int | None, socket: Path | None, config: Path | None, as_json: bool) -> None:
    """Keep the version that is on trial (NUMBER, to be sure that it is that one)."""
    with connect(socket, config) as client:
        if number is None:
            trial = codec.decode(facts.ConfigurationState, client.configuration_state()).trial
            if trial is None:
                raise Failure("no configuration is on trial")
            number = trial.number
        data = client.confirm_configuration(number)
    if as_json:
        print_json(data)
    else:
        say(f"Version {number} stays in force.", "green")


@command.command(
    name="rollback",
    epilog="\b\nExamples:\n  dicom-gateway config rollback\n  dicom-gateway config rollback 3 --keep",
)
@click.argument("number", type=click.IntRange(min=1), required=False)
@_WHY
@_WITHIN
@_ACKNOWLEDGE
@_KEEP
@socket_options
@json_option
def rollback(
    number: int | None,
    why: str,
    within: float,
    acknowledge: tuple[str, ...],
    keep: bool,
    socket: Path | None,
    config: Path | None,
    as_json: bool,
) -> None:
    """End the trial, and take the former configuration; or go back to version NUMBER, on trial."""
    body = {"to": number, "why": why, "confirm_within": within, "acknowledged": list(acknowledge)}
    with connect(socket, config) as client:
        _follow(client, client.rollback_configuration(body), keep, as_json, wanted=number is not None)


@command.command(name="history", epilog="\b\nExample:\n  dicom-gateway config history")
@socket_options
@json_option
def history(socket: Path | None, config: Path | None, as_json: bool) -> None:
    """List every configuration that was in force: when, who, why."""
    with connect(socket, config) as client:
        data = client.configuration_versions()
    if as_json:
        print_json(data)
        return
    columns = [
        Column("version", right=True), Column("when"), Column("who"), Column("what"), Column("kept"),
        Column("why"),
    ]  # fmt: skip
    table(columns, [_row(one) for one in codec.decode(facts.ConfigurationHistory, data).versions])


@command.command(
    name="diff", epilog="\b\nExamples:\n  dicom-gateway config diff 3\n  dicom-gateway config diff 3 5"
)
@click.argument("before", type=click.IntRange(min=1))
@click.argument("after", type=click.IntRange(min=1), required=False)
@socket_options
@click.pass_context
def diff(
    ctx: click.Context, before: int, after: int | None, socket: Path | None, config: Path | None
) -> None:
    """Show how version AFTER, or what is on the disk, differs from version BEFORE. Exit code 1 if it does."""
    with connect(socket, config) as client:
        old = _texts(client.configuration_version(before))
        new = _texts(client.configuration() if after is None else client.configuration_version(after))
    label = "on the disk" if after is None else f"version {after}"
    differs = False
    for name in sorted(set(old) | set(new)):
        lines = difflib.unified_diff(
            old.get(name, "").splitlines(),
            new.get(name, "").splitlines(),
            f"{name} (version {before})",
            f"{name} ({label})",
            lineterm="",
        )
        for line in lines:
            differs = True
            say(line, {"+": "green", "-": "red"}.get(line[:1], ""))
    ctx.exit(ExitCode.FAILURE if differs else ExitCode.OK)


def _candidate(client: OperatorClient, file: Path | None) -> tuple[list[dict[str, str]], str]:
    """Return the files to check or apply, and the digest of what is there now."""
    now = codec.decode(facts.ConfigurationFacts, client.configuration())
    if file is None:
        return [{"name": one.name, "text": one.text} for one in now.files], now.digest
    main = Path(now.main).name
    found = {main: file, **{f"conf.d/{one.name}": one for one in (file.parent / "conf.d").glob("*.toml")}}
    try:
        return [{"name": name, "text": one.read_text("utf-8")} for name, one in found.items()], now.digest
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"the configuration cannot be read: {error}") from error


def _follow(
    client: OperatorClient, data: codec.Json, keep: bool, as_json: bool, *, wanted: bool = True
) -> None:
    """Wait until the gateway is back, and say with what. `wanted`: with something on trial."""
    before = codec.decode(facts.ConfigurationState, data)
    if not as_json:
        hint("The gateway starts with another configuration; this takes some seconds.")
    state = _wait(client)
    if keep and state.trial is not None:
        state = codec.decode(facts.ConfigurationState, client.confirm_configuration(state.trial.number))
    if as_json:
        print_json(codec.encode(state))
    else:
        _tell(state)
    tried = before.trial.number if before.trial else 0
    if wanted and state.returned is not None and state.returned.number > tried:
        raise Failure(f"it was put back: {state.returned.why}", next_step="The log has more.")
    if wanted and not keep and not as_json:
        hint(
            "Keep it with: dicom-gateway config confirm\nPut it back now with: dicom-gateway config rollback"
        )


def _wait(client: OperatorClient) -> facts.ConfigurationState:
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            state = codec.decode(facts.ConfigurationState, client.configuration_state())
        except DaemonUnreachable:
            if time.monotonic() > deadline:
                raise
        else:
            if not state.restarting:
                return state
            if time.monotonic() > deadline:
                raise Failure("the gateway is still on its way to start again")
        time.sleep(_LOOK)


def _tell(state: facts.ConfigurationState) -> None:
    version = f"version {state.version}" if state.version is not None else "a configuration without history"
    if state.trial is not None:
        left = f"{state.trial.seconds_left:.0f} s"
        say(f"The gateway runs with {version} on trial; {left} are left to confirm it.", "yellow")
    elif state.returned is not None:
        say(
            f"The gateway runs with {version}: the last change was put back ({state.returned.why}).", "yellow"
        )
    else:
        say(f"The gateway runs with {version}.", "green")


def _print_report(report: facts.ConfigurationReport) -> None:
    errors = sum(one.severity == "error" for one in report.problems)
    if report.valid:
        say("valid", "green")
    else:
        say(f"{count_of(errors, 'error')}; the gateway would not start.", "bold red")
    if report.problems:
        titles = ("", "file", "key", "found", "what is wrong", "what is allowed")
        table([Column(title) for title in titles], [_problem_row(one) for one in report.problems])
    for hazard in report.hazards:
        say(f"{hazard.code}: {hazard.words}", "yellow")


def _problem_row(one: facts.ConfigurationProblem) -> list[Cell | str]:
    place = f"{one.file}:{one.line}" if one.line else one.file
    kind = Cell(one.severity, "red" if one.severity == "error" else "yellow")
    return [kind, place, one.key, one.value, one.message, one.allowed]


def _row(one: facts.ConfigurationVersion) -> list[Cell | str]:
    what = one.how + (f" (version {one.of})" if one.of else "")
    return [str(one.number), moment(one.at), one.who, what, "yes" if one.confirmed else "no", one.why]


def _texts(data: Any) -> dict[str, str]:
    return {file["name"]: file["text"] for file in data["files"]}
