"""A configuration as a set of texts: gateway.toml and what is in conf.d beside it.

Names are relative to the folder of the main file: `gateway.toml`, `conf.d/20-peers.toml`.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path

from gateway.configuring.durable import remove_file, replace_file, sync_folder
from gateway.errors import LocalError
from gateway.operator.configuration_errors import NotAcceptable, NotWritable

MAX_FILES = 64
MAX_BYTES = 1 << 19  # of all files together; the largest real one has some twenty kilobytes
MAX_NAME = 80

EXTRA = "conf.d"
_EXTRA_NAME = re.compile(rf"{re.escape(EXTRA)}/[A-Za-z0-9_][A-Za-z0-9._-]*\.toml")

Texts = Mapping[str, str]


def digest(texts: Texts) -> str:
    """Return the SHA-256 of a set, in hexadecimal: the same for the same names and texts."""
    total = hashlib.sha256()
    for name in sorted(texts):
        for part in (name, texts[name]):
            raw = part.encode("utf-8", "surrogatepass")
            total.update(len(raw).to_bytes(8, "big"))
            total.update(raw)
    return total.hexdigest()


def accept(texts: Texts, main: str) -> None:
    """Raise NotAcceptable unless `texts` has the main file, proper names, and is within bounds."""
    if main not in texts:
        raise NotAcceptable(f"the file {main} is missing")
    if len(texts) > MAX_FILES:
        raise NotAcceptable(f"{len(texts)} files are too many: {MAX_FILES} at most")
    for name in texts:
        if name != main and (len(name) > MAX_NAME or not _EXTRA_NAME.fullmatch(name)):
            raise NotAcceptable(
                f"{name[:MAX_NAME]!r} cannot be part of a configuration: {main} and {EXTRA}/NAME.toml can"
            )
    size = sum(len(text.encode("utf-8", "surrogatepass")) for text in texts.values())
    if size > MAX_BYTES:
        raise NotAcceptable(f"{size} bytes are too much: {MAX_BYTES} at most, all files together")


class Folder:
    """The folder of a configuration. `main` is its first file. All methods block."""

    def __init__(self, main: Path) -> None:
        self.main = main.absolute()
        self.path = self.main.parent

    def names(self) -> list[str]:
        """Return the names of the files there are, the main file first, as the gateway reads them."""
        extra = self.path / EXTRA
        found = sorted(file.name for file in extra.glob("*.toml")) if extra.is_dir() else []
        return [self.main.name, *(f"{EXTRA}/{name}" for name in found)]

    def read(self) -> dict[str, str]:
        """Return the set that is on the disk. Bytes that are no text show as replacement characters.

        NotAcceptable when it is beyond what can be kept; LocalError when a file cannot be read.
        """
        texts: dict[str, str] = {}
        left = MAX_BYTES
        for name in self.names()[: MAX_FILES + 1]:
            try:
                with (self.path / name).open("rb") as file:
                    raw = file.read(left + 1)
            except FileNotFoundError:
                continue  # removed since the folder was listed; a missing main file shows in `accept`
            except OSError as error:
                raise LocalError(f"{self.path / name} cannot be read: {error.strerror}") from error
            left = max(0, left - len(raw))
            texts[name] = raw.decode("utf-8", "replace")
        accept(texts, self.main.name)
        return texts

    def write(self, texts: Texts) -> None:
        """Make `texts` the files on the disk, and remove what else the gateway would read.

        Each file changes at once, the set does not: who calls this has left a record that brings it to its
        end. Doing it again does no harm. Raises NotWritable.
        """
        try:
            if any("/" in name for name in texts) and not (self.path / EXTRA).is_dir():
                (self.path / EXTRA).mkdir()
                (self.path / EXTRA).chmod(0o750)  # whatever the process's umask
                sync_folder(self.path)
            for name in sorted(texts, key=lambda name: (name == self.main.name, name)):
                replace_file(self.path / name, texts[name].encode("utf-8", "surrogatepass"))
            for name in sorted(set(self.names()) - set(texts)):
                remove_file(self.path / name)
        except OSError as error:
            raise NotWritable(
                f"{error.filename or self.path} cannot be written: {error.strerror}. {_MEND}"
            ) from error

    def obstacle(self) -> str:
        """Return why the gateway cannot change the configuration here, with what to do; "" if it can."""
        if self.main.is_symlink():
            return f"{self.main} is a symbolic link: the configuration is kept elsewhere, change it there."
        for folder in (self.path, self.path / EXTRA):
            if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
                return f"The gateway may not write to {folder}. {_MEND}"
            for file in folder.glob("*.toml"):
                if _is_anothers(file, folder):
                    return f"{file} belongs to another user, so the gateway may not replace it. {_MEND}"
        return ""


def _is_anothers(file: Path, folder: Path) -> bool:
    """Say whether the sticky bit of `folder` keeps us from replacing `file`."""
    us, around = os.geteuid(), folder.stat()
    return bool(us and around.st_mode & stat.S_ISVTX and us not in (around.st_uid, file.stat().st_uid))


_MEND = (
    "Run `systemd-tmpfiles --create dicom-gateway.conf` (systemd/README.md, section on the configuration)."
)
