"""Which objects go to one destination in a shorter form, and when that is given up."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Callable
from concurrent.futures import Executor

from gateway.delivery.classification import Cause
from gateway.delivery.smaller.compressor import JPEG_LS, SYNTAXES, Compressor
from gateway.delivery.source import Damaged, InlineSource, Reading
from gateway.dicom.sop_classes import name as name_of
from gateway.errors import DeliveryFailure
from gateway.spool import Job

_log = logging.getLogger(__name__)

_NOT_TAKEN = frozenset({Cause.REFUSED, Cause.PROCESSING, Cause.UNKNOWN_STATUS, Cause.NO_CONTEXT})
"""What a peer may answer that accepts JPEG-LS in negotiation and cannot read it."""


class Shortening:
    """Images for one destination, as JPEG-LS Lossless. Everything else as it is."""

    def __init__(
        self,
        destination: str,
        compressor: Compressor,
        open_data: Callable[[int], Reading],
        executor: Executor,
    ) -> None:
        """Stored bytes are read on `executor`."""
        self._destination = destination
        self._compressor = compressor
        self._open_data = open_data
        self._executor = executor
        self._given_up = False

    def syntax_for(self, pair: tuple[str, str]) -> str | None:
        """The transfer syntax to propose beside that of `pair` (SOP class, transfer syntax), if any."""
        image = name_of(pair[0]).endswith("Image Storage")
        return JPEG_LS if image and pair[1] in SYNTAXES and not self._given_up else None

    async def shortened(self, job: Job) -> tuple[InlineSource, bytes] | None:
        """The object of `job` as JPEG-LS, and the digest of that; None: it goes as it is.

        Raises Damaged when our copy is, and what reading it raises.
        """
        stored = job.object
        syntax = stored.instance.transfer_syntax_uid
        if self._given_up or not self._compressor.fits(syntax, stored.size):
            return None
        data = await asyncio.get_running_loop().run_in_executor(self._executor, self._read, job)
        shorter = await self._compressor.compressed(data, syntax)
        if shorter is None or len(shorter) >= len(data):
            return None
        digest = hashlib.sha256(shorter).digest()
        return InlineSource(shorter, digest), digest

    def refused(self, trouble: DeliveryFailure) -> bool:
        """Say whether `trouble` may come of the shorter form; then no more is sent in it until a restart."""
        if trouble.status is None or Cause(trouble.cause) not in _NOT_TAKEN:
            return False
        if not self._given_up:
            self._given_up = True
            _log.warning(
                "%s accepts JPEG-LS and refuses an object in it: images go there as they are",
                self._destination,
            )
        return True

    def _read(self, job: Job) -> bytes:
        if job.data is not None:
            data = job.data
        else:
            reader = self._open_data(job.object.number)
            try:
                data = reader.read(job.object.size)
            finally:
                reader.close()
        if hashlib.sha256(data).digest() != job.object.digest:
            raise Damaged
        return data
