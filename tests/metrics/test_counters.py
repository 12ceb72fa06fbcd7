"""Notices become counters; no peer can make them many."""

from __future__ import annotations

import dataclasses

import pytest
from prometheus_client.parser import text_string_to_metric_families
from pydicom.uid import UID_dictionary

from gateway.metrics import Metrics
from gateway.metrics.labels import MAX_SOP_CLASSES, MAX_VALUES, OTHER, Bounded, SopClassLabel
from gateway.notices import (
    Alarm,
    AssociationClosed,
    AssociationOpened,
    AssociationRefused,
    CommitmentAnswered,
    CommitmentReported,
    CommitmentRequested,
    ConnectionRefused,
    DeliverySettled,
    Notices,
    ObjectRefused,
    ObjectStored,
    RelayBroken,
    RelayOpened,
    RelayRefused,
    StepSettled,
    UpsGuarded,
)

RECORD = "1.2.840.10008.5.1.4.1.1.481.4"
NAME = "RT Beams Treatment Record Storage"
STORED = ObjectStored("a1", "192.0.2.20", "LINAC1", "ARIA", 1, RECORD, "1.2", "record", 24_000, 0.02, "new")
REFUSED = ObjectRefused("a1", "192.0.2.20", "LINAC1", "ARIA", RECORD, 100, 0xA700, "no room")
SETTLED = DeliverySettled(1, 1, "oncology", RECORD, "1.2", "record", 24_000, 1.5, 1, "accepted", 0, "")
OPENED = AssociationOpened("a1", True, "192.0.2.20", "LINAC1", "ARIA", "", 1, 0)
CLOSED = AssociationClosed("a1", True, "192.0.2.20", "LINAC1", "ARIA", "released", "", 1, 0, 24_500, 300, 2.0)


@pytest.fixture
def notices() -> Notices:
    return Notices()


@pytest.fixture
def metrics(notices: Notices) -> Metrics:
    return Metrics(notices)


async def samples(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Return what a Prometheus server would read: (name, label values by label name) -> value."""
    text = (await metrics.render()).decode()
    return {
        (sample.name, *(f"{key}={value}" for key, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_objects_in_and_out_are_counted_by_class_priority_and_outcome(
    notices: Notices, metrics: Metrics
) -> None:
    for notice in (STORED, dataclasses.replace(STORED, outcome="duplicate"), REFUSED, SETTLED):
        notices.publish(notice)
    notices.publish(dataclasses.replace(SETTLED, outcome="retry", status=0xA700))
    read = await samples(metrics)
    received = "dicom_gateway_objects_received_total"
    assert read[(received, "outcome=new", "priority=record", f"sop_class={NAME}")] == 1
    assert read[(received, "outcome=duplicate", "priority=record", f"sop_class={NAME}")] == 1
    assert read[(received, "outcome=refused", "priority=record", f"sop_class={NAME}")] == 1
    assert read[("dicom_gateway_objects_received_bytes_total", "priority=record")] == 48_000
    assert read[("dicom_gateway_objects_refused_total", "status=0xA700")] == 1
    assert read[("dicom_gateway_object_store_seconds_count", "priority=record")] == 2
    deliveries = "dicom_gateway_deliveries_total"
    assert read[(deliveries, "destination=oncology", "outcome=accepted", "priority=record")] == 1
    assert read[(deliveries, "destination=oncology", "outcome=retry", "priority=record")] == 1
    assert read[("dicom_gateway_objects_delivered_bytes_total", "destination=oncology")] == 24_000
    assert read[("dicom_gateway_delivery_statuses_total", "destination=oncology", "status=0xA700")] == 1
    assert read[("dicom_gateway_delivery_seconds_sum", "destination=oncology")] == 1.5


async def test_associations_are_counted_and_gauged(notices: Notices, metrics: Metrics) -> None:
    notices.publish(OPENED)
    notices.publish(OPENED)
    notices.publish(CLOSED)
    notices.publish(AssociationRefused("a2", True, "192.0.2.7", "X", "Y", 1, 1, 7, "no route"))
    notices.publish(ConnectionRefused("console", "192.0.2.7", "not allowed"))
    notices.publish(Alarm("spool-full", "make room"))
    read = await samples(metrics)
    assert read[("dicom_gateway_associations_open", "direction=in")] == 1
    assert read[("dicom_gateway_associations_total", "direction=in", "outcome=released")] == 1
    assert read[("dicom_gateway_associations_total", "direction=in", "outcome=refused")] == 1
    assert read[("dicom_gateway_association_bytes_total", "direction=in", "flow=received")] == 24_500
    assert read[("dicom_gateway_association_seconds_count", "direction=in")] == 1
    assert read[("dicom_gateway_connections_refused_total", "listener=console")] == 1
    assert read[("dicom_gateway_alarms_total", "code=spool-full")] == 1


async def test_hostile_variety_adds_no_series(notices: Notices, metrics: Metrics) -> None:
    for notice in (STORED, REFUSED, SETTLED, OPENED, CLOSED):
        notices.publish(notice)
    before = len(await samples(metrics))
    for number in range(500):
        private = f"1.3.46.670589.{number}"
        title = f"EVIL{number}"
        notices.publish(
            dataclasses.replace(STORED, sop_class_uid=private, calling_ae=title, address=f"192.0.2.{number}")
        )
        notices.publish(dataclasses.replace(REFUSED, sop_class_uid=private, called_ae=title))
    added = len(await samples(metrics)) - before
    assert added == 2  # stored and refused, both of class "other"


async def test_statuses_and_codes_are_bounded(notices: Notices, metrics: Metrics) -> None:
    for number in range(3 * MAX_VALUES):
        notices.publish(Alarm(f"code-{number}", "text"))
        notices.publish(dataclasses.replace(REFUSED, status=0xC000 + number))
    read = await samples(metrics)
    for name in ("dicom_gateway_alarms_total", "dicom_gateway_objects_refused_total"):
        assert sum(key[0] == name for key in read) <= MAX_VALUES + 1


async def test_build_and_process_are_told_and_nothing_comes_twice(metrics: Metrics) -> None:
    read = await samples(metrics)
    assert [value for key, value in read.items() if key[0] == "dicom_gateway_build_info"] == [1]
    assert read[("process_resident_memory_bytes",)] > 0
    assert not any(key[0].endswith("_created") for key in read)


def test_two_gateways_in_one_process_do_not_share_a_registry() -> None:
    assert Metrics(Notices()).registry is not Metrics(Notices()).registry


def test_labels_are_bounded() -> None:
    label = Bounded(2)
    assert [label(x) for x in ("a", "b", "c", "a")] == ["a", "b", OTHER, "a"]
    sop_class = SopClassLabel()
    assert sop_class(RECORD) == NAME
    assert sop_class("1.2.3.4") == OTHER
    assert len({sop_class(uid) for uid in UID_dictionary}) == MAX_SOP_CLASSES + 1


async def test_the_conversation_is_counted(notices: Notices, metrics: Metrics) -> None:
    for notice in (
        RelayOpened("a1", "f1", "oncology", warm=True, seconds=0.02),
        RelayOpened("a2", "f2", "oncology", warm=False, seconds=2.0),
        RelayRefused("a3", "192.0.2.20", "LINAC1", "ARIA", "oncology", "away", 0.1),
        RelayBroken("a2", "f2", "oncology", 3, "lost"),
        UpsGuarded("LINAC1", "ARIA", "refused", 2, 15.0, "records"),
        CommitmentRequested("a1", "192.0.2.20", "LINAC1", "ARIA", 7, 12, "new", 0, ""),
        CommitmentAnswered("ARIA", "known", 11, 1, 0, 0, "N-EVENT-REPORT", ""),
        CommitmentReported(7, "LINAC1", 11, 1, "reported", "new association", ""),
        StepSettled(3, "oncology", "LINAC1", "create", 1, 0.7, "done", 0, ""),
    ):
        notices.publish(notice)
    read = await samples(metrics)
    for outcome in ("warm", "opened", "refused", "broken"):
        assert read["dicom_gateway_relays_total", f"outcome={outcome}", "peer=oncology"] == 1
    assert read["dicom_gateway_relay_unanswered_total", "peer=oncology"] == 3
    assert read["dicom_gateway_relay_connect_seconds_sum", "peer=oncology"] == 2.02
    assert read["dicom_gateway_ups_guarded_total", "outcome=refused"] == 1
    assert read["dicom_gateway_commitments_total", "outcome=new", "step=requested"] == 1
    assert read["dicom_gateway_commitments_total", "outcome=reported", "step=reported"] == 1
    assert read["dicom_gateway_commitment_instances_total", "outcome=committed"] == 11
    assert read["dicom_gateway_commitment_instances_total", "outcome=failed"] == 1
    assert read["dicom_gateway_procedure_steps_total", "destination=oncology", "outcome=done"] == 1
