"""A query over a long link: four round trips direct, and one through a gateway that is warm."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench import relay_long
from bench.relay import DIRECT, matches
from bench.relay_long import COLD, WARM
from bench.throughput import NODELAY
from tests.support import long_link
from tests.support.long_link import LongLink


@pytest.mark.peers
@pytest.mark.root
@pytest.mark.slow
def test_a_warm_gateway_saves_three_of_four_round_trips(tmp_path: Path) -> None:
    reason = long_link.missing()
    if reason is not None:
        if os.environ.get("GATEWAY_REQUIRE_PEERS") == "1":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    # So few matches fit into the first window of any TCP: what is measured is the gateway, not the archive.
    with LongLink() as link:
        runs = list(relay_long.one_round(tmp_path / "round", link, matches(3), "TCP_NODELAY=1", NODELAY))
    trips = {way: [each.round_trips for each in runs if each.way == way] for way in (DIRECT, COLD, WARM)}
    assert len(trips[WARM]) == 2
    # TCP, A-ASSOCIATE and C-FIND, and the release that a console waits for as well.
    assert trips[DIRECT][0] >= 3
    assert runs[0].released / relay_long.ROUND_TRIP >= 4
    assert trips[COLD][0] < trips[DIRECT][0] + 0.7
    assert max(trips[WARM]) <= 1.2
    assert max(each.released for each in runs if each.way == WARM) <= 1.3 * relay_long.ROUND_TRIP
