"""What the command line can do without a running gateway: dial a configured peer from here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from gateway.cli.failures import Failure
from gateway.cli.options import connect
from gateway.cli.output import hint
from gateway.model import Peer
from gateway.notices import Notices
from gateway.operator import codec
from gateway.operator.client import DaemonUnreachable, OperatorClient

if TYPE_CHECKING:
    from gateway.config import Config
    from gateway.operator.sending import DirectSender

T = TypeVar("T")


def daemon_or_config(
    socket: Path | None,
    config: Path | None,
    ask: Callable[[OperatorClient], T],
    do: Callable[[Direct], T],
) -> T:
    """Let the running gateway do it; where none runs, do it from here if a configuration is named."""
    with connect(socket, config) as client:
        try:
            return ask(client)
        except DaemonUnreachable as error:
            if config is None:
                raise
            hint(f"{error}; dialling from here, as {config} says.")
    with direct(config) as dialler:
        return do(dialler)


@contextmanager
def direct(config: Path) -> Iterator[Direct]:
    """Yield a Direct for `config`; ConfigErrors when it is not valid."""
    from gateway.config import load

    dialler = Direct(load(config))
    try:
        yield dialler
    finally:
        dialler.close()


class Direct:
    """Does what the operator API does for peers, in this process. Answers in the same JSON."""

    def __init__(self, config: Config) -> None:
        from gateway import settings  # imports every room: only who dials from here pays for it

        self._calling_ae = config.gateway.ae_title
        self._peers = settings.peers(config)
        self._timeouts = settings.requestor_timeouts(config)
        self._runner = asyncio.Runner()
        self._senders: dict[str, DirectSender] = {}

    def echo(self, name: str) -> codec.Json:
        """Return the JSON of facts.EchoReport."""
        from gateway.operator.echo import echo

        report = echo(
            self._peer(name),
            calling_ae=self._calling_ae,
            notices=Notices(),
            timeouts=self._timeouts,
        )
        return codec.encode(self._runner.run(report))

    def send(self, name: str, size: int, pieces: Iterable[bytes]) -> codec.Json:
        """Return the JSON of facts.SendReport."""
        return codec.encode(self._runner.run(self._send(name, size, pieces)))

    async def _send(self, name: str, size: int, pieces: Iterable[bytes]) -> object:
        from gateway.operator.sending import DirectSender

        if name not in self._senders:
            self._senders[name] = DirectSender(
                self._peer(name),
                calling_ae=self._calling_ae,
                notices=Notices(),
                timeouts=self._timeouts,
            )
        return await self._senders[name].send(size, _stream(pieces))

    def close(self) -> None:
        """Let go of associations."""
        for sender in self._senders.values():
            self._runner.run(sender.close())
        self._runner.close()

    def _peer(self, name: str) -> Peer:
        if name not in self._peers:
            raise Failure(f"there is no peer {name!r} in the configuration", next_step=_known(self._peers))
        return self._peers[name]


def _known(names: Iterable[str]) -> str:
    return "Its peers: " + (", ".join(names) or "none") + "."


async def _stream(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:  # this process does nothing else meanwhile: a blocking read does no harm
        yield piece
