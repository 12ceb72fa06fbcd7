"""Two sessions under arbitrary interleavings, cuts and restarts: what FORMAT.md promises holds every time."""

from __future__ import annotations

import hashlib
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.link.hello import Role
from gateway.link.limits import LinkLimits
from gateway.link.values import BLOCK, INLINE, HubReceipt, Stage
from gateway.model import Priority
from tests.support.link_pair import Hub, Pair, Site, small

_SIZES = [0, 1, 5, 4000, 20_000, INLINE, INLINE + 1, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 400_000]


def objects(random: Random, count: int) -> dict[int, tuple[Priority, bytes]]:
    """Objects of every kind."""
    found = {}
    for delivery in range(1, count + 1):
        data = random.randbytes(random.choice(_SIZES))
        found[delivery] = (random.choice(list(Priority)), data)
    return found


def finish(site: Site, hub: Hub, random: Random, **options: LinkLimits) -> Pair:
    """One connection without a cut, until everything is done; another one when the hub has changed."""
    for _ in range(3):
        pair = Pair(site, hub, random, **options)
        pair.deliver_rest()
        pair.settle()
        if not pair.ends:
            return pair
    raise AssertionError(f"it does not get through: {pair.ends}")


def check(site: Site, hub: Hub) -> None:
    """Everything arrived as it was, once, and the site knows."""
    assert set(site.answers) == set(site.objects)
    assert all(isinstance(one, HubReceipt) for one in site.answers.values())
    for delivery, (_, data) in site.objects.items():
        assert hub.objects[delivery] == data
    assert hub.stored == len(site.objects)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 14), st.booleans(), st.integers(1, 12))
def test_everything_arrives_once_and_both_ends_come_to_rest(
    seed: int, count: int, tight: bool, pipe: int
) -> None:
    random = Random(seed)
    site, hub = Site(objects=objects(random, count)), Hub()
    hub.spoil = {one for one, (_, data) in site.objects.items() if data and random.random() < 0.2}
    limits = small() if tight else LinkLimits()
    pair = Pair(site, hub, random, site_limits=limits, hub_limits=limits, pipe=pipe)
    for delivery in site.objects:
        pair.deliver(delivery)
        for _ in range(random.randint(0, 20)):
            pair.step()
    pair.settle()
    assert not pair.ends
    check(site, hub)
    assert pair.quiet()


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 10), st.integers(1, 6))
def test_cuts_and_restarts_anywhere_lose_and_double_nothing(seed: int, count: int, cuts: int) -> None:
    random = Random(seed)
    site, hub = Site(objects=objects(random, count)), Hub()
    for _ in range(cuts):
        pair = Pair(site, hub, random, pipe=random.randint(1, 10))
        pair.deliver_rest()
        for _ in range(random.randint(0, 60)):
            pair.step()
            if hub.objects and random.random() < 0.1:
                pair.report(random.choice(list(hub.objects)), Stage.STORED)
        what = random.choice(["line", "site", "hub", "both"])
        if what in ("site", "both") and random.random() < 0.5:
            site.hub = None
        if what in ("hub", "both"):
            hub.crash(random)
    last = finish(site, hub, random)
    check(site, hub)
    assert last.quiet()
    told = [one.seq for one in site.reports]
    assert set(told) == set(range(1, hub.sequence + 1))
    assert not hub.reports


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 12))
def test_what_is_withdrawn_disturbs_nothing_else(seed: int, count: int) -> None:
    random = Random(seed)
    site, hub = Site(objects=objects(random, count)), Hub()
    pair = Pair(site, hub, random)
    withdrawn = set()
    for delivery in site.objects:
        transfer = pair.deliver(delivery)
        for _ in range(random.randint(0, 15)):
            pair.step()
        if random.random() < 0.4 and delivery not in site.answers:
            pair.withdraw(transfer)
            withdrawn.add(delivery)
    pair.settle()
    assert not pair.ends
    assert set(site.answers) == set(site.objects) - withdrawn
    for delivery, data in hub.objects.items():
        assert data == site.objects[delivery][1]
    assert pair.quiet()


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 8), st.booleans())
def test_streams_carry_their_bytes_in_order_beside_objects(seed: int, count: int, tight: bool) -> None:
    random = Random(seed)
    site, hub = Site(objects=objects(random, 4)), Hub()
    limits = small() if tight else LinkLimits()
    pair = Pair(site, hub, random, site_limits=limits, hub_limits=limits)
    pair.deliver_rest()
    while not pair.far.ready:
        pair.step()
    for _ in range(count):
        assert pair.open_stream(random.choice(list(Role))) is not None
    both = list(pair.flows)
    for _ in range(random.randint(0, 60)):
        number, role = random.choice(both)
        known = any(n == number for n in pair.far._streams._open)  # has its opening arrived?
        if known or (role is Role.SITE) == bool(number % 2):
            pair.write(number, role, random.randbytes(random.choice([1, 700, 20_000, 100_000])))
        pair.step()
    while any(not pair.flows[one].finished for one in both):
        pair.settle()
        for number, role in both:
            if not pair.flows[number, role].finished:
                pair.finish(number, role)
    pair.settle()
    assert not pair.ends
    assert not pair.refused_streams
    for flow in pair.flows.values():
        assert bytes(flow.read) == bytes(flow.written)
        assert flow.end_seen
    check(site, hub)
    assert pair.quiet()


@pytest.mark.parametrize("restarted", ["line", "site", "hub", "both"])
def test_cut_at_every_frame_of_a_transfer(restarted: str) -> None:
    """A record, an image of several blocks, one object that cannot be rebuilt at first, and reports."""

    def scene() -> tuple[Site, Hub]:
        random = Random(7)
        site = Site(
            objects={
                1: (Priority.IMAGE, random.randbytes(3 * BLOCK + 5)),
                2: (Priority.RECORD, random.randbytes(20_000)),
                3: (Priority.BULK, random.randbytes(BLOCK + 1)),
            }
        )
        return site, Hub(spoil={3})

    site, hub = scene()
    frames = finish(site, hub, Random(1)).messages
    assert frames > 40
    for at in range(frames):
        site, hub = scene()
        for turn in range(2):  # both ends are restarted in turn
            pair = Pair(site, hub, Random(1))
            pair.deliver_rest()
            while pair.messages < at and pair.step():
                pass
            for delivery in set(hub.objects) - {one.delivery for one in site.reports + hub.reports}:
                pair.report(delivery, Stage.STORED)
            if restarted in ("site", "both") and turn == 0:
                site.hub = None
            if restarted in ("hub", "both") and turn == 1:
                hub.crash(Random(at))
        last = finish(site, hub, Random(1))
        check(site, hub)
        assert last.quiet(), at
        told = {
            (one.delivery, one.seq): hashlib.sha256(hub.objects[one.delivery]).digest()
            for one in site.reports
        }
        assert all(one.digest == told[one.delivery, one.seq] for one in site.reports)


def test_a_cut_costs_less_than_a_block_and_what_was_on_the_way() -> None:
    random = Random(3)
    site, hub = Site(objects={1: (Priority.BULK, random.randbytes(24 * BLOCK))}), Hub()
    pipe = 8
    sent = 0
    for _ in range(10):
        pair = Pair(site, hub, random, pipe=pipe)
        pair.deliver_rest()
        for _ in range(60):
            pair.step()
        sent += sum(pair._sent.values())
        held = len(hub.partials.get(1, b""))
        assert held % BLOCK == 0
    last = finish(site, hub, random)
    sent += sum(last._sent.values())
    check(site, hub)
    assert sent <= 24 * BLOCK + 10 * (BLOCK + LinkLimits().bulk_window)
