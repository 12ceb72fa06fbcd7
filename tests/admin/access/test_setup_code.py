"""The one-time code: readable, private, good once."""

from __future__ import annotations

import re
import stat
from pathlib import Path

import pytest

from gateway.admin.access import setup_code
from gateway.admin.access.readable import LETTERS, readable_code
from gateway.admin.access.store import StoreFailure


def test_codes_can_be_read_out() -> None:
    assert not set("ILO01") & set(LETTERS)
    codes = {readable_code() for _ in range(200)}
    assert len(codes) == 200
    assert all(re.fullmatch(f"[{LETTERS}]{{4}}(-[{LETTERS}]{{4}}){{2}}", code) for code in codes)


def test_the_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    code = setup_code.make(tmp_path)
    path = tmp_path / setup_code.FILE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert setup_code.current(tmp_path) == code == path.read_text().strip()


def test_a_new_code_takes_the_place_of_the_old_one(tmp_path: Path) -> None:
    first, second = setup_code.make(tmp_path), setup_code.make(tmp_path)
    assert setup_code.current(tmp_path) == second != first
    setup_code.remove(tmp_path)
    setup_code.remove(tmp_path)
    assert setup_code.current(tmp_path) == ""


def test_it_may_be_typed_in_many_ways() -> None:
    assert setup_code.matches("K7PQ-W2XN-9VRT", " k7pq w2xn9vrt ", None)
    for wrong in ("", "K7PQ-W2XN-9VRS", "K7PQ-W2XN", "K7PQ-W2XN-9VRTX", "é" * 50, "x" * 10_000):
        assert not setup_code.matches("K7PQ-W2XN-9VRT", wrong, None)


def test_without_a_code_nothing_matches() -> None:
    assert not setup_code.matches("", "", None)
    assert not setup_code.matches("", "----", None)


def test_a_used_code_is_good_no_more_even_if_its_file_is_still_there() -> None:
    used = setup_code.digest_of("K7PQ-W2XN-9VRT")
    assert not setup_code.matches("K7PQ-W2XN-9VRT", "K7PQ-W2XN-9VRT", used)
    assert setup_code.matches("K7PQ-W2XN-9VRU", "K7PQ-W2XN-9VRU", used)


@pytest.mark.parametrize("content", [b"", b"\n", b"K7PQ", b"\xff" * 300, b"-" * 14])
def test_a_damaged_file_is_no_code(tmp_path: Path, content: bytes) -> None:
    (tmp_path / setup_code.FILE).write_bytes(content)
    code = setup_code.current(tmp_path)
    assert not setup_code.matches(code, content.decode("ascii", "replace"), None)
    assert not setup_code.matches(code, "", None)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreFailure, match="cannot be kept"):
        setup_code.make(tmp_path / "nowhere")
    (tmp_path / setup_code.FILE).mkdir()
    with pytest.raises(StoreFailure, match="cannot be read"):
        setup_code.current(tmp_path)
