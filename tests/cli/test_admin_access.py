"""What somebody with a shell on the device can do about access to the page."""

from __future__ import annotations

import asyncio
import json
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.admin.access.https import FILE, Https
from gateway.admin.access.permissions import Role
from gateway.admin.access.store import Store
from gateway.admin.access.users import Users
from gateway.cli import cli

TOML = """
[gateway]
name = "clinic-07"
ae_title = "CLINIC07"
state_dir = "state"

[[listener]]
name = "console"
address = "127.0.0.1"
port = 11112
allow = ["127.0.0.0/8"]

[[peer]]
name = "oncology"
ae_title = "ARIA"
host = "127.0.0.1"
port = 11113

[[route]]
called = "ARIA"
to = ["oncology"]

[admin]
state_dir = "page"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "gateway.toml"
    path.write_text(TOML)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "page").mkdir()
    return tmp_path / "page"


def run(config: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["admin", *arguments, "--config", str(config)])


def test_before_the_first_start_there_is_nothing_to_show(config: Path) -> None:
    for arguments in (["setup-code"], ["setup-code", "--new"], ["fingerprint"], ["users", "list"]):
        result = run(config, *arguments)
        assert result.exit_code == 1
        assert "page" in result.output
        assert "Traceback" not in result.output


def test_a_code_is_made_shown_and_private(config: Path, folder: Path) -> None:
    assert "--new" in run(config, "setup-code").output  # what to do when there is none
    made = run(config, "setup-code", "--new")
    assert made.exit_code == 0
    assert run(config, "setup-code").output == made.output == (folder / "setup-code").read_text()
    assert stat.S_IMODE((folder / "setup-code").stat().st_mode) == 0o600
    assert run(config, "setup-code", "--new").output != made.output


def test_the_configuration_may_be_named_before_the_command(config: Path, folder: Path) -> None:
    result = CliRunner().invoke(cli, ["admin", "--config", str(config), "setup-code", "--new"])
    assert result.exit_code == 0
    assert (folder / "setup-code").read_text() == result.output


def test_the_fingerprint_is_the_one_of_the_page(config: Path, folder: Path) -> None:
    certificate = Https(folder, name="clinic-07").certificate
    assert run(config, "fingerprint").output.splitlines()[0] == certificate.fingerprint
    facts = json.loads(run(config, "fingerprint", "--json").output)
    assert facts["fingerprint"] == certificate.fingerprint
    assert "localhost" in facts["names"]
    (folder / FILE).write_bytes(b"damaged")
    result = run(config, "fingerprint")
    assert result.exit_code == 1
    assert "cannot be read" in result.output


def test_users_are_listed_without_their_passwords(config: Path, folder: Path) -> None:
    store = Store.open(folder)  # stays open: the page runs meanwhile
    users = Users(store)
    asyncio.run(users.make_admin("Anna", "$argon2id$secret", used_code=b""))
    ben = asyncio.run(users.add("Ben", Role.CLINIC, "$argon2id$other", by="Anna", start_until=1.0))
    asyncio.run(users.disable(ben.number, True))
    result = run(config, "users", "list")
    facts = json.loads(run(config, "users", "list", "--json").output)["users"]
    store.close()
    assert result.exit_code == 0
    assert "argon2id" not in result.output
    assert [(one["name"], one["role"], one["state"]) for one in facts] == [
        ("Anna", "admin", "may sign in"),
        ("Ben", "clinic", "switched off"),
    ]


def test_without_users_it_says_so(config: Path, folder: Path) -> None:
    Store.open(folder).close()
    assert "no users yet" in run(config, "users", "list").output
