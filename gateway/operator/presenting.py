"""What the rooms know, as facts: the one place where their values become the API's. Pure.

SOP Instance UIDs stay behind here.
"""

from __future__ import annotations

from typing import cast

from gateway.delivery.destination_status import DestinationStatus
from gateway.delivery.eta import eta
from gateway.dicom import sop_classes, status
from gateway.link_state import UNMEASURED, LinkMeasures, SiteStatus
from gateway.model import Delivery, DeliveryState, Peer, Priority, Receipt, StoredObject
from gateway.operator import facts
from gateway.operator.advice import Advice, advise_held
from gateway.operator.queue_facts import HeldGroupFacts
from gateway.operator.site_facts import SiteFacts
from gateway.spool import CommitmentRow, DeliveryStory, HeldGroup, HistoryEvent, SpoolSummary, StepRow

_WAITING = (DeliveryState.QUEUED, DeliveryState.SENDING)
_DELIVERED = (DeliveryState.ACCEPTED, DeliveryState.CONFIRMED)


def verifies(peer: Peer) -> bool:
    """Say whether everything that a peer accepts is to be verified there."""
    return peer.commitment in ("always", "query")


def destination(
    peer: Peer,
    known: DestinationStatus,
    summary: SpoolSummary,
    measures: LinkMeasures = UNMEASURED,
    rate_cap: int | None = None,
) -> facts.DestinationFacts:
    """Return a destination with its link and its queue; `rate_cap` is what the schedule allows now."""
    waiting = facts.Waiting(
        record=_amount(summary, peer.name, _WAITING, Priority.RECORD),
        image=_amount(summary, peer.name, _WAITING, Priority.IMAGE),
        bulk=_amount(summary, peer.name, _WAITING, Priority.BULK),
    )
    return facts.DestinationFacts(
        name=peer.name,
        ae_title=peer.ae_title,
        host=peer.host,
        port=peer.port,
        tls=peer.tls is not None or bool(peer.via),
        link=cast(facts.LinkState, known.link_state),
        link_reason=known.reason,
        link_since=known.since,
        paused=known.paused,
        waiting=waiting,
        in_flight=known.in_flight,
        held=_amount(summary, peer.name, (DeliveryState.HELD,)),
        delivered=_amount(summary, peer.name, _DELIVERED),
        oldest_waiting_at=summary.oldest_of(peer.name),
        oldest_due_at=summary.oldest_of(peer.name, known.most),
        rtt_seconds=known.rtt if known.rtt is not None else measures.rtt,
        bytes_per_second=known.goodput if known.goodput is not None else measures.goodput,
        last_success_at=known.last_success,
        next_try_at=known.next_try,
        unverified=_amount(summary, peer.name, (DeliveryState.ACCEPTED,)),
        at_hub=summary.at_hub.get(peer.name, 0),
        verified=verifies(peer),
        throughput=known.throughput,
        loss=measures.loss,
        retransmitted_bytes=measures.retransmitted,
        compression=measures.ratio,
        eta_seconds=eta(known, _bytes_waiting(waiting), rate_cap),
        rate_cap=rate_cap,
        leaves=cast(facts.PriorityName, known.most.label),
        held_back=known.held_back,
    )


def _bytes_waiting(waiting: facts.Waiting) -> dict[Priority, int]:
    return {
        Priority.RECORD: waiting.record.bytes,
        Priority.IMAGE: waiting.image.bytes,
        Priority.BULK: waiting.bulk.bytes,
    }


def site(known: SiteStatus) -> SiteFacts:
    """Return a site of a hub."""
    return SiteFacts(
        name=known.name,
        connected=known.connected,
        since=known.since,
        reason=known.reason,
        last_contact_at=known.last_contact,
        address=known.address,
        version=known.version,
        rtt_seconds=known.measures.rtt,
        bytes_per_second=known.rate,
        loss=known.measures.loss,
        retransmitted_bytes=known.measures.retransmitted,
        compression=known.measures.ratio,
        receiving=known.receiving,
        partial_bytes=known.partial_bytes,
        received_objects=known.objects,
        received_bytes=known.bytes,
        waiting_objects=known.queued,
        waiting_bytes=known.queued_bytes,
        oldest_waiting_at=known.oldest,
    )


def _amount(
    summary: SpoolSummary, name: str, states: tuple[DeliveryState, ...], priority: Priority | None = None
) -> facts.Amount:
    cells = [
        cell
        for cell in summary.cells
        if cell.destination == name and cell.state in states and priority in (None, cell.priority)
    ]
    return facts.Amount(sum(cell.count for cell in cells), sum(cell.bytes for cell in cells))


def spool(summary: SpoolSummary) -> facts.SpoolFacts:
    """Return the room there is, for records and for the rest."""
    for_records = max(0, summary.room[Priority.RECORD])
    for_images = max(0, summary.room[Priority.IMAGE])
    return facts.SpoolFacts(
        objects=summary.objects,
        bytes=summary.bytes,
        free_bytes=for_records,
        reserve_bytes=for_records - for_images,
        accepts_records=for_records > 0,
        accepts_images=for_images > 0,
    )


def delivery(known: Delivery, thing: StoredObject, cause: str = "") -> facts.DeliveryFacts:
    """Return one line of a listing."""
    return facts.DeliveryFacts(
        number=known.number,
        object_number=known.object_number,
        destination=known.destination,
        state=known.state.value,
        priority=cast(facts.PriorityName, known.priority.label),
        sop_class=sop_classes.name(thing.instance.sop_class_uid),
        size=thing.size,
        calling_ae=thing.origin.calling_ae,
        received_at=thing.received_at,
        updated_at=known.updated_at,
        attempts=known.attempts,
        not_before=known.not_before or None,
        reason=known.reason,
        cause=cause,
    )


def story(told: DeliveryStory, advice: Advice) -> facts.Story:
    """Return everything about one delivery and its object."""
    thing = told.object
    number = told.delivery.number
    others = tuple(delivery(other, thing) for other in told.deliveries if other.number != number)
    return facts.Story(
        delivery=delivery(told.delivery, thing, told.cause),
        object=_object(thing),
        others=others,
        receipts=tuple(_receipt(receipt, thing) for of, receipt in told.receipts if of == number),
        history=tuple(_event(event) for event in told.history if event.delivery in (0, number)),
        next_step=advice.words,
        next_step_code=advice.code,
        bytes_kept=told.bytes_kept,
        commitment=_commitment_of(told),
    )


def _commitment_of(told: DeliveryStory) -> facts.CommitmentOfDelivery:
    if told.delivery.state is DeliveryState.CONFIRMED:
        return "confirmed"
    if told.delivery.state is not DeliveryState.ACCEPTED:
        return "not-asked"
    return cast(facts.CommitmentOfDelivery, told.commitment)


def _object(thing: StoredObject) -> facts.ObjectFacts:
    instance, origin = thing.instance, thing.origin
    return facts.ObjectFacts(
        number=thing.number,
        sop_class=sop_classes.name(instance.sop_class_uid),
        sop_class_uid=instance.sop_class_uid,
        transfer_syntax=sop_classes.name(instance.transfer_syntax_uid),
        transfer_syntax_uid=instance.transfer_syntax_uid,
        priority=cast(facts.PriorityName, thing.priority.label),
        size=thing.size,
        sha256=thing.digest.hex(),
        received_at=thing.received_at,
        listener=origin.listener,
        address=origin.address,
        calling_ae=origin.calling_ae,
        called_ae=origin.called_ae,
        association=origin.association,
    )


def _receipt(receipt: Receipt, thing: StoredObject) -> facts.ReceiptFacts:
    return facts.ReceiptFacts(
        destination=receipt.destination,
        status=f"0x{receipt.status:04X}",
        words=status.words(receipt.status),
        comment=receipt.comment,
        transfer_syntax=sop_classes.name(receipt.transfer_syntax_uid),
        same_bytes=receipt.digest == thing.digest,
        at=receipt.at,
    )


def _event(event: HistoryEvent) -> facts.EventFacts:
    return facts.EventFacts(
        at=event.at,
        what=event.what,
        words=event.detail,
        who=event.who,
        cause=event.cause,
        status="" if event.status is None else f"0x{event.status:04X}",
        said=event.said,
    )


def commitment(row: CommitmentRow) -> facts.CommitmentFacts:
    """Return one transaction of storage commitment."""
    return facts.CommitmentFacts(
        number=row.number,
        transaction_uid=row.transaction_uid,
        calling_ae=row.calling_ae,
        called_ae=row.called_ae,
        listener=row.listener,
        address=row.address,
        destinations=row.destinations,
        state=row.state.value,
        open=row.open,
        committed=row.committed,
        failed=row.failed,
        attempts=row.attempts,
        not_before=row.not_before or None,
        reason=row.reason,
        received_at=row.received_at,
        finished_at=row.finished_at,
    )


def step(row: StepRow) -> facts.StepFacts:
    """Return one message of a procedure step."""
    return facts.StepFacts(
        number=row.number,
        kind=row.step.kind,
        sop_class=sop_classes.name(row.step.sop_class_uid),
        destination=row.step.destination,
        calling_ae=row.step.calling_ae,
        called_ae=row.step.called_ae,
        state=row.state.value,
        waits_for=row.waits_for,
        size=row.size,
        attempts=row.attempts,
        uncertain=row.uncertain,
        not_before=row.not_before or None,
        reason=row.reason,
        status=None if row.status is None else f"0x{row.status:04X}",
        words="" if row.status is None else status.words(row.status),
        comment=row.comment,
        who=row.who,
        received_at=row.received_at,
        updated_at=row.updated_at,
    )


def held_group(group: HeldGroup) -> HeldGroupFacts:
    """Return what is held at one destination for one cause."""
    advice = advise_held(group.cause, group.examples[0])
    return HeldGroupFacts(
        destination=group.destination,
        cause=group.cause,
        count=group.total.count,
        count_exact=group.total.exact,
        bytes=group.bytes,
        oldest_at=group.oldest,
        words=group.words,
        examples=group.examples,
        newest=group.newest,
        next_step=advice.words,
        next_step_code=advice.code,
    )
