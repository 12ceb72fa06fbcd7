"""What is open to a link: titles it may reach and use, and never a way back."""

from __future__ import annotations

import pytest

from gateway.dicom.negotiation import Rejection
from gateway.model import AETitle, Peer, Route
from gateway.routing import OwnTitle, RoutingTable
from gateway.sites import HUB, LinkRouting, Site, Sites

OWN = AETitle("HUB")
ARIA = Route(called=AETitle("ARIA"), to=("oncology",))
PACS = Route(called=AETitle("PACS"), to=("pacs",))
PLANS = Route(called=AETitle("PLANS"), to=("oncology",), mode="relay")
LINAC1 = Route(called=AETitle("LINAC1"), to=("linac1",), mode="relay")
LINAC2 = Route(called=AETitle("LINAC2"), to=("linac2",), mode="relay")


def peer(name: str, via: str = "") -> Peer:
    return Peer(name=name, ae_title=AETitle(name.upper()), host="", port=0, via=via)


PEERS = {
    one.name: one
    for one in (peer("oncology"), peer("pacs"), peer("linac1", "clinic-07"), peer("linac2", "clinic-08"))
}
TABLE = RoutingTable([ARIA, PACS, PLANS, LINAC1, LINAC2], OWN)


def titles(*names: str) -> frozenset[AETitle]:
    return frozenset(map(AETitle, names))


@pytest.fixture
def sites() -> Sites:
    return Sites(
        [
            Site("clinic-07", titles("ARIA", "PLANS", "LINAC1", "LINAC2"), titles("LINAC1")),
            Site("clinic-08", titles("PACS")),
        ],
        TABLE,
        PEERS,
    )


def words(answer: object) -> str:
    assert isinstance(answer, Rejection)
    return answer.words


def test_what_is_open_to_a_site_is_reached_from_there_and_from_nowhere_else(sites: Sites) -> None:
    assert sites.routing("clinic-07").resolve("ARIA", "LINAC1") is ARIA
    assert "not open to the site 'clinic-08'" in words(sites.routing("clinic-08").resolve("ARIA", "LINAC1"))
    assert "not open" in words(sites.routing("clinic-07").resolve("PACS", "LINAC1"))


def test_a_site_calls_by_its_own_titles_only(sites: Sites) -> None:
    answer = sites.routing("clinic-07").resolve("ARIA", "LINAC2")
    assert "may not call as 'LINAC2'" in words(answer)
    assert isinstance(answer, Rejection)
    assert (answer.result, answer.source, answer.diagnostic) == (1, 1, 3)
    assert sites.routing("clinic-08").resolve("PACS", "ANYBODY") is PACS


def test_nothing_goes_back_where_it_came_from(sites: Sites) -> None:
    assert "leads back" in words(sites.routing("clinic-07").resolve("LINAC1", "LINAC1"))
    assert sites.routing("clinic-07").resolve("LINAC2", "LINAC1") is LINAC2


def test_at_a_site_everything_is_open_to_the_hub_but_the_way_back() -> None:
    peers = {"oncology": peer("oncology", HUB), "console1": peer("console1")}
    down = Route(called=AETitle("LINAC1"), to=("console1",), mode="relay")
    both = Route(called=AETitle("BOTH"), to=("console1", "oncology"))
    routing = LinkRouting(RoutingTable([ARIA, down, both], OWN), peers, via=HUB)
    assert routing.resolve("LINAC1", "ANYBODY") is down
    assert "leads back" in words(routing.resolve("ARIA", "ANYBODY"))
    assert "leads back" in words(routing.resolve("BOTH", "ANYBODY"))


def test_our_own_title_and_what_no_route_has_are_answered_as_ever(sites: Sites) -> None:
    assert sites.routing("clinic-08").resolve("HUB", "ANYBODY") == OwnTitle(OWN)
    assert "no route" in words(sites.routing("clinic-08").resolve("NOBODY", "X"))


def test_objects_are_taken_where_they_are_to_be_kept(sites: Sites) -> None:
    assert sites.to_store("clinic-07", "ARIA", "LINAC1") is ARIA
    assert "relays" in str(sites.to_store("clinic-07", "PLANS", "LINAC1"))
    assert "gateway itself" in str(sites.to_store("clinic-07", "HUB", "LINAC1"))
    assert "not open" in str(sites.to_store("clinic-07", "PACS", "LINAC1"))
    assert "no site" in str(sites.to_store("clinic-99", "PACS", "LINAC1"))


def test_an_unknown_site_is_refused_in_words_that_are_fit_to_show(sites: Sites) -> None:
    assert sites.refusal("clinic-07") == ""
    assert sites.names == ("clinic-07", "clinic-08")
    assert "no site 'clinic-99'" in sites.refusal("clinic-99")
    assert "\n" not in sites.refusal("x\ny")
    assert len(sites.refusal("x" * 5000)) < 300
