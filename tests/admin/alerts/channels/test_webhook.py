"""The web hook against a real HTTP server: the body, the signature, and answers that are no yes."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.admin.alerts.channels import NotTold
from gateway.admin.alerts.channels.webhook import SIGNATURE, WebhookChannel
from gateway.admin.alerts.message import Message
from gateway.config.alerting import WebhookAlerts
from tests.support.alerting import a_message
from tests.support.ports import free_port


class Hook:
    """Takes what is sent, and answers as told."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.signatures: list[str | None] = []
        self.answer = 204

    async def take(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        self.signatures.append(request.headers.get(SIGNATURE))
        return web.Response(status=self.answer, headers={"Location": "/elsewhere"})


@pytest.fixture
def hook() -> Hook:
    return Hook()


@pytest.fixture
async def url(hook: Hook) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", hook.take)
    async with TestServer(app) as server:
        yield str(server.make_url("/hook?token=sesame"))


async def test_the_message_arrives_whole(hook: Hook, url: str) -> None:
    await WebhookChannel(WebhookAlerts(url=url)).tell(a_message())
    assert Message.load(hook.bodies[0].decode()) == a_message()
    assert hook.signatures == [None]


async def test_it_is_signed(hook: Hook, url: str, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("swordfish\n")
    await WebhookChannel(WebhookAlerts(url=url, secret_file=secret)).tell(a_message())
    wanted = hmac.new(b"swordfish", hook.bodies[0], hashlib.sha256).hexdigest()
    assert hook.signatures == [f"sha256={wanted}"]


@pytest.mark.parametrize("answer", [302, 404, 500])
async def test_anything_but_a_yes_is_a_no(hook: Hook, url: str, answer: int) -> None:
    hook.answer = answer
    with pytest.raises(NotTold, match=str(answer)) as raised:
        await WebhookChannel(WebhookAlerts(url=url)).tell(a_message())
    assert len(hook.bodies) == 1
    assert "sesame" not in str(raised.value)


async def test_who_is_not_there_is_told_in_plain_words() -> None:
    with pytest.raises(NotTold) as raised:
        await WebhookChannel(WebhookAlerts(url=f"http://127.0.0.1:{free_port()}/hook")).tell(a_message())
    assert str(raised.value).endswith("/hook: Connection refused")


def test_the_page_does_not_show_tokens() -> None:
    assert WebhookChannel(WebhookAlerts(url="https://x.example/hook?token=sesame")).where == (
        "https://x.example/hook"
    )
