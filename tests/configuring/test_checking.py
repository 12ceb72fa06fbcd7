from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.configuring.checking import MAX_WAITING, Checker
from gateway.configuring.child import MAX_PROBLEMS
from gateway.operator.configuration_errors import NotChecked, TooManyChecks
from tests.support.certs import Authority
from tests.support.configured import CONFIG as GOOD


@pytest.fixture
def checker(tmp_path: Path) -> Checker:
    return Checker(tmp_path / "gateway.toml")


async def test_a_valid_one_comes_with_its_summary(checker: Checker, tmp_path: Path) -> None:
    checked = await checker.check({"gateway.toml": GOOD})
    assert checked.valid
    assert checked.problems == ()
    assert checked.summary is not None
    assert checked.summary.state_dir == str(tmp_path / "state")
    assert [peer.destination for peer in checked.summary.peers] == [True]
    assert not (tmp_path / "gateway.toml").exists()


async def test_every_problem_has_its_file_and_line(checker: Checker) -> None:
    texts = {
        "gateway.toml": GOOD.replace("11112", "99999"),
        "conf.d/more.toml": '[[peer]]\nname = "pacs"\nhots = "h"\n',
    }
    checked = await checker.check(texts)
    assert not checked.valid
    places = {(one.file, one.line, one.key) for one in checked.problems}
    assert ("gateway.toml", 13, "listener[console].port") in places
    assert ("conf.d/more.toml", 3, "peer[pacs].hots") in places
    port = next(one for one in checked.problems if one.key.endswith("port") and one.value)
    assert (port.value, port.message, port.allowed) == (
        "99999", "out of range", "a whole number from 0 to 65535",
    )  # fmt: skip


async def test_relative_paths_count_from_the_real_folder(checker: Checker, tmp_path: Path) -> None:
    (tmp_path / "tls").mkdir()
    issued = Authority.create(tmp_path / "tls", "ca").issue("gateway", days=365)
    issued.key.chmod(0o600)
    names = [issued.certificate, issued.key, issued.ca]
    certificate, key, ca = (path.relative_to(tmp_path) for path in names)
    tls = f'tls = {{ certificate = "{certificate}", key = "{key}", ca = "{ca}" }}\n'
    texts = {"gateway.toml": GOOD.replace("port = 104\n", f"port = 104\n{tls}")}
    assert (await checker.check(texts)).valid
    issued.key.unlink()
    checked = await checker.check(texts)
    assert [one.key for one in checked.problems] == ["peer[oncology].tls.key"]


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 100_000, "\x00", "=" * 1000, "a." * 200 + "b = 1", "[[peer]]\n" * 500]
)
async def test_hostile_texts_are_answered_within_bounds(checker: Checker, text: str) -> None:
    checked = await checker.check({"gateway.toml": text})
    assert not checked.valid
    assert 0 < len(checked.problems) <= MAX_PROBLEMS + 1
    assert all(len(one.message) <= 500 for one in checked.problems)


async def test_one_that_costs_too_much_is_given_up() -> None:
    script = "import gateway.configuring.child as it; it.MAX_CPU = 1; it.main()"
    with pytest.raises(NotChecked, match="too long"):
        await Checker(Path("/g.toml"), child=("-c", script)).check({"g.toml": "a." * 20_000 + "b = 1"})


async def test_a_surrogate_is_no_text(checker: Checker) -> None:
    checked = await checker.check({"gateway.toml": 'a = "\ud800"'})
    assert [one.message for one in checked.problems] == ["not text in UTF-8"]


async def test_secrets_written_where_they_do_not_belong_are_not_shown(checker: Checker) -> None:
    text = GOOD + '[secrets]\npassword = "hunter2"\n'
    checked = await checker.check({"gateway.toml": text})
    assert not checked.valid
    assert "hunter2" not in json.dumps([one.message + one.value + one.allowed for one in checked.problems])


async def test_a_child_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    hangs = ("-c", "import sys, threading; sys.stdin.read(); threading.Event().wait()")
    with pytest.raises(NotChecked, match="too long"):
        await Checker(tmp_path / "g.toml", child=hangs, time_limit=0.5).check({"g.toml": ""})


@pytest.mark.parametrize(
    "script", ["raise SystemExit(3)", "import os; os.abort()", "print('x' * 10_000_000)"]
)
async def test_a_child_that_dies_or_babbles_says_nothing_about_the_candidate(
    tmp_path: Path, script: str
) -> None:
    with pytest.raises(NotChecked, match="died"):
        await Checker(tmp_path / "g.toml", child=("-c", script)).check({"g.toml": "#" * 200_000})


async def test_one_at_a_time_and_few_wait(tmp_path: Path) -> None:
    hangs = ("-c", "import threading; threading.Event().wait()")
    checker = Checker(tmp_path / "g.toml", child=hangs)
    waiting = [asyncio.ensure_future(checker.check({"g.toml": ""})) for _ in range(MAX_WAITING + 1)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyChecks):
        await checker.check({"g.toml": ""})
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)


def test_who_checks_carries_nothing_heavy() -> None:
    script = (
        "import sys, gateway.configuring.keeper, gateway.configuring.starting; "
        "print(sorted({'pydantic', 'cryptography', 'tomlkit', 'aiohttp', 'pydicom'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert answer.stdout.strip() == "[]"
