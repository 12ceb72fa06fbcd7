"""What an entry of the audit trail is, and the facts about the trail. No patient data in any of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from gateway.errors import LocalError

MAX_TEXT = {"who": 160, "what": 64, "subject": 160, "outcome": 200, "detail": 500, "address": 64}
"""Characters kept of each text of an entry."""

MAX_BATCH = 100  # entries taken at a time


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One thing that somebody did, or tried to do."""

    at: Annotated[float, "when it happened, by the clock of whoever reports it"]
    who: Annotated[str, "name of the person or program"]
    what: Annotated[str, "stable word for what was done: retry, discard, sign-in, reveal ..."]
    subject: Annotated[str, "what it was done to; empty when to the whole"] = ""
    outcome: Annotated[str, "done, or why it was not"] = "done"
    detail: Annotated[str, "a reason that was given, or what came of it"] = ""
    address: Annotated[str, "network address it came from; empty for this machine"] = ""


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An entry as it is kept."""

    number: int
    at: Annotated[float, "when it happened, by the clock of whoever reported it"]
    recorded_at: Annotated[float, "when it was written, by the clock of the gateway"]
    who: str
    what: str
    subject: str
    outcome: str
    detail: str
    address: str
    digest: Annotated[str, "SHA-256 over this entry and the digest before it"]


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Entries, the newest first."""

    entries: tuple[AuditRecord, ...]
    next: Annotated[int | None, "give it as `before` for older ones; null: there are none"]
    examined: Annotated[int, "entries looked at for this page; a page may be short because of the filters"]


@dataclass(frozen=True, slots=True)
class AuditVerdict:
    """What following the chain of digests found."""

    ok: Annotated[bool, "nothing was changed, removed or put in between"]
    words: Annotated[str, "the same in a sentence"]
    entries: int
    first: Annotated[int, "number of the oldest entry; 0 when there is none"]
    last: int
    oldest_at: float | None
    newest_at: float | None
    digest: Annotated[str, "of the newest entry: note it elsewhere to compare later"]
    size: Annotated[int, "bytes on the disk"]
    damage: Annotated[tuple[str, ...], "where the chain breaks, the first few places"]
    notes: Annotated[tuple[str, ...], "what was found and is no damage"]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which entries are wanted. Texts match anywhere, whatever the case; `what` as a whole."""

    since: float | None = None
    until: float | None = None
    who: str = ""
    what: str = ""
    text: str = ""

    def takes(self, record: AuditRecord) -> bool:
        """Say whether `record` is wanted."""
        if self.since is not None and record.at < self.since:
            return False
        if self.until is not None and record.at > self.until:
            return False
        if self.what and record.what != self.what:
            return False
        if self.who and self.who.casefold() not in record.who.casefold():
            return False
        if not self.text:
            return True
        fields = (record.who, record.what, record.subject, record.outcome, record.detail, record.address)
        return self.text.casefold() in "\n".join(fields).casefold()


@dataclass(frozen=True, slots=True)
class AuditLimits:
    """How much is kept, and how much may wait."""

    retention: float = 730 * 86400.0  # seconds
    max_size: int = 64 * 2**20  # bytes of all files together
    max_queued: int = 1000  # entries waiting in memory while the disk refuses them
    max_examined: int = 20_000  # entries looked at for one page
    retry: float = 30.0  # seconds between tries after a failure

    @property
    def segment_bytes(self) -> int:
        """One file is closed at this size: the oldest goes as a whole."""
        return min(2**20, self.max_size // 8)

    @property
    def segment_seconds(self) -> float:
        """One file is closed at this age, so that a quiet gateway forgets in time, too."""
        return self.retention / 24


class AuditUnavailable(LocalError):
    """The entries could not be made durable; whoever sent them keeps them and tries again."""
