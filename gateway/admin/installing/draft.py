"""What is not applied yet: the answers, how far each step is, and what was tested. One file, one draft.

It is written after every step, whole or not at all, so that a page that starts again goes on where it was.
Only the page's own user may read it. Losing it costs the answers since the last "Apply", and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from gateway.admin.installing.answers import Answers
from gateway.configuring.durable import remove_file, replace_file
from gateway.operator import codec

_log = logging.getLogger(__name__)

MAX_DRAFT = 512 * 1024  # bytes of the file
MAX_RESULTS = 64
MAX_STEPS = 32  # steps kept of one result
_MODE = 0o600

Outcome = Literal["ok", "warning", "failed"]
Kind = Literal["path", "console-echo", "console-call", "clock", "certificate"]
MarkState = Literal["done", "attention"]


@dataclass(frozen=True, slots=True)
class Said:
    """A sentence of the catalogue in English, with name, value, name, value ... of its placeholders."""

    message: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Mark:
    """A step that somebody has gone through."""

    step: str
    state: MarkState
    at: float
    who: str


@dataclass(frozen=True, slots=True)
class ResultStep:
    """One step of a test, in words."""

    title: str
    outcome: str
    seconds: float
    words: str
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What came of one test. A later one of the same kind and subject takes its place."""

    kind: Kind
    subject: str  # name of a centre, AE title of a console, name of a certificate; empty for the clock
    outcome: Outcome
    said: Said
    seconds: float | None
    at: float
    who: str
    stored: tuple[str, ...] = ()  # classes of which a synthetic object was stored at the centre
    steps: tuple[ResultStep, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """One installation under way."""

    begun_at: float
    begun_by: str
    base: str  # digest of the configuration the answers began with
    base_answers: Answers  # what that configuration says
    answers: Answers
    site: str = ""
    security: Literal["", "tls", "plain"] = ""
    identity: str = ""  # name of the certificate that is used towards centres
    marks: tuple[Mark, ...] = field(default=())
    results: tuple[Result, ...] = field(default=())
    kept_at: float | None = None  # when a configuration was kept from here
    format: int = 1

    def mark(self, step: str) -> Mark | None:
        """Return how far a step is."""
        return next((one for one in self.marks if one.step == step), None)

    def marked(self, mark: Mark) -> Draft:
        """Return the draft with a step marked."""
        return replace(self, marks=(*(one for one in self.marks if one.step != mark.step), mark))

    def unmarked(self, *steps: str) -> Draft:
        """Return the draft with steps to be gone through again."""
        return replace(self, marks=tuple(one for one in self.marks if one.step not in steps))

    def result(self, kind: Kind, subject: str = "") -> Result | None:
        """Return the latest result of one test."""
        return next((one for one in self.results if (one.kind, one.subject) == (kind, subject)), None)

    def with_result(self, result: Result) -> Draft:
        """Return the draft with a result; the oldest goes beyond MAX_RESULTS."""
        key = (result.kind, result.subject)
        others = [one for one in self.results if (one.kind, one.subject) != key]
        short = replace(result, steps=result.steps[:MAX_STEPS])
        return replace(self, results=(*others, short)[-MAX_RESULTS:])


class Drafts:
    """Keeps the one draft there is in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "draft.json"
        self._lock = asyncio.Lock()

    async def load(self) -> Draft | None:
        """Return the draft; None when there is none, or none that can be read."""
        async with self._lock:
            return await asyncio.to_thread(self._load)

    async def change(self, change: Callable[[Draft], Draft]) -> Draft:
        """Change the draft that is there, and keep it. LookupError when there is none. OSError."""
        async with self._lock:
            draft = await asyncio.to_thread(self._load)
            if draft is None:
                raise LookupError("there is no draft")
            changed = change(draft)
            if changed != draft:
                await asyncio.to_thread(self._save, changed)
            return changed

    async def begin(self, draft: Draft) -> Draft:
        """Keep `draft`, unless somebody has begun meanwhile; return the one that is kept. OSError."""
        async with self._lock:
            found = await asyncio.to_thread(self._load)
            if found is None:
                await asyncio.to_thread(self._save, draft)
            return found or draft

    async def forget(self) -> None:
        """Remove it."""
        async with self._lock:
            await asyncio.to_thread(remove_file, self._path)

    def _load(self) -> Draft | None:
        try:
            with self._path.open("rb") as file:
                raw = file.read(MAX_DRAFT + 1)
        except FileNotFoundError:
            return None
        try:
            # What is longer than anything written here is cut, and so no JSON.
            return codec.decode(Draft, json.loads(raw[:MAX_DRAFT]), strict=True)
        except (ValueError, RecursionError) as error:
            aside = self._path.with_suffix(".unreadable")
            _log.warning("the draft of the installation cannot be read and is set aside: %s", aside)
            _log.debug("the draft: %s", error)
            self._path.replace(aside)
            return None

    def _save(self, draft: Draft) -> None:
        raw = json.dumps(codec.encode(draft), ensure_ascii=True).encode()
        if len(raw) > MAX_DRAFT:
            raise OSError("the draft of the installation is too long to be kept")
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        replace_file(self._path, raw, mode=_MODE)
