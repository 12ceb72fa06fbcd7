"""Acceptance sheets: what was tested, when, with what result; each with a number and a digest, and kept.

A sheet is what was true when it was made. It is stored as facts and shown from them again and again; the
digest is over exactly these facts, so that a printed sheet can be compared with the one that is kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

from gateway.admin.installing.draft import Result, Said
from gateway.configuring.durable import remove_file, replace_file
from gateway.operator import codec

MAX_SHEETS = 100
MAX_SHEET = 512 * 1024  # bytes of one
_NAME = re.compile(r"sheet-(\d{6,9})\.json")
_MODE = 0o600


@dataclass(frozen=True, slots=True)
class SheetLine:
    """A name and what belongs to it. `what` is a message of the catalogue."""

    what: str
    value: str


@dataclass(frozen=True, slots=True)
class SheetCertificate:
    """A certificate in use. Times are epoch seconds."""

    used_by: str
    subject: str
    sha256: str
    not_after: float


@dataclass(frozen=True, slots=True)
class SheetParty:
    """Somebody who talks with the gateway, or the gateway itself."""

    role: str  # gateway, centre or console
    name: str
    ae_title: str
    address: str
    port: int
    tls: bool
    note: str = ""  # what consoles call it


@dataclass(frozen=True, slots=True)
class Sheet:
    """Everything on one sheet. No patient data. `number` and `digest` are given when it is kept."""

    at: float
    zone: str
    who: str
    site: str
    gateway: str
    ae_title: str
    clock: Said
    clock_trusted: bool
    versions: tuple[SheetLine, ...]
    configuration: str  # version and digest of the configuration in force
    page_fingerprint: str
    certificates: tuple[SheetCertificate, ...]
    addresses: tuple[SheetLine, ...]
    parties: tuple[SheetParty, ...]
    results: tuple[Result, ...]
    points: tuple[Said, ...]
    number: int = 0
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Entry:
    """A sheet in the list of earlier ones."""

    number: int
    at: float
    who: str
    points: int
    digest: str


def digest_of(sheet: Sheet) -> str:
    """Return SHA-256 over everything on the sheet but the digest."""
    facts = codec.encode(replace(sheet, digest=""))
    return hashlib.sha256(json.dumps(facts, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


class Sheets:
    """Keeps sheets in `folder`, one file each; the oldest goes beyond `most`."""

    def __init__(self, folder: Path, most: int = MAX_SHEETS) -> None:
        self._folder = folder
        self._most = most
        self._lock = asyncio.Lock()

    async def keep(self, sheet: Sheet) -> Sheet:
        """Give `sheet` its number and digest, and keep it. OSError."""
        async with self._lock:
            return await asyncio.to_thread(self._keep, sheet)

    async def get(self, number: int) -> Sheet | None:
        """Return a sheet; None when there is none, or none that can be read."""
        return await asyncio.to_thread(self._get, number)

    async def earlier(self) -> tuple[Entry, ...]:
        """Return those that can be read, the newest first."""
        return await asyncio.to_thread(self._list)

    def _keep(self, sheet: Sheet) -> Sheet:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        numbers = self._numbers()
        numbered = replace(sheet, number=max(numbers, default=0) + 1, digest="")
        made = replace(numbered, digest=digest_of(numbered))
        raw = json.dumps(codec.encode(made), ensure_ascii=True).encode()
        if len(raw) > MAX_SHEET:
            raise OSError("the acceptance sheet is too long to be kept")
        replace_file(self._path(made.number), raw, mode=_MODE)
        for number in sorted([*numbers, made.number])[: -self._most]:
            remove_file(self._path(number))
        return made

    def _get(self, number: int) -> Sheet | None:
        try:
            with self._path(number).open("rb") as file:
                return codec.decode(Sheet, json.loads(file.read(MAX_SHEET + 1)))
        except (OSError, ValueError, RecursionError):
            return None

    def _list(self) -> tuple[Entry, ...]:
        sheets = [self._get(number) for number in sorted(self._numbers(), reverse=True)]
        return tuple(
            Entry(sheet.number, sheet.at, sheet.who, len(sheet.points), sheet.digest)
            for sheet in sheets
            if sheet is not None
        )

    def _numbers(self) -> list[int]:
        if not self._folder.is_dir():
            return []
        found = (_NAME.fullmatch(path.name) for path in self._folder.iterdir())
        return [int(match[1]) for match in found if match]

    def _path(self, number: int) -> Path:
        return self._folder / f"sheet-{number:06d}.json"
