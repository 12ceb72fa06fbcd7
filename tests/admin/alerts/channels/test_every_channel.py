"""One suite for every channel: a message arrives whole, and a receiver that is not there is said in words."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.admin.alerts.channels import Channel, NotTold
from gateway.admin.alerts.channels.email import MailChannel
from gateway.admin.alerts.channels.secrets import read_secret
from gateway.admin.alerts.channels.syslog import SyslogChannel
from gateway.admin.alerts.channels.webhook import WebhookChannel
from gateway.config.alerting import MailAlerts, SyslogAlerts, WebhookAlerts
from tests.support.alerting import a_message
from tests.support.ports import free_port

ADDRESSES = {"sender": "gateway@clinic.example", "to": ("physics@clinic.example",)}
SURE: dict[str, Callable[[int], Channel]] = {
    "email": lambda port: MailChannel(
        MailAlerts(host="127.0.0.1", port=port, security="none", **ADDRESSES),  # type: ignore[arg-type]
        timeout=5,
    ),
    "webhook": lambda port: WebhookChannel(WebhookAlerts(url=f"http://127.0.0.1:{port}/hook"), timeout=5),
    "syslog": lambda port: SyslogChannel(
        SyslogAlerts(host="127.0.0.1", port=port, transport="tcp"), timeout=5
    ),
}


@pytest.mark.parametrize("name", SURE)
async def test_nobody_there_is_said_in_words(name: str) -> None:
    channel = SURE[name](free_port())
    assert channel.name == name
    assert channel.certain
    with pytest.raises(NotTold, match=r"127\.0\.0\.1"):
        await channel.tell(a_message())


@pytest.fixture
async def silent() -> AsyncIterator[int]:
    """A server that accepts and never says anything."""
    import asyncio

    ended = asyncio.Event()

    async def serve(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await ended.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    ended.set()
    server.close()
    await server.wait_closed()


@pytest.mark.parametrize("name", ["email", "webhook"])
async def test_silence_is_given_up(name: str, silent: int, monkeypatch: pytest.MonkeyPatch) -> None:
    channel = SURE[name](silent)
    monkeypatch.setattr(channel, "_timeout", 0.05)
    with pytest.raises(NotTold):
        await channel.tell(a_message())


@pytest.mark.parametrize(
    ("content", "words"),
    [(None, "cannot be read"), (b"", "no secret"), (b"\xff\xfe", "not text"), (b"x" * 5000, "too large")],
)
def test_a_bad_secret_is_said_without_telling_it(tmp_path: Path, content: bytes | None, words: str) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(NotTold, match=words) as raised:
        read_secret(file)
    assert "xxxx" not in str(raised.value)


def test_a_secret_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("swordfish\n")
    assert read_secret(tmp_path / "secret") == "swordfish"
