from __future__ import annotations

from pathlib import Path

import pytest

from gateway.configuring.files import digest
from gateway.configuring.versions import Version, Versions
from gateway.operator.configuration_errors import NoSuchVersion

HOSTILE = {"g.toml": 'a = "\u2028\r\n\x0b</script>"\n', "conf.d/x.toml": "\n\n"}


def version(number: int, texts: dict[str, str]) -> Version:
    return Version(number, 1.5, "anna", "why", "applied", digest(texts), confirmed=False)


def test_what_is_kept_comes_back_to_the_letter(tmp_path: Path) -> None:
    versions = Versions(tmp_path / "deep" / "versions")
    assert versions.newest() is None
    versions.add(version(1, HOSTILE), HOSTILE)
    assert versions.texts(1) == HOSTILE
    assert versions.get(1) == version(1, HOSTILE) == versions.newest()
    versions.confirm(1)
    assert versions.get(1).confirmed


def test_the_oldest_make_room_by_number_and_by_size(tmp_path: Path) -> None:
    versions = Versions(tmp_path / "v", kept=5, kept_bytes=100_000)
    for number in range(1, 10):
        versions.add(version(number, {"g.toml": str(number)}), {"g.toml": str(number)})
    assert [entry.number for entry in versions.entries()] == [9, 8, 7, 6, 5]
    large = {"g.toml": "#" * 60_000}
    versions.add(version(10, large), large)
    versions.add(version(11, large), large)
    assert [entry.number for entry in versions.entries()] == [11, 10]  # two always stay
    assert versions.next_number() == 12


@pytest.mark.parametrize("content", [b"", b"{}\n{}\n", b"\xff\n", b'["a"]\n{}\n'])
def test_a_damaged_entry_is_left_out(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    versions = Versions(tmp_path)
    versions.add(version(1, {"g.toml": ""}), {"g.toml": ""})
    (tmp_path / "00000002.json").write_bytes(content)
    assert [entry.number for entry in versions.entries()] == [1]
    assert "version 2 is damaged" in caplog.text
    with pytest.raises(NoSuchVersion, match="damaged"):
        versions.texts(2)
    assert versions.next_number() == 3


def test_texts_that_are_not_those_of_the_digest_are_refused(tmp_path: Path) -> None:
    versions = Versions(tmp_path)
    versions.add(version(1, {"g.toml": "a"}), {"g.toml": "b"})
    with pytest.raises(NoSuchVersion, match="damaged"):
        versions.texts(1)


def test_there_is_no_such_version(tmp_path: Path) -> None:
    with pytest.raises(NoSuchVersion, match="no version 7"):
        Versions(tmp_path).get(7)
