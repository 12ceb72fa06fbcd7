"""Two sessions of the link in a test's hands: every frame and every event passes through it."""

from __future__ import annotations

from collections.abc import Callable

from gateway.link.decoding import decode
from gateway.link.encoding import encode
from gateway.link.events import Ended, Event
from gateway.link.frames import Frame, HelloFrame
from gateway.link.hello import Capabilities, Hello, Role, decode_hello
from gateway.link.limits import LinkLimits
from gateway.link.session import Session
from gateway.link.values import Urgency

FEATURES = frozenset({"zstd"})


def hello(role: Role, limits: LinkLimits | None = None, *, spool: bytes = b"", seen: int = 0) -> Hello:
    """What one end says of itself."""
    takes = Capabilities.of(limits or LinkLimits(), FEATURES)
    return Hello(role, spool or bytes((role,)) * 16, seen, 0, takes, "tests")


def site(
    limits: LinkLimits | None = None, *, assumed: Hello | None = None, now: float = 0.0, seen: int = 0
) -> Session:
    """A site's session."""
    return Session(hello(Role.SITE, limits, seen=seen), limits or LinkLimits(), now, assumed=assumed)


def hub(limits: LinkLimits | None = None, *, now: float = 0.0) -> Session:
    """A hub's session."""
    return Session(hello(Role.HUB, limits), limits or LinkLimits(), now)


def messages(session: Session, now: float = 0.0, most: Urgency = Urgency.BULK) -> list[bytes]:
    """Everything it has to send now."""
    found = []
    while (parts := session.next_frame(now, most)) is not None:
        found.append(b"".join(parts))
    return found


def frames(session: Session, now: float = 0.0, most: Urgency = Urgency.BULK) -> list[Frame]:
    """The same, decoded."""
    return [decode(one) for one in messages(session, now, most)]


def pump(
    near: Session,
    far: Session,
    now: float = 0.0,
    *,
    take: Callable[[Session, Event], None] = lambda session, event: None,
) -> list[tuple[Session, Event]]:
    """Carry frames both ways, and events to `take`, until nothing moves. Return the events."""
    told: list[tuple[Session, Event]] = []
    moved = True
    while moved:
        moved = False
        for session, other in ((near, far), (far, near)):
            for message in messages(session, now):
                other.received(message, now)
                moved = True
        for session in (near, far):
            for event in session.events():
                told.append((session, event))
                take(session, event)
                moved = True
    return told


def meet(
    site_limits: LinkLimits | None = None, hub_limits: LinkLimits | None = None, *, known: bool = True
) -> tuple[Session, Session]:
    """A site and a hub that have said hello, and know the round trip: 0.6 s. `known`: they met before."""
    assumed = hello(Role.HUB, hub_limits) if known else None
    near, far = site(site_limits, assumed=assumed), hub(hub_limits)
    pump(near, far)
    assert near.ended is None
    assert far.ended is None
    near.events()
    far.events()
    return near, far


def tell(session: Session, frame: Frame, now: float = 0.0) -> None:
    """Let the other end say this."""
    session.received(encode(frame), now)


def reason(session: Session) -> str:
    """Why it ended; empty: it did not."""
    return session.ended.words if session.ended else ""


def ended(events: list[Event]) -> Ended:
    """The last event, which says how it ended."""
    last = events[-1]
    assert isinstance(last, Ended)
    return last


def said_hello(message: bytes) -> Hello:
    """The hello in a message."""
    frame = decode(message)
    assert isinstance(frame, HelloFrame)
    return decode_hello(frame.body)
