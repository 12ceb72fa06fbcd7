"""Which deliveries: the same in an address, in a form, and in the question to the gateway.

An address never has a SOP Instance UID in it, since that belongs to a patient: the search that is given one
leads to the numbers of what it finds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any, cast, get_args
from urllib.parse import urlencode

from gateway.admin.forms import Form, FormError
from gateway.admin.page import N_
from gateway.admin.visit import Visit
from gateway.operator import facts

PAGE_ROWS = 50
COUNTED = 10_000  # more are "more than 10,000"
MAX_SEARCH = 128

_UID = re.compile(r"[0-9]+(\.[0-9]+){3,}")
_SOP_CLASS = re.compile(r"1\.2\.840\.10008\.[0-9.]+")


@dataclass(frozen=True, slots=True)
class Filter:
    """What the page can be asked for. Everything is text, as in an address; empty means: any."""

    state: str = ""
    destination: str = ""
    priority: str = ""
    sop_class: str = ""  # UID
    calling_ae: str = ""
    cause: str = ""
    since: str = ""  # local time, as an input of type datetime-local has it
    until: str = ""
    q: str = ""
    order: str = ""  # "oldest", or empty for the newest first

    @classmethod
    def of_address(cls, visit: Visit) -> Filter:
        """Read an address; what makes no sense counts as not given."""
        return cls._checked({one.name: visit.query(one.name) for one in fields(cls)})

    @classmethod
    def of_form(cls, form: Form) -> Filter:
        """Read the hidden fields of a form."""
        texts = {
            one.name: form.text(f"f-{one.name}", max_length=MAX_SEARCH, required=False) for one in fields(cls)
        }
        return cls._checked(texts)

    @classmethod
    def _checked(cls, texts: dict[str, str]) -> Filter:
        allowed = {
            "state": get_args(facts.State),
            "priority": get_args(facts.PriorityName),
            "order": ("oldest",),
        }
        for name, words in allowed.items():
            if texts[name] not in words:
                texts[name] = ""
        for name in ("since", "until"):
            if _epoch(texts[name]) is None:
                texts[name] = ""
        for name in ("destination", "cause"):
            texts[name] = texts[name][:64]
        texts["calling_ae"] = texts["calling_ae"][:16]
        texts["sop_class"] = texts["sop_class"][:64]
        texts["q"] = texts["q"].strip()[:MAX_SEARCH]
        if is_instance_uid(texts["q"]):
            texts["q"] = ""
        return cls(**texts)

    @property
    def given(self) -> dict[str, str]:
        """What is not empty."""
        return {one.name: value for one in fields(self) if (value := getattr(self, one.name))}

    @property
    def narrows(self) -> bool:
        """Whether it leaves anything out."""
        return bool(set(self.given) - {"order"})

    @property
    def newest_first(self) -> bool:
        """Which end of the list is shown first."""
        return self.order != "oldest"

    def address(self, more: Mapping[str, int | None] | None = None, path: str = "/queue/list") -> str:
        """Return the address of this list; `more` says which page of it."""
        query = {
            **self.given,
            **{name: value for name, value in (more or {}).items() if value is not None},
        }
        return f"{path}?{urlencode(query)}" if query else path

    def but(self, **changes: str) -> Filter:
        """Return this filter with some fields changed."""
        return replace(self, **changes)

    def facts(self, up_to: int | None = None) -> facts.DeliveryFilter:
        """Return the filter of the operator API."""
        return facts.DeliveryFilter(
            state=cast(facts.State, self.state) if self.state else None,
            destination=self.destination or None,
            priority=cast(facts.PriorityName, self.priority) if self.priority else None,
            sop_class=self.sop_class or None,
            calling_ae=self.calling_ae or None,
            cause=self.cause or None,
            received_from=_epoch(self.since),
            received_before=_epoch(self.until),
            q=self.q or None,
            up_to=up_to,
        )


def query_of(wanted: facts.DeliveryFilter) -> dict[str, Any]:
    """Return a filter as the query of GET /v1/deliveries."""
    given = {one.name: getattr(wanted, one.name) for one in fields(wanted)}
    for name in ("received_from", "received_before"):
        if given[name] is not None:
            given[name] = int(given[name])
    return given


async def page_of(visit: Visit, wanted: facts.DeliveryFilter, **cut: Any) -> facts.DeliveryPage:
    """Ask the gateway for a page of deliveries."""
    return await visit.gateway.get(facts.DeliveryPage, "/v1/deliveries", **query_of(wanted), **cut)


def is_instance_uid(text: str) -> bool:
    """Whether this may be a SOP Instance UID: it must not get into an address."""
    return _UID.fullmatch(text) is not None and _SOP_CLASS.fullmatch(text) is None


def numbers_in(form: Form, name: str = "number", *, most: int = 1000) -> tuple[int, ...]:
    """Return the delivery numbers that were ticked. FormError: one is none, or too many."""
    texts = form.all(name, most=most)
    if not all(text.isascii() and text.isdigit() and 0 < len(text) <= 18 for text in texts):
        raise FormError(name, N_("Please enter a whole number."))
    return tuple(dict.fromkeys(int(text) for text in texts))


def _epoch(text: str) -> float | None:
    """Return a local time (2026-11-23T14:05) as seconds since the epoch; None when it is no time."""
    try:
        at = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
    return at if 0 <= at < 2**40 else None
