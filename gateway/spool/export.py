"""Writing an object out as a DICOM file for a person to look at."""

from __future__ import annotations

import hashlib
from pathlib import Path

from gateway.dicom.part10 import file_meta
from gateway.errors import LocalError, SpoolFailure
from gateway.model import StoredObject
from gateway.spool.files import Files
from gateway.spool.values import MIB, DataReader


def export(stored: StoredObject, reader: DataReader, path: Path, files: Files) -> None:
    """Write `stored` to the new file `path`, readable by us alone. Blocking.

    Nothing is left at `path` when the disk fails or the bytes do not have their digest (SpoolFailure).
    LocalError when `path` exists or cannot be made.
    """
    try:
        descriptor = files.create(path)
    except OSError as error:
        raise LocalError(f"cannot write the file: {error.strerror}") from error
    failure: SpoolFailure | None = None
    try:
        try:
            digest = hashlib.sha256()
            _write_all(files, descriptor, file_meta(stored.instance, source_ae=stored.origin.calling_ae))
            while chunk := reader.read(MIB):
                digest.update(chunk)
                _write_all(files, descriptor, chunk)
            files.sync(descriptor)
        finally:
            files.close(descriptor)
        if digest.digest() != stored.digest:
            failure = SpoolFailure(
                f"the bytes of object {stored.number} are not what was received: do not use them"
            )
    except OSError as error:
        failure = SpoolFailure(f"cannot write the file: {error.strerror}")
    except SpoolFailure as error:
        failure = error
    if failure is not None:
        files.remove(path)
        raise failure


def _write_all(files: Files, descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[files.write(descriptor, view) :]
