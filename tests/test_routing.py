"""Who is let in, and where it leads."""

from __future__ import annotations

import pytest

from gateway.dicom.negotiation import Rejection
from gateway.model import AETitle, Route
from gateway.routing import OwnTitle, RoutingTable

OWN = AETitle("CLINIC07")
ARIA = Route(called=AETitle("ARIA"), to=("oncology",))
STRICT = Route(called=AETitle("PACS"), to=("pacs",), calling=frozenset({AETitle("LINAC1")}))


@pytest.fixture
def table() -> RoutingTable:
    return RoutingTable([ARIA, STRICT], OWN)


def test_a_called_title_leads_to_its_route(table: RoutingTable) -> None:
    assert table.resolve("ARIA", "ANYBODY") is ARIA


def test_insignificant_spaces_do_not_matter_but_case_does(table: RoutingTable) -> None:
    assert table.resolve(" ARIA ", "X") is ARIA
    assert isinstance(table.resolve("aria", "X"), Rejection)


def test_our_own_title_is_answered_here(table: RoutingTable) -> None:
    assert table.resolve("CLINIC07", "X") == OwnTitle(OWN)


def test_an_unknown_called_title_is_rejected_for_good(table: RoutingTable) -> None:
    answer = table.resolve("NOBODY", "LINAC1")
    assert isinstance(answer, Rejection)
    assert (answer.result, answer.source, answer.diagnostic) == (1, 1, 7)
    assert "NOBODY" in answer.words
    assert "LINAC1" in answer.words


def test_a_caller_that_the_route_does_not_name_is_rejected(table: RoutingTable) -> None:
    assert table.resolve("PACS", "LINAC1") is STRICT
    answer = table.resolve("PACS", "LAPTOP")
    assert isinstance(answer, Rejection)
    assert (answer.result, answer.source, answer.diagnostic) == (1, 1, 3)


def test_callers_choose_between_routes_of_one_called_title() -> None:
    one = Route(called=AETitle("ARIA"), to=("a",), calling=frozenset({AETitle("LINAC1")}))
    other = Route(called=AETitle("ARIA"), to=("b",))
    table = RoutingTable([one, other], OWN)
    assert table.resolve("ARIA", "LINAC1") is one
    assert table.resolve("ARIA", "LINAC2") is other


def test_our_own_title_still_answers_echo_to_a_caller_its_route_does_not_name() -> None:
    mine = Route(called=OWN, to=("a",), calling=frozenset({AETitle("LINAC1")}))
    table = RoutingTable([mine], OWN)
    assert table.resolve(OWN, "LINAC1") is mine
    assert table.resolve(OWN, "LAPTOP") == OwnTitle(OWN)


@pytest.mark.parametrize("title", ["", "../../etc", "A\0B", "<script>", "\x1b[31m"])
def test_hostile_titles_are_refused_and_shown_harmlessly(table: RoutingTable, title: str) -> None:
    answer = table.resolve(title, title)
    assert isinstance(answer, Rejection)
    assert all(character.isprintable() for character in answer.words)


def test_a_title_that_we_call_a_peer_by_is_ours_too_unless_a_route_has_it() -> None:
    mine = Route(called=AETitle("LINAC1"), to=("console1",), mode="relay")
    table = RoutingTable([mine], OWN, [AETitle("CLINIC07A"), AETitle("LINAC1")])
    assert table.resolve("CLINIC07A", "ARIA") == OwnTitle(AETitle("CLINIC07A"))
    assert table.resolve("LINAC1", "ARIA") is mine
