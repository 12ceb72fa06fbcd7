"""What consoles and centres did and did not get, in plain words, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.admin.page import N_
from gateway.admin.visit import Visit
from gateway.operator.sections.peers import CallerFacts, ContextFacts, DoorFacts, PeerFacts, RefusalFacts

LATELY = 24 * 3600.0
"""Seconds for which somebody who was turned away counts as a matter to look at."""

_REFUSALS = {
    "allow-list": (
        N_("Its address %(address)s is not in the allow list of the listener %(listener)s."),
        N_("If this system belongs here, add its address to the allow list in the configuration."),
    ),
    "limit": (
        N_("It has too many connections open at the same time."),
        N_("Look whether this system opens connections and forgets them; restart its DICOM service."),
    ),
    "tls": (
        N_("The secure connection (TLS) failed: %(words)s."),
        N_("Compare certificates, authorities and clocks on both sides."),
    ),
    "no-association": (
        N_("It connected, but no DICOM association came about: %(words)s."),
        N_(
            "Often this is a port scanner or a monitoring system. If it is a console, check that it uses "
            "DICOM here, and TLS only where the listener does."
        ),
    ),
    "called-title": (
        N_("It called the AE title %(called)s, and nothing here has this title."),
        N_("Correct the called AE title on the console, or add a route for it in the configuration."),
    ),
    "calling-title": (
        N_("Its AE title %(calling)s may not call %(called)s."),
        N_("Correct the AE title of the console, or add it to the titles that may use this route."),
    ),
    "application-context": (
        N_("It speaks another application than DICOM."),
        N_("Ask the manufacturer of this system."),
    ),
    "protocol-version": (
        N_("It speaks a version of the DICOM protocol that does not exist."),
        N_("Ask the manufacturer of this system."),
    ),
    "too-many": (
        N_("Too many associations were open at that time."),
        N_("It may try again at once. If this comes often, look which system keeps associations open."),
    ),
    "centre-unreachable": (
        N_("The centre could not be reached at that time, and only the centre could have answered."),
        N_("Nothing is wrong with the console. Test the centre further down on this page."),
    ),
    "centre-rejected": (
        N_("The centre itself turned it away: %(words)s."),
        N_("Ask the administrator of the centre whether it knows this AE title."),
    ),
}  # fmt: skip
_OTHERWISE = (
    N_("It was turned away: %(words)s."),
    N_("The log has the details."),
)

_RESULTS = {
    "user": N_("The other side does not want it."),
    "provider": N_(
        "Refused without a reason. Mostly the centre behind it could not be reached at that time."
    ),
    "abstract-syntax": N_("This kind of object or service is not supported."),
    "transfer-syntaxes": N_("None of the offered encodings (transfer syntaxes) is supported."),
}
_RESULT_OTHERWISE = N_("Refused with a code that the standard does not know.")

PHASES = {
    "resolve": N_("Its name was not found."),
    "tcp": N_("It was not reached over the network."),
    "tls": N_("The secure connection (TLS) failed."),
    "association": N_("It was reached, but no DICOM association came about."),
}

STEPS = {
    "name": N_("Look up its name"),
    "tcp": N_("Connect over the network (TCP)"),
    "tls": N_("Secure the connection (TLS)"),
    "association": N_("Open an association (DICOM)"),
    "echo": N_("Ask whether it answers (C-ECHO)"),
}

ADVICE = {
    "name": N_("Check the host name in the configuration, and the name server of this device."),
    "tcp": N_("Check that the system runs, and that firewalls on the way let TCP port %(port)s through."),
    "tls": N_("Compare certificates, authorities and clocks on both sides."),
    "association": N_(
        "Ask its administrator: does it know our AE title %(ours)s, and is its own %(theirs)s?"
    ),
    "echo": N_("It opens associations but does not answer C-ECHO. Ask its administrator."),
}


@dataclass(frozen=True, slots=True)
class Told:
    """A reason, and what to do about it; translated."""

    why: str
    todo: str


def refusal(visit: Visit, caller: CallerFacts, last: RefusalFacts) -> Told:
    """Say why a caller was turned away last."""
    why, todo = _REFUSALS.get(last.code, _OTHERWISE)
    values = {
        "address": caller.address,
        "listener": caller.listener,
        "called": last.called_ae,
        "calling": caller.calling_ae,
        "words": last.words,
    }
    return Told(visit.text(why, **values), visit.text(todo))


def result(visit: Visit, context: ContextFacts) -> str:
    """Say why a presentation context was refused."""
    return visit.text(_RESULTS.get(context.result or "", _RESULT_OTHERWISE))


def standing(caller: CallerFacts, now: float) -> str:
    """How a caller stands: "open", "turned-away", "seen" or "quiet"."""
    if caller.open:
        return "open"
    last = caller.last_refusal
    if last is not None and last.at >= caller.last_at - 1 and now - last.at < LATELY:
        return "turned-away"
    return "seen" if now - caller.last_at < LATELY else "quiet"


def reach(peer: PeerFacts) -> str:
    """How a centre stands: "up", "down" or "unknown"."""
    if peer.reach in ("down", "trial"):
        return "down"
    if peer.reach == "up" or (peer.last_contact_at or 0) > (peer.last_failure_at or 0):
        return "up"
    return "down" if peer.failures else "unknown"


def open_to_all(door: DoorFacts) -> bool:
    """Say whether anybody who reaches a listener may connect without showing who he is."""
    return door.allow is None and not door.tls
