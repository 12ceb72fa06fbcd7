"""`dicom-gateway run`. Imports nothing heavy: what is imported here stays in the daemon."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.errors import GatewayError


@click.command(
    name="run", epilog="\b\nExample:\n  dicom-gateway run --config /etc/dicom-gateway/gateway.toml"
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    envvar="DICOM_GATEWAY_CONFIG",
    help="Configuration file.",
)
@click.pass_context
def command(ctx: click.Context, config: Path) -> None:
    """Run the gateway in the foreground until it is told to stop (SIGTERM or Ctrl-C).

    A configuration that is on trial (`dicom-gateway config apply`) and does not work is put back, and the
    gateway starts with the one before it.

    It logs to the journal under systemd, and to stderr otherwise. A configuration that is not valid ends it
    with exit code 3 before anything is opened.
    """
    from gateway.config import load_apart
    from gateway.configuring import starting

    starting.prepare(config)
    try:
        settings = load_apart(config)  # in a child process, before anything here is started
    except GatewayError as error:
        if starting.failed(config, str(error)):
            starting.again()
        raise
    from gateway.app import run

    ended = run(settings)
    if ended.again or (ended.code and starting.failed(config, ended.reason)):
        starting.again(ended.sockets)
    ctx.exit(ended.code)
