"""The state of the gateway in one sentence, and what a person must look at. Pure: facts in, words out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gateway.operator.facts import DestinationFacts, Level, SpoolFacts, StepTotals, Waiting
from gateway.operator.words import count_of, duration

ALL_DELIVERED = "Everything received has reached its destination."


@dataclass(frozen=True, slots=True)
class Verdict:
    """How the gateway is, for a person and for a monitor."""

    level: Level
    headline: str
    attention: tuple[str, ...]


def judge(
    destinations: Sequence[DestinationFacts],
    spool: SpoolFacts,
    now: float,
    *,
    orphans: Mapping[str, int] | None = None,
    steps: StepTotals | None = None,
) -> Verdict:
    """Say how things are at the gateway wall clock `now`, the most pressing first.

    `orphans` counts what waits for names that are no destinations any more, `steps` messages of procedure
    steps.
    """
    attention = [*_room(spool), *_held(destinations), *_orphaned(orphans or {}), *_held_steps(steps)]
    waiting = [_waiting(d, now) for d in destinations if d.waiting.total.count]
    more = [f"Objects wait for {count_of(len(waiting) - 1, 'other destination')} too."] if waiting[1:] else []
    more += [*_at_the_hub(destinations), *_waiting_steps(steps)]
    if attention:
        return Verdict("attention", " ".join([attention[0], *waiting[:1]]), tuple(attention))
    if waiting or more:
        return Verdict("waiting", " ".join([*waiting[:1], *more]), ())
    return Verdict("ok", ALL_DELIVERED, ())


def _at_the_hub(destinations: Sequence[DestinationFacts]) -> list[str]:
    """The hub has it, and whom it is for does not: it has not reached its destination."""
    return [
        f"{count_of(one.at_hub, 'object')} for {label(one)} {'is' if one.at_hub == 1 else 'are'} at the hub, "
        "and will be passed on from there."
        for one in destinations
        if one.at_hub
    ]


def _room(spool: SpoolFacts) -> list[str]:
    if not spool.accepts_records:
        return [
            "The spool is full: every object is refused, treatment records too. What was accepted is safe."
        ]
    if not spool.accepts_images:
        return [
            "The spool has room for treatment records only: images are refused. What was accepted is safe."
        ]
    return []


def _held(destinations: Sequence[DestinationFacts]) -> list[str]:
    sentences = []
    for destination in destinations:
        if count := destination.held.count:
            verb = "is held and waits" if count == 1 else "are held and wait"
            sentences.append(f"{count_of(count, 'object')} for {label(destination)} {verb} for a decision.")
    return sentences


def _held_steps(steps: StepTotals | None) -> list[str]:
    if steps is None or not steps.held:
        return []
    verb = "is held and waits" if steps.held == 1 else "are held and wait"
    return [
        f"{count_of(steps.held, 'message')} of procedure steps {verb} for a decision: "
        "dicom-gateway steps list --state held"
    ]


def _waiting_steps(steps: StepTotals | None) -> list[str]:
    if steps is None or not steps.queued:
        return []
    verb = "waits" if steps.queued == 1 else "wait"
    return [
        f"{count_of(steps.queued, 'message')} of procedure steps {verb} to be passed on; nothing is lost."
    ]


def _orphaned(orphans: Mapping[str, int]) -> list[str]:
    return [
        f"{count_of(count, 'object')} for {name} cannot leave: no peer of that name is configured any more."
        for name, count in orphans.items()
    ]


def _waiting(destination: DestinationFacts, now: float) -> str:
    verb = "waits" if destination.waiting.total.count == 1 else "wait"
    what = f"{_kinds(destination.waiting)} {verb} for {label(destination)}"
    if destination.paused:
        return f"{what}; deliveries are paused; nothing is lost."
    if destination.held_back and destination.put_off.count == destination.waiting.total.count:
        return f"{what}; {destination.held_back}."
    if destination.link == "offline":
        since = destination.link_since
        spell = f" for {duration(now - since)}" if since is not None else ""
        return f"{what}; the link is down{spell}; nothing is lost."
    if destination.in_flight:
        return f"{what}; they are being sent."
    return f"{what}; nothing is lost."


def _kinds(waiting: Waiting) -> str:
    parts = [
        count_of(amount.count, singular, plural)
        for amount, singular, plural in (
            (waiting.record, "record", "records"),
            (waiting.image, "image", "images"),
            (waiting.bulk, "bulk object", "bulk objects"),
        )
        if amount.count
    ]
    return parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]


def label(destination: DestinationFacts) -> str:
    """Return the destination's name, with its AE title when that says more."""
    if destination.name.casefold() == destination.ae_title.casefold():
        return destination.ae_title
    return f"{destination.name} ({destination.ae_title})"
