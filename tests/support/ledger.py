"""What was sent, kept outside the product, to be compared with what arrived."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from typing import Any


def uids_and_digests(things: Iterable[Any]) -> dict[str, str]:
    """SOP Instance UID -> SHA-256 of the data set, for synthetic objects."""
    return {thing.sop_instance_uid: hashlib.sha256(thing.data).hexdigest() for thing in things}


def assert_each_once(stored: Iterable[dict[str, Any]], wanted: dict[str, str]) -> None:
    """Fail unless a receiver kept exactly the wanted objects, each once, byte for byte."""
    rows = list(stored)
    assert {event["uid"]: event["digest"] for event in rows} == wanted
    twice = [uid for uid, times in Counter(event["uid"] for event in rows).items() if times > 1]
    assert not twice, f"{len(twice)} objects arrived more than once"
