"""What to do next about one delivery, in one or two sentences. Pure."""

from __future__ import annotations

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
    "not-committed": "The destination had accepted it and has not committed it: look for it there, then "
    "dicom-gateway queue retry {number} sends it once more.",
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


def next_step(delivery: Delivery, cause: str, *, link: str | None, paused: bool) -> str:
    """Say what a person should do about `delivery`, given its destination's link.

    `link` is None when the destination is not in the configuration any more.
    """
    if link is None and delivery.state in _UNDELIVERED:
        return f"Put {delivery.destination} back into the configuration, or export the object and discard it."
    match delivery.state:
        case DeliveryState.HELD:
            return _HELD.get(cause, _HELD_OTHERWISE).format(number=delivery.number)
        case DeliveryState.QUEUED if paused:
            return f"Deliveries are paused: dicom-gateway queue resume {delivery.destination}"
        case DeliveryState.QUEUED if link == "offline":
            return (
                f"It leaves when the link is back. Why it is down: dicom-gateway echo {delivery.destination}"
            )
        case DeliveryState.QUEUED | DeliveryState.SENDING:
            return "Nothing to do: it is on its way."
        case DeliveryState.DISCARDED:
            return "Nothing to do: somebody gave it up; the history says who and why."
        case _:
            return "Nothing to do: it has arrived."
