"""Consoles that wait for the peer's own answer to their step. Belongs to the event loop; holds no time.

A wait ends exactly once: with the peer's answer, or with the news that the step is durable and its answer is
not to be had now. From the moment the answer is claimed only it can end the wait, so that what the journal
says of a step and what its console was told are never two things.
"""

from __future__ import annotations

import asyncio

from gateway.dicom.command import Command


class Wait:
    """One console that waits."""

    def __init__(self, uid: str) -> None:
        self.uid = uid  # SOP Instance UID of its procedure step
        self.claimed = False
        self.answer: asyncio.Future[Command | None] = asyncio.get_running_loop().create_future()

    async def outcome(self, seconds: float) -> Command | None:
        """Wait at most `seconds` for an answer to be claimed; None: the step is durable, that is all."""
        await asyncio.wait([self.answer], timeout=seconds)
        if not self.answer.done() and not self.claimed:
            return None
        return await self.answer


class Waits:
    """The waits of one destination, by step number."""

    def __init__(self) -> None:
        self._waits: dict[int, Wait] = {}

    def __contains__(self, number: int) -> bool:
        """Say whether somebody waits for the answer to this step."""
        wait = self._waits.get(number)
        return wait is not None and not wait.answer.done()

    def open(self, number: int, uid: str) -> Wait:
        """Begin to wait for the answer to a step."""
        wait = self._waits[number] = Wait(uid)
        return wait

    def close(self, number: int) -> None:
        """Nobody waits any more: the console was answered, or is gone."""
        self._waits.pop(number, None)

    def open_now(self) -> dict[int, str]:
        """Return the numbers that are waited for, with the SOP Instance UID of each."""
        return {number: wait.uid for number, wait in self._waits.items() if not wait.answer.done()}

    def claim(self, number: int) -> bool:
        """An answer came. True: somebody waits for it, and will be told this answer and nothing else."""
        if number not in self:
            return False
        self._waits[number].claimed = True
        return True

    def tell(self, number: int, answer: Command) -> None:
        """Tell a claimed answer."""
        wait = self._waits.get(number)
        if wait is not None and not wait.answer.done():
            wait.answer.set_result(answer)

    def give_up(self, number: int) -> None:
        """No answer is to be had soon: let the console go with what is durable."""
        wait = self._waits.get(number)
        if wait is not None and not wait.claimed and not wait.answer.done():
            wait.answer.set_result(None)

    def give_up_all(self) -> None:
        """Let everybody go who has no answer."""
        for number in tuple(self._waits):
            self.give_up(number)

    def fail(self, error: Exception) -> None:
        """The queue is broken: what was claimed and not recorded cannot be told."""
        self.give_up_all()
        for wait in self._waits.values():
            if not wait.answer.done():
                wait.answer.set_exception(error)
                wait.answer.exception()  # whoever waited may be gone
