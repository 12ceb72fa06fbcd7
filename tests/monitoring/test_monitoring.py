"""The shipped dashboard and alert rules name only what a real scrape has."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # comes with openapi-spec-validator
from prometheus_client.parser import text_string_to_metric_families

from gateway.metrics import Metrics
from gateway.notices import (
    Alarm,
    AssociationClosed,
    ConnectionRefused,
    DeliverySettled,
    Notices,
    ObjectRefused,
    ObjectStored,
    RelayBroken,
    RelayOpened,
)
from tests.metrics.test_gauges import STATUS, summary
from tests.support.gateway_process import GatewayProcess, peer
from tests.support.ports import free_port

FOLDER = Path(__file__).parents[2] / "docs" / "monitoring"
RULES: list[dict[str, Any]] = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"][0]["rules"]
DASHBOARD: dict[str, Any] = json.loads((FOLDER / "grafana-dashboard.json").read_text())
PANELS = {panel["title"]: [target["expr"] for target in panel["targets"]] for panel in DASHBOARD["panels"]}

OF_PROMETHEUS = {"up", "instance", "job", "le"}  # it adds them to every target and histogram
RECORD = "1.2.840.10008.5.1.4.1.1.481.4"
IMPLICIT = "1.2.840.10008.1.2"


def expressions() -> Iterator[tuple[str, str]]:
    for rule in RULES:
        yield rule["alert"], rule["expr"]
    for title, found in PANELS.items():
        for expression in found:
            yield title, expression


ALL = list(expressions())


@pytest.fixture(scope="module")
def scraped(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What a gateway that has just started says."""
    folder = tmp_path_factory.mktemp("gateway")
    peers = [peer("centre", "ARIA", free_port())]
    with GatewayProcess(folder, peers=peers) as running, running.client() as client:
        return client.metrics()


def base(name: str) -> str:
    return re.sub(r"_(total|bucket|sum|count|created)$", "", name)


def names(expression: str) -> set[str]:
    return set(re.findall(r"\b(?:dicom_gateway|process)_\w+", expression))


@pytest.mark.parametrize(("title", "expression"), ALL)
def test_every_metric_exists_in_a_real_scrape(scraped: str, title: str, expression: str) -> None:
    known = {base(name) for name in re.findall(r"^# TYPE (\S+) ", scraped, re.MULTILINE)}
    assert names(expression) or "up{" in expression, title
    assert {base(name) for name in names(expression)} <= known, title


async def labels_by_metric() -> dict[str, set[str]]:
    """What labels each metric has, once something of everything has happened."""
    notices = Notices()
    metrics = Metrics(notices, wall_clock=lambda: 1600.0)
    metrics.observe(summary, lambda: [STATUS])
    for notice in (
        ConnectionRefused("console", "192.0.2.1", "not allowed"),
        AssociationClosed("a", True, "192.0.2.1", "L", "A", "released", "", 1, 0, 10, 10, 0.1),
        ObjectStored("a", "192.0.2.1", "L", "A", 1, RECORD, IMPLICIT, "record", 10, 0.1, "new"),
        ObjectRefused("a", "192.0.2.1", "L", "A", RECORD, 10, 0xA700, "no room"),
        DeliverySettled(1, 1, "centre", RECORD, IMPLICIT, "record", 10, 0.1, 1, "accepted", 0, ""),
        RelayOpened("a", "b", "centre", False, 0.1),
        RelayBroken("a", "b", "centre", 2, "lost"),
        Alarm("defect", "x"),
    ):
        notices.publish(notice)
    found: dict[str, set[str]] = defaultdict(set)
    for family in text_string_to_metric_families((await metrics.render()).decode()):
        for sample in family.samples:
            found[base(sample.name)] |= set(sample.labels)
    return found


async def test_every_label_exists() -> None:
    known = await labels_by_metric()
    for title, expression in ALL:
        allowed = OF_PROMETHEUS.union(*(known[base(name)] for name in names(expression)))
        used = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)\s*\"", expression))
        for grouping in re.findall(r"by \(([^)]*)\)", expression):
            used |= {name.strip() for name in grouping.split(",")}
        assert used <= allowed, (title, used - allowed)


def test_every_rule_says_what_is_wrong_and_what_to_do() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket"), rule["alert"]
        assert rule["annotations"]["summary"].endswith("."), rule["alert"]
        assert rule["annotations"]["description"].endswith("."), rule["alert"]


@pytest.mark.parametrize(("title", "expression"), ALL)
def test_brackets_are_balanced(title: str, expression: str) -> None:
    for opening, closing in ("()", "[]", "{}"):
        assert expression.count(opening) == expression.count(closing), title


def test_the_dashboard_can_be_imported() -> None:
    assert DASHBOARD["__inputs"][0]["name"] == "DS_PROMETHEUS"
    identities = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(identities)) == len(identities)
    for panel in DASHBOARD["panels"]:
        assert panel["datasource"]["uid"] == "${DS_PROMETHEUS}"
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        references = [target["refId"] for target in panel["targets"]]
        assert len(set(references)) == len(references), panel["title"]


def test_no_two_panels_lie_on_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        taken |= cells
