"""The process of the page: `dicom-gateway admin`. Nothing that happens here can reach the gateway's own.

It starts without the gateway and outlives it. It starts itself anew, in place and with its listening socket
open, when the gateway runs on another configuration than the one it was started with, and on SIGHUP.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from aiohttp import web

from gateway import __version__, systemd
from gateway.admin.access.access import Access
from gateway.admin.access.https import Https
from gateway.admin.app import build
from gateway.admin.door import Door, DoorLimits
from gateway.admin.gateway_client import GatewayClient
from gateway.admin.settings import AdminSettings, admin_settings
from gateway.config import Config
from gateway.errors import GatewayError, LocalError
from gateway.logs import setup
from gateway.operator.configuration_facts import ConfigurationState

_log = logging.getLogger(__name__)

SOCKET_VARIABLE = "DICOM_GATEWAY_ADMIN_SOCKET"  # "descriptor address port", from one start to the next
LOOK_EVERY = 10.0  # seconds between questions which configuration the gateway runs on
DRAIN = 5.0  # seconds for answers under way when the process is told to stop
BACKLOG = 64


class CannotListen(LocalError):
    """The page's address or port cannot be had."""


def run(config: Config, config_file: Path) -> int:
    """Serve the page until SIGTERM or Ctrl-C; return the exit code. Does not return when it starts anew."""
    setup(config.log)
    settings = admin_settings(config, config_file.absolute())
    _make_folder(settings.state_dir)
    sock = _inherited(settings, os.environ) or _listen(settings)
    again = asyncio.run(_serve(settings, sock))
    if again:
        _start_anew(settings, sock)
    sock.close()
    return 0


async def _serve(settings: AdminSettings, sock: socket.socket) -> bool:
    """Serve until told to stop. Return whether to start anew."""
    loop = asyncio.get_running_loop()
    stop, again = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, again.set)
    notifier = systemd.Notifier()
    async with contextlib.AsyncExitStack() as stack:
        gateway = GatewayClient(settings.socket, timeout=settings.answer_timeout)
        stack.push_async_callback(gateway.close)
        https = await asyncio.to_thread(
            Https, settings.state_dir, settings.certificate, settings.key, name=settings.gateway_name
        )
        access = await Access.open(settings, gateway)
        stack.push_async_callback(access.close)
        runner = web.AppRunner(
            build(settings, gateway, access),
            access_log=None,
            logger=_noise(),
            shutdown_timeout=DRAIN,
            handle_signals=False,
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        limits = DoorLimits(settings.max_connections, settings.max_per_address)
        door = Door(
            sock.dup(), cast(Callable[[], asyncio.BaseProtocol], runner.server), https.context, limits
        )
        stack.push_async_callback(door.close)
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(stop.wait()),
            asyncio.create_task(again.wait()),
            door.open(),
            asyncio.create_task(https.keep_fresh()),
            asyncio.create_task(_follow_configuration(gateway, again)),
            asyncio.create_task(_feed_watchdog(notifier)),
        ]
        stack.push_async_callback(_cancel, tasks)
        address, port = sock.getsockname()[:2]
        _log.info("page %s %s is ready on %s:%d", settings.gateway_name, __version__, address, port)
        _log.info("fingerprint of its certificate: %s", https.certificate.fingerprint)
        notifier.ready("serving the page")
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task  # what was not meant to end says why it did
        notifier.stopping()
    return not stop.is_set()


async def _follow_configuration(gateway: GatewayClient, again: asyncio.Event) -> None:
    """Set `again` when the gateway runs on another configuration than at our start."""
    first: str | None = None
    while True:
        with contextlib.suppress(GatewayError):
            state = await gateway.get(ConfigurationState, "/v1/configuration/state")
            if first is None:
                first = state.digest
            elif state.digest != first:
                _log.info("the gateway has another configuration: starting again with it")
                again.set()
        await asyncio.sleep(LOOK_EVERY)


async def _feed_watchdog(notifier: systemd.Notifier) -> None:
    interval = systemd.watchdog_interval()
    while interval is not None:
        notifier.watchdog()
        await asyncio.sleep(interval)
    await asyncio.Event().wait()


async def _cancel(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _noise() -> logging.Logger:
    """Return where aiohttp tells of requests that are no HTTP: strangers' bytes, which nobody reads.

    What fails in a page is caught and told by errors.py.
    """
    logger = logging.getLogger("gateway.admin.http")
    logger.setLevel(logging.CRITICAL)
    return logger


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise LocalError(f"the page's folder {path} cannot be made: {error.strerror}") from error


def _listen(settings: AdminSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # "::" is for IPv4 as well, as "0.0.0.0" cannot be for IPv6.
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(settings.address != "::"))
        sock.bind((settings.address, settings.port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise CannotListen(
            f"the page cannot listen on {settings.address} port {settings.port}: {error.strerror}"
        ) from error
    return sock


def _inherited(settings: AdminSettings, environment: Mapping[str, str]) -> socket.socket | None:
    """Return the listening socket of the start before, if it is on the address and port wanted now."""
    told = environment.get(SOCKET_VARIABLE, "").split()
    os.environ.pop(SOCKET_VARIABLE, None)
    if len(told) != 3 or not told[0].isdecimal():
        return None
    try:
        os.set_inheritable(int(told[0]), False)
        sock = socket.socket(fileno=int(told[0]))
    except OSError:
        return None
    if told[1:] != [settings.address, str(settings.port)]:
        sock.close()
        return None
    return sock


def _start_anew(settings: AdminSettings, sock: socket.socket) -> None:
    descriptor = sock.detach()
    os.set_inheritable(descriptor, True)
    os.environ[SOCKET_VARIABLE] = f"{descriptor} {settings.address} {settings.port}"
    sys.stdout.flush()
    sys.stderr.flush()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - this very program again
