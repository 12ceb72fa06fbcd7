"""`dicom-gateway cert`: certificates of this gateway. Keys are made by the gateway and never shown."""

from __future__ import annotations

import asyncio
import base64
import os
import pwd
import sys
import time
from pathlib import Path
from typing import Any

import click

from gateway.cli.exit_codes import ExitCode
from gateway.cli.failures import Failure
from gateway.cli.options import connect, json_option, socket_options
from gateway.cli.output import Cell, Column, hint, moment, print_json, say, table
from gateway.operator import certificate_facts as facts
from gateway.operator import codec
from gateway.operator.client import DaemonUnreachable

MAX_FILE = 36 * 1024
_NAME = click.argument("name")
_FILE = click.argument("file", type=click.File("rb"))
_CHECK = click.option("--check", "only_check", is_flag=True, help="Only say what it would do.")


@click.group(name="cert")
def command() -> None:
    """See certificates, ask an authority for one, and install what it answers.

    A key is made on this device and never leaves it. What is installed is used by new connections at once;
    those that are open go on. Where no gateway runs and --config is given, the files are worked on from here.
    """


@command.command(
    name="list", epilog="\b\nExamples:\n  dicom-gateway cert list\n  dicom-gateway cert list --json"
)
@socket_options
@json_option
def list_(socket: Path | None, config: Path | None, as_json: bool) -> None:
    """List the certificates in use and those kept here, with the days they have left."""
    data = _do(socket, config, "list")
    if as_json:
        print_json(data)
        return
    known = codec.decode(facts.Certificates, data)
    if known.clock_doubt:
        hint(f"The clock cannot be trusted, so dates are only told: {known.clock_doubt}")
    rows: list[list[Cell | str]] = []
    for identity in known.identities:
        first = identity.chain[0] if identity.chain else None
        notes = ["waits for the authority's answer"] if identity.request else []
        notes += [one.words for one in identity.findings]
        rows.append(_row(identity.name, identity.used_by, first, notes, known.now))
    for used in known.used:
        if not used.managed:
            first = used.chain[0] if used.chain else None
            notes = [one.words for one in used.findings]
            rows.append(_row("(placed by hand)", used.used_by, first, notes, known.now))
    if not rows:
        say("No certificate is in use.")
        return
    columns = [Column("name"), Column("used by"), Column("for"), Column("until"), Column("days", right=True)]
    table([*columns, Column("notes")], rows)


def _row(
    name: str,
    users: tuple[facts.CertificateUser, ...],
    first: facts.CertificateFacts | None,
    notes: list[str],
    now: float,
) -> list[Cell | str]:
    days = "" if first is None else f"{(first.not_after - now) // 86400:.0f}"
    style = "" if first is None or first.not_after - now > 30 * 86400 else "bold red"
    return [
        name,
        ", ".join(f"{user.kind} {user.name}" for user in users),
        (first.common_name or first.subject) if first else "",
        time.strftime("%Y-%m-%d", time.localtime(first.not_after)) if first else "",
        Cell(days, style),
        "; ".join(notes),
    ]


@command.command(epilog="\b\nExamples:\n  dicom-gateway cert show clinic-07")
@_NAME
@socket_options
@json_option
def show(socket: Path | None, config: Path | None, as_json: bool, name: str) -> None:
    """Show one identity: certificate, authorities, files, versions, and a request that waits."""
    data = _do(socket, config, "identity", name)
    if as_json:
        print_json(data)
        return
    identity = codec.decode(facts.IdentityFacts, data)
    for certificate in identity.chain:
        _certificate("certificate" if certificate is identity.chain[0] else "intermediate", certificate)
    for certificate in identity.authorities:
        _certificate("trusted authority", certificate)
    _findings(identity.findings)
    for label, path in (
        ("certificate", identity.files.certificate),
        ("key", identity.files.key),
        ("ca", identity.files.ca),
    ):
        say(f"{label:12} {path}")
    for version in identity.versions:
        used = "in use" if version.current else f"`dicom-gateway cert back {name} {version.number}`"
        when = f"{moment(version.installed_at)}  {version.what} by {version.who}"
        say(f"version {version.number:<4} {when}: {used}")
    if identity.request is not None:
        say(f"A request waits for its answer; `dicom-gateway cert csr {name}` prints it.")


@command.command(
    epilog="\b\nExamples:\n  dicom-gateway cert csr clinic-07 --host clinic-07.example.org --host 192.0.2.10"
    "\n  dicom-gateway cert csr clinic-07 --out clinic-07.csr"
)
@_NAME
@click.option("--common-name", metavar="TEXT", help="Name in the certificate (NAME unless given).")
@click.option("--organization", metavar="TEXT", default="", help="Organisation in the certificate.")
@click.option("--host", "hosts", multiple=True, metavar="HOST", help="Host name or address; may come often.")
@click.option(
    "--key", type=click.Choice(["ecdsa-p256", "rsa-3072"]), default="ecdsa-p256", show_default=True,
    help="Kind of key.",
)  # fmt: skip
@click.option(
    "--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the request to this file."
)
@socket_options
@json_option
def csr(
    socket: Path | None,
    config: Path | None,
    as_json: bool,
    name: str,
    common_name: str | None,
    organization: str,
    hosts: tuple[str, ...],
    key: str,
    out: Path | None,
) -> None:
    """Make a key and a request (PKCS #10) for NAME, and print the request.

    When a request waits for its answer already, that one is printed, and none is made.
    """
    waiting = _waiting(socket, config, name)
    if waiting is None:
        wanted = {
            "common_name": common_name or name,
            "names": list(hosts),
            "organization": organization,
            "key": key,
        }
        data = _do(socket, config, "ask", name, wanted)
        waiting = codec.decode(facts.IdentityFacts, data)
    else:
        hint("This request waits for its answer already; `dicom-gateway cert forget` discards it.")
        data = codec.encode(waiting)
    if waiting.request is None:
        raise Failure("the request was not made")
    if as_json:
        print_json(data)
    elif out is not None:
        out.write_text(waiting.request.csr)
        say(f"Written to {out}. Send it to the authority; the key stays here.")
    else:
        sys.stdout.write(waiting.request.csr)
    hint(f"Fingerprint of the public key (SHA-256): {_grouped(waiting.request.key_sha256)}")


def _waiting(socket: Path | None, config: Path | None, name: str) -> facts.IdentityFacts | None:
    known = codec.decode(facts.Certificates, _do(socket, config, "list"))
    return next((one for one in known.identities if one.name == name and one.request is not None), None)


@command.command(
    epilog="\b\nExamples:\n  dicom-gateway cert install clinic-07 answer.pem"
    "\n  dicom-gateway cert install clinic-07 answer.p7b --check"
)
@_NAME
@_FILE
@_CHECK
@click.option("--trust-root", is_flag=True, help="Trust the root that came along, for the other side too.")
@socket_options
@json_option
@click.pass_context
def install(
    ctx: click.Context,
    socket: Path | None,
    config: Path | None,
    as_json: bool,
    name: str,
    file: Any,
    only_check: bool,
    trust_root: bool,
) -> None:
    """Install what the authority answered: PEM, DER or PKCS #7, with its chain in any order ("-": stdin)."""
    body = {**_content(file), "trust_root": trust_root}
    _bring(ctx, socket, config, as_json, name, body, ("check",) if only_check else ("check", "install"))


@command.command(
    epilog="\b\nExamples:\n  dicom-gateway cert trust clinic-07 centre-ca.pem"
    "\n  dicom-gateway cert trust clinic-07 second-ca.pem --add"
)
@_NAME
@_FILE
@_CHECK
@click.option("--add", is_flag=True, help="Keep those that are trusted already.")
@socket_options
@json_option
@click.pass_context
def trust(
    ctx: click.Context,
    socket: Path | None,
    config: Path | None,
    as_json: bool,
    name: str,
    file: Any,
    only_check: bool,
    add: bool,
) -> None:
    """Trust the authorities in FILE for the other side ("-": stdin)."""
    steps = ("check-authorities",) if only_check else ("check-authorities", "authorities")
    _bring(ctx, socket, config, as_json, name, {**_content(file), "add": add}, steps)


@command.command(epilog="\b\nExamples:\n  dicom-gateway cert back clinic-07 3")
@_NAME
@click.argument("number", type=click.IntRange(min=1))
@socket_options
@json_option
def back(socket: Path | None, config: Path | None, as_json: bool, name: str, number: int) -> None:
    """Use version NUMBER of NAME again; `cert show` lists them."""
    data = _do(socket, config, "activate", name, {"number": number})
    print_json(data) if as_json else say(f"Version {number} of {name} is in use now, for new connections.")


@command.command(epilog="\b\nExamples:\n  dicom-gateway cert forget clinic-07")
@_NAME
@socket_options
@json_option
def forget(socket: Path | None, config: Path | None, as_json: bool, name: str) -> None:
    """Discard the request of NAME that waits for its answer, and its key."""
    data = _do(socket, config, "discard", name)
    print_json(data) if as_json else say(f"The request of {name} and its key are gone.")


@command.command(epilog="\b\nExamples:\n  dicom-gateway cert remove clinic-07 --yes")
@_NAME
@click.option("--yes", is_flag=True, help="Do not ask.")
@socket_options
@json_option
def remove(socket: Path | None, config: Path | None, as_json: bool, name: str, yes: bool) -> None:
    """Remove NAME with its keys, when nothing uses it. Asks for the name to be typed."""
    if not yes and click.prompt(f"Type {name} to remove it with its keys", err=True) != name:
        raise Failure("nothing was removed: that was not the name")
    data = _do(socket, config, "remove", name)
    print_json(data) if as_json else say(f"{name} is removed.")


# --- showing ----------------------------------------------------------------------------------------------


def _bring(
    ctx: click.Context,
    socket: Path | None,
    config: Path | None,
    as_json: bool,
    name: str,
    body: dict[str, Any],
    steps: tuple[str, ...],
) -> None:
    """Check what was brought; then install it, unless something stands in the way."""
    data = _do(socket, config, steps[0], name, body)
    done = codec.decode(facts.CertificateCheck, data)
    installs = len(steps) > 1
    if done.ok and installs:
        data = _do(socket, config, steps[1], name, body)
        done = codec.decode(facts.CertificateCheck, data)
    if as_json:
        print_json(data)
    else:
        for certificate in done.chain:
            _certificate("certificate" if certificate is done.chain[0] else "intermediate", certificate)
        for certificate in done.authorities:
            _certificate("authority", certificate)
        _findings(done.findings)
        words = "Installed; new connections use it from now on." if installs else "This can be installed."
        say(words if done.ok else "This cannot be installed.", "bold green" if done.ok else "bold red")
    ctx.exit(ExitCode.OK if done.ok else ExitCode.FAILURE)


def _certificate(label: str, one: facts.CertificateFacts) -> None:
    say(f"{label}: {one.subject}", "bold")
    say(f"  issued by    {'itself' if one.self_signed else one.issuer}")
    if one.names:
        say(f"  names        {', '.join(one.names)}")
    say(f"  valid        {moment(one.not_before)} to {moment(one.not_after)}")
    say(f"  key          {one.key}")
    say(f"  SHA-256      {_grouped(one.sha256)}")


def _findings(findings: tuple[facts.CertificateFinding, ...]) -> None:
    for one in findings:
        say(f"{one.level}: {one.words}", "bold red" if one.level == "error" else "yellow")


def _grouped(fingerprint: str) -> str:
    text = fingerprint.upper()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def _content(file: Any) -> dict[str, str]:
    content: bytes = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise Failure("this file is far too large to be a certificate with its chain")
    if b"-----BEGIN" in content:
        return {"text": content.decode("ascii", "replace")}
    return {"binary": base64.b64encode(content).decode()}


# --- the running gateway, or the files themselves ---------------------------------------------------------


def _do(
    socket: Path | None, config: Path | None, what: str, name: str = "", body: dict[str, Any] | None = None
) -> codec.Json:
    """Let the running gateway do it; where none runs, do it from here if a configuration is named."""
    with connect(socket, config) as client:
        try:
            return client.certificates(what, name, body)
        except DaemonUnreachable as error:
            if config is None:
                raise
            hint(f"{error}; working on the files from here, as {config} says.")
    return codec.encode(asyncio.run(_directly(config, what, name, body)))


async def _directly(config: Path, what: str, name: str, body: dict[str, Any] | None) -> object:
    from gateway import settings  # imports every room: only who works from here pays for it
    from gateway.certificates.room import CertificateRoom
    from gateway.config import load

    # Not its files: they may be what is about to be made.
    read = load(config, check_files=False)
    room = CertificateRoom(read.gateway.state_dir, settings.certificate_uses(read))
    who = f"{pwd.getpwuid(os.getuid()).pw_name} (uid {os.getuid()})"
    match what:
        case "list":
            return await room.list()
        case "identity":
            return await room.identity(name)
        case "ask":
            return await room.ask(name, codec.decode(facts.CertificateWanted, body), who=who)
        case "check":
            return await room.check(name, codec.decode(facts.CertificateAnswer, body))
        case "install":
            return await room.install(name, codec.decode(facts.CertificateAnswer, body), who=who)
        case "check-authorities":
            return await room.check_authorities(name, codec.decode(facts.AuthoritiesAnswer, body))
        case "authorities":
            return await room.trust(name, codec.decode(facts.AuthoritiesAnswer, body), who=who)
        case "activate":
            return await room.activate(name, codec.decode(facts.VersionWanted, body).number)
        case "discard":
            return await room.discard(name)
        case _:
            return await room.remove(name)
