"""The background comparison of objects that came again in another transfer syntax (compare.py decides)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from gateway.errors import GatewayError
from gateway.spool.compare import Copy, difference
from gateway.spool.journal import Journal, Request
from gateway.spool.puts import conclude
from gateway.spool.queries import candidates, locate
from gateway.spool.reader import FileReader, InlineReader, Reader
from gateway.spool.workers import Workers


class Comparer:
    """One thread that takes up comparisons and writes down how they ended."""

    def __init__(
        self,
        journal: Journal,
        reader: Reader,
        open_data: Callable[[int], InlineReader | FileReader],
        limit: int,
        defect: Callable[[BaseException], None],
    ) -> None:
        self._journal = journal
        self._reader = reader
        self._open_data = open_data
        self._limit = limit
        self._workers = Workers(1, "spool-compare", defect)

    def take(self, numbers: Sequence[int]) -> None:
        """Compare these objects, soon."""
        for number in numbers:
            self._workers.submit(partial(self._compare, number))

    def _compare(self, number: int) -> None:
        twin, reason = self._find_twin(number)
        # Nobody waits for the answer: if it cannot be written down, the comparison is made at the next start.
        self._journal.hand_in(
            Request(partial(conclude, number=number, twin=twin, reason=reason), lambda _result, _error: None)
        )

    def _find_twin(self, number: int) -> tuple[int | None, str]:
        """Return the object with the same content, or None and why there is none."""
        words = "the same SOP Instance UID as an object in another transfer syntax"
        try:
            second = Copy(
                self._reader.ask(lambda db: locate(db, number)).object.instance, self._bytes(number)
            )
            for other, instance, size in self._reader.ask(lambda db: candidates(db, number)):
                if size > self._limit:
                    words = f"the same SOP Instance UID as object {other}, which is too large to be compared"
                    continue
                found = difference(Copy(instance, self._bytes(other)), second, self._limit)
                if not found:
                    return other, ""
                words = f"the same SOP Instance UID as object {other} in another transfer syntax; {found}"
        except GatewayError as error:
            return None, f"{words}; not compared: {error}"
        return None, words

    def _bytes(self, number: int) -> bytes:
        with self._open_data(number) as reader:
            chunks = []
            while chunk := reader.read(1 << 20):
                chunks.append(chunk)
            return b"".join(chunks)

    def close(self) -> None:
        """End after what is under way. Blocks."""
        self._workers.close()
