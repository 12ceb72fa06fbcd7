"""The encrypted archive: what another program reads from it, and what a look from outside shows."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import pytest

from gateway.admin.exports.archive import Archive, Entry, ExportFailed, check_passphrase, verify
from tests.support.archiver import seven_zip

SECRET = "correct horse battery"  # noqa: S105 - of a test


def make(path: Path, contents: list[bytes]) -> Archive:
    with path.open("w+b") as file:
        archive = Archive(file, SECRET)
        entries = []
        for place, content in enumerate(contents, 1):
            archive.begin(place)
            for start in range(0, len(content), 1000):
                archive.write(content[start : start + 1000])
            name, size, digest = archive.end()
            entries.append(Entry(name, place, (place,), "RT Plan Storage", size, digest, 1.0))
        archive.finish(entries, [77], gateway="clinic-07", who="Anna")
    return archive


@pytest.mark.peers
def test_another_program_opens_it_with_the_passphrase_only(tmp_path: Path) -> None:
    contents = [bytes([number]) * 3333 * number for number in range(1, 4)]
    path = tmp_path / "a.zip"
    make(path, contents)
    wrong = seven_zip("x", path, "-pwrong", f"-o{tmp_path}/w")
    assert wrong.returncode != 0
    out = tmp_path / "out"
    assert seven_zip("x", path, f"-p{SECRET}", f"-o{out}").returncode == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["gateway"], manifest["made_by"], manifest["missing"]) == ("clinic-07", "Anna", [77])
    for entry, content in zip(manifest["objects"], contents, strict=True):
        data = (out / entry["file"]).read_bytes()
        assert data == content
        assert entry["sha256"] == hashlib.sha256(data).hexdigest()
        assert entry["size"] == len(data)
    assert "identify patients" in (out / "README.txt").read_text()


@pytest.mark.peers
def test_a_look_from_outside_shows_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    make(path, [b"DOE^JANE" * 100])
    raw = path.read_bytes()
    assert b"DOE^JANE" not in raw
    assert b"RT Plan" not in raw
    listed = seven_zip("l", path, "-slt").stdout
    assert listed.count("Encrypted = +") == 3
    assert listed.count("AES-256") == 3
    assert zipfile.ZipFile(path).namelist() == ["objects/000001.dcm", "manifest.json", "README.txt"]


def test_reading_back_finds_every_change(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    digests = make(path, [b"x" * 5000, b"y" * 5000]).digests
    read: list[int] = []
    verify(path, SECRET, digests, read.append)
    assert sum(read) > 10_000
    raw = path.read_bytes()
    for place in (100, len(raw) // 2, len(raw) - 30):
        path.write_bytes(raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :])
        with pytest.raises(ExportFailed, match="could not be read back"):
            verify(path, SECRET, digests)
    path.write_bytes(raw[:-100])
    with pytest.raises(ExportFailed):
        verify(path, SECRET, digests)
    path.write_bytes(raw)
    with pytest.raises(ExportFailed):
        verify(path, SECRET, {**digests, "objects/000003.dcm": "00"})
    with pytest.raises(ExportFailed):
        verify(path, SECRET, {**digests, "objects/000001.dcm": "00"})


def test_an_abandoned_archive_lets_go(tmp_path: Path) -> None:
    with (tmp_path / "a.zip").open("w+b") as file:
        archive = Archive(file, SECRET)
        archive.begin(1)
        archive.write(b"x")
        archive.abandon()
    del archive


@pytest.mark.parametrize(
    ("text", "good"),
    [
        ("short", False),
        ("aaaaaaaaaaaaaaaa", False),
        ("x" * 129, False),
        ("correct horse battery", True),
        ("contraseña difícil", True),
        (" leading space here", False),
        ("tab\tinside the words", False),
        ("ghjkm-23456-abcde-npqrs", True),
    ],
)
def test_what_a_passphrase_has_to_be(text: str, good: bool) -> None:
    assert (check_passphrase(text) is None) is good
