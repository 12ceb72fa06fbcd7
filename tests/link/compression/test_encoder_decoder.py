"""Both ends of one connection: bit-exact, small, plain when in doubt, in step again after every trouble."""

from __future__ import annotations

import functools
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.demo.synthetic import Sizes, Treatment, make_record
from gateway.link.compression import encoder as encoder_module
from gateway.link.compression.codecs import FEATURES, Codec, CompressionLimits, pack
from gateway.link.compression.decoder import BlockDecoder, Restorer
from gateway.link.compression.encoder import BlockEncoder, Compressor
from gateway.link.compression.pixels import Part, pack_planes
from gateway.link.compression.plan import Mode
from gateway.link.compression.workers import Workers
from gateway.link.values import BLOCK, INLINE, Encoded, Offer, Undecodable
from gateway.model import Priority
from tests.support.ct_noise import dose_object, scan_object
from tests.support.fractions import delivered_as_planned
from tests.support.link_offers import JPEG, offer_of

_SIZES = Sizes(segments=4)  # 21 kB, as the benchmark's records


@dataclass
class Ends:
    compressor: Compressor
    restorer: Restorer
    near: BlockEncoder
    far: BlockDecoder

    def connect(self) -> None:
        self.near = self.compressor.encoder(FEATURES)
        self.far = self.restorer.decoder("clinic")

    def small(self, data: bytes, priority: Priority = Priority.RECORD) -> Encoded:
        """One small object all the way: offered, rebuilt, kept, receipted."""
        offer = offer_of(data, priority)
        encoded = self.near.inline(offer, data)
        assert self.rebuilt(encoded, len(data)) == data
        self.far.kept(offer, data)
        self.near.receipt(offer.delivery)
        self.near.ended(offer.delivery)
        return encoded

    def rebuilt(self, encoded: Encoded, length: int) -> bytes:
        return self.far.inline(encoded.codec, memoryview(encoded.payload), length)

    async def large(self, data: bytes, offer: Offer | None = None, first: int = 0) -> list[Encoded]:
        offer = offer or offer_of(data, Priority.IMAGE)
        sent = []
        for offset in range(first, len(data), BLOCK):
            block = data[offset : offset + BLOCK]
            encoded = await self.near.block(offer, offset, block)
            assert len(encoded.payload) <= len(block)
            back = await self.far.block(encoded.codec, memoryview(encoded.payload), len(block))
            assert back == block
            sent.append(encoded)
        return sent


@pytest.fixture
async def ends() -> AsyncIterator[Ends]:
    compressor, restorer = Compressor(), Restorer()
    yield Ends(compressor, restorer, compressor.encoder(FEATURES), restorer.decoder("clinic"))
    await compressor.close()
    await restorer.close()


@functools.cache
def record(seed: int = 1, fraction: int = 1) -> bytes:
    return make_record(seed=seed, fraction=fraction, sizes=_SIZES).data


def ratio(original: int, sent: list[Encoded]) -> float:
    return original / sum(len(encoded.payload) for encoded in sent)


# --- how small ---------------------------------------------------------------------------------------------


async def test_records_of_many_patients_shrink(ends: Ends) -> None:
    records = [record(seed) for seed in range(1, 31)]
    sent = [ends.small(data) for data in records]
    assert ratio(sum(map(len, records)), sent) > 6
    assert ends.compressor.totals.ratio == pytest.approx(ratio(sum(map(len, records)), sent))


async def test_the_next_fraction_on_a_new_connection_builds_on_the_last(ends: Ends) -> None:
    for seed in (1, 2, 3):
        ends.small(record(seed, 1))
    ends.connect()
    sent = [ends.small(record(seed, 2)) for seed in (1, 2, 3)]
    assert sent[0].codec == Codec.AFTER
    assert ratio(sum(len(record(seed, 2)) for seed in (1, 2, 3)), sent) > 6


async def test_the_next_fraction_as_planned_is_a_twentieth(ends: Ends) -> None:
    for seed in (1, 2, 3):
        ends.small(delivered_as_planned(seed, 1))
    ends.connect()
    sent = [ends.small(delivered_as_planned(seed, 2)) for seed in (1, 2, 3)]
    assert [encoded.codec for encoded in sent] == [Codec.AFTER] * 3
    assert ratio(sum(len(delivered_as_planned(seed, 2)) for seed in (1, 2, 3)), sent) > 15


@pytest.mark.parametrize("kind", ["cbct", "ct"])
async def test_images_with_the_noise_of_real_scans_shrink(ends: Ends, kind: str) -> None:
    original, sent = 0, []
    for index in range(5):
        data = scan_object(kind, index=index).data
        original += len(data)
        sent += await ends.large(data)
    assert ratio(original, sent) > 2.5
    assert Codec.PLAIN not in {encoded.codec for encoded in sent}


async def test_dose_and_structures_shrink(ends: Ends) -> None:
    dose = dose_object().data
    assert ratio(len(dose), await ends.large(dose)) > 2.0
    structures = Treatment(1).make("structure-set").data
    assert ratio(len(structures), await ends.large(structures)) > 5


async def test_the_rest_of_an_object_shrinks_as_well_after_a_cut(ends: Ends) -> None:
    data = scan_object().data
    offer = offer_of(data, Priority.IMAGE)
    await ends.large(data, offer)
    ends.connect()
    sent = await ends.large(data, offer, first=2 * BLOCK)
    assert sent[0].codec in (Codec.JPEG_LS, Codec.PLANES)
    assert ratio(len(data) - 2 * BLOCK, sent) > 2.2
    # After a restart of the process nothing is known of the pixels; it still shrinks.
    other = offer_of(data, Priority.IMAGE)
    sent = await ends.large(data, other, first=2 * BLOCK)
    assert ratio(len(data) - 2 * BLOCK, sent) > 1.8


# --- when not to --------------------------------------------------------------------------------------------


async def test_compressed_objects_are_left_alone(ends: Ends) -> None:
    data = bytes(1000)
    assert ends.near.inline(offer_of(data, syntax=JPEG), data) == Encoded(Codec.PLAIN, data)
    block = bytes(BLOCK)
    assert await ends.near.block(offer_of(block, syntax=JPEG), 0, block) == Encoded(Codec.PLAIN, block)
    assert ends.compressor.workers.pids == []


async def test_noise_goes_plain_and_costs_the_others_nothing(ends: Ends) -> None:
    ends.small(record(1))
    noise = os.urandom(20_000)
    assert ends.small(noise).codec == Codec.PLAIN
    other = ends.small(record(2))
    assert other.codec == Codec.SHARED
    assert not bytes(other.payload)[0] & 0x80, "the stream began anew"
    large = os.urandom(3 * BLOCK)
    assert {encoded.codec for encoded in await ends.large(large)} == {Codec.PLAIN}


async def test_after_noise_the_next_object_gets_its_chance(ends: Ends) -> None:
    await ends.large(os.urandom(3 * BLOCK))
    assert (await ends.large(bytes(range(256)) * 512))[0].codec != Codec.PLAIN


async def test_a_fast_link_gets_plain_bytes(ends: Ends) -> None:
    ends.near.rate(1e12)
    assert {encoded.codec for encoded in await ends.large(scan_object().data)} == {Codec.PLAIN}


async def test_only_what_the_hub_can_decode() -> None:
    compressor = Compressor()
    try:
        for features, codecs in (
            (frozenset(), {Codec.PLAIN}),
            (frozenset({"zstd"}), {Codec.SHARED}),
            (frozenset({"zstd", "refs"}), {Codec.SHARED, Codec.AFTER}),
        ):
            near = compressor.encoder(features)
            used = set()
            for fraction in (1, 2):
                offer = offer_of(record(fraction=fraction))
                used.add(near.inline(offer, record(fraction=fraction)).codec)
                near.receipt(offer.delivery)
            assert used <= codecs
            block = scan_object().data[:BLOCK]
            offer = offer_of(block, Priority.IMAGE)
            blocks = {(await near.block(offer, 0, block)).codec}
            assert blocks == ({Codec.ZSTD} if features else {Codec.PLAIN})
    finally:
        await compressor.close()


async def test_without_a_worker_blocks_go_plain() -> None:
    compressor = Compressor(workers=Workers(child=("-c", "raise SystemExit(3)")))
    block = scan_object().data[:BLOCK]
    encoded = await compressor.encoder(FEATURES).block(offer_of(block, Priority.IMAGE), 0, block)
    assert encoded == Encoded(Codec.PLAIN, block)
    assert compressor.totals.worker_failures == 1
    await compressor.close()


# --- in step again ------------------------------------------------------------------------------------------


async def test_a_mismatch_goes_plain_is_counted_and_begins_anew(ends: Ends) -> None:
    ends.small(record(1))
    data = record(2)
    offer = offer_of(data)
    bent = bytearray(ends.near.inline(offer, data).payload)
    bent[2] ^= 1
    with pytest.raises(Undecodable):
        ends.far.inline(Codec.SHARED, memoryview(bent), len(data))
    late = ends.near.inline(offer_of(record(3)), record(3))
    with pytest.raises(Undecodable):
        ends.rebuilt(late, len(record(3)))
    ends.near.mismatch(offer.delivery)
    assert ends.near.inline(offer, data) == Encoded(Codec.PLAIN, data)
    assert await ends.near.block(offer, 0, data) == Encoded(Codec.PLAIN, data)
    assert ends.compressor.totals.mismatches == 1
    assert ends.small(record(4)).codec == Codec.SHARED
    ends.near.ended(offer.delivery)
    assert ends.near.inline(offer, data).codec != Codec.PLAIN


async def test_what_was_encoded_and_not_sent_does_no_harm(ends: Ends) -> None:
    ends.small(record(1))
    ends.near.inline(offer_of(record(2)), record(2))
    ends.near.restart()
    ends.small(record(3))


async def test_a_hub_that_lost_its_memory_is_asked_once(ends: Ends) -> None:
    """Hundreds of records may be under way: one of them finds out, the others do not pay for it."""
    for seed in range(1, 9):
        ends.small(record(seed, 1))
    ends.restorer.references.forget_all()
    ends.connect()
    offers = {seed: offer_of(record(seed, 2)) for seed in range(1, 9)}
    sent = {seed: ends.near.inline(offers[seed], record(seed, 2)) for seed in offers}
    refused = []
    for seed, encoded in sent.items():
        try:
            assert ends.rebuilt(encoded, len(record(seed, 2))) == record(seed, 2)
            ends.near.receipt(offers[seed].delivery)
        except Undecodable:
            refused.append(seed)
            ends.near.mismatch(offers[seed].delivery)
    assert refused == [1]
    assert len(ends.compressor.references) == 7  # of the second fraction; those of the first are forgotten
    assert [encoded.codec for encoded in sent.values()] == [Codec.AFTER] + [Codec.SHARED] * 7
    assert ends.small(record(9, 1)).codec == Codec.SHARED


async def test_an_object_is_a_reference_only_once_the_hub_has_it(ends: Ends) -> None:
    ends.near.inline(offer_of(record(1, 1)), record(1, 1))
    assert len(ends.compressor.references) == 0
    refused = offer_of(record(2, 1))
    ends.near.inline(refused, record(2, 1))
    ends.near.ended(refused.delivery)
    ends.near.receipt(refused.delivery)
    assert len(ends.compressor.references) == 0


async def test_only_records_are_kept(ends: Ends) -> None:
    ends.small(record(), Priority.IMAGE)
    assert len(ends.compressor.references) == len(ends.restorer.references) == 0
    ends.small(record())
    assert len(ends.compressor.references) == len(ends.restorer.references) == 1


async def test_one_site_cannot_build_on_what_another_sent(ends: Ends) -> None:
    ends.small(record(1, 1))
    ends.connect()
    data = record(1, 2)
    encoded = ends.near.inline(offer_of(data), data)
    assert encoded.codec == Codec.AFTER
    with pytest.raises(Undecodable):
        ends.restorer.decoder("another").inline(encoded.codec, memoryview(encoded.payload), len(data))


# --- bounded -----------------------------------------------------------------------------------------------


async def test_what_is_under_way_is_bounded(ends: Ends) -> None:
    data = record() + bytes(40_000)
    for _ in range(200):
        ends.near.inline(offer_of(data), data)
    assert ends.near._pending_bytes <= encoder_module._PENDING_BYTES
    for pending in list(ends.near._pending):
        ends.near.ended(pending)
    assert ends.near._pending_bytes == 0


async def test_what_is_remembered_of_objects_is_bounded(ends: Ends) -> None:
    ends.near.rate(1e12)
    for n in range(300):
        block = bytes(100)
        await ends.near.block(offer_of(block, Priority.IMAGE, sop_class=f"1.2.{n}"), 0, block)
    assert len(ends.compressor.known) <= encoder_module._KNOWN_OBJECTS
    assert len(ends.compressor.choices) <= encoder_module._KNOWN_KINDS


async def test_no_references_where_none_may_be_kept() -> None:
    limits = CompressionLimits(references=0, hub_references=0)
    compressor, restorer = Compressor(limits), Restorer(limits)
    ends = Ends(compressor, restorer, compressor.encoder(FEATURES), restorer.decoder("clinic"))
    for fraction in (1, 2):
        assert ends.small(record(fraction=fraction)).codec == Codec.SHARED
    assert len(compressor.references) == len(restorer.references) == 0
    await compressor.close()
    await restorer.close()


@pytest.mark.parametrize(
    ("codec", "payload", "length"),
    [
        (Codec.PLAIN, b"abc", 4),
        (Codec.PLAIN, b"abc", 2),
        (Codec.ZSTD, b"abc", 0),
        (Codec.ZSTD, b"abc", BLOCK + 1),
        (Codec.ZSTD, pack(bytes(INLINE + 1), 1), INLINE + 1),
        (Codec.SHARED, b"abc", 0),
        (Codec.AFTER, b"abc", 100),
        (Codec.AFTER, bytes(40), 100),
        (Codec.AFTER, bytes(40), BLOCK),
        (Codec.PLANES, b"abc", 100),
        (Codec.JPEG_LS, b"abc", 100),
        (99, b"abc", 100),
    ],
)
async def test_small_objects_that_are_undecodable(
    ends: Ends, codec: int, payload: bytes, length: int
) -> None:
    with pytest.raises(Undecodable):
        ends.far.inline(codec, memoryview(payload), length)
    assert ends.restorer.undecodable == 1


@pytest.mark.parametrize(
    ("codec", "payload", "length"),
    [
        (Codec.PLAIN, b"abc", 4),
        (Codec.ZSTD, b"abc", BLOCK + 1),
        (Codec.SHARED, b"\x80\0\0", 10),
        (Codec.AFTER, bytes(40), 100),
        (Codec.PLANES, b"abc", 100),
        (Codec.PLANES, b"abc", BLOCK + 1),
        (Codec.PLANES, pack_planes(bytes(range(64)), Part(0, 1, 64, 1, 64), Mode.VALUES, 1), 64),  # is larger
        (Codec.JPEG_LS, b"abc", 100),
        (99, b"abc", 100),
    ],
)
async def test_blocks_that_are_undecodable(ends: Ends, codec: int, payload: bytes, length: int) -> None:
    with pytest.raises(Undecodable):
        await ends.far.block(codec, memoryview(payload), length)
    assert ends.restorer.undecodable == 1


async def test_a_hub_whose_worker_fails_asks_again() -> None:
    restorer = Restorer(workers=Workers(child=("-c", "raise SystemExit(3)")))
    with pytest.raises(Undecodable):
        await restorer.decoder("clinic").block(Codec.PLANES, memoryview(b"abc"), 100)
    await restorer.close()


_objects = st.lists(
    st.tuples(
        st.sampled_from(Priority),
        st.binary(min_size=1, max_size=400) | st.integers(1, 3).map(lambda n: record(1, n)),
        st.sampled_from(["sent", "lost", "refused", "mismatch", "reconnect"]),
    ),
    max_size=15,
)


@settings(max_examples=60)
@given(_objects)
def test_whatever_happens_every_object_comes_back(objects: list[tuple[Priority, bytes, str]]) -> None:
    compressor, restorer = Compressor(), Restorer()
    ends = Ends(compressor, restorer, compressor.encoder(FEATURES), restorer.decoder("clinic"))
    for priority, data, what in objects:
        offer = offer_of(data, priority)
        encoded = ends.near.inline(offer, data)
        if what == "lost":
            ends.near.restart()
            continue
        assert ends.rebuilt(encoded, len(data)) == data
        if what == "sent":
            ends.far.kept(offer, data)
            ends.near.receipt(offer.delivery)
        elif what == "mismatch":
            ends.near.mismatch(offer.delivery)
            assert ends.near.inline(offer, data) == Encoded(Codec.PLAIN, data)
        elif what == "reconnect":
            ends.connect()
        ends.near.ended(offer.delivery)
