"""What `status --watch` draws, as lines."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.cli.watch_view import Line, Past, screen
from gateway.operator.facts import Amount, Status, Waiting
from gateway.operator.site_facts import SiteFacts
from gateway.operator.verdict import judge
from tests.support.fake_control import NOW, SPOOL, destination

WAITING = Waiting(Amount(2, 48_000), Amount(14, 7_000_000), Amount(1, 9_000_000))
SITE = SiteFacts(
    name="clinic-07", connected=True, since=NOW - 3600, reason="", last_contact_at=NOW - 2, address="",
    version="", rtt_seconds=0.6, bytes_per_second=400_000.0, loss=None, retransmitted_bytes=None,
    compression=None, receiving=0, partial_bytes=0, received_objects=9, received_bytes=9, waiting_objects=1,
    waiting_bytes=500, oldest_waiting_at=NOW - 60,
)  # fmt: skip


def status(*destinations: object, sites: tuple[SiteFacts, ...] = ()) -> Status:
    known = tuple(destinations) or (destination(),)
    verdict = judge(known, SPOOL, NOW)  # type: ignore[arg-type]
    return Status(
        gateway="clinic-07", ae_title="CLINIC07", version="1", started_at=NOW - 7200, now=NOW,
        level=verdict.level, headline=verdict.headline, attention=verdict.attention,
        destinations=known, spool=SPOOL, listeners=(), sites=sites,  # type: ignore[arg-type]
    )  # fmt: skip


def text(lines: list[Line]) -> str:
    return "\n".join("".join(cell.text for cell in line) for line in lines)


def drawn(now: Status, *, width: int = 100, plain: bool = False, silent: float = 0.0, looks: int = 1) -> str:
    past = Past()
    for _ in range(looks):
        past.see(now)
    return text(screen(now, past, width, plain=plain, silent=silent))


def test_a_quiet_gateway_is_a_few_lines() -> None:
    shown = drawn(status())
    assert "Everything received has reached its destination." in shown
    assert "oncology (ARIA)  ● online for 60 min  round trip 0.6 s" in shown
    assert "nothing waits" in shown
    assert "rate" not in shown


def test_a_way_with_a_queue_shows_what_was_measured_and_how_long_it_will_take() -> None:
    busy = destination(
        waiting=WAITING, in_flight=2, throughput=412_000.0, loss=0.013, retransmitted_bytes=2_100_000,
        compression=2.42, eta_seconds=39.0, rate_cap=500_000, oldest_waiting_at=NOW - 840,
    )  # fmt: skip
    shown = drawn(status(busy))
    for words in (
        "loss 1.3%",
        "sent again 2.1 MB",
        "compressed 2.4 : 1",
        "█ 2 records (48.0 kB)",
        "▓ 14 images (7.0 MB)",
        "░ 1 bulk object (9.0 MB)",
        "oldest 14 min",
        "done in about 39 s",
        "at most 500.0 kB/s now",
        "412.0 kB/s",
    ):
        assert words in shown


def test_the_bar_has_a_part_for_each_priority_and_shrinks_with_the_queue() -> None:
    past = Past()
    full, less = (
        destination(waiting=WAITING),
        destination(waiting=Waiting(Amount(), Amount(4, 2_000_000), Amount())),
    )
    past.see(status(full))
    bar = text(screen(status(full), past, 100)).splitlines()
    whole = next(line for line in bar if "█▓" in line).strip()
    assert 38 <= len(whole) <= 42
    assert whole == "█" + "▓" * whole.count("▓") + "░" * whole.count("░")
    past.see(status(less))
    part = next(line for line in text(screen(status(less), past, 100)).splitlines() if "▓▓" in line).strip()
    assert 3 <= len(part) <= 6


def test_what_is_held_back_says_why_once() -> None:
    why = "82% of this month's data is used: bulk objects wait until 2026-12-01, records go on"
    only_bulk = destination(waiting=Waiting(Amount(), Amount(), Amount(1, 9)), leaves="image", held_back=why)
    assert drawn(status(only_bulk)).replace("\n", " ").count("82%") == 1  # the headline says so
    with_images = replace(only_bulk, waiting=WAITING, eta_seconds=10.0)
    shown = drawn(status(with_images), width=120)
    assert why in shown
    assert "what may leave is done in about 10 s" in shown


def test_the_curves_are_the_last_looks() -> None:
    past = Past()
    for count in range(1, 9):
        one = destination(
            waiting=Waiting(Amount(), Amount(count, count * 1000), Amount()),
            in_flight=1,
            throughput=float(count * 100),
        )
        past.see(status(one))
    shown = text(screen(status(one), past, 80))
    assert "rate   ▁▂▃▄▅▆▇█  800 B/s" in shown
    assert "queue  ▁▂▃▄▅▆▇█  8.0 kB" in shown


def test_what_is_remembered_is_bounded() -> None:
    past = Past()
    for _ in range(1000):
        past.see(status())
    assert len(past.waiting["oncology"]) == len(past.rate["oncology"]) == 240


def test_a_hub_shows_its_sites() -> None:
    away = replace(
        SITE, name="clinic-08", connected=False, reason="no answer for 14 s", rtt_seconds=None,
        bytes_per_second=None, waiting_objects=None, waiting_bytes=None, oldest_waiting_at=None,
    )  # fmt: skip
    never = replace(away, name="clinic-09", since=None, last_contact_at=None, reason="")
    shown = drawn(status(sites=(SITE, away, never)), width=120)
    assert "1 of 3 sites connected" in shown
    assert "clinic-07  ● connected for 60 min  last contact 2.0 s ago  round trip 0.6 s" in shown
    assert "receiving 400.0 kB/s" in shown
    assert "1 object waits there (500 B)" in shown
    assert "clinic-08  ○ away for 60 min" in shown
    assert "no answer for 14 s" in shown
    assert "clinic-09  ○ never seen" in shown


def test_a_gateway_that_is_silent_is_said_to_be() -> None:
    assert "has not answered for 12 s" in drawn(status(), silent=12.0)


@pytest.mark.parametrize("width", [20, 42, 80, 200])
@pytest.mark.parametrize("plain", [False, True])
def test_every_line_fits(width: int, plain: bool) -> None:
    broken = destination(
        waiting=WAITING, in_flight=1, throughput=1e6, link="offline", link_reason="x" * 300 + " y " * 90,
        held_back="z " * 100, leaves="record", next_try_at=NOW + 5, loss=0.5,
    )  # fmt: skip
    shown = drawn(status(broken, sites=(SITE,)), width=width, plain=plain, looks=300)
    assert max(map(len, shown.splitlines())) <= max(width, 34)  # below that, a curve with its number
    if plain:
        assert shown.isascii()
