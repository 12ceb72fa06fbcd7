"""What a site's connections use: `Compressor` for the process, `BlockEncoder` for each connection.

Small objects are encoded on the loop, at the moment they leave: about a millisecond for a treatment record on
a small board. Blocks are encoded in a worker. Without a worker, and for whatever does not shrink, bytes go
plain.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from gateway.link.compression.codecs import (
    REFS,
    ZSTD,
    Codec,
    CompressionLimits,
    incompressible,
    pack_after,
)
from gateway.link.compression.jobs import TRY, EncodeJob
from gateway.link.compression.layout import PixelFinder, PixelLayout
from gateway.link.compression.plan import PLAIN, RECIPES, UNMEASURED_RATE
from gateway.link.compression.references import References, reference_key
from gateway.link.compression.shared import SharedCompressor
from gateway.link.compression.workers import WorkerDown, Workers
from gateway.link.values import BLOCK, Encoded, Offer
from gateway.model import Priority

_UNCOMPRESSED: Final = frozenset({"1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"})
"""Everything else is compressed already, or may be."""

_TRY_AGAIN: Final = 16  # blocks (2 MiB) until samples are taken again
_KNOWN_OBJECTS: Final = 256  # large objects whose pixels were looked for
_KNOWN_KINDS: Final = 64  # kinds of object whose best recipe is remembered
_PENDING_BYTES: Final = 4 << 20  # small objects under way that may become references
_USUAL_SHARED: Final = 5.0  # ratio of the shared stream, until measured

_HERE: Final = ""  # a site has one memory of references, for its one hub


@dataclass(slots=True)
class CompressionTotals:
    """What compression did since the start. Bytes count once for each time they were encoded."""

    original: int = 0
    encoded: int = 0
    blocks: int = 0
    mismatches: int = 0
    worker_failures: int = 0

    @property
    def ratio(self) -> float | None:
        """Original bytes / bytes on the line; None before the first."""
        return self.original / self.encoded if self.encoded else None


@dataclass(slots=True)
class _Known:
    finder: PixelFinder
    next: int = 0


@dataclass(slots=True)
class _Choice:
    recipe: int = TRY
    blocks: int = 0

    @property
    def is_due(self) -> bool:
        """Samples are to be taken: of the 1st, 2nd, 3rd, 5th, 9th block, then of every 16th."""
        return self.blocks % _TRY_AGAIN == 0 or (
            self.blocks < _TRY_AGAIN and self.blocks & (self.blocks - 1) == 0
        )


@dataclass(slots=True)
class _Pending:
    key: bytes
    digest: bytes
    data: bytes
    builds: bool


class Compressor:
    """What outlives connections: workers, references, what was learned, totals."""

    def __init__(self, limits: CompressionLimits | None = None, *, workers: Workers | None = None) -> None:
        self.limits = limits or CompressionLimits()
        self.totals = CompressionTotals()
        self.workers = workers or Workers(self.limits)
        self.references = References(self.limits.references, self.limits.reference_days)
        self.known: OrderedDict[int, _Known] = OrderedDict()
        self.choices: OrderedDict[tuple[object, ...], _Choice] = OrderedDict()

    def encoder(self, features: frozenset[str]) -> BlockEncoder:
        """Return the encoder of a new connection; `features`: HELLO words of the hub."""
        return BlockEncoder(self, features)

    async def close(self) -> None:
        """End the workers."""
        await self.workers.close()

    def finder(self, offer: Offer) -> _Known:
        """What is known of where the pixels of this object are."""
        known = self.known.get(offer.delivery)
        if known is None:
            known = self.known[offer.delivery] = _Known(PixelFinder(offer.instance.transfer_syntax_uid))
            if len(self.known) > _KNOWN_OBJECTS:
                self.known.popitem(last=False)
        self.known.move_to_end(offer.delivery)
        return known

    def choice(self, kind: tuple[object, ...]) -> _Choice:
        """The recipe in use for blocks of this kind."""
        choice = self.choices.setdefault(kind, _Choice())
        self.choices.move_to_end(kind)
        if len(self.choices) > _KNOWN_KINDS:
            self.choices.popitem(last=False)
        return choice


class BlockEncoder:
    """Implements ports.Encoder."""

    def __init__(self, compressor: Compressor, features: frozenset[str]) -> None:
        self._compressor = compressor
        self._totals = compressor.totals
        self._features = features
        self._shared = SharedCompressor(compressor.limits.window_log)
        self._shared_ratio = _USUAL_SHARED
        self._rate: float | None = None
        self._plain: set[int] = set()
        self._pending: OrderedDict[int, _Pending] = OrderedDict()
        self._pending_bytes = 0
        self._proven = False
        """The hub still has the references of earlier connections."""
        self._proving: int | None = None

    # --- small objects -------------------------------------------------------------------------------------

    def inline(self, offer: Offer, data: bytes) -> Encoded:
        """See ports.Encoder."""
        return self._counted(len(data), self._inline(offer, data))

    def _inline(self, offer: Offer, data: bytes) -> Encoded:
        plain = Encoded(Codec.PLAIN, data)
        if ZSTD not in self._features or self._goes_plain(offer) or incompressible(data):
            return plain
        after = self._after(offer, data)
        if after is not None:
            return after
        payload = self._shared.compress(offer.priority, data)
        if len(payload) >= len(data):
            self.restart()
            return plain
        self._shared_ratio += 0.1 * (len(data) / len(payload) - self._shared_ratio)
        return Encoded(Codec.SHARED, payload)

    def _after(self, offer: Offer, data: bytes) -> Encoded | None:
        limits = self._compressor.limits
        if REFS not in self._features or offer.priority is not Priority.RECORD or not limits.references:
            return None
        key = reference_key(offer.instance.sop_class_uid, data)
        if key is None:
            return None
        pending = _Pending(key, offer.digest, data, builds=False)
        self._remember(offer.delivery, pending)
        if not self._proven and self._proving is not None:
            return None
        earlier = self._compressor.references.latest(_HERE, key)
        if earlier is None or earlier[0] == offer.digest:
            return None
        payload = earlier[0] + pack_after(data, earlier[1])
        if len(payload) * self._shared_ratio > len(data):
            return None
        pending.builds = True
        if not self._proven:
            self._proving = offer.delivery
        return Encoded(Codec.AFTER, payload)

    def restart(self) -> None:
        """See ports.Encoder."""
        self._shared.restart()

    # --- blocks --------------------------------------------------------------------------------------------

    async def block(self, offer: Offer, offset: int, data: bytes) -> Encoded:
        """See ports.Encoder."""
        return self._counted(len(data), await self._block(offer, offset, data))

    async def _block(self, offer: Offer, offset: int, data: bytes) -> Encoded:
        plain = Encoded(Codec.PLAIN, data)
        if ZSTD not in self._features or self._goes_plain(offer) or not data:
            return plain
        layout = self._layout(offer, offset, data)
        pixels = layout is not None and offset + len(data) > layout.start and offset < layout.end
        kind = (offer.instance.sop_class_uid, pixels, layout and (layout.width, layout.columns, layout.step))
        choice = self._compressor.choice(kind)
        whole = len(data) == BLOCK  # the end of an object tells nothing about others
        again = offset == 0 and choice.recipe == PLAIN  # this object may be another story
        recipe = TRY if whole and (choice.is_due or again) else choice.recipe
        choice.blocks += whole
        if recipe == PLAIN:
            return plain
        rate = self._rate or UNMEASURED_RATE
        job = EncodeJob(recipe, self._features, rate, self._compressor.limits.share, offset, layout, data)
        try:
            used, payload = await self._compressor.workers.encode(job, offer.priority)
        except WorkerDown:
            self._totals.worker_failures += 1
            return plain
        if recipe == TRY and whole:
            choice.recipe = used
        return Encoded(RECIPES[used].codec, payload)

    def _layout(self, offer: Offer, offset: int, data: bytes) -> PixelLayout | None:
        known = self._compressor.finder(offer)
        if offset == known.next:
            known.finder.feed(data)
            known.next += len(data)
        return known.finder.layout

    # --- what became of them -------------------------------------------------------------------------------

    def rate(self, bytes_per_second: float) -> None:
        """See ports.Encoder."""
        self._rate = bytes_per_second if bytes_per_second > 0 else None

    def receipt(self, delivery: int) -> None:
        """See ports.Encoder."""
        pending = self._forget(delivery)
        if pending is None:
            return
        self._compressor.references.put(_HERE, pending.key, pending.digest, pending.data)
        if pending.builds:
            self._proven = True

    def mismatch(self, delivery: int) -> None:
        """See ports.Encoder."""
        self._totals.mismatches += 1
        self._plain.add(delivery)
        pending = self._forget(delivery)
        if pending is not None and pending.builds:
            self._compressor.references.forget_all()
            self._proven = False
        self.restart()

    def ended(self, delivery: int) -> None:
        """See ports.Encoder."""
        self._plain.discard(delivery)
        self._forget(delivery)

    def _goes_plain(self, offer: Offer) -> bool:
        return offer.delivery in self._plain or offer.instance.transfer_syntax_uid not in _UNCOMPRESSED

    def _remember(self, delivery: int, pending: _Pending) -> None:
        self._forget(delivery)
        self._pending[delivery] = pending
        self._pending_bytes += len(pending.data)
        while self._pending_bytes > _PENDING_BYTES:
            self._forget(next(iter(self._pending)))

    def _forget(self, delivery: int) -> _Pending | None:
        if self._proving == delivery:
            self._proving = None
        pending = self._pending.pop(delivery, None)
        if pending is not None:
            self._pending_bytes -= len(pending.data)
        return pending

    def _counted(self, original: int, encoded: Encoded) -> Encoded:
        self._totals.original += original
        self._totals.encoded += len(encoded.payload)
        self._totals.blocks += 1
        return encoded
