"""What the daemon knows of consoles and centres, as facts: from the contact book and the rooms that dial."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, Protocol, cast

from gateway.dicom import sop_classes
from gateway.listener import ListenerLimits, ListenerSettings
from gateway.model import AETitle, Peer, Route
from gateway.operator.contact_book import Answer, CallerEntry, Contact, ContactBook, PeerEntry, Refusal
from gateway.operator.sections import peers as facts
from gateway.operator.words import printable
from gateway.reachability import Reachabilities

MAX_LISTED: Final = 20
"""Refused contexts shown in a list; the details have all of them."""

_STUDY_ROOT_FIND: Final = "1.2.840.10008.5.1.4.1.2.2.1"
_STUDY_ROOT_GET: Final = "1.2.840.10008.5.1.4.1.2.2.3"
_RESULTS: Final[dict[int, facts.ContextResult]] = {
    1: "user",
    2: "provider",
    3: "abstract-syntax",
    4: "transfer-syntaxes",
}

_WORDS: Final[dict[facts.ContextResult, str]] = {
    "user": "refused by the application",
    "provider": "refused without a reason; behind a relay this means that the centre could not be reached",
    "abstract-syntax": "this kind of object or service is not supported",
    "transfer-syntaxes": "none of the offered encodings (transfer syntaxes) is supported",
    "other": "refused with a result that the standard does not know",
}


class KnownSyntaxes(Protocol):
    """What destinations are known to accept, over restarts (gateway.delivery.capabilities.Capabilities)."""

    def known_of(self, destination: str) -> Mapping[str, tuple[Sequence[str], Sequence[str]]]:
        """SOP class UID -> transfer syntaxes accepted, and refused."""


class DoorView(Protocol):
    """What is shown of a listener (gateway.listener.Listener)."""

    @property
    def settings(self) -> ListenerSettings: ...

    @property
    def limits(self) -> ListenerLimits: ...

    @property
    def port(self) -> int: ...

    @property
    def connections(self) -> int: ...

    @property
    def established(self) -> int: ...


class PeerView:
    """Implements sections.peers.PeersPort. Everything is read when asked."""

    def __init__(
        self,
        book: ContactBook,
        *,
        own_titles: Iterable[AETitle],
        own_ae: AETitle,
        peers: Mapping[str, Peer],
        destinations: Iterable[str],
        routes: Sequence[Route],
        listeners: Sequence[DoorView],
        reachabilities: Reachabilities,
        capabilities: KnownSyntaxes,
        warm: Callable[[str], int],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`clock` is the one that `reachabilities` is told by; `warm` counts warm associations of a peer."""
        self._book = book
        self._own_titles = tuple(dict.fromkeys(own_titles))
        self._own_ae = own_ae
        self._peers = peers
        self._destinations = frozenset(destinations)
        self._routes = routes
        self._listeners = listeners
        self._reachabilities = reachabilities
        self._capabilities = capabilities
        self._warm = warm
        self._clock = clock

    def peers(self) -> facts.Peers:
        return facts.Peers(self._book.since, tuple(self._peer(peer)[0] for peer in self._peers.values()))

    def peer(self, name: str) -> facts.PeerDetails:
        if name not in self._peers:
            raise facts.NoSuchPeer(f"there is no peer {printable(name, 64)!r} in the configuration")
        told, contexts = self._peer(self._peers[name])
        entry = self._book.peer(name)
        return facts.PeerDetails(told, _terms(entry) if entry else None, contexts)

    def callers(self) -> facts.Callers:
        return facts.Callers(self._book.since, tuple(_caller(one)[0] for one in self._book.callers()))

    def caller(self, number: int) -> facts.CallerDetails:
        entry = self._book.caller(number)
        if entry is None:
            raise facts.NoSuchCaller(f"there is no caller {number}, or it has been forgotten")
        told, contexts = _caller(entry)
        return facts.CallerDetails(told, _terms(entry), contexts)

    def routing(self) -> facts.Routes:
        return facts.Routes(
            self._own_titles,
            tuple(_door(listener) for listener in self._listeners),
            tuple(_route(route) for route in self._routes),
        )

    def _peer(self, peer: Peer) -> tuple[facts.PeerFacts, tuple[facts.ContextFacts, ...]]:
        reachability = self._reachabilities.of(peer.name)
        now = self._clock()
        entry = self._book.peer(peer.name)
        contexts = self._contexts_of(peer.name, entry)
        refused = tuple(context for context in contexts if context.result is not None)
        next_try = reachability.next_try(now)
        at, phase, words = entry.last_failure if entry and entry.last_failure else (None, "", "")
        told = facts.PeerFacts(
            name=peer.name,
            ae_title=peer.ae_title,
            host=peer.host,
            port=peer.port,
            tls=peer.tls is not None or bool(peer.via),
            certificate=str(peer.tls.certificate) if peer.tls else "",
            authorities=str(peer.tls.ca) if peer.tls else "",
            calling_ae=peer.calling_ae or self._own_ae,
            destination=peer.name in self._destinations,
            max_associations=peer.max_associations,
            commitment=peer.commitment,
            reach=reachability.state.value,
            reason=reachability.reason(now) or "",
            next_try_seconds=None if next_try is None else max(0.0, next_try - now),
            rtt_seconds=reachability.rtt,
            last_contact_at=entry.last_success_at if entry else None,
            last_failure_at=at,
            last_failure_phase=phase,
            last_failure=words,
            failures=entry.failures if entry else 0,
            open=entry.open if entry else 0,
            warm=self._warm(peer.name),
            accepted=len(contexts) - len(refused),
            refused=refused[:MAX_LISTED],
            refused_count=len(refused),
            compare=peer.compare,
            queries=_offered(entry, _STUDY_ROOT_FIND),
            gives_back=_offered(entry, _STUDY_ROOT_GET),
        )
        return told, contexts

    def _contexts_of(self, peer: str, entry: PeerEntry | None) -> tuple[facts.ContextFacts, ...]:
        """What was negotiated since the start, and what was learned before it."""
        heard = dict(entry.answers) if entry else {}
        contexts = [_context(uid, found) for uid, found in heard.items()]
        for uid, (accepted, refused) in self._capabilities.known_of(peer).items():
            if uid not in heard and (accepted or refused):
                contexts.append(_learned(uid, accepted, refused))
        return _sorted(contexts)


def _offered(entry: PeerEntry | None, uid: str) -> facts.Offered:
    """Say what was learned of a service on the associations with a peer since the start."""
    found = entry.answers.get(uid) if entry else None
    if found is None:
        return "unknown"
    return "yes" if found.accepted else "no"


def _caller(entry: CallerEntry) -> tuple[facts.CallerFacts, tuple[facts.ContextFacts, ...]]:
    contexts = _sorted([_context(uid, found) for uid, found in entry.answers.items()])
    refused = tuple(context for context in contexts if context.result is not None)
    relay_at, relay_peer, relay_words = entry.last_relay_refusal or (None, "", "")
    told = facts.CallerFacts(
        number=entry.number,
        calling_ae=entry.calling_ae,
        address=entry.address,
        listener=entry.listener,
        called=entry.called,
        known=entry.known,
        first_at=entry.first_at,
        last_at=entry.last_at,
        associations=entry.associations,
        open=entry.open,
        objects=entry.objects,
        bytes=entry.bytes,
        object_failures=entry.object_failures,
        refusals=entry.refusals,
        last_refusal=_refusal(entry.last_refusal) if entry.last_refusal else None,
        relay_refused_at=relay_at,
        relay_refused_peer=relay_peer,
        relay_refused_words=relay_words,
        accepted=len(contexts) - len(refused),
        refused=refused[:MAX_LISTED],
        refused_count=len(refused),
    )
    return told, contexts


def _refusal(last: Refusal) -> facts.RefusalFacts:
    return facts.RefusalFacts(last.at, cast(facts.RefusalCode, last.code), last.words, last.called_ae)


def _terms(entry: Contact) -> facts.TermsFacts | None:
    terms = entry.terms
    if terms is None:
        return None
    return facts.TermsFacts(
        at=terms.at,
        calling_ae=terms.calling_ae,
        called_ae=terms.called_ae,
        max_pdu_length=terms.max_pdu_length,
        operations_invoked=terms.async_window[0],
        operations_performed=terms.async_window[1],
        implementation_class_uid=terms.implementation_class_uid,
        implementation_version=terms.implementation_version,
        tls=entry.tls,
    )


def _context(uid: str, found: Answer) -> facts.ContextFacts:
    result = None
    if not found.accepted and found.refused:
        result = _RESULTS.get(found.refused[0][0], "other")
    return facts.ContextFacts(
        name=sop_classes.name(uid),
        uid=uid,
        accepted=tuple(sop_classes.name(syntax) for syntax in found.accepted),
        refused=tuple(sop_classes.name(syntax) for _, syntax in found.refused),
        result=result,
        words="" if result is None else _WORDS[result],
        role=_role(found),
        at=found.at,
    )


def _learned(uid: str, accepted: Sequence[str], refused: Sequence[str]) -> facts.ContextFacts:
    result: facts.ContextResult | None = None if accepted else "transfer-syntaxes"
    return facts.ContextFacts(
        name=sop_classes.name(uid),
        uid=uid,
        accepted=tuple(sop_classes.name(syntax) for syntax in accepted),
        refused=tuple(sop_classes.name(syntax) for syntax in refused),
        result=result,
        words="" if result is None else _WORDS[result],
        role="scu",
        at=None,
    )


def _role(found: Answer) -> facts.Role:
    if found.as_scu:
        return "both" if found.as_scp else "scu"
    return "scp" if found.as_scp else "none"


def _sorted(contexts: list[facts.ContextFacts]) -> tuple[facts.ContextFacts, ...]:
    return tuple(sorted(contexts, key=lambda context: (context.result is None, context.name)))


def _door(listener: DoorView) -> facts.DoorFacts:
    settings, limits = listener.settings, listener.limits
    return facts.DoorFacts(
        name=settings.name,
        address=settings.address,
        port=listener.port,
        allow=tuple(str(network) for network in settings.allow) or None,
        tls=settings.tls is not None,
        certificate=str(settings.tls.certificate) if settings.tls else "",
        authorities=str(settings.tls.ca) if settings.tls else "",
        connections=listener.connections,
        max_connections=limits.max_connections,
        max_per_address=limits.max_per_address,
        associations=listener.established,
        max_associations=limits.max_associations,
    )


def _route(route: Route) -> facts.RouteFacts:
    return facts.RouteFacts(
        called=route.called,
        calling=None if route.calling is None else tuple(sorted(route.calling)),
        to=route.to,
        mode="relay" if route.mode == "relay" else "store",
        mpps="queue" if route.mpps == "queue" else "relay",
        calling_upstream="gateway" if route.calling_upstream == "gateway" else "caller",
    )
