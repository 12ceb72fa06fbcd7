"""`dicom-gateway admin setup-code`, `fingerprint`, `users`: for somebody on the device itself.

They read and write the page's own folder, so they need the rights of its owner or of root.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gateway.cli.options import DEFAULT_CONFIG, json_option
from gateway.cli.output import Cell, Column, moment, print_json, say, table
from gateway.errors import LocalError

if TYPE_CHECKING:
    from gateway.admin.access.users import Account
    from gateway.config import Config

F = TypeVar("F", bound=Callable[..., Any])


def _config_option(command: F) -> F:
    return click.option(
        "--config",
        type=click.Path(dir_okay=False, path_type=Path),
        help=f"Configuration file (else as given to `admin`, else {DEFAULT_CONFIG}).",
    )(command)


@click.command(
    name="setup-code",
    epilog="\b\nExamples:\n  dicom-gateway admin setup-code --config /etc/dicom-gateway/gateway.toml"
    "\n  dicom-gateway admin setup-code --new",
)
@_config_option
@click.option("--new", is_flag=True, help="Make a new code, in place of any other.")
@click.pass_context
def setup_code(ctx: click.Context, config: Path | None, new: bool) -> None:
    """Show the one-time code that makes somebody administrator of the page.

    There is one after the first start, until it is used. With --new there is another: this is the way back
    in when no administrator can sign in any more. Whoever types it on the page becomes administrator, under
    a new name or with a new password for an old one.
    """
    from gateway.admin.access import setup_code as codes

    folder = _load(ctx, config).admin.state_dir
    if not folder.is_dir():
        raise LocalError(f"the page has not been started yet: there is no folder {folder}")
    _check_rights(folder)
    code = codes.make(folder) if new else codes.current(folder)
    if not code:
        raise LocalError(
            "there is no set-up code: it has been used, or the page has not been started yet. "
            "`dicom-gateway admin setup-code --new` makes one"
        )
    say(code)


@click.command(
    name="fingerprint", epilog="\b\nExample:\n  dicom-gateway admin fingerprint --config gateway.toml"
)
@_config_option
@json_option
@click.pass_context
def fingerprint(ctx: click.Context, config: Path | None, as_json: bool) -> None:
    """Show the SHA-256 fingerprint of the page's certificate, to compare with what a browser shows."""
    from gateway.admin.access import https

    admin = _load(ctx, config).admin
    path = admin.certificate or admin.state_dir / https.FILE
    if admin.certificate is None and not path.exists():
        raise LocalError(f"the page has not been started yet: there is no certificate {path}")
    found = https.read(path, self_made=admin.certificate is None)
    if as_json:
        print_json(
            {
                "fingerprint": found.fingerprint,
                "names": list(found.names),
                "not_before": found.not_before,
                "not_after": found.not_after,
                "self_made": found.self_made,
            }
        )
        return
    say(found.fingerprint)
    say(f"for {', '.join(found.names) or 'no name'}; good until {_day(found.not_after)}")


@click.group(name="users")
def users() -> None:
    """See who may use the page. Accounts are changed on the page itself."""


@users.command(name="list", epilog="\b\nExample:\n  dicom-gateway admin users list --config gateway.toml")
@_config_option
@json_option
@click.pass_context
def users_list(ctx: click.Context, config: Path | None, as_json: bool) -> None:
    """List the accounts of the page. Needs no running page."""
    from gateway.admin.access.store import read_only
    from gateway.admin.access.users import all_accounts

    folder = _load(ctx, config).admin.state_dir
    _check_rights(folder)
    with contextlib.closing(read_only(folder)) as db:
        accounts = all_accounts(db)
    if as_json:
        print_json({"users": [_facts(account) for account in accounts]})
        return
    if not accounts:
        say("There are no users yet.")
        return
    columns = [Column("name"), Column("role"), Column("state"), Column("last sign-in")]
    table(columns, [_row(account) for account in accounts])


COMMANDS = (setup_code, fingerprint, users)


def _load(ctx: click.Context, config: Path | None) -> Config:
    for parent in _parents(ctx):
        config = config or parent.params.get("config")
    if config is None and not DEFAULT_CONFIG.is_file():
        raise click.UsageError("Missing option '--config'.", ctx)
    from gateway.config import load

    return load(config or DEFAULT_CONFIG, check_files=False)


def _parents(ctx: click.Context) -> list[click.Context]:
    found = []
    while ctx.parent is not None:
        ctx = ctx.parent
        found.append(ctx)
    return found


def _check_rights(folder: Path) -> None:
    if folder.is_dir() and not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        raise LocalError(f"{folder} is for the owner of the page alone: run this as that user or as root")


def _state(account: Account) -> str:
    if account.disabled:
        return "switched off"
    if account.start_until is not None:
        return "start password too old" if account.start_until < time() else "has a start password"
    return "may sign in"


def _facts(account: Account) -> dict[str, Any]:
    return {
        "name": account.name,
        "role": account.role.value,
        "state": _state(account),
        "created_at": account.created_at,
        "created_by": account.created_by,
        "last_sign_in": account.last_sign_in,
    }


def _row(account: Account) -> list[Cell | str]:
    last = "never" if account.last_sign_in is None else moment(account.last_sign_in)
    return [account.name, account.role.value, _state(account), last]


def _day(epoch: float) -> str:
    return datetime.fromtimestamp(epoch).astimezone().strftime("%Y-%m-%d")
