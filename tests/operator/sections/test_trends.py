from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway.notices import Notice, OperatorActed
from gateway.operator import codec
from gateway.operator.client import ApiProblem, OperatorClient
from gateway.operator.sections.trends import Budget, Links, Trend, TrendsSection
from tests.support.fake_control import FakeControl
from tests.support.fake_links import FakeLinks
from tests.support.operator_daemon import serving


@contextmanager
def asking(links: FakeLinks, folder: Path, control: FakeControl | None = None) -> Iterator[OperatorClient]:
    with (
        serving(control or FakeControl(), folder / "s", sections=[TrendsSection(links)]) as daemon,
        OperatorClient(daemon.path) as client,
    ):
        yield client


def test_each_question_gets_its_facts(tmp_path: Path) -> None:
    links = FakeLinks()
    with asking(links, tmp_path) as client:
        assert codec.decode(Links, client.links(), strict=True) == links.links()
        assert codec.decode(Budget, client.budget(), strict=True) == links.budget()
        day = codec.decode(Trend, client.trend("oncology"), strict=True)
        month = codec.decode(Trend, client.trend("oncology", "month"), strict=True)
    assert (day.span, month.span) == ("day", "month")
    assert day == links.trend("oncology", "day")


def test_what_is_not_understood(tmp_path: Path) -> None:
    with asking(FakeLinks(), tmp_path) as client:
        for peer, span, status in (("nobody", "day", 404), ("oncology", "year", 400)):
            with pytest.raises(ApiProblem) as raised:
                client.trend(peer, span)
            assert raised.value.details.status == status


def test_looking_is_nothing_for_the_audit(tmp_path: Path) -> None:
    links, control = FakeLinks(), FakeControl()
    acted: list[Notice] = []
    control.notices.subscribe(acted.append)
    with asking(links, tmp_path, control) as client:
        assert client.watch_links() == {"seconds": 10.0}
        assert client.links()["watched"]
    assert links.watched == 1
    assert not [one for one in acted if isinstance(one, OperatorActed)]
