"""A Control made of values: for tests of the API and of the command line that need no running gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from gateway.notices import Notices
from gateway.operator import facts
from gateway.operator.control import (
    Action,
    Cut,
    ExportStream,
    NoSuchStep,
    NotAnObject,
    NotFound,
    NotPossible,
    StepAction,
    StepNotPossible,
)
from gateway.operator.site_facts import SiteFacts
from gateway.operator.verdict import judge

NOW = 1_700_000_000.0
FILE = b"\0" * 128 + b"DICM" + bytes(range(256)) * 1000
HOSTILE_WORDS = "no room\x1b[2J [bold]today[/bold] \u202eesrever"


def destination(**changes: object) -> facts.DestinationFacts:
    """A destination with nothing to do, but for the changes."""
    nothing = facts.Amount()
    plain = facts.DestinationFacts(
        name="oncology", ae_title="ARIA", host="ois.example.org", port=2762, tls=True, link="online",
        link_reason="", link_since=NOW - 3600, paused=False,
        waiting=facts.Waiting(nothing, nothing, nothing), in_flight=0, held=nothing,
        delivered=facts.Amount(12, 240_000), oldest_waiting_at=None, rtt_seconds=0.6,
        bytes_per_second=1_250_000.0, last_success_at=NOW - 20, next_try_at=None,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]  # names of fields


def delivery(number: int, **changes: object) -> facts.DeliveryFacts:
    """A queued delivery, but for the changes."""
    plain = facts.DeliveryFacts(
        number=number, object_number=number, destination="oncology", state="queued", priority="record",
        sop_class="RT Beams Treatment Record Storage", size=20_480, calling_ae="LINAC1", received_at=NOW - 60,
        updated_at=NOW - 30, attempts=2, not_before=NOW + 30, reason="the link is down",
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]  # names of fields


def commitment(number: int, **changes: object) -> facts.CommitmentFacts:
    """An open transaction of storage commitment, but for the changes."""
    plain = facts.CommitmentFacts(
        number=number, transaction_uid=f"1.2.826.0.1.3680043.8.498.{number}", calling_ae="LINAC1",
        called_ae="ARIA", listener="console", address="192.0.2.20", destinations=("oncology", "archive"),
        state="open", open=3, committed=2, failed=1, attempts=0, not_before=None, reason="",
        received_at=NOW - 60, finished_at=None,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]  # names of fields


def step(number: int, **changes: object) -> facts.StepFacts:
    """A queued message of a procedure step, but for the changes."""
    plain = facts.StepFacts(
        number=number, kind="set", sop_class="Modality Performed Procedure Step", destination="oncology",
        calling_ae="LINAC1", called_ae="ARIA", state="queued", waits_for=None, size=500, attempts=2,
        uncertain=False, not_before=NOW + 30, reason="the link is down", status=None, words="", comment="",
        who="", received_at=NOW - 60, updated_at=NOW - 30,
    )  # fmt: skip
    return replace(plain, **changes)  # type: ignore[arg-type]  # names of fields


SPOOL = facts.SpoolFacts(12, 240_000, 50_000_000_000, 64 * 2**20, accepts_records=True, accepts_images=True)


class FakeControl:
    """Answers from what its attributes say, and records what it was asked to do."""

    def __init__(self) -> None:
        self.notices = Notices()
        self.destinations = [destination()]
        self.spool = SPOOL
        self.rows = [delivery(n) for n in (1, 2, 3)]
        self.transactions = [commitment(n) for n in (3, 2, 1)]
        self.messages = [step(1, kind="create"), step(2, waits_for=1), step(3, state="held", not_before=None)]
        self.totals = facts.CommitmentTotals()
        self.step_totals = facts.StepTotals()
        self.sites: tuple[SiteFacts, ...] = ()
        self.done: list[tuple[object, ...]] = []
        self.sent: list[bytes] = []
        self.echo_ok = True
        self.crash: Exception | None = None

    async def status(self) -> facts.Status:
        if self.crash is not None:
            raise self.crash
        verdict = judge(self.destinations, self.spool, NOW, steps=self.step_totals)
        listener = facts.ListenerFacts("console", "192.0.2.10", 11112, tls=False, associations=2)
        return facts.Status(
            "clinic-07", "CLINIC07", "0.1.0", NOW - 86400, NOW, verdict.level, verdict.headline,
            verdict.attention, tuple(self.destinations), self.spool, (listener,),
            self.totals, self.step_totals, tuple(self.sites),
        )  # fmt: skip

    async def deliveries(self, wanted: facts.DeliveryFilter, cut: Cut) -> facts.DeliveryPage:
        self._check_destination(wanted.destination)
        given = {name: getattr(wanted, name) for name in ("state", "destination", "priority", "cause")}
        rows = [r for r in self.rows if all(v in (None, getattr(r, name)) for name, v in given.items())]
        total = len(rows) if cut.count else None
        rows = [r for r in rows if (cut.after or 0) < r.number < (cut.before or 2**63)]
        rows = rows[::-1] if cut.newest else rows
        more = len(rows) > cut.limit
        return facts.DeliveryPage(
            tuple(rows[: cut.limit]), rows[cut.limit - 1].number if more else None, total=total
        )

    async def story(self, number: int) -> facts.Story:
        row = self._row(number)
        thing = facts.ObjectFacts(
            row.object_number, row.sop_class, "1.2.840.10008.5.1.4.1.1.481.4", "Implicit VR Little Endian",
            "1.2.840.10008.1.2", row.priority, row.size, "ab" * 32, row.received_at, "console", "192.0.2.20",
            row.calling_ae, "ARIA", "a1b2",
        )  # fmt: skip
        receipt = facts.ReceiptFacts(
            "oncology", "0xA700", "Refused: out of resources", HOSTILE_WORDS, "Implicit VR Little Endian",
            same_bytes=True, at=NOW,
        )  # fmt: skip
        event = facts.EventFacts(NOW - 5, "held", "kept back", "anna (uid 1000)")
        return facts.Story(
            row, thing, (), (receipt,), (event,), "Nothing to do: it is tried again by itself."
        )

    async def act(self, number: int, action: Action, *, reason: str, who: str) -> facts.DeliveryFacts:
        row = self._row(number)
        if row.state == "released":
            raise NotPossible(f"delivery {number} is released: its bytes are gone")
        self.done.append((action, number, reason, who))
        states = {"retry": "queued", "hold": "held", "release": "queued", "discard": "discarded"}
        return replace(row, state=states[action], reason=reason)  # type: ignore[arg-type]  # a known state

    async def retry_held(self, *, destination: str | None, cause: str | None, who: str) -> int:
        self._check_destination(destination)
        self.done.append(("retry-held", destination, cause, who))
        return 2

    async def commitments(self, *, before: int | None, limit: int) -> facts.CommitmentPage:
        rows = [row for row in self.transactions if before is None or row.number < before]
        more = len(rows) > limit
        return facts.CommitmentPage(tuple(rows[:limit]), rows[limit - 1].number if more else None)

    async def steps(
        self, *, state: facts.StepStateName | None, destination: str | None, after: int | None, limit: int
    ) -> facts.StepPage:
        self._check_destination(destination)
        rows = [
            row for row in self.messages
            if (state is None or row.state == state) and row.number > (after or 0)
        ]  # fmt: skip
        more = len(rows) > limit
        return facts.StepPage(tuple(rows[:limit]), rows[limit - 1].number if more else None)

    async def act_on_step(self, number: int, action: StepAction, *, reason: str, who: str) -> facts.StepFacts:
        found = [row for row in self.messages if row.number == number]
        if not found:
            raise NoSuchStep(f"there is no procedure step {number}")
        if found[0].state == "done":
            raise StepNotPossible("a procedure step that is done cannot be retried")
        self.done.append((action, number, reason, who))
        return replace(found[0], state="queued" if action == "retry" else "discarded", reason=reason)

    async def export(self, number: int) -> ExportStream:
        row = self._row(number)

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(FILE), 100_000):
                yield FILE[start : start + 100_000]

        return ExportStream(row.object_number, len(FILE), chunks())

    async def pause(self, destination: str, *, who: str) -> facts.DestinationFacts:
        return self._steer("pause", destination, who, paused=True)

    async def resume(self, destination: str, *, who: str) -> facts.DestinationFacts:
        return self._steer("resume", destination, who, paused=False)

    async def kick(self, destination: str, *, who: str) -> facts.DestinationFacts:
        return self._steer("retry", destination, who, paused=False)

    async def echo(self, peer: str) -> facts.EchoReport:
        self._check_destination(peer)
        steps = [
            facts.EchoStep("name", True, 0.012, "192.0.2.1"),
            facts.EchoStep("tcp", True, 0.6, "connected"),
        ]
        if not self.echo_ok:
            steps.append(facts.EchoStep("tls", False, 1.2, "the peer's certificate has expired"))
            return facts.EchoReport(peer, False, tuple(steps), "Ask the centre for a new certificate.")
        return facts.EchoReport(peer, True, tuple(steps), "")

    async def send(self, peer: str, size: int, body: AsyncIterator[bytes]) -> facts.SendReport:
        self._check_destination(peer)
        content = b"".join([chunk async for chunk in body])
        if content[128:132] != b"DICM":
            raise NotAnObject("this is not a DICOM file: the prefix DICM is missing")
        self.sent.append(content)
        return facts.SendReport(peer, True, "0x0000", "success", "RT Image Storage", size, 0.5)

    def associations(self) -> tuple[facts.AssociationFacts, ...]:
        return (facts.AssociationFacts("a1b2", True, "192.0.2.20", "LINAC1", "ARIA", "", NOW - 5),)

    async def metrics(self) -> bytes:
        return b"gateway_up 1\n"

    def _row(self, number: int) -> facts.DeliveryFacts:
        for row in self.rows:
            if row.number == number:
                return row
        raise NotFound(f"there is no delivery {number}")

    def _check_destination(self, name: str | None) -> None:
        if name is not None and name not in [d.name for d in self.destinations]:
            raise NotFound(f"there is no destination or peer {name!r}")

    def _steer(self, action: str, name: str, who: str, *, paused: bool) -> facts.DestinationFacts:
        self._check_destination(name)
        self.done.append((action, name, who))
        return replace(self.destinations[0], paused=paused)
