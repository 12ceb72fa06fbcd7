"""The way to a peer when a person asks for it."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.association.way import Carrier
from gateway.errors import LocalError
from gateway.model import AETitle, Peer
from gateway.operator.dialling import way
from tests.support.certs import Authority

PLAIN = Peer("centre", AETitle("CENTRE"), "192.0.2.1", 104)
BEHIND = Peer("centre", AETitle("CENTRE"), "hub", 0, via="hub")


class Link:
    """Carries nothing here."""

    async def open_stream(
        self, factory: object, *, timeout_s: float
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        raise NotImplementedError


async def test_who_is_behind_a_link_is_reached_by_the_running_gateways_own() -> None:
    link: Carrier = Link()
    assert await way(BEHIND, lambda _: link) is link
    assert await way(BEHIND, None) is None  # whoever dials says that only the running gateway has links


async def test_certificates_are_read_afresh(tmp_path: Path) -> None:
    assert await way(PLAIN, None) is None
    material = Authority.create(tmp_path).issue("gateway")
    peer = replace(PLAIN, tls=material)
    assert isinstance(await way(peer, lambda _: None), ssl.SSLContext)
    material.key.write_text("nothing of use")
    with pytest.raises(LocalError):
        await way(peer, lambda _: None)
