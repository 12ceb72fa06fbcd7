"""The section for alerts: what is worth one, and who is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from gateway.config.kinds import HOST, ByteSize, Choice, Doc, Duration, FileName, Flag, Text, Whole
from gateway.config.section import Section

MIB = 1 << 20
GIB = 1 << 30
MINUTE = 60.0
DAY = 86400.0


def _check_mail_address(text: str) -> None:
    name, at, host = text.rpartition("@")
    if not (at and name and host) or len(text) > 254 or any(c.isspace() or not c.isprintable() for c in text):
        raise ValueError("not an e-mail address")


def _check_url(text: str) -> None:
    scheme, separator, rest = text.partition("://")
    if scheme not in ("http", "https") or not separator or not rest or len(text) > 2000:
        raise ValueError("not a web address")
    if any(c.isspace() or not c.isprintable() for c in text):
        raise ValueError("not a web address")
    if "@" in rest.partition("/")[0]:
        raise ValueError("no name and password in a web address: use secret_file")


def _check_oid(text: str) -> None:
    parts = text.split(".")
    if not 2 <= len(parts) <= 100 or not all(part.isascii() and part.isdigit() for part in parts):
        raise ValueError("not an object identifier")


MAIL_ADDRESS = Text('an e-mail address, like "physics@clinic.example"', _check_mail_address)
URL = Text('a web address, like "https://monitor.example.org/hook"', _check_url)
OID = Text('an object identifier in digits and dots, like "1.3.6.1.4.1.32473.1"', _check_oid)


@dataclass(frozen=True, slots=True, kw_only=True)
class MailAlerts(Section):
    """Alerts by e-mail."""

    host: Annotated[str, HOST, Doc("The mail server (SMTP).")]
    port: Annotated[int, Whole(1, 65535), Doc("Its TCP port; 587 with STARTTLS, 465 with TLS are usual.")] = (
        587
    )
    security: Annotated[
        Literal["starttls", "tls", "none"],
        Choice("starttls", "tls", "none"),
        Doc("How the connection is protected. none only on a network of your own: everything can be read."),
    ] = "starttls"
    sender: Annotated[str, MAIL_ADDRESS, Doc("Whom the messages come from.")]
    to: Annotated[tuple[Annotated[str, MAIL_ADDRESS], ...], Doc("Who gets them.")]
    user: Annotated[
        str, Text("a name", lambda text: None), Doc("Name to sign in with. Empty: without signing in.")
    ] = ""
    password_file: Annotated[
        Path | None, FileName(), Doc("File with the password, readable by the page's user only.")
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookAlerts(Section):
    """Alerts as JSON, sent to a web address with POST."""

    url: Annotated[str, URL, Doc("Where to.")]
    secret_file: Annotated[
        Path | None,
        FileName(),
        Doc("File with a secret; each message is signed with it (HMAC-SHA-256, header Gateway-Signature)."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyslogAlerts(Section):
    """Alerts as syslog messages (RFC 5424)."""

    host: Annotated[str, HOST, Doc("The syslog server.")]
    port: Annotated[int, Whole(1, 65535), Doc("Its port; 514 with UDP, 601 with TCP, 6514 with TLS.")] = 514
    transport: Annotated[
        Literal["udp", "tcp", "tls"],
        Choice("udp", "tcp", "tls"),
        Doc("udp: nobody notices when a message is lost. tls: the server's certificate is checked."),
    ] = "udp"
    ca: Annotated[
        Path | None,
        FileName(),
        Doc("Authorities we trust, in PEM. Without it, those of the system."),
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SnmpAlerts(Section):
    """Alerts as SNMP version 2c traps."""

    host: Annotated[str, HOST, Doc("Who takes the traps.")]
    port: Annotated[int, Whole(1, 65535), Doc("Its UDP port.")] = 162
    community_file: Annotated[
        Path | None, FileName(), Doc("File with the community. Without it, the community is public.")
    ] = None
    oid: Annotated[
        str, OID, Doc("Under which object identifier the traps are sent; your own, if you have one.")
    ] = "1.3.6.1.4.1.32473.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Alerts(Section):
    """What is worth an alert, and who is told. A time of 0 switches a rule off."""

    oldest_record: Annotated[
        float, Duration(0), Doc("A treatment record that has not reached its destination after this time.")
    ] = 30 * MINUTE
    oldest_object: Annotated[
        float, Duration(0), Doc("Any other object that has not reached its destination after this time.")
    ] = 1 * DAY
    link_down: Annotated[float, Duration(0), Doc("A destination that cannot be reached for this time.")] = (
        15 * MINUTE
    )
    gateway_silent: Annotated[
        float, Duration(0), Doc("A gateway program that does not answer the page for this time.")
    ] = 1 * MINUTE
    disk_free_bytes: Annotated[
        int, ByteSize(0), Doc("Less room than this for objects. 0 switches the rule off.")
    ] = 2 * GIB
    certificate: Annotated[float, Duration(0), Doc("A certificate that ends within this time.")] = 30 * DAY
    clock_offset: Annotated[
        float, Duration(0), Doc("A clock that is wrong by more than this, or that nobody sets.")
    ] = 5.0
    held: Annotated[bool, Flag(), Doc("Objects that are held and wait for a person to decide.")] = True
    settle: Annotated[
        float, Duration(0, DAY), Doc("What is over for this time is over: no alert for every flicker.")
    ] = 2 * MINUTE
    repeat: Annotated[
        float, Duration(0), Doc("An alert nobody has acknowledged is told again after this time. 0: never.")
    ] = 1 * DAY
    email: Annotated[MailAlerts | None, Doc("Tell by e-mail.")] = None
    webhook: Annotated[WebhookAlerts | None, Doc("Tell a program, over the web.")] = None
    syslog: Annotated[SyslogAlerts | None, Doc("Tell a syslog server.")] = None
    snmp: Annotated[SnmpAlerts | None, Doc("Tell an SNMP manager.")] = None
