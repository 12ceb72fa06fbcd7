"""`dicom-gateway`: what people type. One file for each command group, imported only when it is used.

The daemon itself starts through here, and must stay small: `run` imports click and nothing else of this room.
"""

from __future__ import annotations

import importlib
from typing import Any, NamedTuple

import click

from gateway import __version__
from gateway.errors import GatewayError


class _Entry(NamedTuple):
    module: str
    words: str  # the line in the list of commands; here, so that `--help` imports nothing


COMMANDS = {
    "run": _Entry("gateway.cli.run", "Run the gateway in the foreground."),
    "admin": _Entry("gateway.cli.admin", "Serve the local admin page."),
    "check-config": _Entry(
        "gateway.cli.check_config", "Check a configuration, and name every problem in it."
    ),
    "config": _Entry("gateway.cli.config", "See, check and change the configuration of the running gateway."),
    "status": _Entry("gateway.cli.status", "Say how things are, in one sentence and in detail."),
    "queue": _Entry("gateway.cli.queue", "See and steer what waits, is held, or was delivered."),
    "spool": _Entry("gateway.cli.spool", "Check what is kept, and rebuild a damaged journal."),
    "commitments": _Entry("gateway.cli.commitments", "See what consoles asked about storage commitment."),
    "steps": _Entry("gateway.cli.steps", "See and steer queued messages of procedure steps."),
    "echo": _Entry("gateway.cli.echo", "Verify the way to a peer, step by step."),
    "test": _Entry("gateway.cli.test_path", "Test the way to a peer, up to storage and commitment."),
    "send": _Entry("gateway.cli.send", "Send DICOM files straight to a peer."),
    "audit": _Entry("gateway.cli.audit", "See who did what, and check that the trail is whole."),
    "doctor": _Entry("gateway.cli.doctor", "Say how the machine is: disks, clock, temperature, network."),
    "support-bundle": _Entry(
        "gateway.cli.support_bundle", "Make a bundle for support, without patient data."
    ),
    "cert": _Entry("gateway.cli.cert", "See, ask for, and install certificates."),
    "demo": _Entry("gateway.cli.demo", "Show the whole job on this machine, with a link that fails."),
}

EPILOG = """\b
Exit codes:
  0  all is well
  1  it failed
  2  the command line is not understood
  3  the configuration is not valid
  4  no gateway answers on the socket
  5  the peer said no, or cannot be reached
  6  something needs a person (status --check, doctor, audit verify, spool)

\b
Environment:
  DICOM_GATEWAY_SOCKET  socket of the running gateway (as --socket)
  DICOM_GATEWAY_CONFIG  configuration file (as --config)
  NO_COLOR              no colours, if set to anything

\b
Completion of commands and options in bash (zsh and fish work the same way):
  eval "$(_DICOM_GATEWAY_COMPLETE=bash_source dicom-gateway)"
"""


class _Commands(click.Group):
    """The command groups, imported when needed; errors become words and an exit code."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(COMMANDS[cmd_name].module).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.words) for name, entry in COMMANDS.items()])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except GatewayError as error:
            from gateway.cli.failures import failure

            raise failure(error) from error


@click.command(
    cls=_Commands,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="dicom-gateway", message="%(prog)s %(version)s")
def cli() -> None:
    """The DICOM Edge Gateway: answers the console at once, keeps every object, and delivers it over TLS.

    \b
    Start with:
      dicom-gateway demo
      dicom-gateway check-config --config gateway.toml
      dicom-gateway run --config gateway.toml
      dicom-gateway status
    """


def main() -> None:
    """Run the command line; never returns."""
    cli(prog_name="dicom-gateway")
