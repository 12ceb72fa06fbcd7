"""`dicom-gateway admin`: the local admin page, a process of its own."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.admin_access import COMMANDS


@click.group(
    name="admin",
    invoke_without_command=True,
    epilog="\b\nExample:\n  dicom-gateway admin --config /etc/dicom-gateway/gateway.toml",
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="DICOM_GATEWAY_CONFIG",
    help="Configuration file.",
)
@click.pass_context
def command(ctx: click.Context, config: Path | None) -> None:
    """Serve the local admin page in the foreground until it is told to stop (SIGTERM or Ctrl-C).

    The page sees the gateway only through its operator socket: it may be started before the gateway, and
    ended at any time, without touching DICOM traffic. SIGHUP makes it read its configuration anew.
    """
    if ctx.invoked_subcommand is not None:
        return
    if config is None:
        raise click.UsageError("Missing option '--config'.", ctx)
    from gateway.config.apart import load_apart

    # The page may not read the gateway's keys: what the configuration points at is not its to check.
    settings = load_apart(config, check_files=False)
    from gateway.admin.serve import run

    ctx.exit(run(settings, config))


for _command in COMMANDS:
    command.add_command(_command)
