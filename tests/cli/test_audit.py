from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.audit.checking import check
from gateway.audit.segments import Segments
from gateway.audit.values import AuditEntry, AuditLimits, AuditPage, AuditVerdict, Filter
from gateway.cli import cli
from gateway.operator.sections.audit import AuditSection
from tests.support.fake_control import FakeControl
from tests.support.operator_daemon import serving


class Trail:
    """The files, without the queue before them."""

    def __init__(self, folder: Path) -> None:
        self.segments = Segments(folder, AuditLimits(), lambda: 1_764_000_000.0)
        self.segments.open()

    async def add(self, entries: Sequence[AuditEntry]) -> None:
        await asyncio.to_thread(self.segments.append, entries)

    async def page(self, wanted: Filter, *, before: int | None, limit: int) -> AuditPage:
        return self.segments.page(wanted, before, limit)

    async def verify(self, noted: str = "") -> AuditVerdict:
        return check(self.segments, noted)


@pytest.fixture
def trail(tmp_path: Path) -> Iterator[Trail]:
    trail = Trail(tmp_path / "audit")
    entries = [AuditEntry(float(n), f"anna {n}", "retry", f"number={n}") for n in range(1, 4)]
    trail.segments.append([*entries, AuditEntry(4.0, "bob\x1b", "sign-in", outcome="wrong password")])
    yield trail
    trail.segments.close()


@pytest.fixture
def run(trail: Trail, tmp_path: Path) -> Iterator[Callable[..., Result]]:
    with serving(FakeControl(), tmp_path / "op.sock", sections=[AuditSection(trail)]) as daemon:
        environment = {"DICOM_GATEWAY_SOCKET": str(daemon.path)}
        yield lambda *arguments: CliRunner().invoke(cli, ["audit", *arguments], env=environment)


def test_entries_the_newest_first(run: Callable[..., Result]) -> None:
    result = run("list", "--limit", "2")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "sign-in" in lines[1]
    assert "wrong password" in lines[1]
    assert "number=3" in lines[2]
    assert "\x1b" not in result.stdout
    assert "--before 3" in result.stderr


def test_filters(run: Callable[..., Result]) -> None:
    assert json.loads(run("list", "--who", "anna 2", "--json").stdout)["entries"][0]["subject"] == "number=2"
    assert len(json.loads(run("list", "--what", "retry", "--json").stdout)["entries"]) == 3
    assert run("list", "--text", "nowhere").stdout == "Nothing to list.\n"
    assert len(json.loads(run("list", "--before", "2", "--json").stdout)["entries"]) == 1


def test_a_whole_trail(run: Callable[..., Result], trail: Trail) -> None:
    result = run("verify", "--digest", trail.segments.digest)
    assert result.exit_code == 0
    assert "whole" in result.stdout
    assert trail.segments.digest in result.stdout


def test_a_changed_trail(run: Callable[..., Result], trail: Trail) -> None:
    (path,) = trail.segments.files()
    path.write_bytes(path.read_bytes().replace(b"anna 2", b"carl 2"))
    result = run("verify")
    assert result.exit_code == 6
    assert "entry 2" in result.stdout
    assert json.loads(run("verify", "--json").stdout)["ok"] is False


def test_a_digest_that_is_not_there(run: Callable[..., Result]) -> None:
    assert run("verify", "--digest", "ab" * 32).exit_code == 6
