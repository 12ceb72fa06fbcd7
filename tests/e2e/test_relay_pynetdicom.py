"""pynetdicom on both ends of the normalized services: a second opinion on what the gateway relays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import AE, evt

from gateway.demo.reactor import reactor_at_rest
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.normalized_scp import SYNTAXES, NormalizedScp
from tests.support.ois_conversations import (
    AVAILABILITY,
    CONVENTIONAL_VERIFICATION,
    ION_VERIFICATION,
    MPPS,
    SUBSTANCE_LOGGING,
    UPS_PULL,
    UPS_PUSH,
    UPS_WATCH,
)

pytestmark = pytest.mark.peers

_ALL = "create set get action delete"

# pynetdicom serves of each service what its standard names.
SERVICES = {
    MPPS: "create set",
    UPS_PUSH: "create get action",
    UPS_PULL: "get set action",
    UPS_WATCH: "get action",
    CONVENTIONAL_VERIFICATION: _ALL,
    ION_VERIFICATION: _ALL,
    SUBSTANCE_LOGGING: "action",
    AVAILABILITY: "create",
    "1.2.840.10008.5.1.1.1": _ALL,  # Basic Film Session
    "1.2.840.10008.5.1.1.40": "get",  # Display System
}


@dataclass(frozen=True, slots=True)
class Scene:
    """The SCP, and a gateway in front of it."""

    far: NormalizedScp
    gateway: GatewayProcess


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    directory: Path = tmp_path_factory.mktemp("normalized")
    with (
        NormalizedScp(*SERVICES) as far,
        GatewayProcess(directory, peers=[peer("ois", "OIS", far.port)], routes=[_ROUTE]) as gateway,
    ):
        yield Scene(far, gateway)


_ROUTE = {"called": "OIS", "to": ["ois"], "ups_guard": "0 s"}


def _information() -> Dataset:
    data_set = Dataset()
    data_set.PatientID = "SYN-000001"
    data_set.PatientComments = "as sent by the console"
    return data_set


def _operations(association: Any, sop_class: str) -> list[Any]:
    """Each DIMSE-N operation that the service has; what pynetdicom makes of the answers."""
    instance = "2.25.100"
    operations = {
        "create": lambda: association.send_n_create(_information(), sop_class, instance),
        "set": lambda: association.send_n_set(_information(), sop_class, instance),
        "get": lambda: association.send_n_get([0x00100020, 0x00104000], sop_class, instance),
        "action": lambda: association.send_n_action(_information(), 1, sop_class, instance),
        "delete": lambda: association.send_n_delete(sop_class, instance),
    }
    return [operations[name]() for name in SERVICES[sop_class].split()]


def _hold(scene: Scene, port: int) -> tuple[list[Any], list[Any]]:
    scene.far.forget()
    ae = AE(ae_title="LINAC1")
    for uid in SERVICES:
        ae.add_requested_context(uid, SYNTAXES)
    association = ae.associate("127.0.0.1", port, ae_title="OIS")
    assert association.is_established
    assert len(association.accepted_contexts) == len(SERVICES)
    try:
        with reactor_at_rest(association):
            heard = [_operations(association, uid) for uid in SERVICES]
    finally:
        association.release()
    return heard, list(scene.far.received)


def test_every_operation_of_every_service_is_the_same(scene: Scene) -> None:
    direct, received_direct = _hold(scene, scene.far.port)
    through, received_through = _hold(scene, scene.gateway.port)
    assert through == direct
    assert received_through == received_direct
    assert len(received_through) == len(" ".join(SERVICES.values()).split())


def test_an_event_report_comes_down_and_its_answer_goes_up(scene: Scene) -> None:
    for port in (scene.far.port, scene.gateway.port):
        scene.far.forget()
        events: list[tuple[int, str]] = []
        arrived = threading.Event()

        def on_event(event: Any, events: list[Any] = events, arrived: threading.Event = arrived) -> Any:
            information = event.event_information
            events.append((event.event_type, information.ProcedureStepState))
            arrived.set()
            return 0xA123, None  # no status that anyone would make up

        ae = AE(ae_title="LINAC1")
        ae.add_requested_context(UPS_PUSH, SYNTAXES)
        association = ae.associate(
            "127.0.0.1", port, ae_title="OIS", evt_handlers=[(evt.EVT_N_EVENT_REPORT, on_event)]
        )
        assert association.is_established
        with reactor_at_rest(association):
            status, _ = association.send_n_action(_information(), 3, UPS_PUSH, "2.25.100")
        assert status.Status == 0x0000
        assert arrived.wait(10)
        assert scene.far.event_answered.wait(10)
        association.release()
        assert events == [(1, "SCHEDULED")]
        assert scene.far.event_answers == [0xA123]
