from __future__ import annotations

import stat
from pathlib import Path

import pytest

from gateway.delivery.pauses import FILE_NAME, Pauses


def test_nothing_is_paused_before_the_first_time(tmp_path: Path) -> None:
    assert "oncology" not in Pauses.load(tmp_path)


def test_a_pause_survives_a_restart(tmp_path: Path) -> None:
    Pauses.load(tmp_path).save(["oncology", "pacs"])
    again = Pauses.load(tmp_path)
    assert "oncology" in again
    assert "pacs" in again
    again.save(["pacs"])
    assert "oncology" not in Pauses.load(tmp_path)


def test_a_save_leaves_one_file(tmp_path: Path) -> None:
    Pauses.load(tmp_path).save(["oncology"])
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    assert stat.S_ISREG((tmp_path / FILE_NAME).stat().st_mode)


@pytest.mark.parametrize("damage", [b"", b"{", b'{"oncology": 1}', b"[1]", b"\xff\xfe"])
def test_a_damaged_file_pauses_nothing_and_is_told(
    tmp_path: Path, damage: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / FILE_NAME).write_bytes(damage)
    assert "oncology" not in Pauses.load(tmp_path)
    assert FILE_NAME in caplog.text
