"""Console, link and centre without a gateway between them: the demo's own parts do not alter a byte."""

from __future__ import annotations

import asyncio
import datetime
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom import dcmread
from pynetdicom import AE, evt

from gateway.demo.centre import AE_TITLE, Centre
from gateway.demo.console import Console, ConsoleError
from gateway.demo.ledger import Answer, Arrival, Ledger
from gateway.demo.link import Link
from gateway.demo.pki import Authority
from gateway.demo.reactor import reactor_at_rest
from gateway.demo.synthetic import Sizes, SyntheticObject, Treatment

SMALL = Sizes(cbct_slices=2, matrix=64, image_rows=64, image_columns=64)


def objects() -> list[SyntheticObject]:
    treatment = Treatment(1, sizes=SMALL)
    return [*treatment.fraction(1), treatment.make("private")]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path / "pki", now=datetime.datetime.now(datetime.UTC))


def send_over_tls(port: int, context: ssl.SSLContext) -> list[int]:
    entity = AE(ae_title="GATEWAY")
    for sop_class in {thing.sop_class_uid for thing in objects()}:
        entity.add_requested_context(sop_class, "1.2.840.10008.1.2.1")
    association = entity.associate("127.0.0.1", port, ae_title=AE_TITLE, tls_args=(context, "localhost"))
    assert association.is_established
    with reactor_at_rest(association):
        answers = [association.send_c_store(thing.data_set()).Status for thing in objects()]
    association.release()
    return answers


async def test_centre_books_and_keeps_what_comes_over_the_link(authority: Authority, tmp_path: Path) -> None:
    arrivals: list[Arrival] = []
    mine = authority.issue("gateway")
    context = ssl.create_default_context(cafile=str(mine.ca))
    context.load_cert_chain(mine.certificate, mine.key)
    with Centre(authority.issue("centre"), tmp_path / "kept", arrivals.append) as centre:
        async with Link(("127.0.0.1", centre.port), delay=0.001) as link:
            answers = await asyncio.to_thread(send_over_tls, link.port, context)
    assert set(answers) == {0}
    sent = objects()
    assert [(a.sop_instance_uid, a.size, a.digest) for a in arrivals] == [
        (thing.sop_instance_uid, thing.size, thing.digest) for thing in sent
    ]
    kept = {str(dcmread(path).SOPInstanceUID) for path in (tmp_path / "kept").iterdir()}
    assert kept == {thing.sop_instance_uid for thing in sent}


async def test_centre_wants_a_certificate(authority: Authority, tmp_path: Path) -> None:
    arrivals: list[Arrival] = []
    context = ssl.create_default_context(cafile=str(authority.ca))
    context.maximum_version = ssl.TLSVersion.TLSv1_2  # in 1.3 the refusal comes after the handshake
    with (
        Centre(authority.issue("centre"), tmp_path / "kept", arrivals.append) as centre,
        pytest.raises(ssl.SSLError, match=r"(?i)handshake failure|certificate required"),
    ):
        await asyncio.open_connection("127.0.0.1", centre.port, ssl=context, server_hostname="localhost")
    assert not arrivals


@pytest.fixture
def storage_scp() -> Iterator[tuple[int, list[int]]]:
    """A plain Storage SCP of pynetdicom, and the list of answers it is going to give."""
    answers: list[int] = []
    entity = AE(ae_title=AE_TITLE)
    entity.require_called_aet = True
    for sop_class in {thing.sop_class_uid for thing in objects() if thing.kind != "private"}:
        entity.add_supported_context(sop_class)
    handlers = [(evt.EVT_C_STORE, lambda _: answers.pop(0) if answers else 0x0000)]
    server = entity.start_server(("127.0.0.1", 0), block=False, evt_handlers=handlers)
    assert server is not None
    yield server.server_address[1], answers
    entity.shutdown()


def public() -> list[SyntheticObject]:
    return [thing for thing in objects() if thing.kind != "private"]


def test_console_books_every_answer_with_its_time(storage_scp: tuple[int, list[int]]) -> None:
    port, answers = storage_scp
    answers += [0x0000, 0xA700]
    ledger = Ledger()
    Console(port, called_ae=AE_TITLE, link_up=lambda: True).treat(public(), ledger.answered)
    statuses = [answer.status for answer in ledger.answers]
    assert statuses[:2] == [0x0000, 0xA700]
    assert set(statuses[2:]) == {0x0000}
    assert [answer.digest for answer in ledger.answers] == [thing.digest for thing in public()]
    assert 0 < max(answer.seconds for answer in ledger.answers) < 10


def test_console_stops_after_the_object_under_way(storage_scp: tuple[int, list[int]]) -> None:
    port, _ = storage_scp
    answered: list[Answer] = []
    console = Console(port, called_ae=AE_TITLE, link_up=lambda: True, pause=60)
    thread = threading.Thread(target=console.treat, args=(public(), answered.append))
    console.stop()
    thread.start()
    thread.join(timeout=20)
    assert not thread.is_alive()
    assert len(answered) == 1


def test_console_says_with_whom_it_could_not_associate(storage_scp: tuple[int, list[int]]) -> None:
    port, _ = storage_scp
    console = Console(port, called_ae="NOBODY", link_up=lambda: True)
    with pytest.raises(ConsoleError, match=f"no association with NOBODY on port {port}"):
        console.treat(public(), lambda _: None)
