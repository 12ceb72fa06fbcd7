"""Whenever the power goes while a certificate is installed, a whole pair is there afterwards."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from gateway.certificates.store import AUTHORITIES, CERTIFICATE, KEY, MAX_VERSIONS, Store, StoreError
from gateway.certificates.work import Work
from gateway.operator.certificate_facts import AuthoritiesAnswer, CertificateAnswer, CertificateWanted
from tests.support.openssl_ca import OpenSslAuthority

_CALLS = ("fsync", "rename", "replace", "symlink", "mkdir", "unlink", "rmdir", "open")
DIED = 99


def work(folder: Path) -> Work:
    return Work(Store(folder), (), now=time.time(), clock_doubt="")


def die_at(step: int, do: Callable[[], object]) -> bool:
    """Do something in a process that ends before file system call `step`; False: it came through."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            left = [step]
            for name in _CALLS:
                setattr(os, name, _counting(getattr(os, name), left))
            do()
            code = 0
        except BaseException:  # noqa: BLE001 - this process ends here, whatever it is
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, DIED)
    return code == DIED


def _counting(call: Callable[..., Any], left: list[int]) -> Callable[..., Any]:
    def counted(*args: Any, **kwargs: Any) -> Any:
        left[0] -= 1
        if left[0] == 0:
            os._exit(DIED)
        return call(*args, **kwargs)

    return counted


def loads(folder: Path) -> str:
    """Load what is in use as TLS would; return the fingerprint of what is shown."""
    current = folder / "clinic-07" / "current"
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(current / CERTIFICATE, current / KEY)
    context.load_verify_locations(current / AUTHORITIES)
    return work(folder).identity("clinic-07").chain[0].sha256


@pytest.fixture
def prepared(tmp_path: Path) -> tuple[Path, str, str]:
    """A store with a certificate in use and another asked for; the fingerprint in use, and the answer."""
    authority = OpenSslAuthority.create(tmp_path / "ca")
    folder = tmp_path / "prepared"
    folder.mkdir()
    it = work(folder)
    it.trust("clinic-07", AuthoritiesAnswer(authority.pem), "anna")
    answer = ""
    for _ in range(2):
        if answer:
            assert it.install("clinic-07", CertificateAnswer(answer), "anna").ok
        asked = it.ask("clinic-07", CertificateWanted("clinic-07", ("a.example.org",)), "anna").request
        assert asked is not None
        answer = authority.sign(asked.csr)
    return folder, loads(folder), answer


def test_power_cuts_while_installing(prepared: tuple[Path, str, str], tmp_path: Path) -> None:
    folder, before, answer = prepared
    step, seen = 0, set()
    while True:
        step += 1
        here = tmp_path / "here"
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(folder, here, symlinks=True)
        it = work(here)
        died = die_at(step, partial(it.install, "clinic-07", CertificateAnswer(answer), "anna"))
        now = loads(here)  # a whole pair, and its authorities
        versions = work(here).identity("clinic-07").versions
        assert all(version.installed_at > 0 for version in versions)  # nothing half written is offered
        seen.add(now == before)
        if now == before:
            again = work(here).install("clinic-07", CertificateAnswer(answer), "anna")
            assert again.ok, again.findings  # the key of the request is still there
            assert loads(here) != before
        # Whatever was left behind is gone after the next change.
        work(here).ask("clinic-07", CertificateWanted("clinic-07"), "anna")
        left = {path.name for path in here.rglob("*") if path.name.startswith(".")}
        assert not left
        if not died:
            break
    assert seen == {True, False}
    assert step > 15


def test_power_cuts_while_asking_going_back_and_removing(
    prepared: tuple[Path, str, str], tmp_path: Path
) -> None:
    folder, before, answer = prepared
    assert work(folder).install("clinic-07", CertificateAnswer(answer), "anna").ok
    after = loads(folder)
    doings: list[Callable[[Work], object]] = [
        lambda it: it.ask("clinic-07", CertificateWanted("clinic-07"), "anna"),
        lambda it: it.activate("clinic-07", 2),
        lambda it: it.remove("clinic-07"),
    ]
    for do in doings:
        step = 0
        while True:
            step += 1
            here = tmp_path / "here"
            shutil.rmtree(here, ignore_errors=True)
            shutil.copytree(folder, here, symlinks=True)
            died = die_at(step, partial(do, work(here)))
            if (here / "clinic-07").exists():
                assert loads(here) in (before, after)
                if work(here).identity("clinic-07").request is None:  # none, and not half of one
                    work(here).ask("clinic-07", CertificateWanted("clinic-07"), "anna")
                work(here).activate("clinic-07", 3)
            if not died:
                break
        assert step > 3


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "certificates")


def test_an_empty_store(store: Store) -> None:
    assert store.names() == []
    assert store.current("a") is None
    assert store.pending("a") is None
    assert store.versions("a") == []
    assert store.identity_of(Path("/etc/tls/a.pem")) == ""
    assert store.identity_of(store.path("a", CERTIFICATE)) == "a"
    assert store.identity_of(store.folder / "a" / "versions" / CERTIFICATE) == ""


def test_versions_are_bounded_and_the_current_one_stays(store: Store) -> None:
    with store.changing():
        for _ in range(MAX_VERSIONS + 3):
            number = int(store.install("a", {CERTIFICATE: b"1", KEY: b"k"}, {}).name)
            store.activate("a", number)
        kept = [version.number for version in store.versions("a")]
        assert len(kept) == MAX_VERSIONS
        store.activate("a", kept[-1])  # the oldest one
        for _ in range(3):  # written, and never used
            store.install("a", {CERTIFICATE: b"2", KEY: b"k"}, {})
        store.activate("a", kept[-1])
        assert len(store.versions("a")) == MAX_VERSIONS
        current = store.current("a")
        assert current is not None
        assert current.number == kept[-1]


def test_what_is_strange_in_the_folder_is_left_alone(store: Store) -> None:
    with store.changing():
        store.ask("a", b"k", b"c", {})
    for name in ("UPPER", ".hidden", "x" * 40):
        (store.folder / name).mkdir()
    (store.folder / "file").touch()
    (store.folder / "a" / "pending" / "about.json").write_text("[]")
    assert store.names() == ["a"]
    pending = store.pending("a")
    assert pending is not None
    assert dict(pending.about) == {}
    with pytest.raises(StoreError), store.changing():
        store.activate("a", 7)


def test_changes_wait_for_each_other(store: Store) -> None:
    script = (
        "import sys; from pathlib import Path; from gateway.certificates.store import Store\n"
        "with Store(Path(sys.argv[1])).changing(): print('entered')"
    )
    with store.changing():
        other = subprocess.Popen([sys.executable, "-c", script, str(store.folder)], stdout=subprocess.PIPE)
        deadline = time.monotonic() + 20
        while f"-> FLOCK  ADVISORY  WRITE {other.pid} " not in Path("/proc/locks").read_text():
            assert time.monotonic() < deadline, "it does not wait"
            assert other.poll() is None, "it did not wait"
    told, _ = other.communicate(timeout=20)
    assert told == b"entered\n"
