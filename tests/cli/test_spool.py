"""`dicom-gateway spool`: against a daemon, and on real spools of gateways that do not run."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from gateway.cli import cli
from gateway.cli.spool_progress import Meter
from gateway.operator.sections.store_check import StoreCheckSection
from gateway.operator.store_view import StoreView
from gateway.spool import Spool
from gateway.spool.scrub_values import Found, PassReport
from tests.durability.damage.filled import data_set
from tests.support.fake_control import FakeControl
from tests.support.operator_daemon import serving
from tests.support.spooling import BEAMS_RECORD, Heard, an_instance, object_files, store
from tests.support.store_checks import FakeScrub

DAMAGED = PassReport("requested", 5000.0, 5001.0, objects=3, bytes=9_000, damaged=1)
Run = Callable[..., Result]


@pytest.fixture
def scrub() -> FakeScrub:
    return FakeScrub()


@pytest.fixture
def run(scrub: FakeScrub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.delenv("DICOM_GATEWAY_CONFIG", raising=False)
    section = StoreCheckSection(StoreView(scrub, lambda: 5000.0))
    with serving(FakeControl(), tmp_path / "op.sock", sections=[section]) as daemon:
        environment = {"DICOM_GATEWAY_SOCKET": str(daemon.path)}
        yield lambda *arguments: CliRunner().invoke(cli, ["spool", *arguments], env=environment)


def test_the_running_gateway_checks_and_says_that_all_is_well(run: Run, scrub: FakeScrub) -> None:
    result = run("verify")
    assert result.exit_code == 0, result.output
    assert "Everything is as it was received: 3 objects" in result.stdout
    assert "reading objects" in result.stderr
    assert scrub.requests == 1


def test_what_is_damaged_is_named_and_the_exit_code_says_so(
    run: Run, scrub: FakeScrub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub, "_result", DAMAGED)
    found = Found(7, BEAMS_RECORD, "1.2.3.4", "damaged")
    monkeypatch.setattr(scrub, "status", lambda status=scrub.status: _with(status(), found))
    result = run("verify")
    assert result.exit_code == 6
    assert "1 object damaged: held, never sent" in result.stdout
    assert BEAMS_RECORD in result.stdout
    assert "1.2.3.4" in result.stdout
    facts = json.loads(run("verify", "--last", "--json").stdout)
    assert (facts["last"]["damaged"], facts["found"][0]["number"]) == (1, 7)
    assert scrub.requests == 1


def _with(status: object, found: Found) -> object:
    from dataclasses import replace

    return replace(status, found=(found,))  # type: ignore[type-var]


def test_the_last_check_when_there_was_none(run: Run, scrub: FakeScrub) -> None:
    result = run("verify", "--last")
    assert (result.exit_code, scrub.requests) == (0, 0)
    assert "not checked yet" in result.stdout


def test_options_that_do_not_go_together(run: Run, tmp_path: Path) -> None:
    assert run("verify", "--last", "--directory", str(tmp_path)).exit_code == 2


# without a gateway


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    directory = tmp_path / "state" / "spool"
    directory.parent.mkdir()

    async def fill() -> None:
        opened = Spool.open(directory, notices=Heard().notices)
        for number, size in ((1, 500), (2, 30_000), (3, 120_000)):
            await store(opened, data_set(number, size), number)
        await opened.close()

    asyncio.run(fill())
    return directory


def offline(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, ["spool", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def test_a_whole_spool_offline(spool: Path) -> None:
    before = {path: path.read_bytes() for path in spool.rglob("*") if path.is_file()}
    result = offline("verify", "--directory", str(spool))
    assert result.exit_code == 0, result.output
    assert "Everything is as it was received: 3 objects" in result.stdout
    after = {path: path.read_bytes() for path in before}
    assert after == before
    facts = json.loads(offline("verify", "--directory", str(spool), "--json").stdout)
    assert (facts["sound"], facts["objects"], facts["damaged"]) == (True, 3, 0)


def test_a_damaged_object_offline(spool: Path) -> None:
    (path,) = object_files(spool)
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    result = offline("verify", "--directory", str(spool))
    assert result.exit_code == 6
    assert "1 object damaged" in result.stdout
    assert an_instance(3).sop_instance_uid in result.stdout


def test_a_spool_that_a_gateway_has_open(spool: Path) -> None:
    opened = Spool.open(spool, notices=Heard().notices)
    try:
        for command in ("verify", "rebuild"):
            result = offline(command, "--directory", str(spool))
            assert result.exit_code == 1
            assert "another process has the spool" in result.stderr
    finally:
        asyncio.run(opened.close())


def test_what_is_no_spool(tmp_path: Path) -> None:
    for command in ("verify", "rebuild"):
        result = offline(command, "--directory", str(tmp_path / "nowhere"))
        assert result.exit_code == 1
        assert "there is no spool" in result.stderr
    assert not (tmp_path / "nowhere").exists()


def test_a_whole_journal_is_left_alone(spool: Path) -> None:
    result = offline("rebuild", "--directory", str(spool))
    assert result.exit_code == 0
    assert "The journal is whole" in result.stdout
    assert not list(spool.glob("damaged-*"))


def test_a_deleted_journal_is_found_out_and_rebuilt(spool: Path) -> None:
    (spool / "journal.db").unlink()
    checked = offline("verify", "--directory", str(spool))
    assert checked.exit_code == 6
    assert "spool rebuild" in checked.stdout
    result = offline("rebuild", "--directory", str(spool), "--destination", "oncology")
    assert result.exit_code == 6
    assert "found again without what was known of their delivery" in result.stdout
    assert an_instance(3).sop_instance_uid in result.stdout
    assert offline("verify", "--directory", str(spool)).exit_code == 0


def test_the_destinations_come_from_the_configuration(spool: Path, tmp_path: Path) -> None:
    config = tmp_path / "gateway.toml"
    config.write_text(
        f'[gateway]\nname = "c"\nae_title = "C"\nstate_dir = "{tmp_path}/state"\n'
        '[[listener]]\nname = "l"\naddress = "127.0.0.1"\nport = 11112\n'
        '[[peer]]\nname = "oncology"\nae_title = "ARIA"\nhost = "127.0.0.1"\nport = 1\n'
        '[[route]]\ncalled = "ARIA"\nto = ["oncology"]\n'
    )
    (spool / "journal.db").unlink()
    facts = json.loads(offline("rebuild", "--config", str(config), "--json").stdout)
    assert facts["fates"] == {"rebuilt": 1}
    assert facts["aside"].startswith("damaged-")

    async def held() -> list[tuple[str, str, str]]:
        opened = Spool.open(spool, notices=Heard().notices)
        rows = await opened.list_deliveries()
        await opened.close()
        return [(row.delivery.destination, row.delivery.state.value, row.cause) for row in rows]

    assert asyncio.run(held()) == [("oncology", "held", "rebuilt")]


def test_without_any_name_of_a_spool(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DICOM_GATEWAY_CONFIG", raising=False)
    monkeypatch.setattr("gateway.cli.spool.DEFAULT_CONFIG", tmp_path / "none.toml")
    result = offline("rebuild")
    assert result.exit_code == 1
    assert "--directory" in result.stderr


# the progress


def test_the_meter_tells_pace_and_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    now = [0.0]
    with Meter(lambda: now[0], terminal=False) as meter:
        meter.show("objects", 0, 10_000_000)
        now[0] = 5.0
        meter.show("objects", 1_000_000, 10_000_000)  # not yet
        now[0] = 10.0
        meter.show("objects", 2_000_000, 10_000_000)
    first, second = capsys.readouterr().err.splitlines()
    assert "(0 %)" in first
    assert "(20 %)" in second
    assert "/s" in second
    assert "40 s left" in second


def test_the_meter_on_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    with Meter(lambda: 0.0, terminal=True) as meter:
        meter.show("journal", 0, 0)
    assert capsys.readouterr().err.endswith("looking at the journal\n")
