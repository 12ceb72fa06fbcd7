"""The one sentence: has everything reached the centre? Pure: facts in, words out.

The gateway gives facts; the sentence is made here, so that it is in the reader's language. Whole sentences
only, each with its own message in the catalogue: no language is put together from another one's fragments.
What is most pressing comes first, and the rest follows as details.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from babel.lists import format_list

from gateway.admin import words
from gateway.operator.facts import DestinationFacts, Status
from gateway.operator.sections.records import RecordTotals

Level = Literal["ok", "waiting", "attention", "info"]

SLOW = 120.0
"""Seconds until something that waits behind a working link is called slow."""


class Voice(Protocol):
    """Who speaks the reader's language. A Visit is one."""

    lang: str

    def text(self, message: str, **values: object) -> str: ...

    def ntext(self, one: str, many: str, count: int, **values: object) -> str: ...


@dataclass(frozen=True, slots=True)
class Known:
    """What the gateway said, and when. `totals` are those of today."""

    status: Status
    totals: RecordTotals
    at: float


@dataclass(frozen=True, slots=True)
class Glance:
    """The answer. Never colour alone: an icon goes with the level, and so does `word`."""

    level: Level
    word: str
    headline: str
    details: tuple[str, ...] = ()


def glance(known: Known | None, now: float, say: Voice, *, answering: bool = True) -> Glance:
    """Answer at `now`. Not `answering`: what is known is old, and the answer says how old."""
    if not answering:
        return _silent(known, now, say)
    if known is None:
        return Glance("info", say.text("Not known yet"), say.text("Nothing is known yet."))
    troubles = list(_troubles(known, say))
    waiting, further = list(_waiting(known, say)), list(_beside_waiting(known, say))
    if troubles:
        followed = [*waiting, *further] if waiting else [_arrived(known, say).headline]
        return Glance("attention", say.text("Needs a look"), troubles[0], (*troubles[1:], *followed))
    if waiting:
        moving = any(
            (one.waiting.total.count > one.put_off.count and _moves(one)) or one.at_hub
            for one in known.status.destinations
        )
        word = say.text("On the way") if moving else say.text("Waiting")
        return Glance("waiting", word, waiting[0], (*waiting[1:], *further))
    return _arrived(known, say)


def _moves(destination: DestinationFacts) -> bool:
    return destination.link != "offline" and not destination.paused


def _for(seconds: float, say: Voice) -> str:
    """Return a span in whole seconds: nobody counts milliseconds here, and clocks may be set back."""
    return words.span(say.lang, max(1, round(seconds)))


def _share(totals: RecordTotals, say: Voice) -> str:
    return say.ntext(
        "%(count)s of the %(records)s records of today has arrived.",
        "%(count)s of the %(records)s records of today have arrived.",
        totals.reached,
        records=totals.records,
    )


# ---- the gateway does not answer --------------------------------------------------------------------------


def _silent(known: Known | None, now: float, say: Voice) -> Glance:
    headline = say.text("The gateway program does not answer: nobody can say now what has arrived.")
    safe = say.text("What was received before is safe on the disk of this device.")
    if known is None:
        return Glance("attention", say.text("No answer"), headline, (safe,))
    last = say.text(
        "This is how it was %(span)s ago, at %(time)s:",
        span=_for(now - known.at, say),
        time=words.clock(say.lang, known.at),
    )
    then = glance(known, known.at, say)
    return Glance("attention", say.text("No answer"), headline, (last, then.headline, *then.details, safe))


# ---- what a person must look at ---------------------------------------------------------------------------


def _troubles(known: Known, say: Voice) -> Iterator[str]:
    status = known.status
    explained = False
    if not status.spool.accepts_records:
        explained = True
        yield say.text(
            "This device is full: treatment records are being refused. What was accepted before is safe."
        )
    elif not status.spool.accepts_images:
        explained = True
        yield say.text(
            "This device has room for treatment records only: images are being refused. "
            "What was accepted before is safe."
        )
    held = sum(destination.held.count for destination in status.destinations)
    if held:
        explained = True
        if held == known.totals.held:
            yield say.ntext(
                "%(count)s treatment record is held back: somebody has to decide about it.",
                "%(count)s treatment records are held back: somebody has to decide about them.",
                held,
            )
        else:
            yield say.ntext(
                "%(count)s object is held back: somebody has to decide about it.",
                "%(count)s objects are held back: somebody has to decide about them.",
                held,
            )
    if status.steps.held:
        explained = True
        yield say.ntext(
            "%(count)s message about a procedure step is held back: somebody has to decide about it.",
            "%(count)s messages about procedure steps are held back: somebody has to decide about them.",
            status.steps.held,
        )
    if status.level == "attention" and not explained:
        yield say.text("Something on this device needs a look by your service engineer.")
        yield from status.attention


# ---- what waits -------------------------------------------------------------------------------------------


def _waiting(known: Known, say: Voice) -> Iterator[str]:
    """One sentence for each destination that has not everything: records first, then broken links."""
    behind = [one for one in known.status.destinations if one.waiting.total.count]
    behind.sort(key=lambda one: (not one.waiting.record.count, one.link != "offline", not one.paused))
    for destination in behind:
        records = destination.waiting.record.count
        images = destination.waiting.total.count - records
        since = destination.link_since
        down = None if since is None else _for(known.status.now - since, say)
        yield from _at(destination, records, images, down, say)
    for destination in known.status.destinations:
        if destination.at_hub:
            yield say.ntext(
                "%(count)s object is safe at the hub, and on its way from there to %(centre)s.",
                "%(count)s objects are safe at the hub, and on their way from there to %(centre)s.",
                destination.at_hub,
                centre=destination.ae_title,
            )


def _at(
    destination: DestinationFacts, records: int, images: int, down: str | None, say: Voice
) -> Iterator[str]:
    centre = destination.ae_title
    if destination.paused:
        yield from _paused(centre, records, images, say)
    elif destination.link == "offline":
        yield from _down(centre, records, images, down, say)
    else:
        put_off = destination.put_off.count
        yield from _moving(centre, records, images - put_off, say)
        yield from _put_off(centre, put_off, say)


def _paused(centre: str, records: int, images: int, say: Voice) -> Iterator[str]:
    if records:
        yield say.ntext(
            "%(count)s record is waiting: somebody has paused sending to %(centre)s. Nothing is lost.",
            "%(count)s records are waiting: somebody has paused sending to %(centre)s. Nothing is lost.",
            records,
            centre=centre,
        )
    if images:
        yield say.ntext(
            "%(count)s image is waiting: somebody has paused sending to %(centre)s. Nothing is lost.",
            "%(count)s images are waiting: somebody has paused sending to %(centre)s. Nothing is lost.",
            images,
            centre=centre,
        )


def _down(centre: str, records: int, images: int, down: str | None, say: Voice) -> Iterator[str]:
    if records and down:
        yield say.ntext(
            "%(count)s record is waiting: the link to %(centre)s has been down for %(span)s. "
            "Nothing is lost.",
            "%(count)s records are waiting: the link to %(centre)s has been down for %(span)s. "
            "Nothing is lost.",
            records,
            centre=centre,
            span=down,
        )
    elif records:
        yield say.ntext(
            "%(count)s record is waiting: the link to %(centre)s is down. Nothing is lost.",
            "%(count)s records are waiting: the link to %(centre)s is down. Nothing is lost.",
            records,
            centre=centre,
        )
    if images and down:
        yield say.ntext(
            "%(count)s image is waiting: the link to %(centre)s has been down for %(span)s. Nothing is lost.",
            "%(count)s images are waiting: the link to %(centre)s has been down for %(span)s. "
            "Nothing is lost.",
            images,
            centre=centre,
            span=down,
        )
    elif images:
        yield say.ntext(
            "%(count)s image is waiting: the link to %(centre)s is down. Nothing is lost.",
            "%(count)s images are waiting: the link to %(centre)s is down. Nothing is lost.",
            images,
            centre=centre,
        )


def _moving(centre: str, records: int, images: int, say: Voice) -> Iterator[str]:
    if records:
        yield say.ntext(
            "%(count)s record is on its way to %(centre)s.",
            "%(count)s records are on their way to %(centre)s.",
            records,
            centre=centre,
        )
    if images:
        yield say.ntext(
            "%(count)s image is on its way to %(centre)s.",
            "%(count)s images are on their way to %(centre)s.",
            images,
            centre=centre,
        )


def _put_off(centre: str, images: int, say: Voice) -> Iterator[str]:
    if images:
        yield say.ntext(
            "%(count)s image for %(centre)s waits here for now, to spare the line. Nothing is lost.",
            "%(count)s images for %(centre)s wait here for now, to spare the line. Nothing is lost.",
            images,
            centre=centre,
        )


def _beside_waiting(known: Known, say: Voice) -> Iterator[str]:
    """What else there is to say while something waits."""
    if known.totals.reached:
        yield _share(known.totals, say)
    late = [
        one
        for one in known.status.destinations
        if one.waiting.total.count > one.put_off.count
        and _moves(one)
        and one.oldest_due_at is not None
        and known.status.now - one.oldest_due_at > SLOW
    ]
    for destination in late:
        yield say.text(
            "The link to %(centre)s works, but the oldest has been waiting for %(span)s.",
            centre=destination.ae_title,
            span=_for(known.status.now - (destination.oldest_due_at or 0.0), say),
        )


# ---- everything is there ----------------------------------------------------------------------------------


def _arrived(known: Known, say: Voice) -> Glance:
    totals = known.totals
    centre = _centres(known, say)
    details = [*_how_sure(totals, centre, say), *_given_up(totals, say), *_links_down(known, say)]
    if not totals.records:
        headline = say.text("No treatment record has come in today.")
        if not known.status.destinations:
            return Glance("info", say.text("Not set up"), headline, (say.text("No centre is set up yet."),))
        before = say.text("Everything that came before has reached %(centre)s.", centre=centre)
        return Glance("ok", say.text("All arrived"), headline, (before, *details))
    if totals.waiting or totals.held:
        # It arrived or was held between two questions, or waits for a centre that is not set up any more.
        return Glance("waiting", say.text("On the way"), _share(totals, say), tuple(_links_down(known, say)))
    if totals.not_treatments == totals.records and not totals.given_up:
        headline = say.ntext(
            "The record of today is not of a treatment (a simulation or a check). It has reached %(centre)s.",
            "None of the %(count)s records of today is of a treatment (simulations or checks). "
            "They have reached %(centre)s.",
            totals.records,
            centre=centre,
        )
    elif totals.given_up:
        headline = say.ntext(
            "%(count)s of the %(records)s records of today has reached %(centre)s.",
            "%(count)s of the %(records)s records of today have reached %(centre)s.",
            totals.reached,
            records=totals.records,
            centre=centre,
        )
        return Glance("info", say.text("Not all"), headline, tuple(details))
    elif totals.complete:
        headline = say.ntext(
            "The record of today has reached %(centre)s.",
            "All %(count)s records of today have reached %(centre)s.",
            totals.records,
            centre=centre,
        )
    else:
        headline = say.text("All records of today have reached %(centre)s.", centre=centre)
    if totals.not_treatments and totals.not_treatments < totals.records:
        details.append(
            say.ntext(
                "%(count)s of them is not of a treatment (a simulation or a check).",
                "%(count)s of them are not of treatments (simulations or checks).",
                totals.not_treatments,
            )
        )
    return Glance("ok", say.text("All arrived"), headline, tuple(details))


def _how_sure(totals: RecordTotals, centre: str, say: Voice) -> Iterator[str]:
    """Accepted is not confirmed: only the second is proof that the centre keeps it."""
    if not totals.reached:
        return
    if totals.confirmed == totals.reached:
        yield say.text("%(centre)s has confirmed that it keeps them.", centre=centre)
    elif totals.confirmed:
        yield say.ntext(
            "%(centre)s has confirmed that it keeps %(count)s of them; the rest is accepted, not verified.",
            "%(centre)s has confirmed that it keeps %(count)s of them; the rest is accepted, not verified.",
            totals.confirmed,
            centre=centre,
        )
    else:
        yield say.text(
            "%(centre)s has accepted them; not verified: it has not been asked, or has not yet confirmed, "
            "that it keeps them.",
            centre=centre,
        )


def _given_up(totals: RecordTotals, say: Voice) -> Iterator[str]:
    if totals.given_up:
        yield say.ntext(
            "%(count)s was discarded by somebody here, and is not sent.",
            "%(count)s were discarded by somebody here, and are not sent.",
            totals.given_up,
        )


def _links_down(known: Known, say: Voice) -> Iterator[str]:
    for destination in known.status.destinations:
        centre, since = destination.ae_title, destination.link_since
        if destination.paused:
            yield say.text(
                "Somebody has paused sending to %(centre)s. What comes in now waits here, and is safe.",
                centre=centre,
            )
        elif destination.link == "offline" and since is not None:
            yield say.text(
                "The link to %(centre)s has been down for %(span)s. What comes in now waits here, "
                "and is safe.",
                centre=centre,
                span=_for(known.status.now - since, say),
            )
        elif destination.link == "offline":
            yield say.text(
                "The link to %(centre)s is down. What comes in now waits here, and is safe.", centre=centre
            )


def _centres(known: Known, say: Voice) -> str:
    """Name the destinations that records of today went to; all of them when none came."""
    by_name = {one.name: one.ae_title for one in known.status.destinations}
    names = known.totals.destinations or tuple(by_name)
    titles = list(dict.fromkeys(by_name.get(name, name) for name in names))
    return join(titles, say)


def join(names: Sequence[str], say: Voice) -> str:
    """Return names as a list in the reader's language: A, B and C."""
    return format_list(list(names), style="standard", locale=say.lang) if names else words.NOTHING
