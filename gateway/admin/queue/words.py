"""The gateway's stable words as sentences of the page. What a peer said is quoted as it is, not from here."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.admin.page import N_
from gateway.admin.visit import Visit
from gateway.operator import facts

STATES: Mapping[str, str] = {
    "queued": N_("waiting"),
    "sending": N_("being sent"),
    "held": N_("held back"),
    "accepted": N_("accepted, not verified"),
    "confirmed": N_("confirmed by the centre"),
    "released": N_("delivered, no longer kept here"),
    "discarded": N_("discarded"),
}

PRIORITIES: Mapping[str, str] = {
    "record": N_("treatment records"),
    "image": N_("single images and plans"),
    "bulk": N_("volumes"),
}

CAUSES: Mapping[str, str] = {
    # the spool's
    "conflict": N_("Another object with the same identity but other content is here, or at the destination."),
    "checking": N_("It is being compared with another object of the same identity."),
    "missing": N_("Its bytes are missing on the disk of this gateway."),
    "unreadable": N_("The disk of this gateway does not give its bytes back."),
    "rebuilt": N_("It was found again when the journal was rebuilt. Where it stood is not known."),
    "operator": N_("Somebody has held it back."),
    "not-committed": N_("The destination had accepted it, and has not committed to keeping it."),
    "kept-other": N_("The destination accepted it, and keeps another object with the same identity."),
    "at-hub": N_("The hub has it durably; the destination beyond has not answered for it yet."),
    "held-at-hub": N_("The hub has it and holds it back: somebody has to decide there."),
    "discarded-at-hub": N_("Somebody discarded it at the hub. The bytes are still here."),
    # the destination as a whole
    "unreachable": N_("The destination could not be reached."),
    "tls": N_("No secure (TLS) connection could be made."),
    "association-rejected": N_("The destination rejects the association."),
    "association-rejected-for-now": N_("The destination rejected the association for the moment."),
    "no-association": N_("No association came about."),
    "stale-association": N_("The destination had ended the association before it was used again."),
    "aborted": N_("The association was aborted."),
    "connection-lost": N_("The connection was lost while it was sent."),
    "no-answer": N_("The destination did not answer in time."),
    "protocol-violation": N_("The destination did not keep to the protocol."),
    "stopped": N_("The gateway stopped while it was sent."),
    # this object
    "not-accepted": N_("The destination does not accept this kind of object (SOP class or transfer syntax)."),
    "not-convertible": N_("The destination wants another transfer syntax, and it cannot be converted."),
    "damaged": N_("The copy kept here is damaged. It must not reach the centre."),
    "local-trouble": N_("The gateway could not read it from its disk."),
    "out-of-resources": N_("The destination has no room for it."),
    "processing-failure": N_("The destination failed to process it."),
    "busy": N_("The destination refused it for now, several times."),
    "refused": N_("The destination refused it."),
    "unknown-status": N_("The destination answered with a status that no standard defines."),
    "cuts-association": N_("The destination ends the association whenever this object is sent."),
}

_ASK_AND_RETRY = N_(
    "Ask the administrator of the destination about it, quoting its words. When it is mended, try again."
)

NEXT_STEPS: Mapping[str, str] = {
    "held-conflict": N_(
        "Export both objects and compare them. Then release this one, or discard it if it is the wrong one."
    ),
    "held-checking": N_("Nothing to do. It goes on by itself when the comparison is done."),
    "held-missing": N_("Have the disk looked at, and have the console send the object again."),
    "held-damaged": N_("Have the disk looked at, and have the console send the object again."),
    "held-unreadable": N_(
        "Have the disk looked at. Then try again, or have the console send the object again."
    ),
    "held-rebuilt": N_(
        "Look whether the destination has it. If it does not, release it; if it does, discard it."
    ),
    "held-not-committed": N_(
        "Have somebody look for it at the destination. If it is not there, try again: it is sent once more."
    ),
    "held-kept-other": N_(
        "Have both objects compared at the destination. If this one is right, have the other one removed "
        "there and try again. If theirs is right, discard this one."
    ),
    "held-operator": N_("Release it when it may go."),
    "held-not-accepted": N_(
        "Ask the administrator of the destination to accept this kind of object, then try again."
    ),
    "held-not-convertible": N_(
        "Ask the administrator of the destination to accept this transfer syntax, then try again."
    ),
    "held-refused": _ASK_AND_RETRY,
    "held-busy": _ASK_AND_RETRY,
    "held-unknown-status": _ASK_AND_RETRY,
    "held-cuts-association": _ASK_AND_RETRY,
    "held-otherwise": N_("Try again; or export it first, and discard it if it is not wanted."),
    "not-configured": N_(
        "Its destination left the configuration. Put it back there, or export the object and discard it."
    ),
    "paused": N_("Deliveries to this destination are paused. Resume them when they may go."),
    "held-back": N_(
        "Nothing to do here: it waits to spare the line, and leaves by itself when its time has come."
    ),
    "link-down": N_("Nothing to do here: it leaves by itself when the link is back."),
    "on-its-way": N_("Nothing to do: it is on its way."),
    "given-up": N_("Nothing to do: somebody discarded it. The history says who and why."),
    "arrived": N_("Nothing to do: it has arrived."),
    "to-be-verified": N_(
        "Nothing to do: accepted, not verified yet. It stays here until the destination is known to keep it."
    ),
    "not-verified": N_(
        "Nothing to do. The destination has accepted it, and nobody has verified that it keeps it. It stays "
        "here for the time set for that."
    ),
}

EVENTS: Mapping[str, str] = {
    "received-again": N_("The same object was received again"),
    "put-back": N_("Sending failed; it is tried again"),
    "held": N_("Held back: a person has to decide"),
    "stored-beyond-hub": N_("The hub tells that the destination has accepted it"),
    "committed": N_(
        "The destination has committed to keeping it; what it keeps is compared before that counts"
    ),
    "confirmed": N_("Confirmed: there is proof that the destination keeps it"),
    "retried": N_("Put back into the queue, to be sent again"),
    "released-by-operator": N_("Released"),
    "held-by-operator": N_("Held back by a person"),
    "discarded": N_("Discarded"),
    "sent-again": N_("Queued once more, because the destination had not committed it"),
    "not-committed": N_("The destination has not committed it"),
    "merged": N_("Found to be the same as another object"),
    "bytes-missing": N_("Its bytes were found missing on the disk"),
    "bytes-back": N_("Its bytes are on the disk again"),
    "bytes-damaged": N_("Its bytes were found damaged on the disk"),
    "bytes-unreadable": N_("The disk did not give its bytes back"),
    "rebuilt": N_("Found again when the journal was rebuilt"),
    "recovered": N_("Recovered from a damaged part of the journal"),
}

EVENT_KINDS: Mapping[str, str] = {
    "received-again": "info",
    "put-back": "waiting",
    "held": "attention",
    "committed": "waiting",
    "confirmed": "ok",
    "retried": "info",
    "released-by-operator": "info",
    "held-by-operator": "attention",
    "discarded": "off",
    "sent-again": "waiting",
    "not-committed": "attention",
    "bytes-missing": "attention",
    "bytes-damaged": "attention",
    "bytes-unreadable": "attention",
    "rebuilt": "attention",
}

ACTIONS: Mapping[str, str] = {
    "retry": N_("Try again"),
    "hold": N_("Hold back"),
    "release": N_("Release"),
    "discard": N_("Discard"),
    "export": N_("Export"),
}

POSSIBLE: Mapping[str, tuple[str, ...]] = {
    "queued": ("retry", "hold", "discard"),
    "sending": (),
    "held": ("retry", "release", "hold", "discard"),
    "accepted": ("retry",),
    "confirmed": ("retry",),
    "released": (),
    "discarded": (),
}
"""What the state table of the spool allows people to do."""

STEP_STATES: Mapping[str, str] = {
    "queued": N_("waiting"),
    "held": N_("held back"),
    "done": N_("taken by the destination"),
    "refused": N_("refused by the destination"),
    "discarded": N_("discarded"),
}
STEP_KINDS: Mapping[str, str] = {
    "queued": "waiting",
    "held": "attention",
    "done": "ok",
    "refused": "attention",
}

STEP_MESSAGES: Mapping[str, str] = {
    "create": N_("step begun (N-CREATE)"),
    "set": N_("step changed or ended (N-SET)"),
}

COMMITMENTS: Mapping[str, str] = {
    "open": N_("waiting for the destination's answer"),
    "reporting": N_("being reported to the console"),
    "reported": N_("reported to the console"),
    "given-up": N_("given up"),
}
COMMITMENT_KINDS: Mapping[str, str] = {"open": "waiting", "reporting": "waiting", "reported": "ok"}


def cause(visit: Visit, word: str) -> str:
    """Return a cause as a sentence; empty for one that the page does not know."""
    message = CAUSES.get(word)
    return visit.text(message) if message else ""


def next_step(visit: Visit, code: str, words: str) -> str:
    """Return what to do next; the gateway's own English for a code that the page does not know."""
    message = NEXT_STEPS.get(code)
    return visit.text(message) if message else words


def why(visit: Visit, delivery: facts.DeliveryFacts) -> str:
    """Return why a delivery is held or was put back, in a few words; empty when there is nothing to say."""
    if delivery.state == "held":
        return cause(visit, delivery.cause) or delivery.reason
    # What waits because the link is down says nothing of the object: the state of the link is shown instead.
    return cause(visit, delivery.cause) if delivery.state == "queued" else ""
