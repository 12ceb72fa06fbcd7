from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.configuring.durable import replace_file
from gateway.configuring.files import MAX_BYTES, MAX_FILES, Folder, accept, digest
from gateway.errors import LocalError
from gateway.operator.configuration_errors import NotAcceptable, NotWritable

ROOT = Path(__file__).parents[2]
AS_ROOT = os.geteuid() == 0


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / "gateway.toml")


def test_what_is_written_is_read_and_nothing_else_is_left(folder: Folder) -> None:
    folder.write({"gateway.toml": "a\r\n", "conf.d/1.toml": "é", "conf.d/2.toml": ""})
    assert folder.read() == {"gateway.toml": "a\r\n", "conf.d/1.toml": "é", "conf.d/2.toml": ""}
    assert folder.names() == ["gateway.toml", "conf.d/1.toml", "conf.d/2.toml"]
    folder.write({"gateway.toml": "b"})
    assert folder.read() == {"gateway.toml": "b"}
    assert sorted(path.name for path in folder.path.rglob("*")) == ["conf.d", "gateway.toml"]


def test_what_belongs_to_others_is_left_alone(folder: Folder) -> None:
    (folder.path / "tls").mkdir()
    (folder.path / "tls" / "gateway.key").write_text("key")
    (folder.path / "conf.d").mkdir()
    (folder.path / "conf.d" / "README").write_text("words")
    folder.write({"gateway.toml": ""})
    assert (folder.path / "tls" / "gateway.key").read_text() == "key"
    assert (folder.path / "conf.d" / "README").read_text() == "words"


def test_permissions_stay_and_new_files_are_for_owner_and_group(folder: Folder) -> None:
    folder.main.write_text("")
    folder.main.chmod(0o600)
    folder.write({"gateway.toml": "x", "conf.d/new.toml": ""})
    assert folder.main.stat().st_mode & 0o777 == 0o600
    assert (folder.path / "conf.d/new.toml").stat().st_mode & 0o777 == 0o640


def test_the_digest_tells_names_and_texts_apart() -> None:
    sets = [{}, {"a": "bc"}, {"ab": "c"}, {"a": "b", "c": ""}, {"a": "", "c": "b"}]
    assert len({digest(texts) for texts in sets}) == len(sets)
    assert digest({"a": "1", "b": "2"}) == digest({"b": "2", "a": "1"})


@pytest.mark.parametrize(
    "name",
    [
        "other.toml", "../gateway.toml", "/etc/passwd", "conf.d/../../x.toml", "conf.d/a/b.toml",
        "conf.d/.hidden.toml", "conf.d/x.toml.new", "conf.d/x y.toml", "conf.d/\u202ex.toml", "conf.d/.toml",
        "conf.d/" + "x" * 80 + ".toml", "",
    ],
)  # fmt: skip
def test_odd_names_are_refused(name: str) -> None:
    with pytest.raises(NotAcceptable, match="cannot be part"):
        accept({"gateway.toml": "", name: ""}, "gateway.toml")


def test_too_much_is_refused() -> None:
    accept({"gateway.toml": "x" * MAX_BYTES}, "gateway.toml")
    with pytest.raises(NotAcceptable, match="too much"):
        accept({"gateway.toml": "x" * (MAX_BYTES - 1), "conf.d/a.toml": "é"}, "gateway.toml")
    many = {f"conf.d/{number}.toml": "" for number in range(MAX_FILES)}
    with pytest.raises(NotAcceptable, match="too many"):
        accept({"gateway.toml": "", **many}, "gateway.toml")
    with pytest.raises(NotAcceptable, match="is missing"):
        accept({"conf.d/a.toml": ""}, "gateway.toml")


def test_too_much_on_the_disk_is_not_read_whole(folder: Folder) -> None:
    folder.main.write_text("x" * (MAX_BYTES + 1))
    with pytest.raises(NotAcceptable, match="too much"):
        folder.read()


def test_bytes_that_are_no_text_show_as_such(folder: Folder) -> None:
    folder.main.write_bytes(b"\xff\xfe")
    assert folder.read() == {"gateway.toml": "\ufffd\ufffd"}


def test_a_link_is_no_place_to_write_to(folder: Folder, tmp_path: Path) -> None:
    assert folder.obstacle() == ""
    (tmp_path / "real.toml").write_text("")
    folder.main.symlink_to(tmp_path / "real.toml")
    assert "symbolic link" in folder.obstacle()


@pytest.mark.skipif(AS_ROOT, reason="root may write everywhere")
def test_a_folder_of_somebody_else_is_told_with_what_to_do(folder: Folder) -> None:
    folder.path.chmod(0o555)
    assert "may not write" in folder.obstacle()
    with pytest.raises(NotWritable, match="README"):
        folder.write({"gateway.toml": ""})


def test_a_file_that_cannot_be_written_is_told_with_what_to_do(folder: Folder) -> None:
    (folder.path / "conf.d").write_text("a file is in the way")
    with pytest.raises(NotWritable, match=r"conf\.d"):
        folder.write({"gateway.toml": "", "conf.d/x.toml": ""})


def test_a_file_that_cannot_be_read_is_told(folder: Folder) -> None:
    folder.main.mkdir()
    with pytest.raises(LocalError, match="cannot be read"):
        folder.read()


def test_a_leftover_of_a_crash_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".x.new").write_text("half a file that is longer than the whole one")
    replace_file(tmp_path / "x", b"whole")
    assert (tmp_path / "x").read_bytes() == b"whole"
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


_AS_NOBODY = """
import os, sys
from pathlib import Path
from gateway.configuring.files import Folder
os.setgroups([]); os.setgid({group}); os.setuid({user})
folder = Folder(Path({main!r}))
print(folder.obstacle())
folder.write({{"gateway.toml": "new", "conf.d/x.toml": ""}})
"""


@pytest.mark.skipif(not AS_ROOT, reason="only root can become another user")
def test_a_confined_gateway_replaces_its_own_files_and_none_of_roots(tmp_path: Path) -> None:
    """The folder as systemd/dicom-gateway.tmpfiles.conf makes it: root's, sticky, open to the group."""
    user = group = 65534
    for folder in (tmp_path, *tmp_path.parents[:3]):
        folder.chmod(folder.stat().st_mode | 0o011)
    etc = tmp_path / "etc"
    (etc / "tls").mkdir(parents=True)
    (etc / "tls" / "gateway.key").write_text("key")
    main = etc / "gateway.toml"
    main.write_text("old")
    os.chown(etc, 0, group)
    etc.chmod(0o1770)
    script = _AS_NOBODY.format(user=user, group=group, main=str(main))

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, cwd=ROOT
        )

    refused = run()  # an editor of root's has made it root's
    assert "belongs to another user" in refused.stdout
    assert "NotWritable" in refused.stderr
    assert main.read_text() == "old"
    os.chown(main, user, group)
    done = run()
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
    assert main.read_text() == "new"
    assert (etc / "conf.d").stat().st_mode & 0o777 == 0o750
    taken = script.replace("folder.write({", 'Path(folder.path / "tls").rename(folder.path / "mine"); ({')
    stolen = subprocess.run([sys.executable, "-c", taken], capture_output=True, text=True, cwd=ROOT)
    assert "PermissionError" in stolen.stderr
    assert (etc / "tls" / "gateway.key").read_text() == "key"
