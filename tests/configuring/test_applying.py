"""A change is all there or not at all, whatever moment the power chooses, and goes back when it must."""

from __future__ import annotations

import os
import shutil
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.configuring.applying import MOST_STARTS, START_TIME, Applying, Change
from gateway.configuring.files import Folder, digest
from gateway.configuring.trial import Clock, Trial, history_of
from gateway.configuring.versions import Version, Versions
from gateway.errors import LocalError
from gateway.operator.configuration_errors import NotWritable
from tests.support.dying import every_death

OLD = {"g.toml": "a = 1\n", "conf.d/10-old.toml": "b = 1\n", "conf.d/20-both.toml": "c = 1\n"}
NEW = {"g.toml": "a = 2\n", "conf.d/20-both.toml": "c = 2\n", "conf.d/30-new.toml": "d = 2\n"}
RUNNING = Version(1, 1000.0, "", "", "found", digest(OLD), confirmed=True)
WINDOW = 120.0


class FakeClock(Clock):
    """Time that passes when it is told to, on a machine with a name for each boot, or without."""

    def __init__(self) -> None:
        self.time = 50.0
        self.name = "this boot"

    def now(self) -> float:
        return self.time

    def boot(self) -> str:
        return self.name


class Disk:
    """A configuration's folder and the state directory of its gateway."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.clock = FakeClock()
        self.folder = Folder(base / "etc" / "g.toml")
        self.state = base / "state"
        self.versions = Versions(history_of(self.state))
        self.applying = Applying(self.folder, self.clock, lambda: 2000.0)

    def fresh(self) -> None:
        """The old configuration is in force, and in the history."""
        shutil.rmtree(self.base, ignore_errors=True)
        (self.base / "etc").mkdir(parents=True)
        self.folder.write(OLD)
        self.versions.add(RUNNING, OLD)

    def begin(self) -> Trial:
        change = Change(NEW, "anna", "a new centre", WINDOW)
        return self.applying.begin(change, RUNNING, OLD, str(self.state))

    def on_trial(self) -> None:
        self.fresh()
        self.applying.ready(self.begin())

    def going(self) -> Trial:
        trial = self.applying.record.load()
        assert trial is not None
        return trial


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    made = Disk(tmp_path / "disk")
    made.fresh()
    return made


def settle(disk: Disk) -> str:
    """Start as the gateway does; say what is in force then: "old", "on trial", or "new"."""
    trial = disk.applying.recover()
    found = digest(disk.folder.read())
    if found == digest(OLD):
        assert trial is None or trial.phase == "returned"
        return "old"
    assert found == digest(NEW), "a mixture is in force"
    assert trial is None or trial.phase == "unconfirmed"
    return "on trial" if trial else "new"


def test_a_change_that_is_confirmed_stays(disk: Disk) -> None:
    trial = disk.begin()
    assert (trial.phase, trial.number, trial.former_number) == ("unconfirmed", 2, 1)
    assert disk.folder.read() == NEW
    disk.applying.confirm(disk.applying.ready(trial))
    disk.clock.time += 1e6
    assert settle(disk) == "new"
    newest = disk.versions.newest()
    assert newest is not None
    assert (newest.number, newest.who, newest.why, newest.confirmed) == (2, "anna", "a new centre", True)


def test_a_change_that_is_put_back_is_gone_and_told(disk: Disk) -> None:
    trial = disk.applying.put_back(disk.applying.ready(disk.begin()), "a bad idea", "ben")
    assert disk.folder.read() == OLD
    assert settle(disk) == "old"
    disk.applying.tell(trial)
    assert disk.applying.record.load() is None
    told, tried, _ = disk.versions.entries()
    assert (told.number, told.how, told.who, told.why, told.of) == (3, "put back", "ben", "a bad idea", 1)
    assert (tried.number, tried.confirmed) == (2, False)
    assert disk.versions.texts(3) == OLD


def test_the_power_goes_at_any_moment_of_a_change(disk: Disk) -> None:
    outcomes = []
    for _ in every_death(disk.begin, disk.fresh):
        outcomes.append(settle(disk))
        if outcomes[-1] == "on trial":
            assert disk.versions.texts(2) == NEW
    assert set(outcomes) == {"old", "on trial"}
    # Once it is the new one it stays the new one: the record alone decides.
    assert outcomes == sorted(outcomes)
    assert len(outcomes) > 20


@pytest.mark.parametrize("moment", ["writing", "returning"])
def test_the_power_goes_again_while_a_start_mends_it(disk: Disk, moment: str) -> None:
    def prepare() -> None:
        disk.fresh()
        trial = replace(disk.begin(), phase=moment, reason="a bad idea")  # type: ignore[arg-type]  # a phase
        disk.applying.record.save(trial)
        disk.folder.write({"g.toml": "a mixture", "conf.d/30-new.toml": "d = 2\n"})

    wanted = "on trial" if moment == "writing" else "old"
    assert {settle(disk) for _ in every_death(disk.applying.recover, prepare)} == {wanted}


def test_the_power_goes_at_any_moment_of_a_return(disk: Disk) -> None:
    outcomes = [
        settle(disk)
        for _ in every_death(lambda: disk.applying.put_back(disk.going(), "a bad idea"), disk.on_trial)
    ]
    assert set(outcomes) == {"on trial", "old"}
    assert outcomes == sorted(outcomes, reverse=True)


def test_the_power_goes_at_any_moment_of_a_confirmation(disk: Disk) -> None:
    outcomes = [settle(disk) for _ in every_death(lambda: disk.applying.confirm(disk.going()), disk.on_trial)]
    assert set(outcomes) == {"on trial", "new"}
    assert outcomes == sorted(outcomes, reverse=True)


def test_the_power_goes_while_the_return_is_told(disk: Disk) -> None:
    def prepare() -> None:
        disk.on_trial()
        disk.applying.put_back(disk.going(), "a bad idea")

    for _ in every_death(lambda: disk.applying.tell(disk.going()), prepare):
        if settle(disk) == "old" and disk.applying.record.load() is not None:
            disk.applying.tell(disk.going())
        assert [entry.how for entry in disk.versions.entries()] == ["put back", "applied", "found"]


def test_a_name_is_synced_after_its_content_and_nothing_is_renamed_before(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a disk that reorders, only what was synced counts: content before each rename, the name after."""
    done: list[str] = []
    fsync, rename = os.fsync, os.replace

    def noted_fsync(descriptor: int) -> None:
        done.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "content")
        fsync(descriptor)

    def noted_replace(*names: Path) -> None:
        done.append("rename")
        rename(*names)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    disk.begin()
    renamed = [position for position, what in enumerate(done) if what == "rename"]
    assert len(renamed) == 6  # the record twice, three files, one version
    assert all(done[at - 1 : at + 2] == ["content", "rename", "folder"] for at in renamed)


@pytest.mark.parametrize("passed", [WINDOW, 1e6])
def test_a_start_after_the_deadline_puts_it_back(disk: Disk, passed: float) -> None:
    disk.on_trial()
    disk.clock.time += passed
    assert settle(disk) == "old"
    assert "nobody confirmed it in time" in disk.going().reason


def test_a_start_before_the_deadline_does_not(disk: Disk) -> None:
    disk.on_trial()
    disk.clock.time += WINDOW - 1
    assert settle(disk) == "on trial"
    assert disk.clock.left(disk.going()) == 1


def test_a_restart_does_not_lengthen_the_time_to_confirm(disk: Disk) -> None:
    disk.on_trial()
    disk.clock.time += 100
    disk.applying.recover()
    assert disk.clock.left(disk.applying.ready(disk.going())) == WINDOW - 100


def test_the_time_to_confirm_starts_when_the_gateway_is_ready(disk: Disk) -> None:
    trial = disk.begin()
    disk.clock.time += 60
    assert disk.clock.left(disk.applying.ready(trial)) == WINDOW


def test_a_gateway_that_is_never_ready_loses_it(disk: Disk) -> None:
    disk.begin()
    disk.clock.time += START_TIME
    assert settle(disk) == "old"
    assert "did not become ready" in disk.going().reason


def test_a_gateway_that_dies_while_it_starts_gets_no_third_try(disk: Disk) -> None:
    disk.begin()
    for _ in range(MOST_STARTS):
        assert settle(disk) == "on trial"
    assert settle(disk) == "old"
    assert "ended without a word" in disk.going().reason


@pytest.mark.parametrize("named", [True, False], ids=["boot has a name", "boot has no name"])
def test_another_boot_puts_it_back(disk: Disk, named: bool) -> None:
    if not named:
        disk.clock.name = ""
    disk.on_trial()
    disk.clock.name = "another boot" if named else ""
    disk.clock.time = 10.0
    assert settle(disk) == "old"


def test_another_boot_never_has_longer_than_the_window(disk: Disk) -> None:
    """Without names, a boot that happens to be as old as the record counts as the same."""
    disk.clock.name = ""
    disk.clock.time = 5.0
    disk.on_trial()
    assert disk.clock.left(disk.going()) <= WINDOW


def test_another_boot_undoes_what_was_not_even_written(disk: Disk) -> None:
    trial = disk.begin()
    disk.applying.record.save(replace(trial, phase="writing"))
    disk.clock.name = "another boot"
    assert settle(disk) == "old"


def test_files_that_somebody_added_meanwhile_do_not_survive_a_return(disk: Disk) -> None:
    disk.on_trial()
    (disk.folder.path / "conf.d" / "99-by-hand.toml").write_text("e = 1\n")
    disk.applying.put_back(disk.going(), "a bad idea")
    assert disk.folder.read() == OLD


def test_a_change_that_cannot_be_written_is_undone_at_once(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Folder.write

    def fails(folder: Folder, texts: dict[str, str]) -> None:
        real(folder, {"g.toml": "half of it"} if texts == NEW else texts)
        if texts == NEW:
            raise NotWritable("no space left on the device")

    monkeypatch.setattr(Folder, "write", fails)
    with pytest.raises(NotWritable, match="no space"):
        disk.begin()
    assert disk.folder.read() == OLD
    assert disk.applying.record.load() is None
    assert [entry.number for entry in disk.versions.entries()] == [1]


def test_a_folder_that_cannot_be_written_any_more_keeps_the_gateway_running(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk.on_trial()
    disk.clock.time += 1e6

    def fails(*_: object) -> None:
        raise NotWritable("read-only file system")

    monkeypatch.setattr(disk.applying.record, "save", fails)
    trial = disk.applying.recover()
    assert trial is not None
    assert trial.phase == "unconfirmed"
    assert disk.folder.read() == NEW


def test_a_damaged_record_stops_a_start_in_words(disk: Disk) -> None:
    disk.begin()
    disk.applying.record.path.write_text("{")
    with pytest.raises(LocalError, match="is damaged"):
        disk.applying.recover()


def test_the_record_shows_its_files_to_nobody_else(disk: Disk) -> None:
    disk.begin()
    assert disk.applying.record.path.stat().st_mode & 0o077 == 0


def test_the_clock_of_this_machine_runs() -> None:
    clock = Clock()
    assert 0 < clock.now() <= clock.now()
    assert clock.boot() == clock.boot()
