"""Where keys and certificates lie, and how one replaces another. Runs in the child process; blocking.

    certificates/               0700
      lock                      taken (flock) by whoever changes something
      NAME/                     one identity, 0700
        current -> versions/3   what is used; the configuration names files below it
        versions/3/             certificate.pem, key.pem (0600), ca.pem, about.json; never changed once here
        pending/                key.pem (0600), csr.pem, about.json: asked for, not answered yet

A version is written as `versions/.new`, synced, renamed to its number; then `current` is replaced by one
rename. Whenever the power goes, `current` leads to a whole version: the one before, or the new one. Leftovers
(`.new`, a request whose key is in use already) are swept before the next change.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CERTIFICATE: Final = "certificate.pem"
KEY: Final = "key.pem"
AUTHORITIES: Final = "ca.pem"
REQUEST: Final = "csr.pem"
ABOUT: Final = "about.json"

MAX_IDENTITIES: Final = 16
MAX_VERSIONS: Final = 8
"""Versions kept of one identity; the oldest is removed beyond that, with its key."""

MAX_FILE: Final = 1 << 20
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")


class StoreError(Exception):
    """Why something cannot be done. `kind`: "not-found", "conflict", "invalid" or "io"."""

    def __init__(self, kind: str, words: str) -> None:
        super().__init__(words)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Version:
    """One installed version: its files, as they are."""

    number: int
    certificate: bytes  # PEM; empty when only authorities were installed so far
    key: bytes
    authorities: bytes
    about: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Pending:
    """A key that waits for its certificate."""

    key: bytes
    csr: bytes
    about: Mapping[str, Any]


class Store:
    """The folder of all identities."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def names(self) -> list[str]:
        """Return the identities there are."""
        try:
            found = sorted(entry.name for entry in os.scandir(self.folder) if entry.is_dir())
        except FileNotFoundError:
            return []
        return [name for name in found if _NAME.fullmatch(name)][:MAX_IDENTITIES]

    def path(self, name: str, file: str) -> Path:
        """Return the path of a file in use, as the configuration should name it."""
        return self.folder / _checked(name) / "current" / file

    def identity_of(self, path: Path) -> str:
        """Return the identity that a file named in the configuration belongs to; empty for none."""
        try:
            parts = path.relative_to(self.folder).parts
        except ValueError:
            return ""
        return parts[0] if len(parts) == 3 and parts[1] == "current" and _NAME.fullmatch(parts[0]) else ""

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        """Keep everybody else from changing anything meanwhile."""
        _make(self.folder)
        with (self.folder / "lock").open("ab") as file:
            os.fchmod(file.fileno(), 0o600)
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    # --- looking -------------------------------------------------------------------------------------

    def current(self, name: str) -> Version | None:
        """Return what is used; None when nothing was installed yet."""
        try:
            target = str((self.folder / _checked(name) / "current").readlink())
        except FileNotFoundError:
            return None
        number = target.removeprefix("versions/")
        return self._version(name, int(number)) if number.isdigit() else None

    def versions(self, name: str) -> list[Version]:
        """Return every version that is kept, the latest first."""
        numbers = sorted(self._numbers(name), reverse=True)
        return [version for number in numbers if (version := self._version(name, number)) is not None]

    def pending(self, name: str) -> Pending | None:
        """Return what was asked for and not installed; None when there is nothing."""
        folder = self.folder / _checked(name) / "pending"
        if not folder.is_dir():
            return None
        return Pending(_read(folder / KEY), _read(folder / REQUEST), _about(folder))

    def _version(self, name: str, number: int) -> Version | None:
        folder = self.folder / name / "versions" / str(number)
        if not folder.is_dir():
            return None
        certificate, key, authorities = (_read(folder / file) for file in (CERTIFICATE, KEY, AUTHORITIES))
        return Version(number, certificate, key, authorities, _about(folder))

    def _numbers(self, name: str) -> list[int]:
        try:
            entries = list(os.scandir(self.folder / _checked(name) / "versions"))
        except FileNotFoundError:
            return []
        return [int(entry.name) for entry in entries if entry.name.isdigit() and len(entry.name) < 10]

    # --- changing; only within `changing` ------------------------------------------------------------

    def ask(self, name: str, key: bytes, csr: bytes, about: Mapping[str, Any]) -> None:
        """Keep a key and its request. StoreError "conflict" when another request waits for its answer."""
        folder = self.folder / _checked(name)
        if not folder.is_dir() and len(self.names()) >= MAX_IDENTITIES:
            raise StoreError("conflict", f"{MAX_IDENTITIES} identities are the most there can be")
        self.sweep(name)
        if (folder / "pending").exists():
            raise StoreError("conflict", "another request waits for its answer; discard it first")
        _make(folder)
        self._place(folder / "pending", {KEY: key, REQUEST: csr, ABOUT: _json(about)})

    def discard(self, name: str) -> None:
        """Forget the request, and remove its key. StoreError "not-found" when there is none."""
        folder = self.folder / _checked(name)
        if not (folder / "pending").exists():
            raise StoreError("not-found", "no request waits for an answer")
        _remove(folder / "pending")

    def install(self, name: str, files: Mapping[str, bytes], about: Mapping[str, Any]) -> Path:
        """Write a version and return its folder; nothing uses it before `activate`."""
        folder = self.folder / _checked(name)
        self.sweep(name)
        _make(folder)
        _make(folder / "versions")
        number = max(self._numbers(name), default=0) + 1
        kept = {file: content for file, content in files.items() if content}
        place = folder / "versions" / str(number)
        self._place(place, {**kept, ABOUT: _json(about)})
        return place

    def activate(self, name: str, number: int) -> None:
        """Use a version from now on. StoreError "not-found" when it is not kept."""
        folder = self.folder / _checked(name)
        if number not in self._numbers(name):
            raise StoreError("not-found", f"there is no version {number} of {name}")
        fresh = folder / "current.new"
        with contextlib.suppress(FileNotFoundError):
            fresh.unlink()
        fresh.symlink_to(f"versions/{number}")
        fresh.replace(folder / "current")  # the one moment in which it changes
        _sync(folder)
        self._forget_old(name, number)

    def drop(self, name: str, place: Path) -> None:
        """Remove a version that turned out to be of no use."""
        if place.parent == self.folder / _checked(name) / "versions":
            _remove(place)

    def remove(self, name: str) -> None:
        """Remove a whole identity, with all its keys. StoreError "not-found"."""
        if name not in self.names():
            raise StoreError("not-found", f"there is no identity {name}")
        _remove(self.folder / name)

    def sweep(self, name: str) -> None:
        """Remove what a crash left behind."""
        folder = self.folder / _checked(name)
        _remove(folder / "versions" / ".new")
        _remove(folder / ".new")
        for place in (self.folder, folder, folder / "versions"):
            for left in place.glob(".gone-*"):
                shutil.rmtree(left)
        pending, current = self.pending(name), self.current(name)
        if pending is not None and current is not None and pending.key == current.key:
            _remove(folder / "pending")

    def _place(self, place: Path, files: Mapping[str, bytes]) -> None:
        """Make the folder `place` with these files, whole or not at all."""
        fresh = place.with_name(".new")
        fresh.mkdir(0o700)
        for file, content in files.items():
            _write(fresh / file, content, 0o600)
        _sync(fresh)
        fresh.rename(place)
        _sync(place.parent)

    def _forget_old(self, name: str, current: int) -> None:
        numbers = [number for number in sorted(self._numbers(name)) if number != current]
        for number in numbers[: max(0, len(numbers) - (MAX_VERSIONS - 1))]:
            _remove(self.folder / name / "versions" / str(number))


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise StoreError("invalid", "a name has 1 to 32 small letters, digits or hyphens")
    return name


def _make(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(0o700)
        _sync(folder.parent)


def _write(path: Path, content: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _read(path: Path) -> bytes:
    """Return a file's content; nothing when it is not there."""
    try:
        with path.open("rb") as file:
            return file.read(MAX_FILE)
    except FileNotFoundError:
        return b""


def _remove(folder: Path) -> None:
    """Remove a folder so that a crash leaves it whole, or under a name that nobody reads."""
    if not folder.exists():
        return
    gone = folder.with_name(f".gone-{folder.name.lstrip('.')}")
    if gone.exists():
        shutil.rmtree(gone)
    folder.rename(gone)
    _sync(folder.parent)
    shutil.rmtree(gone)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _json(about: Mapping[str, Any]) -> bytes:
    return json.dumps(dict(about)).encode() + b"\n"


def _about(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads(_read(folder / ABOUT))
    except ValueError:
        return {}
    return content if isinstance(content, dict) else {}
