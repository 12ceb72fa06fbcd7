"""Conversion for a peer that refuses the stored transfer syntax: off the event loop, bounded, verified.

The stored bytes never change. Small uncompressed objects are converted in a worker thread; everything else
in a child process whose address space is limited, because a data set from outside may unfold to anything.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

import gateway
from gateway.delivery import transcode
from gateway.delivery.decompress import NotConvertible
from gateway.delivery.policy import DeliveryPolicy
from gateway.delivery.source import CheckedSource, Damaged, InlineSource, Reading
from gateway.errors import LocalError
from gateway.spool import Job

_BASE_MEMORY = 256 * 1024 * 1024
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Converted:
    """A data set in another transfer syntax."""

    source: CheckedSource | InlineSource
    digest: bytes  # SHA-256 of the converted data set
    transfer_syntax_uid: str
    discard: Callable[[], None]  # to be called when it was sent, or will not be


class Converter:
    """Converts for one destination, one object at a time."""

    def __init__(
        self, open_data: Callable[[int], Reading], work_dir: Path, policy: DeliveryPolicy, executor: Executor
    ) -> None:
        """Temporary files live in `work_dir` (made if need be), without a name: a crash leaves none."""
        self._open_data = open_data
        self._work_dir = work_dir
        self._policy = policy
        self._executor = executor
        self._turn = asyncio.Lock()

    async def convert(self, job: Job, to_syntax: str) -> Converted:
        """Return the data set of `job` in `to_syntax`.

        Raises NotConvertible in words, Damaged when our copy is, LocalError when the disk is in trouble.
        """
        stored = job.object
        from_syntax = stored.instance.transfer_syntax_uid
        limit = self._policy.convert_max_bytes
        if stored.size > limit:
            raise NotConvertible(f"it has {stored.size} bytes; objects above {limit} bytes are not converted")
        async with self._turn:
            if job.data is not None and from_syntax in (transcode.EXPLICIT_LE, transcode.IMPLICIT_LE):
                return await self._in_thread(job, from_syntax, to_syntax)
            return await self._in_child(job, from_syntax, to_syntax)

    async def _in_thread(self, job: Job, from_syntax: str, to_syntax: str) -> Converted:
        data = job.data or b""
        if hashlib.sha256(data).digest() != job.object.digest:
            raise Damaged
        result = io.BytesIO()
        digest = await asyncio.get_running_loop().run_in_executor(
            self._executor, self._transcode, io.BytesIO(data), result, from_syntax, to_syntax
        )
        return Converted(InlineSource(result.getvalue(), digest), digest, to_syntax, result.close)

    def _transcode(self, source: IO[bytes], sink: IO[bytes], from_syntax: str, to_syntax: str) -> bytes:
        return transcode.transcode(source, sink, from_syntax, to_syntax, self._policy.convert_max_bytes)

    async def _in_child(self, job: Job, from_syntax: str, to_syntax: str) -> Converted:
        loop = asyncio.get_running_loop()
        source: BinaryIO = await loop.run_in_executor(self._executor, self._copy_out, job)
        try:
            sink = self._temporary()
            try:
                digest = await self._run_child(source, sink, job.object.size, from_syntax, to_syntax)
                size = os.fstat(sink.fileno()).st_size
            except BaseException:
                sink.close()
                raise
        finally:
            source.close()
        sink.seek(0)  # the child moved the position that both share
        source_of = CheckedSource(size, digest, lambda: sink, self._executor)
        return Converted(source_of, digest, to_syntax, sink.close)

    def _temporary(self) -> BinaryIO:
        try:
            self._work_dir.mkdir(parents=True, exist_ok=True)
            return cast(BinaryIO, tempfile.TemporaryFile(dir=self._work_dir))
        except OSError as error:
            raise LocalError(f"no room to convert an object: {error.strerror}") from error

    def _copy_out(self, job: Job) -> BinaryIO:
        """Bring the stored bytes into a file the child can seek in, checking them on the way."""
        file = self._temporary()
        try:
            self._copy(job, file)
        except OSError as error:
            file.close()
            raise LocalError(f"no room to convert an object: {error.strerror}") from error
        except BaseException:
            file.close()
            raise
        return file

    def _copy(self, job: Job, file: BinaryIO) -> None:
        sha = hashlib.sha256()
        reader = io.BytesIO(job.data) if job.data is not None else self._open_data(job.object.number)
        try:
            while data := reader.read(_CHUNK):
                sha.update(data)
                file.write(data)
        finally:
            reader.close()
        if sha.digest() != job.object.digest:
            raise Damaged
        file.flush()
        file.seek(0)

    async def _run_child(
        self, source: BinaryIO, sink: BinaryIO, size: int, from_syntax: str, to_syntax: str
    ) -> bytes:
        limit = self._policy.convert_max_bytes
        # Source and result of the largest element, and the unfolded pixels when it is compressed.
        unfolds = from_syntax in transcode.COMPRESSED or transcode.DEFLATED_LE in (from_syntax, to_syntax)
        memory = _BASE_MEMORY + 4 * (limit if unfolds else size)
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "gateway.delivery.transcode",
            from_syntax,
            to_syntax,
            str(limit),
            str(memory),
            stdin=source,
            stdout=sink,
            stderr=asyncio.subprocess.PIPE,
            env={"PYTHONPATH": str(Path(gateway.__file__).parent.parent), "PATH": os.defpath},
        )
        try:
            async with asyncio.timeout(self._policy.convert_timeout):
                _, words = await child.communicate()
        except TimeoutError:
            raise NotConvertible("converting it took too long") from None
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        text = words.decode("utf-8", "replace").strip()
        if child.returncode == 0:
            return bytes.fromhex(text)
        if child.returncode == 3:
            raise NotConvertible(text)
        raise NotConvertible("converting it failed (it may take more memory than this gateway grants)")
