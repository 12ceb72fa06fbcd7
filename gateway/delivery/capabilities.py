"""What each destination accepts, learned from negotiation and kept across restarts.

The file is a hint, not a record: when it is lost or damaged everything is learned again from the next
association. Format (JSON): {"version": 1, "destinations": {NAME: {"accepted": {CLASS: [SYNTAX...]},
"refused": {CLASS: [SYNTAX...]}, "sent": [[CLASS, SYNTAX]...], "implementation": UID}}, "windows": {UID:
BOOLEAN}}, "sent" most recent first. "implementation" is the implementation class UID that the destination
gave last, empty when it gives none; "windows" says of implementations whether they answer when an
asynchronous operations window is proposed (PS3.7 D.3.3.3), or hang up.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gateway.model import valid_uid

_log = logging.getLogger(__name__)

FILE_NAME = "capabilities.json"


@dataclass(frozen=True, slots=True)
class CapabilityLimits:
    """Bounds on what is remembered per destination: consoles choose the UIDs."""

    classes: int = 512
    syntaxes: int = 32  # per class
    sent: int = 48  # pairs proposed again on every new association, so that it stays useful longer
    implementations: int = 64  # whose dealing with the asynchronous window is known
    file_bytes: int = 8 * 1024 * 1024


@dataclass(slots=True)
class _Known:
    accepted: dict[str, list[str]] = field(default_factory=dict)
    refused: dict[str, list[str]] = field(default_factory=dict)
    sent: list[tuple[str, str]] = field(default_factory=list)
    implementation: str | None = None


class Capabilities:
    """The memory of all destinations (the KnownTransferSyntaxes of the storage service)."""

    def __init__(self, path: Path, limits: CapabilityLimits | None = None) -> None:
        self._path = path
        self._limits = limits or CapabilityLimits()
        self._known: dict[str, _Known] = {}
        self._windows: dict[str, bool] = {}
        self._changed = False
        self._saving = asyncio.Lock()

    @classmethod
    def load(cls, state_dir: Path, limits: CapabilityLimits | None = None) -> Capabilities:
        """Read what was learned before. Blocking; a file that cannot be used is ignored, with a log line."""
        capabilities = cls(state_dir / FILE_NAME, limits)
        try:
            capabilities._parse()
        except FileNotFoundError:
            pass
        except (OSError, ValueError) as error:
            _log.warning("learned transfer syntaxes are not usable, learning again: %s", error)
            capabilities._known.clear()
            capabilities._windows.clear()
        return capabilities

    def accepted_by(self, destination: str, sop_class_uid: str) -> frozenset[str] | None:
        """Transfer syntaxes `destination` is known to accept for the class; None: not known yet."""
        known = self._known.get(destination)
        if known is None or (sop_class_uid not in known.accepted and sop_class_uid not in known.refused):
            return None
        return frozenset(known.accepted.get(sop_class_uid, ()))

    def known_of(self, destination: str) -> Mapping[str, tuple[Sequence[str], Sequence[str]]]:
        """Transfer syntaxes accepted and refused by `destination`, by SOP class: for displays."""
        known = self._known.get(destination)
        if known is None:
            return {}
        classes = dict.fromkeys((*known.accepted, *known.refused))
        return {uid: (known.accepted.get(uid, ()), known.refused.get(uid, ())) for uid in classes}

    def sent_to(self, destination: str) -> Sequence[tuple[str, str]]:
        """(SOP class, transfer syntax) pairs sent to `destination` lately, most recent first."""
        known = self._known.get(destination)
        return tuple(known.sent) if known else ()

    def sending(self, destination: str, pairs: Iterable[tuple[str, str]]) -> None:
        """Remember that objects of these kinds go to `destination`."""
        known = self._known.setdefault(destination, _Known())
        for pair in pairs:
            if pair not in known.sent:
                known.sent.insert(0, pair)
                self._changed = True
        del known.sent[self._limits.sent :]

    def learn(self, destination: str, results: Iterable[tuple[str, str, bool]]) -> None:
        """Remember the outcome of a negotiation: (SOP class, transfer syntax, accepted)."""
        known = self._known.setdefault(destination, _Known())
        for sop_class, syntax, accepted in results:
            to, out_of = (known.accepted, known.refused) if accepted else (known.refused, known.accepted)
            there = to.setdefault(sop_class, [])
            if syntax not in there:
                there.append(syntax)
                del there[: -self._limits.syntaxes]
                self._changed = True
            if syntax in out_of.get(sop_class, ()):
                out_of[sop_class].remove(syntax)
                self._changed = True
            while len(to) > self._limits.classes:
                del to[next(iter(to))]

    def bears_window(self, destination: str) -> bool:
        """Say whether an asynchronous operations window may be proposed: unless that makes it hang up."""
        known = self._known.get(destination)
        return known is None or known.implementation is None or self._windows.get(known.implementation, True)

    def met(self, destination: str, implementation: str, *, window: bool) -> None:
        """`destination` has answered, as `implementation`, a proposal with (or without) a window."""
        self._is(destination, implementation)
        if window:
            self._learn_window(implementation, bears=True)

    def hung_up(self, destination: str, implementation: str) -> None:
        """`destination` hung up on a proposal with a window, and answered the same without.

        A link that broke at that moment looks the same; so of an implementation that ever answered a proposal
        with a window nothing is learned from this.
        """
        self._is(destination, implementation)
        if not self._windows.get(implementation, False):
            self._learn_window(implementation, bears=False)

    def _is(self, destination: str, implementation: str) -> None:
        known = self._known.setdefault(destination, _Known())
        if not valid_uid(implementation):
            implementation = ""
        if known.implementation != implementation:
            known.implementation = implementation
            self._changed = True

    def _learn_window(self, implementation: str, *, bears: bool) -> None:
        if not valid_uid(implementation):
            implementation = ""
        if self._windows.get(implementation) is not bears:
            self._windows[implementation] = bears
            self._changed = True
        while len(self._windows) > self._limits.implementations:
            del self._windows[next(iter(self._windows))]

    async def save(self) -> None:
        """Replace the file atomically when something changed. A failure is logged: nothing depends on it."""
        async with self._saving:
            if not self._changed:
                return
            self._changed = False
            text = json.dumps(self._dump(), separators=(",", ":"))
            try:
                await asyncio.to_thread(self._write, text)
            except OSError as error:
                self._changed = True
                _log.warning("learned transfer syntaxes could not be saved: %s", error.strerror)

    def _write(self, text: str) -> None:
        fresh = self._path.with_suffix(".new")
        try:
            with fresh.open("w", encoding="ascii") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError:
            with contextlib.suppress(OSError):
                fresh.unlink(missing_ok=True)
            raise

    def _dump(self) -> dict[str, object]:
        return {
            "version": 1,
            "destinations": {
                name: {
                    "accepted": known.accepted,
                    "refused": known.refused,
                    "sent": known.sent,
                    **({} if known.implementation is None else {"implementation": known.implementation}),
                }
                for name, known in self._known.items()
            },
            "windows": self._windows,
        }

    def _parse(self) -> None:
        if self._path.stat().st_size > self._limits.file_bytes:
            raise ValueError("the file is too large")
        content = json.loads(self._path.read_text(encoding="ascii"))
        if not isinstance(content, dict) or content.get("version") != 1:
            raise ValueError("unknown version")
        for name, entry in _mapping(content.get("destinations")).items():
            fields = _mapping(entry)
            known = self._known[name] = _Known()
            for key, into in (("accepted", known.accepted), ("refused", known.refused)):
                for sop_class, syntaxes in _mapping(fields.get(key)).items():
                    into[_uid(sop_class)] = [_uid(syntax) for syntax in _list(syntaxes)]
            for pair in _list(fields.get("sent")):
                first, second = _list(pair)
                known.sent.append((_uid(first), _uid(second)))
            if "implementation" in fields:
                known.implementation = _implementation(fields["implementation"])
        for implementation, bears in _mapping(content.get("windows", {})).items():
            self._windows[_implementation(implementation)] = bears is True


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise ValueError("an object was expected")  # noqa: TRY004  # one error for everything malformed
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise ValueError("a list was expected")  # noqa: TRY004  # one error for everything malformed
    return value


def _uid(value: object) -> str:
    if not isinstance(value, str) or not valid_uid(value):
        raise ValueError("a UID was expected")
    return value


def _implementation(value: object) -> str:
    return "" if value == "" else _uid(value)
