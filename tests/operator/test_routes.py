from __future__ import annotations

import pytest

from gateway.operator.api import Handlers
from gateway.operator.routes import ROUTES, Match, Parameter, match, parse
from gateway.operator.section import Section
from gateway.operator.sections import ALL_ROUTES, SECTIONS


@pytest.mark.parametrize("section", [Handlers, *SECTIONS])
def test_every_route_has_its_handler_and_every_handler_its_route(section: type[Section]) -> None:
    handlers = {name for name in vars(section) if not name.startswith("_")} - set(vars(Section))
    assert {route.operation for route in section.routes} == handlers


def test_no_two_routes_share_an_operation_or_a_path() -> None:
    assert len({route.operation for route in ALL_ROUTES}) == len(ALL_ROUTES)
    assert len({(route.method, route.path) for route in ALL_ROUTES}) == len(ALL_ROUTES)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_a_path_leads_to_its_route(route: object) -> None:
    assert hasattr(route, "path")
    found = match(route.method, route.path)  # type: ignore[attr-defined]  # a Route
    assert isinstance(found, Match)
    assert found.route is route


def test_a_fixed_path_wins_over_a_parameter() -> None:
    found = match("POST", "/v1/deliveries/retry-held")
    assert isinstance(found, Match)
    assert found.route.operation == "retry_held"


def test_what_is_not_there_and_what_is_not_allowed() -> None:
    assert match("GET", "/v1/nothing") == ()
    assert match("GET", "/v1/status/") == ()
    assert match("DELETE", "/v1/status") == ("GET",)


NUMBER = Parameter("number", "", "number")


@pytest.mark.parametrize("text", ["", "0", "-1", "1.0", "١", "1e3", "9" * 19, "9" * 40, " 1", "0x1"])
def test_a_number_is_nothing_but_digits_in_range(text: str) -> None:
    with pytest.raises(ValueError, match="number"):
        parse(NUMBER, text)


def test_good_values() -> None:
    assert parse(NUMBER, "4711") == 4711
    assert parse(Parameter("state", "", "choice", choices=("held", "sent")), "held") == "held"
    assert parse(Parameter("name", "", "name"), "x" * 64) == "x" * 64
    assert parse(Parameter("name", "", "name", max_length=65), "x" * 65) == "x" * 65


@pytest.mark.parametrize(("kind", "text"), [("choice", "lost"), ("name", ""), ("name", "x" * 65)])
def test_bad_values(kind: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"expected|allowed"):
        parse(Parameter("p", "", kind, choices=("held",)), text)  # type: ignore[arg-type]  # a kind
