"""Every console to every centre, with real and generated RT objects: the same bytes arrive as without us."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.demo.synthetic import Sizes, write_set
from gateway.demo.synthetic import rt_kinds as kinds
from tests.e2e.conftest import Pki
from tests.support import consoles, dcmtk, objects
from tests.support.dcmtk import StoreScp
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.orthanc import Orthanc
from tests.support.receiver import Receiver

pytestmark = pytest.mark.peers

Content = set[tuple[str, str, str]]

_SMALL = Sizes(ct_slices=2, cbct_slices=2, matrix=64, image_rows=128, image_columns=128, dose_frames=4)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Real RT objects, one object of each other transfer syntax, and one generated object of each kind."""
    directory = tmp_path_factory.mktemp("objects")
    real = objects.real_objects(directory)
    made = write_set(directory / "made", kinds=kinds(), sizes=_SMALL)
    every = real + made
    assert len({stored.sop_instance_uid for stored in map(objects.read, every)}) == len(every)
    return every


class _Centre:
    """A centre seen as what it holds."""

    def __init__(self, running: StoreScp | Orthanc | Receiver) -> None:
        self.running = running
        self.port = running.port
        self.ae_title = running.ae_title

    def content(self) -> Content:
        """(SOP Instance UID, transfer syntax, digest) of all it received; fails if anything came twice."""
        if isinstance(self.running, Receiver):
            rows = [(event["uid"], event["syntax"], event["digest"]) for event in self.running.stored()]
        else:
            rows = [
                (stored.sop_instance_uid, stored.transfer_syntax_uid, stored.digest)
                for stored in self.running.received()
            ]
        assert len({row[0] for row in rows}) == len(rows), "an object arrived twice"
        return set(rows)


@pytest.fixture(params=["storescp", "pynetdicom", "orthanc"])
def centres(request: pytest.FixtureRequest, tmp_path: Path, pki: Pki) -> Iterator[tuple[_Centre, _Centre]]:
    """A centre behind TLS with client certificates, and a plain one of the same kind for comparison."""
    tls, plain = tmp_path / "tls", tmp_path / "plain"
    match request.param:
        case "storescp":
            with StoreScp(tls, tls=pki.centre) as far, StoreScp(plain) as near:
                yield _Centre(far), _Centre(near)
        case "pynetdicom":
            with Receiver(tls=pki.centre) as receiver, StoreScp(plain, ae_title="CENTRE") as near:
                yield _Centre(receiver), _Centre(near)
        case _:
            with Orthanc(tls, tls=pki.centre) as orthanc, Orthanc(plain) as other:
                yield _Centre(orthanc), _Centre(other)


@pytest.mark.parametrize("console", list(consoles.ALL))
def test_everything_arrives_unchanged(
    console: str, centres: tuple[_Centre, _Centre], files: list[Path], tmp_path: Path, pki: Pki
) -> None:
    send = consoles.ALL[console]
    far, near = centres
    with GatewayProcess(
        tmp_path / "gateway", peers=[peer("centre", far.ae_title, far.port, pki.gateway)]
    ) as gateway:
        sent = send(gateway.port, "CENTRE", files)
        gateway.wait_delivered(len(sent))
        exported = _export(gateway, tmp_path)
    if isinstance(far.running, Orthanc):
        # Orthanc writes its own encoding: what we kept, sent to another one without us, must give the same.
        consoles.pynetdicom(near.port, near.ae_title, exported)
    else:
        send(near.port, near.ae_title, sent)
        assert set(objects.digests(exported).values()) == {digest for _, _, digest in far.content()}
    assert far.content() == near.content()
    if console == "pynetdicom":
        assert objects.digests(exported) == objects.digests(sent)


def _export(gateway: GatewayProcess, directory: Path) -> list[Path]:
    """Every object the gateway keeps, as the Part 10 files its operator can have."""
    paths = []
    with gateway.client() as client:
        for row in gateway.deliveries():
            paths.append(directory / f"{row['object_number']}.dcm")
            with paths[-1].open("wb") as file:
                client.export(row["object_number"], file)
    return paths


def test_echo_to_our_own_title_is_answered_and_an_unknown_title_is_rejected(tmp_path: Path, pki: Pki) -> None:
    with GatewayProcess(tmp_path, peers=[peer("centre", "CENTRE", 1, pki.gateway)]) as gateway:
        answered = dcmtk.run_console("echoscu", gateway.port, "GATEWAY", [])
        assert answered.code == 0, answered.output
        refused = dcmtk.run_console("echoscu", gateway.port, "NOBODY", [])
        assert refused.code != 0
        # PS3.8 9.3.4: result 1, source 1 (service user), reason 7.
        assert "Called AE Title Not Recognized" in refused.output
        assert gateway.program is not None
        gateway.program.wait_line("NOBODY")


def test_a_console_that_is_not_named_on_the_route_is_rejected(tmp_path: Path) -> None:
    routes = [{"called": "CENTRE", "to": ["centre"], "calling": ["LINAC1"]}]
    with GatewayProcess(tmp_path, peers=[peer("centre", "CENTRE", 1)], routes=routes) as gateway:
        named = dcmtk.run_console("echoscu", gateway.port, "CENTRE", [], calling="LINAC1")
        other = dcmtk.run_console("echoscu", gateway.port, "CENTRE", [], calling="LINAC2")
    assert "Calling AE Title Not Recognized" in other.output, other.output
    assert "Calling AE Title Not Recognized" not in named.output


def test_the_same_image_in_another_syntax_is_not_called_a_conflict(tmp_path: Path, pki: Pki) -> None:
    """A re-send in another transfer syntax is compared by content, off the way of the answer."""
    first, second = objects.real_objects(tmp_path, objects.ONE_IMAGE)
    (compressed,) = objects.real_objects(tmp_path, [objects.ONE_IMAGE_COMPRESSED])
    with (
        Receiver(tls=pki.centre) as centre,
        GatewayProcess(
            tmp_path / "gateway", peers=[peer("centre", "CENTRE", centre.port, pki.gateway)]
        ) as gateway,
    ):
        for resent in (first, second, first):
            consoles.pynetdicom(gateway.port, "CENTRE", [resent])
        gateway.wait("the comparison", lambda: gateway.status()["level"] == "ok")
        gateway.wait_delivered(1)
        # Pixels that cannot be decoded here are no proof of anything: a person decides.
        consoles.pynetdicom(gateway.port, "CENTRE", [compressed])
        (held,) = gateway.wait_state("held", 1)
        assert "cannot be decoded" in held["reason"]
        assert {event["digest"] for event in centre.stored()} == {objects.read(first).digest}
