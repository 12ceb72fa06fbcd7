"""What an operator may ask about the configuration, and the clock that puts back what nobody keeps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.notices import Alarm
from gateway.operator.configuration_errors import (
    ChangedMeanwhile,
    NotAcceptable,
    NotAcknowledged,
    NotPossibleNow,
    NotValid,
)
from gateway.operator.configuration_facts import (
    ApplyRequest,
    ConfigurationCandidate,
    ConfigurationState,
    RollbackRequest,
)
from tests.support.configured import CONFIG, Configured, configured, files

OTHER = CONFIG.replace("11112", "11113")


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Configured]:
    async with configured(tmp_path) as made:
        yield made


async def apply(box: Configured, text: str = OTHER, **more: object) -> ConfigurationState:
    based_on = str(more.pop("based_on", (await box.show()).digest))
    request = ApplyRequest(files(main=text), based_on, "why", **more)  # type: ignore[arg-type]  # fields
    return await box.keeper.apply(request, "anna")


async def test_it_is_shown_as_it_is_in_force(box: Configured) -> None:
    shown = await box.show()
    assert shown.files == files(main=CONFIG)
    assert (shown.edited, shown.obstacle, shown.problems) == (False, "", ())
    assert shown.summary is not None
    assert shown.summary.listeners[0].port == 11112
    assert (shown.state.version, shown.state.trial, shown.state.digest) == (1, None, shown.digest)


async def test_applied_confirmed_and_kept(box: Configured) -> None:
    state = await apply(box)
    assert state.restarting
    await box.again()
    state = await box.state()
    assert state.trial is not None
    assert (state.version, state.trial.number, state.trial.who, state.trial.former) == (2, 2, "anna", 1)
    assert state.trial.seconds_left == 120
    await box.confirm(2)
    box.late(1e6)
    assert (await box.state()).trial is None
    assert box.main.read_text() == OTHER
    newest, oldest = (await box.versions()).versions
    assert (newest.number, newest.how, newest.confirmed) == (2, "applied", True)
    assert (oldest.number, oldest.how) == (1, "found")


async def test_what_nobody_confirms_comes_back_with_an_alarm(box: Configured) -> None:
    await apply(box)
    await box.again()
    box.late(119)
    assert not box.restarted.is_set()
    box.late(1)
    await box.again()
    assert box.main.read_text() == CONFIG
    state = await box.state()
    assert state.trial is None
    assert state.returned is not None
    assert state.returned.why == "nobody confirmed it within 120 s"
    (alarm,) = box.log.of(Alarm)
    assert alarm.code == "configuration-returned"
    assert "nobody confirmed it" in alarm.text


async def test_what_is_taken_back_comes_back_without_an_alarm(box: Configured) -> None:
    await apply(box)
    await box.again()
    await box.rollback(RollbackRequest(why="the console does not call"), "ben")
    await box.again()
    assert box.main.read_text() == CONFIG
    newest = (await box.versions()).versions[0]
    assert (newest.how, newest.who, newest.why, newest.of) == (
        "put back", "ben", "the console does not call", 1,
    )  # fmt: skip
    assert box.log.of(Alarm) == []


async def test_back_to_any_version_is_a_trial_of_its_own(box: Configured) -> None:
    await apply(box)
    await box.again()
    await box.confirm(2)
    await box.rollback(RollbackRequest(1), "ben")
    await box.again()
    assert box.main.read_text() == CONFIG
    state = await box.state()
    assert state.trial is not None
    newest = (await box.versions()).versions[0]
    assert (newest.number, newest.how, newest.of) == (3, "rolled back", 1)


async def test_nobody_undoes_what_somebody_else_did(box: Configured) -> None:
    stale = (await box.show()).digest
    await apply(box)
    await box.again()
    await box.confirm(2)
    with pytest.raises(ChangedMeanwhile, match="version 2 by now: anna changed it"):
        await apply(box, CONFIG, based_on=stale)
    assert box.main.read_text() == OTHER


async def test_an_edit_on_the_disk_is_noticed_and_becomes_a_version(box: Configured) -> None:
    stale = (await box.show()).digest
    box.main.write_text(OTHER)
    shown = await box.show()
    assert shown.edited
    assert shown.summary is not None
    assert shown.summary.listeners[0].port == 11113
    with pytest.raises(ChangedMeanwhile, match="on the disk"):
        await apply(box, based_on=stale)
    await box.stop()
    await box.start()
    assert not (await box.show()).edited
    assert [one.how for one in (await box.versions()).versions] == ["edited on the disk", "found"]


async def test_what_comes_back_is_what_ran_and_not_what_was_edited(box: Configured) -> None:
    box.main.write_text("broken by hand")
    await apply(box)
    await box.again()
    box.late(120)
    await box.again()
    assert box.main.read_text() == CONFIG
    entries = (await box.versions()).versions
    assert [one.how for one in entries] == ["put back", "applied", "edited on the disk", "found"]
    assert (await box.version(2)).files == files(main="broken by hand")


async def test_what_is_not_valid_changes_nothing(box: Configured) -> None:
    with pytest.raises(NotValid, match=r"line 13: listener\[console\]\.port: out of range"):
        await apply(box, CONFIG.replace("11112", "99999"))
    assert not box.restarted.is_set()
    assert box.main.read_text() == CONFIG


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (CONFIG.replace('"state"', '"elsewhere"'), "state_dir"),
        (CONFIG[: CONFIG.index("[[peer]]")], "peer:oncology"),
        (CONFIG.replace("operator.sock", "other.sock"), "operator_socket"),
        (CONFIG[: CONFIG.index("[[listener]]")] + CONFIG[CONFIG.index("[[peer]]") :], "no_listener"),
    ],
)
async def test_what_nobody_expects_needs_a_word(box: Configured, text: str, code: str) -> None:
    box.undelivered = {"oncology": 3}
    report = await box.check(ConfigurationCandidate(files(main=text)))
    assert [one.code for one in report.hazards] == [code]
    with pytest.raises(NotAcknowledged, match=code):
        await apply(box, text)
    assert not box.restarted.is_set()
    assert (await apply(box, text, acknowledged=(code,))).restarting


async def test_one_at_a_time(box: Configured) -> None:
    await apply(box)
    with pytest.raises(NotPossibleNow, match="about to start again"):
        await apply(box, CONFIG)
    await box.again()
    with pytest.raises(NotPossibleNow, match="version 2 is on trial"):
        await apply(box, CONFIG)
    with pytest.raises(NotPossibleNow, match="version 2 is on trial"):
        await box.rollback(RollbackRequest(1), "ben")
    with pytest.raises(NotPossibleNow, match="not version 1"):
        await box.confirm(1)


async def test_two_at_the_same_time_are_one(box: Configured) -> None:
    answers = await asyncio.gather(apply(box), apply(box, CONFIG + "\n# other\n"), return_exceptions=True)
    assert sorted(type(one).__name__ for one in answers) == ["ConfigurationState", "NotPossibleNow"]


async def test_nothing_to_keep_nothing_to_put_back_nothing_to_apply(box: Configured) -> None:
    with pytest.raises(NotPossibleNow, match="no configuration is on trial"):
        await box.confirm(1)
    with pytest.raises(NotPossibleNow, match="no configuration is on trial"):
        await box.rollback(RollbackRequest(), "ben")
    with pytest.raises(NotPossibleNow, match="nothing to apply"):
        await apply(box, CONFIG)


async def test_too_late_is_too_late(box: Configured) -> None:
    await apply(box)
    await box.again()
    box.clock.time += 120
    with pytest.raises(NotPossibleNow, match="time to confirm is over"):
        await box.confirm(2)


@pytest.mark.parametrize("seconds", [4.9, 3601.0, float("nan"), float("inf"), -1.0])
async def test_the_time_to_confirm_is_bounded(box: Configured, seconds: float) -> None:
    with pytest.raises(ValueError, match="5 to 3600"):
        await apply(box, confirm_within=seconds)


@pytest.mark.parametrize("why", ["x" * 501, "two\nlines", "\x1b[2J"])
async def test_the_reason_is_one_line(box: Configured, why: str) -> None:
    request = ApplyRequest(files(main=OTHER), (await box.show()).digest, why)
    with pytest.raises(ValueError, match="why"):
        await box.keeper.apply(request, "anna")


async def test_odd_sets_are_refused_before_anything_is_started(box: Configured) -> None:
    for odd in (files(more=""), files(main="") * 2, files(main="", **{"../x": ""}), files(main="\ud800")):
        with pytest.raises(NotAcceptable):
            await box.check(ConfigurationCandidate(odd))


async def test_a_history_that_cannot_be_kept_stops_changes_and_not_the_gateway(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "configuration").write_text("a file is in the way")
    async with configured(tmp_path) as box:
        (alarm,) = box.log.of(Alarm)
        assert alarm.code == "configuration-history"
        assert (await box.show()).summary is not None
        with pytest.raises(NotPossibleNow, match="history"):
            await apply(box)


async def test_a_configuration_that_cannot_come_back_is_told_and_tried_again_at_the_next_start(
    box: Configured, monkeypatch: pytest.MonkeyPatch
) -> None:
    await apply(box)
    await box.again()
    keep = box.main.parent / "kept"
    record = box.main.parent / ".gateway.toml.trial"
    record.rename(keep)
    (box.main.parent / "..gateway.toml.trial.new").mkdir()  # nothing can be written in the record's place
    box.late(120)
    alarm = await box.log.wait(Alarm)
    assert alarm.code == "configuration-stuck"
    assert not box.restarted.is_set()
    (box.main.parent / "..gateway.toml.trial.new").rmdir()
    keep.rename(record)
    await box.stop()
    await box.start()
    assert box.main.read_text() == CONFIG
