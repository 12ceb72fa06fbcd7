"""E-mail against a real SMTP server (aiosmtpd): plain, STARTTLS, TLS, signing in, refusals."""

from __future__ import annotations

import email
import email.policy
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from gateway.admin.alerts.channels import NotTold
from gateway.admin.alerts.channels.email import MailChannel, compose
from gateway.config.alerting import MailAlerts
from tests.support.alerting import a_message
from tests.support.certs import Authority
from tests.support.ports import free_port


class Mailbox:
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.refuse = ""
        self.tls: list[bool] = []
        self.users: list[str] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.refuse:
            return self.refuse
        assert isinstance(envelope.content, bytes)
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.recipients += envelope.rcpt_tos
        self.tls.append(session.ssl is not None)
        return "250 kept"

    def check(self, _server: SMTP, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        assert isinstance(data, LoginPassword)
        self.users.append(data.login.decode())
        return AuthResult(success=data.password == b"swordfish", handled=False)


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path, "mail")


def server_context(authority: Authority) -> ssl.SSLContext:
    material = authority.issue("mail")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(material.certificate, material.key)
    return context


def serve(mailbox: Mailbox, **options: Any) -> Iterator[int]:
    controller = Controller(mailbox, hostname="127.0.0.1", port=free_port(), **options)
    controller.start()
    yield controller.port
    controller.stop()


@pytest.fixture
def plain(mailbox: Mailbox) -> Iterator[int]:
    yield from serve(mailbox)


@pytest.fixture
def starttls(mailbox: Mailbox, authority: Authority) -> Iterator[int]:
    yield from serve(
        mailbox,
        tls_context=server_context(authority),
        require_starttls=True,
        authenticator=mailbox.check,
        auth_required=True,
    )


@pytest.fixture
def tls(mailbox: Mailbox, authority: Authority) -> Iterator[int]:
    yield from serve(mailbox, ssl_context=server_context(authority))


def settings(port: int, **changes: Any) -> MailAlerts:
    fixed: dict[str, Any] = {
        "host": "localhost",
        "port": port,
        "security": "none",
        "sender": "gateway@clinic.example",
        "to": ("physics@clinic.example", "chief@clinic.example"),
    }
    return MailAlerts(**{**fixed, **changes})


async def test_a_mail_arrives_whole(plain: int, mailbox: Mailbox) -> None:
    await MailChannel(settings(plain)).tell(a_message())
    (mail,) = mailbox.mails
    assert mail["Subject"] == "clinic-07: urgent: oncology cannot be reached."
    assert mail.get_content().replace("\r\n", "\n") == (
        "oncology cannot be reached.\n\nCheck the modem\nand its cables – all of them.\n"
    )
    assert mailbox.recipients == ["physics@clinic.example", "chief@clinic.example"]
    assert mail["Importance"] == "high"
    assert mail["Date"] == "Fri, 15 Jan 2027 08:01:00 +0000"


async def test_starttls_and_a_password(
    starttls: int, mailbox: Mailbox, authority: Authority, tmp_path: Path
) -> None:
    password = tmp_path / "password"
    password.write_text("swordfish\n")
    wanted = settings(starttls, security="starttls", user="gateway", password_file=password)
    trust = lambda: ssl.create_default_context(cafile=authority.ca)  # noqa: E731
    await MailChannel(wanted, tls=trust).tell(a_message())
    assert mailbox.users == ["gateway"]
    assert mailbox.tls == [True]
    password.write_text("wrong\n")
    with pytest.raises(NotTold, match="535"):
        await MailChannel(wanted, tls=trust).tell(a_message())


async def test_tls_from_the_start(tls: int, mailbox: Mailbox, authority: Authority) -> None:
    trust = lambda: ssl.create_default_context(cafile=authority.ca)  # noqa: E731
    await MailChannel(settings(tls, security="tls"), tls=trust).tell(a_message())
    assert len(mailbox.mails) == 1


async def test_a_server_nobody_vouches_for_gets_nothing(tls: int, mailbox: Mailbox) -> None:
    with pytest.raises(NotTold, match="certificate"):
        await MailChannel(settings(tls, security="tls")).tell(a_message())
    assert mailbox.mails == []


async def test_a_server_without_starttls_gets_nothing(plain: int, mailbox: Mailbox) -> None:
    with pytest.raises(NotTold, match="STARTTLS"):
        await MailChannel(settings(plain, security="starttls")).tell(a_message())
    assert mailbox.mails == []


async def test_the_servers_own_words_come_back(plain: int, mailbox: Mailbox) -> None:
    mailbox.refuse = "452 mailbox of the physicist is full"
    with pytest.raises(NotTold, match="452 mailbox of the physicist is full"):
        await MailChannel(settings(plain)).tell(a_message())


def test_what_is_over_is_not_urgent() -> None:
    from dataclasses import replace

    assert compose(replace(a_message(), event="over"), settings(25))["Importance"] is None
