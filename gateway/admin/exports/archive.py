"""The encrypted archive: a ZIP file with AES-256 (WinZip AE-2), which 7-Zip and others open.

The names in it say nothing (objects/000001.dcm), since a ZIP file shows its names to everybody;
manifest.json, encrypted like the rest, says what each file is and has its SHA-256.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyzipper

from gateway.admin.page import N_

MIN_PASSPHRASE = 12
MAX_PASSPHRASE = 128
_MIN_DIFFERENT = 6  # characters

_PIECE = 1 << 20
_README = """\
This archive has objects of the DICOM gateway {gateway}. They identify patients.

objects/       DICOM files (PS3.10), with the data sets exactly as they were received
manifest.json  what each file is, with its SHA-256

Made {at} by {who}.
"""


class ExportFailed(Exception):
    """An export cannot be made. The text is a message to translate, with `values` for its placeholders."""

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message % values if values else message)
        self.message = message
        self.values = values


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the archive, as the manifest has it."""

    file: str
    object: int
    deliveries: tuple[int, ...]
    sop_class: str
    size: int  # bytes of the file
    sha256: str  # of the file
    received_at: float


def check_passphrase(text: str) -> str | None:
    """Return what is wrong with a passphrase, as a message to translate; None when it is good."""
    if len(text) < MIN_PASSPHRASE:
        return N_("Please use at least 12 characters.")
    if len(text) > MAX_PASSPHRASE:
        return N_("Please use 128 characters at most.")
    if len(set(text)) < _MIN_DIFFERENT:
        return N_("Please use more different characters.")
    if text != text.strip() or not text.isprintable():
        return N_("Please use printable characters, with no space at the beginning or the end.")
    return None


class Archive:
    """Writes an archive to `file`. Blocking: for a thread. Raises OSError when the medium does."""

    def __init__(self, file: BinaryIO, passphrase: str) -> None:
        self._zip = pyzipper.AESZipFile(
            file, "w", compression=pyzipper.ZIP_STORED, encryption=pyzipper.WZ_AES, allowZip64=True
        )
        self._zip.setpassword(passphrase.encode())
        self._made = time.localtime()[:6]
        self._open: Any = None
        self._name = ""
        self._digest = hashlib.sha256()
        self._size = 0
        self.digests: dict[str, str] = {}  # of every file, for `verify`

    def begin(self, number: int) -> None:
        """Begin the file of an object. Its name is from our own counting, never from the object."""
        self._begin(f"objects/{number:06d}.dcm")

    def _begin(self, name: str) -> None:
        info = pyzipper.zipfile_aes.AESZipInfo(name, self._made)
        self._name, self._digest, self._size = name, hashlib.sha256(), 0
        self._open = self._zip.open(info, "w", force_zip64=True)

    def write(self, data: bytes) -> None:
        """Add to the file that was begun."""
        self._digest.update(data)
        self._size += len(data)
        self._open.write(data)

    def end(self) -> tuple[str, int, str]:
        """End the file; return its name, size and SHA-256."""
        self._open.close()
        self._open = None
        self.digests[self._name] = digest = self._digest.hexdigest()
        return self._name, self._size, digest

    def finish(self, entries: Sequence[Entry], missing: Sequence[int], *, gateway: str, who: str) -> None:
        """Add the manifest and end the archive."""
        at = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        manifest = {
            "gateway": gateway,
            "made_at": at,
            "made_by": who,
            "objects": [asdict(entry) for entry in entries],
            "missing": list(missing),
        }
        for name, text in (
            ("manifest.json", json.dumps(manifest, indent=1)),
            ("README.txt", _README.format(gateway=gateway, at=at, who=who)),
        ):
            self._begin(name)
            self.write(text.encode())
            self.end()
        self._zip.close()

    def abandon(self) -> None:
        """Let go without an end. The file is of no use."""
        if self._open is not None:
            with contextlib.suppress(OSError, ValueError, RuntimeError):
                self._open.close()
        self._zip.fp = None  # closed without an end: it would write one to a file that is gone


def verify(
    path: Path, passphrase: str, digests: Mapping[str, str], read: Callable[[int], None] = lambda _: None
) -> None:
    """Read an archive back from its medium and compare every file. ExportFailed: it is not what was written.

    `read` is told how many bytes were read, again and again. Blocking: for a thread.
    """
    _forget_cached(path)
    broken = ExportFailed(N_("What was written could not be read back as it was. Use another drive."))
    try:
        with pyzipper.AESZipFile(path) as archive:
            archive.setpassword(passphrase.encode())
            if set(archive.namelist()) != set(digests):
                raise broken
            for name, digest in digests.items():
                found = hashlib.sha256()
                with archive.open(name) as file:
                    while piece := file.read(_PIECE):
                        found.update(piece)
                        read(len(piece))
                if found.hexdigest() != digest:
                    raise broken
    except (OSError, ValueError, RuntimeError, EOFError, pyzipper.BadZipFile) as error:
        raise broken from error


def _forget_cached(path: Path) -> None:
    """Have the bytes come from the medium, not from memory."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
