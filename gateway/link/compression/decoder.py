"""What a hub's connections use: `Restorer` for the process, `BlockDecoder` for each connection.

Small objects and zstd blocks are decoded on the loop, a gigabyte per second and core; pixels in a worker.
"""

from __future__ import annotations

from gateway.link.compression.codecs import (
    DIGEST,
    Codec,
    CompressionLimits,
    check_length,
    unpack,
    unpack_after,
)
from gateway.link.compression.jobs import DecodeJob
from gateway.link.compression.references import References, reference_key
from gateway.link.compression.shared import SharedDecompressor
from gateway.link.compression.workers import WorkerDown, Workers
from gateway.link.values import INLINE, Offer, Undecodable
from gateway.model import Priority


class Restorer:
    """What outlives connections: workers and the references of all sites."""

    def __init__(self, limits: CompressionLimits | None = None, *, workers: Workers | None = None) -> None:
        self.limits = limits or CompressionLimits()
        self.workers = workers or Workers(self.limits)
        self.references = References(self.limits.hub_references, self.limits.reference_days)
        self.undecodable = 0

    def decoder(self, site: str) -> BlockDecoder:
        """Return the decoder of a new connection of this site."""
        return BlockDecoder(self, site)

    async def close(self) -> None:
        """End the workers."""
        await self.workers.close()


class BlockDecoder:
    """Implements ports.Decoder."""

    def __init__(self, restorer: Restorer, site: str) -> None:
        self._restorer = restorer
        self._site = site
        self._shared = SharedDecompressor(restorer.limits.window_log)

    def inline(self, codec: int, payload: memoryview, length: int) -> bytes:
        """See ports.Decoder."""
        try:
            return self._inline(codec, payload, length)
        except Undecodable:
            self._restorer.undecodable += 1
            raise

    def _inline(self, codec: int, payload: memoryview, length: int) -> bytes:
        if codec == Codec.SHARED:
            check_length(length)
            return self._shared.decompress(payload, length)
        if length > INLINE:
            raise Undecodable(f"a small object of {length} bytes")
        if codec == Codec.AFTER:
            check_length(length)
            earlier = self._restorer.references.get(self._site, bytes(payload[:DIGEST]))
            if earlier is None:
                raise Undecodable("an earlier object that is not kept here any more")
            return unpack_after(payload[DIGEST:], earlier, length)
        return self._alone(codec, payload, length)

    async def block(self, codec: int, payload: memoryview, length: int) -> bytes:
        """See ports.Decoder."""
        try:
            return await self._block(codec, payload, length)
        except (Undecodable, WorkerDown) as error:
            self._restorer.undecodable += 1
            raise Undecodable(str(error)) from None

    async def _block(self, codec: int, payload: memoryview, length: int) -> bytes:
        if codec not in (Codec.PLANES, Codec.JPEG_LS):
            return self._alone(codec, payload, length)
        check_length(length)
        if len(payload) >= length:
            raise Undecodable("a block that did not shrink")
        return await self._restorer.workers.decode(DecodeJob(codec, length, bytes(payload)))

    @staticmethod
    def _alone(codec: int, payload: memoryview, length: int) -> bytes:
        if codec == Codec.PLAIN:
            if len(payload) != length:
                raise Undecodable(f"{len(payload)} plain bytes in place of {length}")
            return bytes(payload)
        if codec == Codec.ZSTD:
            check_length(length)
            return unpack(payload, length)
        raise Undecodable(f"codec {codec} is not one of these")

    def kept(self, offer: Offer, data: bytes) -> None:
        """See ports.Decoder."""
        if offer.priority is not Priority.RECORD or not self._restorer.limits.hub_references:
            return
        key = reference_key(offer.instance.sop_class_uid, data)
        if key is not None:
            self._restorer.references.put(self._site, key, offer.digest, data)
