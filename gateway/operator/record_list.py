"""The treatment records of a window: the spool's rows, and what the records say, as facts.

Records are parsed when somebody looks, once: summaries are kept by object number, as many as a window may
have. Reading and parsing happen in a thread, a few records at a time, so that an association never waits for
somebody's page for long.

Patients are told apart by a keyed digest of their ID. The key is made anew for every process and the digest
stays here: outside there are numbers, in the order of arrival within the window, so that "patient 3" stays
patient 3 while further records come in.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from gateway.dicom import sop_classes
from gateway.errors import LocalError, SpoolFailure
from gateway.model import DeliveryState, StoredObject
from gateway.operator.sections.records import (
    MAX_COUNTED,
    BeamFacts,
    NoSuchRecord,
    RecordDelivery,
    RecordFacts,
    RecordGone,
    RecordPage,
    RecordTotals,
    RevealedPatient,
    Standing,
)
from gateway.records import LIMITS, UNREADABLE, RecordSummary, patient_key, read_patient, summarize
from gateway.records.classes import KINDS
from gateway.spool import DataReader, RecordRow, RecordStanding

T = TypeVar("T")

DAY = 86400.0

_CHUNK = 20
"""Records that are read and parsed in one go."""

_ON_THE_WAY = (DeliveryState.QUEUED, DeliveryState.SENDING)


class RecordStore(Protocol):
    """What this needs of the spool."""

    async def records_between(self, since: float, until: float, limit: int) -> list[RecordStanding]: ...

    async def record_rows(self, numbers: Sequence[int]) -> list[RecordRow]: ...

    def open_data(self, object_number: int) -> DataReader: ...


@dataclass(frozen=True, slots=True)
class _Read:
    """What one record's bytes gave."""

    summary: RecordSummary
    patient: bytes | None


class _Kept(Generic[T]):
    """The values used last, up to a number of them."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[int, T] = OrderedDict()

    def get(self, number: int) -> T | None:
        value = self._values.get(number)
        if value is not None:
            self._values.move_to_end(number)
        return value

    def put(self, number: int, value: T) -> None:
        self._values[number] = value
        self._values.move_to_end(number)
        while len(self._values) > self._most:
            self._values.popitem(last=False)

    def __len__(self) -> int:
        return len(self._values)


class RecordList:
    """Answers the section `records` from the spool. For the event loop thread."""

    def __init__(
        self,
        store: RecordStore,
        *,
        wall_clock: Callable[[], float] = time.time,
        max_counted: int = MAX_COUNTED,
    ) -> None:
        self._store = store
        self._wall_clock = wall_clock
        self._most = max_counted
        self._secret = secrets.token_bytes(32)
        self._read: _Kept[_Read] = _Kept(max_counted)
        self._reading = asyncio.Lock()  # somebody else asks for the same records: they are parsed once

    async def page(
        self, *, since: float | None, until: float | None, before: int | None, limit: int
    ) -> RecordPage:
        """Return the records received in a window, the newest first, and its totals."""
        now = self._wall_clock()
        until = now + 1.0 if until is None else until  # what arrives at this very moment is wanted too
        since = until - DAY if since is None else since
        found = await self._store.records_between(since, until, self._most + 1)
        complete, found = len(found) <= self._most, found[: self._most]
        read = await self._read_all(found)
        groups = _groups(found, read)
        wanted = [one.number for one in found if before is None or one.number < before]
        rows = await self._store.record_rows(wanted[:limit])
        records = tuple(
            _facts(row, read.get(row.object.number), groups.get(row.object.number)) for row in rows
        )
        following = wanted[limit - 1] if len(wanted) > limit else None
        totals = _totals(found, read, len(set(groups.values())), complete=complete)
        return RecordPage(records, following, totals, since, until, now)

    async def reveal(self, number: int) -> RevealedPatient:
        """Say who a record is of. Raises NoSuchRecord or RecordGone."""
        rows = await self._store.record_rows([number])
        if not rows:
            raise NoSuchRecord(f"there is no treatment record {number}")
        stored = rows[0].object
        if not rows[0].bytes_kept:
            raise RecordGone(f"record {number} was delivered, and its bytes are not kept any more")
        try:
            data = await asyncio.to_thread(self._bytes, stored)
        except SpoolFailure as error:
            raise RecordGone(f"the bytes of record {number} are not here any more") from error
        if data is None:
            return RevealedPatient(number, readable=False, name="", patient_id="", birth_date="")
        patient = await asyncio.to_thread(read_patient, data, stored.instance.transfer_syntax_uid)
        return RevealedPatient(number, patient.readable, patient.name, patient.patient_id, patient.birth_date)

    async def _read_all(self, found: Sequence[RecordStanding]) -> dict[int, _Read]:
        """Return what the records say, of those whose bytes are kept."""
        here = [one.number for one in found if one.bytes_kept]
        async with self._reading:
            read = {number: known for number in here if (known := self._read.get(number)) is not None}
            missing = [number for number in here if number not in read]
            for start in range(0, len(missing), _CHUNK):
                rows = await self._store.record_rows(missing[start : start + _CHUNK])
                for number, one in await asyncio.to_thread(self._parse, rows):
                    self._read.put(number, one)
                    read[number] = one
        return read

    def _parse(self, rows: Sequence[RecordRow]) -> list[tuple[int, _Read]]:
        """For a worker thread. What has been deleted meanwhile is left out."""
        parsed: list[tuple[int, _Read]] = []
        for row in rows:
            instance = row.object.instance
            try:
                data = self._bytes(row.object)
            except LocalError:
                continue
            if data is None:
                parsed.append((row.object.number, _Read(UNREADABLE, None)))
                continue
            summary = summarize(data, instance.sop_class_uid, instance.transfer_syntax_uid)
            key = patient_key(data, instance.transfer_syntax_uid, self._secret)
            parsed.append((row.object.number, _Read(summary, key)))
        return parsed

    def _bytes(self, stored: StoredObject) -> bytes | None:
        """Return the data set, None when it is larger than a record can be. Blocking."""
        if stored.size > LIMITS.max_bytes:
            return None
        with self._store.open_data(stored.number) as reader:
            pieces = []
            while piece := reader.read(stored.size):
                pieces.append(piece)
        return b"".join(pieces)


def _groups(found: Sequence[RecordStanding], read: dict[int, _Read]) -> dict[int, int]:
    """Number the patients of a window in the order of arrival: object number -> patient."""
    known: dict[bytes, int] = {}
    groups: dict[int, int] = {}
    for one in reversed(found):
        key = read[one.number].patient if one.number in read else None
        if key is not None:
            groups[one.number] = known.setdefault(key, len(known) + 1)
    return groups


def standing(deliveries: Sequence[tuple[DeliveryState, bool]]) -> Standing:
    """Say where a record is over all its destinations: what is worst for it counts.

    Each delivery: its state, and whether it was confirmed.
    """
    states = [state for state, _ in deliveries]
    if DeliveryState.HELD in states:
        return "held"
    if any(state in _ON_THE_WAY for state in states):
        return "waiting"
    if DeliveryState.DISCARDED in states:
        return "given-up"
    return "confirmed" if all(confirmed for _, confirmed in deliveries) else "reached"


def _totals(
    found: Sequence[RecordStanding], read: dict[int, _Read], patients: int, *, complete: bool
) -> RecordTotals:
    standings = [standing([(each.state, each.confirmed) for each in one.deliveries]) for one in found]
    summaries = [read[one.number].summary for one in found if one.number in read]
    return RecordTotals(
        records=len(found),
        complete=complete,
        not_treatments=sum(s.readable and s.content not in ("treatment", "unknown") for s in summaries),
        unreadable=sum(not s.readable for s in summaries),
        patients=patients,
        reached=sum(one in ("reached", "confirmed") for one in standings),
        confirmed=standings.count("confirmed"),
        waiting=standings.count("waiting"),
        held=standings.count("held"),
        given_up=standings.count("given-up"),
        destinations=tuple(sorted({each.destination for one in found for each in one.deliveries})),
        newest_at=max((one.received_at for one in found), default=None),
    )


def _facts(row: RecordRow, read: _Read | None, patient: int | None) -> RecordFacts:
    stored = row.object
    summary = read.summary if read else UNREADABLE
    return RecordFacts(
        number=stored.number,
        received_at=stored.received_at,
        sop_class=sop_classes.name(stored.instance.sop_class_uid),
        kind=KINDS.get(stored.instance.sop_class_uid, "other"),
        calling_ae=stored.origin.calling_ae,
        size=stored.size,
        reading="gone" if read is None else "read" if summary.readable else "unreadable",
        treated=summary.treated,
        plan_label=summary.plan_label,
        plan_name=summary.plan_name,
        plan_reference=summary.plan_reference,
        fraction=summary.fraction,
        fractions_planned=summary.fractions_planned,
        beams=tuple(BeamFacts(beam.name, beam.ending, beam.delivery, beam.check) for beam in summary.beams),
        beam_count=summary.beam_count,
        channels=summary.channels,
        ending=summary.ending,
        ending_word=summary.ending_word,
        check=summary.check,
        content=summary.content,
        entered_by_hand=summary.entered_by_hand,
        continuation=summary.continuation,
        completion=summary.completion,
        machine=summary.machine,
        patient=patient,
        standing=standing([(one.delivery.state, one.confirmed_at is not None) for one in row.deliveries]),
        deliveries=tuple(
            RecordDelivery(
                number=one.delivery.number,
                destination=one.delivery.destination,
                state=one.delivery.state.value,
                cause=one.cause,
                attempts=one.delivery.attempts,
                sent_at=one.accepted_at,
                confirmed_at=one.confirmed_at,
            )
            for one in row.deliveries
        ),
    )
