"""`dicom-gateway doctor`: how the machine is. Needs no running gateway."""

from __future__ import annotations

from pathlib import Path

import click

from gateway.cli.exit_codes import ExitCode
from gateway.cli.options import DEFAULT_CONFIG, json_option
from gateway.cli.output import Cell, Column, print_json, say, table
from gateway.operator import codec

_STYLE = {"ok": "green", "attention": "bold red", "unknown": "dim"}
_DEFAULT_STATE = Path("/var/lib/dicom-gateway")


@click.command(
    name="doctor",
    epilog="\b\nExamples:\n  dicom-gateway doctor\n  dicom-gateway doctor --config gateway.toml --json",
)
@click.option(
    "--config",
    type=click.Path(dir_okay=False, path_type=Path),
    envvar="DICOM_GATEWAY_CONFIG",
    help=f"Configuration that names the folder of the spool ({DEFAULT_CONFIG} if it exists).",
)
@json_option
@click.pass_context
def command(ctx: click.Context, config: Path | None, as_json: bool) -> None:
    """Say how the machine is: disks and their wear, clock, temperature, memory, network, versions.

    The exit code is 6 when something needs a person. Needs no privileges and no running gateway; what cannot
    be read says why.
    """
    from gateway.health import report
    from gateway.health.english import english

    found = report.read(state_folders(config))
    needs = any(finding.verdict == "attention" for _, finding in found.findings())
    if as_json:
        print_json(codec.encode(found))
    else:
        rows = [
            (title, Cell(finding.verdict, _STYLE[finding.verdict]), english(finding.words))
            for title, finding in found.findings()
        ]
        table([Column("check"), Column("verdict"), Column("what was found")], rows)
        for title, finding in found.findings():
            if finding.next_step is not None:
                say(f"{title}: {english(finding.next_step)}")
    if needs:
        ctx.exit(ExitCode.ATTENTION)


def state_folders(config: Path | None) -> list[Path]:
    """Return the folders whose file systems matter: those of the configuration, or where they usually are."""
    if config is None and not DEFAULT_CONFIG.is_file():
        return [_DEFAULT_STATE]
    from gateway.config import load

    return [load(config or DEFAULT_CONFIG, check_files=False).gateway.state_dir]
