"""Who calls us, whom we call, and what they agreed to: kept from notices, bounded whatever peers do.

A caller is one calling AE title at one address. Those that were let in at some time and those that never
were are kept apart, so that a port scanner cannot push a console out; within each kind the least recently
seen goes first. What is negotiated is kept by abstract syntax, the latest answer for each, since a peer
proposes one thing when it verifies and another when it stores.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from gateway.notices import (
    AssociationClosed,
    AssociationNegotiated,
    AssociationOpened,
    AssociationRefused,
    ConnectionRefused,
    DialFailed,
    Notice,
    Notices,
    ObjectRefused,
    ObjectStored,
    RelayRefused,
)


@dataclass(frozen=True, slots=True)
class BookLimits:
    """How much is remembered. Counts."""

    callers: int = 128  # that were let in at some time
    strangers: int = 64  # that never were
    per_address: int = 16  # callers of either kind at one address: titles are free to invent
    classes: int = 192  # abstract syntaxes remembered of one caller or peer; one association carries 128
    syntaxes: int = 6  # transfer syntaxes remembered of one abstract syntax
    called: int = 4  # titles that one caller called lately
    words: int = 200  # characters of a reason
    shared_uids: int = 2048  # different UIDs that are kept once for everybody


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one abstract syntax when it was proposed last."""

    at: float
    accepted: tuple[str, ...]  # transfer syntaxes
    refused: tuple[tuple[int, str], ...]  # result (PS3.8 Table 9-18) and the first transfer syntax proposed
    as_scu: bool  # roles of who opened the association
    as_scp: bool


@dataclass(frozen=True, slots=True)
class Terms:
    """What the latest association agreed on beyond its presentation contexts."""

    at: float
    called_ae: str
    calling_ae: str
    max_pdu_length: int
    async_window: tuple[int, int]
    implementation_class_uid: str
    implementation_version: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody was not let in. `code` is stable, for advice; `words` are the log's."""

    at: float
    code: str  # see `code_of`
    words: str
    called_ae: str = ""


@dataclass(slots=True)
class Contact:
    """What callers and peers have in common."""

    first_at: float
    last_at: float  # when it last said anything, or we last heard of it
    associations: int = 0
    open: int = 0
    terms: Terms | None = None
    tls: str = ""
    answers: OrderedDict[str, Answer] = field(default_factory=OrderedDict)  # the least recent first


@dataclass(slots=True)
class CallerEntry(Contact):
    """One calling AE title at one address; the title is empty when it never got to say it."""

    number: int = 0
    calling_ae: str = ""
    address: str = ""
    listener: str = ""
    called: tuple[str, ...] = ()  # titles it called, the latest first
    objects: int = 0
    bytes: int = 0
    object_failures: int = 0
    refusals: int = 0
    last_refusal: Refusal | None = None
    last_relay_refusal: tuple[float, str, str] | None = None  # when, peer, why

    @property
    def known(self) -> bool:
        """True when it was let in at some time."""
        return self.associations > 0


@dataclass(slots=True)
class PeerEntry(Contact):
    """One peer we dial."""

    last_success_at: float | None = None
    failures: int = 0  # in a row
    last_failure: tuple[float, str, str] | None = None  # when, phase, why


@dataclass(slots=True)
class _Live:
    """One association of the moment."""

    contact: Contact
    inbound: bool


_Key = tuple[str, str]  # calling AE title, address


class ContactBook:
    """Listens to notices from when it is made until it is closed."""

    def __init__(
        self,
        notices: Notices,
        peers: Iterable[str],
        wall_clock: Callable[[], float],
        limits: BookLimits | None = None,
    ) -> None:
        """`peers`: the configured names; nobody else is remembered as a peer."""
        self.since = wall_clock()
        self._peer_names = frozenset(peers)
        self._wall_clock = wall_clock
        self._limits = limits or BookLimits()
        self._callers: OrderedDict[_Key, CallerEntry] = OrderedDict()
        self._strangers: OrderedDict[_Key, CallerEntry] = OrderedDict()
        self._peers: dict[str, PeerEntry] = {}
        self._live: dict[str, _Live] = {}  # bounded by the caps on associations
        self._uids: dict[str, str] = {}
        self._last_number = 0
        self._relay_refused: RelayRefused | None = None  # the latest: its association may be refused next
        self._unsubscribe = notices.subscribe(self._take)

    def close(self) -> None:
        """Stop listening."""
        self._unsubscribe()

    def callers(self) -> tuple[CallerEntry, ...]:
        """Return every caller that is remembered, the most recently seen first."""
        both = [*self._callers.values(), *self._strangers.values()]
        return tuple(sorted(both, key=lambda entry: entry.last_at, reverse=True))

    def caller(self, number: int) -> CallerEntry | None:
        """Return the caller with this number; None when it is not remembered any more."""
        return next((entry for entry in self.callers() if entry.number == number), None)

    def peer(self, name: str) -> PeerEntry | None:
        """Return what is remembered of a peer; None when it was never dialled since the start."""
        return self._peers.get(name)

    # --- notices -------------------------------------------------------------------------------------

    def _take(self, notice: Notice) -> None:
        match notice:
            case AssociationNegotiated():
                self._on_negotiated(notice)
            case AssociationOpened():
                live = self._live.get(notice.association)
                if live is not None:
                    live.contact.tls = notice.tls
            case AssociationClosed():
                self._on_closed(notice)
            case AssociationRefused() if notice.inbound:
                self._on_association_refused(notice)
            case ConnectionRefused():
                self._on_connection_refused(notice)
            case DialFailed():
                self._on_dial_failed(notice)
            case ObjectStored():
                self._on_object(notice.calling_ae, notice.address, notice.size, stored=True)
            case ObjectRefused():
                self._on_object(notice.calling_ae, notice.address, notice.size, stored=False)
            case RelayRefused():
                self._relay_refused = notice
                entry = self._find(notice.calling_ae, notice.address)
                if entry is not None:
                    words = notice.reason[: self._limits.words]
                    entry.last_relay_refusal = (self._wall_clock(), notice.peer, words)

    def _on_negotiated(self, notice: AssociationNegotiated) -> None:
        now = self._wall_clock()
        contact: Contact
        if notice.inbound:
            caller = self._caller(notice.calling_ae, notice.address, let_in=True)
            caller.listener = notice.listener
            self._called(caller, notice.called_ae)
            contact = caller
        elif notice.peer in self._peer_names:
            peer = self._peers.get(notice.peer)
            if peer is None:
                peer = self._peers[notice.peer] = PeerEntry(now, now)
            peer.last_success_at = now
            peer.failures = 0
            contact = peer
        else:
            return
        contact.last_at = now
        contact.associations += 1
        contact.open += 1
        contact.terms = Terms(
            now,
            notice.called_ae,
            notice.calling_ae,
            notice.max_pdu_length,
            notice.async_window,
            notice.implementation_class_uid,
            notice.implementation_version,
        )
        self._remember(contact, notice, now)
        self._live[notice.association] = _Live(contact, notice.inbound)

    def _remember(self, contact: Contact, notice: AssociationNegotiated, now: float) -> None:
        """Condense the contexts: one answer for each abstract syntax, instead of what was known of it."""
        found: dict[str, tuple[list[str], list[tuple[int, str]], bool, bool]] = {}
        shared, most = self._shared, self._limits.syntaxes
        for proposed, answered in zip(notice.proposed, notice.answered, strict=False):
            uid = answered.abstract_syntax
            entry = found.get(uid)
            if entry is None:
                entry = found[uid] = ([], [], answered.as_scu, answered.as_scp)
            accepted, refused = entry[0], entry[1]
            if answered.result == 0:
                if len(accepted) < most and answered.transfer_syntax not in accepted:
                    accepted.append(shared(answered.transfer_syntax))
            elif len(refused) < most:
                first = proposed.transfer_syntaxes[0] if proposed.transfer_syntaxes else ""
                refused.append((answered.result, shared(first)))
        answers = contact.answers
        for uid, (taken, turned_down, as_scu, as_scp) in found.items():
            answers.pop(uid, None)
            answers[shared(uid)] = Answer(now, tuple(taken), tuple(turned_down), as_scu, as_scp)
        while len(answers) > self._limits.classes:
            answers.popitem(last=False)

    def _shared(self, uid: str) -> str:
        """Return the one copy of a UID: consoles of one kind propose the same hundred again and again."""
        if len(self._uids) >= self._limits.shared_uids:
            return self._uids.get(uid, uid)
        return self._uids.setdefault(uid, uid)

    def _on_closed(self, notice: AssociationClosed) -> None:
        live = self._live.pop(notice.association, None)
        if live is None:
            return
        live.contact.open -= 1
        live.contact.last_at = self._wall_clock()
        if isinstance(live.contact, PeerEntry):
            live.contact.last_success_at = live.contact.last_at

    def _on_association_refused(self, notice: AssociationRefused) -> None:
        entry = self._caller(notice.calling_ae, notice.address, let_in=False)
        self._called(entry, notice.called_ae)
        code, words = code_of(notice.result, notice.source, notice.diagnostic), notice.reason
        relay = self._relay_refused
        if relay is not None and relay.association == notice.association:
            # What we answered is what the far end answered: it is not our own opinion of these titles.
            words = f"{relay.peer}: {relay.reason}"
            code = code if code == "centre-unreachable" else "centre-rejected"
        self._refuse(entry, code, words, notice.called_ae)

    def _on_connection_refused(self, notice: ConnectionRefused) -> None:
        entry = self._caller("", notice.address, let_in=False)
        entry.listener = notice.listener
        self._refuse(entry, notice.kind or "no-association", notice.reason, "")

    def _refuse(self, entry: CallerEntry, code: str, words: str, called_ae: str) -> None:
        now = self._wall_clock()
        entry.last_at = now
        entry.refusals += 1
        entry.last_refusal = Refusal(now, code, words[: self._limits.words], called_ae)

    def _on_dial_failed(self, notice: DialFailed) -> None:
        if notice.peer not in self._peer_names:
            return
        now = self._wall_clock()
        entry = self._peers.get(notice.peer)
        if entry is None:
            entry = self._peers[notice.peer] = PeerEntry(now, now)
        entry.failures += 1
        entry.last_failure = (now, notice.phase, notice.reason[: self._limits.words])

    def _on_object(self, calling_ae: str, address: str, size: int, *, stored: bool) -> None:
        entry = self._find(calling_ae, address)
        if entry is None:
            return
        entry.last_at = self._wall_clock()
        if stored:
            entry.objects += 1
            entry.bytes += size
        else:
            entry.object_failures += 1

    # --- callers -------------------------------------------------------------------------------------

    def _find(self, calling_ae: str, address: str) -> CallerEntry | None:
        return self._callers.get((calling_ae, address)) or self._strangers.get((calling_ae, address))

    def _caller(self, calling_ae: str, address: str, *, let_in: bool) -> CallerEntry:
        """Return the entry for a caller, made or moved so that it is the most recently seen of its kind."""
        key = (calling_ae, address)
        if key in self._callers:
            self._callers.move_to_end(key)
            return self._callers[key]
        entry = self._strangers.pop(key, None)
        if entry is None:
            now = self._wall_clock()
            self._last_number += 1
            entry = CallerEntry(now, now, number=self._last_number, calling_ae=calling_ae, address=address)
        kind = self._callers if let_in else self._strangers
        kind[key] = entry
        self._bound(kind, self._limits.callers if let_in else self._limits.strangers, address)
        return entry

    def _bound(self, kind: OrderedDict[_Key, CallerEntry], most: int, address: str) -> None:
        here = [key for key in kind if key[1] == address]
        if len(here) > self._limits.per_address:
            del kind[_least(here, kind)]
        elif len(kind) > most:
            crowd = Counter(key[1] for key in kind)
            # The fullest address pays, so that many invented titles push out each other.
            fullest = max(crowd.values())
            candidates = [key for key in kind if crowd[key[1]] == fullest] if fullest > 1 else list(kind)
            del kind[_least(candidates, kind)]

    def _called(self, entry: CallerEntry, called_ae: str) -> None:
        if called_ae and (not entry.called or entry.called[0] != called_ae):
            others = [title for title in entry.called if title != called_ae]
            entry.called = (called_ae, *others)[: self._limits.called]


def _least(keys: Sequence[_Key], kind: OrderedDict[_Key, CallerEntry]) -> _Key:
    """Return which of `keys` to forget: the least recent of those that sent nothing, or else of all.

    The last one is the newest, and stays.
    """
    silent = [key for key in keys[:-1] if not kind[key].objects and not kind[key].open]
    return (silent or list(keys))[0]


_CODES = {
    (1, 1, 1): "refused-without-reason",
    (1, 1, 2): "application-context",
    (1, 1, 3): "calling-title",
    (1, 1, 7): "called-title",
    (1, 2, 2): "protocol-version",
    (2, 3, 1): "centre-unreachable",
    (2, 3, 2): "too-many",
}


def code_of(result: int, source: int, diagnostic: int) -> str:
    """Return the stable word for an A-ASSOCIATE-RJ of ours (PS3.8 Table 9-21); "rejected" for any other."""
    return _CODES.get((result, source, diagnostic), "rejected")
