"""docs/cli.md and `--help` tell everything, and nothing that is not so."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from gateway.cli import COMMANDS, cli
from gateway.cli.exit_codes import ExitCode
from gateway.operator import facts

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()


def commands(group: click.Group = cli, prefix: str = "dicom-gateway") -> Iterator[tuple[str, click.Command]]:
    """Every command with its whole name."""
    with click.Context(group) as ctx:
        for name in group.list_commands(ctx):
            command = group.get_command(ctx, name)
            assert command is not None
            yield f"{prefix} {name}", command
            if isinstance(command, click.Group):
                yield from commands(command, f"{prefix} {name}")


ALL = list(commands())


def section(name: str) -> str:
    """The part of the page about one command; about a group, with its commands."""
    match = re.search(rf"^(#+) {re.escape(name)}$", PAGE, re.MULTILINE)
    assert match is not None, f"docs/cli.md has no section {name}"
    end = re.compile(rf"^#{{2,{len(match[1])}}} ", re.MULTILINE).search(PAGE, match.end())
    return PAGE[match.start() : end.start() if end else None]


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_every_command_and_option_is_on_the_page(name: str, command: click.Command) -> None:
    text = section(name)
    for group in ("dicom-gateway queue", "dicom-gateway steps", "dicom-gateway config", "dicom-gateway cert"):
        if name.startswith(f"{group} "):
            text += section(group).split("###")[0]  # what all of them take
    for parameter in command.params:
        for option in parameter.opts if isinstance(parameter, click.Option) else ():
            assert option in text, f"{name} {option}"


@pytest.mark.parametrize(("name", "command"), ALL, ids=[name for name, _ in ALL])
def test_every_command_and_option_has_help(name: str, command: click.Command) -> None:
    assert command.help
    if not isinstance(command, click.Group):
        assert command.epilog, f"{name} has no example"
        assert f"{name} " in command.epilog.replace("\n", " ") + " "
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{name} {parameter.opts}"


def test_no_option_on_the_page_is_invented() -> None:
    known = {
        option
        for _, command in ALL
        for parameter in command.params
        for option in (*parameter.opts, *parameter.secondary_opts)
    }
    known |= {"--help", "--unix-socket", "--no-buffer"}  # the last two are curl's
    assert set(re.findall(r"--[a-z][a-z-]+", PAGE)) <= known


def test_every_exit_code_is_on_the_page_and_in_the_help() -> None:
    assert cli.epilog is not None
    for code in ExitCode:
        line = re.search(rf"^\| {code.value} \| (.+) \|$", PAGE, re.MULTILINE)
        assert line is not None
        assert re.search(
            rf"^  {code.value}  {re.escape(line[1].replace('`', ''))}$", cli.epilog, re.MULTILINE
        )


def test_every_key_of_the_facts_is_on_the_page() -> None:
    kinds = [
        kind for kind in vars(facts).values() if dataclasses.is_dataclass(kind) and isinstance(kind, type)
    ]
    of_the_api_only = {
        facts.Amount,
        facts.Waiting,
        facts.Reason,
        facts.HeldFilter,
        facts.DeliveryFilter,
        facts.ProblemDetails,
    }
    of_the_api_only |= {facts.AssociationFacts, facts.Associations}
    for kind in set(kinds) - of_the_api_only:
        row = re.search(rf"^\| [^|]*\| {kind.__name__} \| (.+) \|$", PAGE, re.MULTILINE)
        assert row is not None, kind.__name__
        assert re.findall(r"`(\w+)`", row[1]) == [field.name for field in dataclasses.fields(kind)]


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_what_the_command_says(name: str) -> None:
    with click.Context(cli) as ctx:
        command = cli.get_command(ctx, name)
    assert command is not None
    assert command.name == name
