from __future__ import annotations

from dataclasses import dataclass

from gateway.model import AETitle, Peer
from gateway.traffic import OpenAssociation, Traffic
from gateway.trends.meter import Carried, Meter, Owners, difference


@dataclass
class Open:
    """An association whose traffic the test sets."""

    peer: str = ""
    inbound: bool = False
    address: str = "192.0.2.9"
    calling_ae: str = "LINAC1"
    now: Traffic = Traffic(0, 0)  # noqa: RUF009 - frozen

    def measure(self) -> Traffic:
        return self.now


PEERS = [
    Peer("oncology", AETitle("ARIA"), "ois", 104),
    Peer("one", AETitle("LINAC1"), "192.0.2.8", 104),
    Peer("other", AETitle("LINAC1"), "192.0.2.9", 104),
]


def test_whose_it_is() -> None:
    owners = Owners(PEERS)
    assert owners.of(Open(peer="oncology")) == "oncology"
    assert owners.of(Open(inbound=True)) == "other"  # the address tells two of one title apart
    assert owners.of(Open(inbound=True, address="192.0.2.77")) == "one"
    assert owners.of(Open(inbound=True, calling_ae="STRANGER")) is None


def test_the_wire_has_headers_and_what_was_sent_again() -> None:
    first = Traffic(
        10, 100, tcp_in=50, tcp_out=160, segments_in=3, segments_out=4, retransmitted=1, round_trip=0.6
    )
    assert difference(first, None) == Carried(160 + 4 * 52, 50 + 3 * 52, 4, 1, 0.6)
    assert difference(first, first) == Carried(0, 0, 0, 0, None)


def test_a_kernel_that_tells_nothing_leaves_the_bytes_of_the_pdus() -> None:
    assert difference(Traffic(10, 100), None) == Carried(100, 10, None, 0, None)


def test_each_look_gives_what_is_new_and_forgets_what_is_over() -> None:
    association = Open(peer="oncology", now=Traffic(5, 7))
    live: dict[str, OpenAssociation] = {"a": association}
    meter = Meter(live, Owners(PEERS))
    assert meter.read_all() == [("oncology", Carried(7, 5))]
    assert meter.read_all() == [("oncology", Carried(0, 0))]
    association.now = Traffic(6, 10)
    assert meter.read("a") == ("oncology", Carried(3, 1))
    del live["a"]
    assert meter.read("a") is None
    assert meter.read_all() == []
    assert meter._seen == {}


def test_what_runs_over_a_link_is_counted_where_the_link_is() -> None:
    owners = Owners([Peer("oncology", AETitle("ARIA"), "hub", 0, via="hub"), *PEERS[1:]])
    assert owners.of(Open(peer="oncology")) is None  # a stream to it
    assert owners.of(Open(inbound=True, address="hub")) is None  # a stream from there, whatever its title
    assert owners.of(Open(peer="hub")) == "hub"  # the link itself
    assert owners.of(Open(inbound=True)) == "other"


def test_bytes_sent_again_are_what_is_new_of_them() -> None:
    first = Traffic(0, 10, retransmitted_bytes=100)
    assert difference(first, None).retransmitted_bytes == 100
    assert difference(Traffic(0, 20, retransmitted_bytes=130), first).retransmitted_bytes == 30
    assert difference(Traffic(0, 20), first).retransmitted_bytes is None
