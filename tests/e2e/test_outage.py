"""Everything a destination can do wrong: the documented state, and after repair everything once.

The policy is the table in gateway/delivery/classification.py; here it meets real peers.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.demo.synthetic import SyntheticObject, Template, make_record
from gateway.model import TlsMaterial
from tests.e2e.conftest import Pki
from tests.support.console import Console
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.ledger import assert_each_once, uids_and_digests
from tests.support.ports import free_port
from tests.support.receiver import Receiver

RECORDS = 3
_TIMEOUTS = {"connect": 1, "tls": 1, "associate": 1, "response": 1, "release": 1}


def records(count: int = RECORDS, first: int = 0) -> list[SyntheticObject]:
    """Treatment records, all different."""
    return list(Template(make_record()).copies(count, first))


def send(gateway: GatewayProcess, things: list[SyntheticObject]) -> dict[str, str]:
    """Send as a console does; every object must be acknowledged. Return the ledger."""
    with Console(gateway.port, "CENTRE") as console:
        for thing in things:
            assert console.store(thing.sop_class_uid, thing.sop_instance_uid, thing.data) == 0x0000
    return uids_and_digests(things)


def run_gateway(directory: Path, port: int, tls: TlsMaterial, **delivery: object) -> GatewayProcess:
    """A gateway whose only destination is on `port`, behind TLS, with short timeouts."""
    return GatewayProcess(
        directory,
        peers=[peer("centre", "CENTRE", port, tls, max_associations=2)],
        sections={"timeouts": _TIMEOUTS, "delivery": delivery},
    )


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to fail. `state` is where the deliveries stay, `words` what the reason has to say."""

    name: str
    mood: str
    state: str
    words: str


ANSWERS = (
    Fault("rejects the association for good", "reject 1", "queued", "reject"),
    Fault("rejects the association for now", "reject 2", "queued", "reject"),
    Fault("takes the object and never answers", "silent", "queued", "answer|respon"),
    Fault("aborts in the middle of an object", "abort", "queued", "abort"),
    Fault("is out of resources", "status 0xA700", "queued", "0xA700"),
    Fault("fails to process", "status 0x0110", "queued", "0x0110"),
    Fault("cannot understand", "status 0xC000", "held", "0xC000"),
    Fault("finds that the data set does not match", "status 0xA900", "held", "0xA900"),
)


@pytest.mark.parametrize("fault", ANSWERS, ids=lambda fault: fault.name)
def test_a_destination_that_answers_wrongly(fault: Fault, tmp_path: Path, pki: Pki) -> None:
    centre = Receiver(tls=pki.centre)
    # Convicting an object of poison is tested with the policy; here the whole destination is ill.
    with centre, run_gateway(tmp_path, centre.port, pki.gateway) as gateway:
        centre.mood(fault.mood)
        ledger = send(gateway, records())
        if fault.state == "held":
            gateway.wait_state("held", RECORDS)
            reasons = " ".join(row["reason"] for row in gateway.deliveries())
        else:
            reasons = wait_for_words(gateway, fault.words)
            assert {row["state"] for row in gateway.deliveries()} <= {"queued", "sending"}
        assert re.search(fault.words, reasons, re.IGNORECASE), reasons
        assert centre.stored() == []
        centre.stop()
        centre.start()
        if fault.state == "held":
            with gateway.client() as client:
                assert client.retry_held(destination="centre")["count"] == RECORDS
        gateway.wait_delivered(RECORDS)
    assert_each_once(centre.stored(), ledger)


def wait_for_words(gateway: GatewayProcess, words: str) -> str:
    """Return all reasons given once one of them, of the link or of a delivery, has `words` in it."""
    said: list[str] = []

    def told() -> bool:
        said[:] = [gateway.destination()["link_reason"], *(row["reason"] for row in gateway.deliveries())]
        return any(re.search(words, each, re.IGNORECASE) for each in said)

    gateway.wait(f"a reason with {words!r}", told)
    return " | ".join(said)


def test_a_warning_is_accepted_and_kept_with_the_receipt(tmp_path: Path, pki: Pki) -> None:
    with Receiver(tls=pki.centre) as centre, run_gateway(tmp_path, centre.port, pki.gateway) as gateway:
        centre.mood("warn 0xB000")
        ledger = send(gateway, records())
        gateway.wait_delivered(RECORDS)
        with gateway.client() as client:
            for row in gateway.deliveries():
                (receipt,) = client.story(row["number"])["receipts"]
                assert receipt["status"] == "0xB000"
    assert_each_once(centre.stored(), ledger)


@contextmanager
def _nobody(port: int) -> Iterator[None]:
    """Nobody listens: the centre was killed."""
    assert port
    yield


@contextmanager
def _silence(port: int) -> Iterator[None]:
    """The kernel accepts connections and nobody ever speaks."""
    with socket.create_server(("127.0.0.1", port)):
        yield


@contextmanager
def _slammed_door(port: int) -> Iterator[None]:
    """Not a DICOM server: every connection is closed as soon as it is made."""
    import threading

    with socket.create_server(("127.0.0.1", port)) as server:
        closing = threading.Event()

        def slam() -> None:
            while not closing.is_set():
                try:
                    server.accept()[0].close()
                except OSError:
                    return

        thread = threading.Thread(target=slam, daemon=True)
        thread.start()
        try:
            yield
        finally:
            closing.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join()


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (_nobody, "refused|connect"),
        (_silence, "TLS|time|answer"),
        (_slammed_door, "TLS|closed|connection"),
    ],
    ids=["killed", "accepts and says nothing", "closes at once"],
)
def test_a_destination_that_is_not_there(
    trouble: Callable[[int], object], words: str, tmp_path: Path, pki: Pki
) -> None:
    port = free_port()
    with run_gateway(tmp_path, port, pki.gateway) as gateway:
        with trouble(port):  # type: ignore[attr-defined]  # a context manager
            ledger = send(gateway, records())
            reasons = wait_for_words(gateway, words)
            assert gateway.destination()["link"] == "offline", reasons
            assert {row["state"] for row in gateway.deliveries()} <= {"queued", "sending"}
        with Receiver(tls=pki.centre, port=port) as centre:
            gateway.wait_delivered(RECORDS)
            gateway.wait("the link is online", lambda: gateway.destination()["link"] == "online")
            assert_each_once(centre.stored(), ledger)


@pytest.mark.parametrize("wrong", ["authority", "expired", "name", "ours"])
def test_a_wrong_certificate(wrong: str, tmp_path: Path, pki: Pki) -> None:
    """Nothing is sent to a centre that cannot prove who it is, nor to one that does not believe us."""
    from tests.support.certs import Authority

    stranger = Authority.create(tmp_path, "stranger")
    again = Authority(tmp_path, "again", pki.authority.ca, pki.authority._key, pki.authority._certificate)
    shown = {
        "authority": stranger.issue("impostor"),
        "expired": again.issue("expired", days=-1),
        "name": again.issue("elsewhere", hosts=("elsewhere.example",)),
        "ours": pki.centre,
    }[wrong]
    if wrong == "ours":
        # The centre trusts another authority than the one that issued our certificate.
        shown = TlsMaterial(shown.certificate, shown.key, stranger.ca)
    else:
        shown = TlsMaterial(shown.certificate, shown.key, pki.authority.ca)
    port = free_port()
    with run_gateway(tmp_path / "gateway", port, pki.gateway) as gateway:
        with Receiver(tls=shown, port=port) as impostor:
            ledger = send(gateway, records())
            wait_for_words(gateway, "certificate|TLS")
            assert {row["state"] for row in gateway.deliveries()} <= {"queued", "sending"}
            assert impostor.events("association") == []
        with Receiver(tls=pki.centre, port=port) as centre:
            gateway.wait_delivered(RECORDS)
            assert_each_once(centre.stored(), ledger)


def test_one_dead_destination_never_holds_up_another(tmp_path: Path, pki: Pki) -> None:
    with (
        Receiver(tls=pki.centre) as centre,
        GatewayProcess(
            tmp_path,
            peers=[
                peer("dead", "DEAD", free_port(), pki.gateway),
                peer("centre", "CENTRE", centre.port, pki.gateway),
            ],
            routes=[{"called": "CENTRE", "to": ["dead", "centre"]}],
        ) as gateway,
    ):
        ledger = send(gateway, records(20))
        gateway.wait_delivered(20)
        assert gateway.destination("dead")["waiting"]["record"]["count"] == 20
        assert_each_once(centre.stored(), ledger)


def test_records_leave_before_images_when_the_link_returns(tmp_path: Path, pki: Pki) -> None:
    from gateway.demo.synthetic import Sizes, Treatment

    port = free_port()
    images = Template(Treatment(sizes=Sizes(matrix=64)).make("cbct"))
    with run_gateway(tmp_path, port, pki.gateway) as gateway:
        ledger = send(gateway, list(images.copies(20))) | send(gateway, records(20))
        with Receiver(tls=pki.centre, port=port) as centre:
            gateway.wait_delivered(40)
            order = [event["sop_class"] for event in centre.stored()]
            assert_each_once(centre.stored(), ledger)
    # The console sent the images first; while nothing could leave, nothing was under way either.
    assert len(set(order[:20])) == 1
    assert order[0] == records(1)[0].sop_class_uid


def test_what_was_accepted_survives_an_ordinary_restart(tmp_path: Path, pki: Pki) -> None:
    port = free_port()
    gateway = run_gateway(tmp_path, port, pki.gateway)
    with gateway:
        ledger = send(gateway, records())
        wait_for_words(gateway, "refused|connect")
    with gateway, Receiver(tls=pki.centre, port=port) as centre:
        gateway.wait_delivered(RECORDS)
        assert_each_once(centre.stored(), ledger)
