"""What to do next about one delivery, in one or two sentences. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.model import Delivery, DeliveryState

# Causes are the stable words of the spool (gateway.spool.values) and of delivery (classification.Cause).
_ASK = "Ask the destination's administrator"
_RETRY = "dicom-gateway queue retry {number}"

_HELD = {
    "conflict": "Another object with the same identity is here or at the destination. Export both and "
    "compare, then release this one or discard it.",
    "checking": "Nothing to do: it is being compared with the first copy, and goes on by itself.",
    "missing": "The bytes are gone: look at the disk, and have the console send the object again.",
    "damaged": "The copy here is damaged: look at the disk, and have the console send the object again.",
    "unreadable": "The disk does not give it back: look at the disk, then dicom-gateway queue retry "
    "{number} or have the console send the object again.",
    "rebuilt": "It was found again when the journal was rebuilt: look whether the destination has it, then "
    "dicom-gateway queue release {number} or discard it.",
    "not-committed": "The destination had accepted it and has not committed it: look for it there, then "
    "dicom-gateway queue retry {number} sends it once more.",
    "kept-other": "The destination accepted it, and keeps another object under the same SOP Instance UID: "
    "have the two compared there. When this one is right, have the other one removed there, then "
    "dicom-gateway queue retry {number} sends it; when theirs is right, discard this one.",
    "operator": "Release it when it may go: dicom-gateway queue release {number}",
    "not-accepted": f"{_ASK} to accept this SOP class, then: {_RETRY}",
    "not-convertible": f"{_ASK} to accept this transfer syntax, then: {_RETRY}",
    "refused": f"{_ASK} about the refusal, then: {_RETRY}",
    "busy": f"{_ASK} about the refusal, then: {_RETRY}",
    "unknown-status": f"{_ASK} what the status means, then: {_RETRY}",
    "cuts-association": f"The destination ends the association whenever this object comes. {_ASK}.",
}
_HELD_OTHERWISE = f"Decide: {_RETRY}, or export it first and then dicom-gateway queue discard {{number}}"


_UNDELIVERED = (DeliveryState.QUEUED, DeliveryState.SENDING, DeliveryState.HELD)


@dataclass(frozen=True, slots=True)
class Advice:
    """What to do next: a stable word, and words in English that name commands."""

    code: str  # "held-" with the cause; "not-configured", "paused", "link-down", "on-its-way", ...
    words: str


def advise(
    delivery: Delivery,
    cause: str,
    *,
    link: str | None,
    paused: bool,
    verifies: bool = False,
    held_back: str = "",
) -> Advice:
    """Say what a person should do about `delivery`, given its destination's link.

    `link` is None when the destination is not in the configuration any more. `verifies`: everything that it
    accepts is to be verified there. `held_back`: why it waits here for now, though the link may be up.
    """
    if link is None and delivery.state in _UNDELIVERED:
        return Advice(
            "not-configured",
            f"Put {delivery.destination} back into the configuration, or export the object and discard it.",
        )
    match delivery.state:
        case DeliveryState.HELD:
            return advise_held(cause, delivery.number)
        case DeliveryState.QUEUED if paused:
            return Advice(
                "paused", f"Deliveries are paused: dicom-gateway queue resume {delivery.destination}"
            )
        case DeliveryState.QUEUED if held_back:
            return Advice("held-back", f"It waits here for now: {held_back}.")
        case DeliveryState.QUEUED if link == "offline":
            words = f"Why it is down: dicom-gateway echo {delivery.destination}"
            return Advice("link-down", f"It leaves when the link is back. {words}")
        case DeliveryState.QUEUED | DeliveryState.SENDING:
            return Advice("on-its-way", "Nothing to do: it is on its way.")
        case DeliveryState.ACCEPTED if verifies:
            return Advice(
                "to-be-verified",
                "Nothing to do: accepted, not verified yet. Its bytes stay here until the destination is "
                "known to keep it.",
            )
        case DeliveryState.ACCEPTED:
            return Advice(
                "not-verified",
                "Accepted, not verified: nothing proves that the destination keeps it. Its bytes stay here "
                "for the retention time. The keys `commitment` and `compare` of the peer have it verified.",
            )
        case DeliveryState.DISCARDED:
            return Advice("given-up", "Nothing to do: somebody gave it up; the history says who and why.")
        case _:
            return Advice("arrived", "Nothing to do: it has arrived.")


def advise_held(cause: str, number: int) -> Advice:
    """Say what a person should do about what is held for `cause`, of which delivery `number` is one."""
    words = _HELD.get(cause, _HELD_OTHERWISE).format(number=number)
    return Advice(f"held-{cause}" if cause in _HELD else "held-otherwise", words)
