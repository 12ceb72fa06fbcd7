"""`dicom-gateway support-bundle`: a ZIP for whoever is to help, without patient data."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from gateway.cli.doctor import state_folders
from gateway.cli.failures import Failure
from gateway.cli.options import connect, json_option, socket_options
from gateway.cli.output import hint, print_json, say
from gateway.errors import GatewayError
from gateway.operator.client import OperatorClient
from gateway.operator.words import size


@click.command(
    name="support-bundle",
    epilog="\b\nExamples:\n  dicom-gateway support-bundle -o it.zip\n  dicom-gateway support-bundle --show",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The file to write (support-NAME-TIME.zip unless given).",
)
@click.option("--show", is_flag=True, help="Print what would be in it, and write nothing.")
@socket_options
@json_option
def command(output: Path | None, show: bool, socket: Path | None, config: Path | None, as_json: bool) -> None:
    """Make a bundle for support: state, configuration, log, metrics, machine. No patient data.

    In every text a word stays only if the program itself uses it, or the configuration names it. Look at it
    with --show before you send it.
    """
    from gateway.health import report
    from gateway.support.gather import build
    from gateway.support.vocabulary import vocabulary

    with connect(socket, config) as client:
        answers = _answers(client)
    machine = report.read(state_folders(config))
    bundle = build(answers, machine, vocabulary(), now=time.time())
    if show:
        for part in bundle.parts:
            say(f"===== {part.name}: {part.words}", "bold")
            for line in part.text.splitlines():
                say(line)
        return
    target = output or Path(bundle.name)
    try:
        descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise Failure(f"{target} exists; nothing was written") from None
    except OSError as error:
        raise Failure(f"{target} cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(bundle.content)
    if as_json:
        print_json(
            {
                "file": str(target),
                "bytes": len(bundle.content),
                "sha256": bundle.digest,
                "parts": [part.name for part in bundle.parts],
            }
        )
        return
    say(f"{target}: {len(bundle.parts)} files, {size(len(bundle.content))}, SHA-256 {bundle.digest}")
    hint("It holds no patient data. Look at it with --show, or unpack it, before you send it.")


def _answers(client: OperatorClient) -> dict[str, Any]:
    """Ask everything; what is not answered says why, and the rest is still of use."""
    from gateway.support.gather import QUESTIONS, Failure, further

    def ask(questions: Mapping[str, str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, path in questions.items():
            try:
                found[name] = client.metrics() if name == "metrics" else client.fetch(path)
            except GatewayError as error:
                found[name] = Failure(str(error))
                client.close()
        return found

    answers = ask(QUESTIONS)
    return answers | ask(further(answers))
