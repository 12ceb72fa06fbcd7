"""The nouns of the gateway: small frozen values that every room may import.

Nothing here does I/O, and nothing here imports another room.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

_AE_TITLE = re.compile(r"[\x20-\x5b\x5d-\x7e]{1,16}")
_UID = re.compile(r"[0-9]+(?:\.[0-9]+)*")


class AETitle(str):
    """An application entity title (PS3.5 6.2, VR AE): 1 to 16 characters, significant ones only.

    Leading and trailing spaces are not significant and are removed. Backslash, control characters and
    anything outside the default repertoire are refused, so a title is safe in a log line or a file.
    """

    __slots__ = ()

    @classmethod
    def parse(cls, raw: str | bytes) -> Self:
        """Return the title in `raw`; raise ValueError, in words, when it is not one."""
        text = raw.decode("latin-1") if isinstance(raw, bytes) else raw
        text = text.strip(" ")
        if not text:
            raise ValueError("an AE title needs at least one character that is not a space")
        if not _AE_TITLE.fullmatch(text):
            raise ValueError(
                f"not an AE title (1-16 printable ASCII characters, no backslash): {text[:40]!r}"
            )
        return cls(text)


def valid_uid(text: str) -> bool:
    """Say whether `text` has the form of a UID (PS3.5 9.1): digits and dots, 64 characters at most.

    Leading zeros in a component are tolerated: real consoles send them, and the bytes pass unchanged.
    """
    return len(text) <= 64 and _UID.fullmatch(text) is not None


class Priority(enum.IntEnum):
    """Order on the way up: a smaller number leaves first."""

    RECORD = 0
    IMAGE = 1
    BULK = 2

    @property
    def label(self) -> str:
        """The name used in configuration, metrics and tables."""
        return self.name.lower()


class DeliveryState(enum.StrEnum):
    """Where one object is on its way to one destination. The legal moves are in spool/states.py."""

    QUEUED = "queued"
    SENDING = "sending"
    ACCEPTED = "accepted"
    CONFIRMED = "confirmed"
    HELD = "held"
    RELEASED = "released"
    DISCARDED = "discarded"


@dataclass(frozen=True, slots=True)
class Instance:
    """What a composite object says it is: the identity carried by C-STORE and the negotiated syntax."""

    sop_class_uid: str
    sop_instance_uid: str
    transfer_syntax_uid: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Who handed the object to us, and over which association."""

    listener: str
    address: str
    calling_ae: AETitle
    called_ae: AETitle
    association: str


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object that is durable here. `number` is its journal number and the order of arrival."""

    number: int
    instance: Instance
    origin: Origin
    priority: Priority
    digest: bytes  # SHA-256 of the data set exactly as received, without File Meta
    size: int  # bytes of the data set
    received_at: float  # gateway wall clock, seconds since the epoch; never used for order


@dataclass(frozen=True, slots=True)
class Delivery:
    """One object on its way to one destination."""

    number: int
    object_number: int
    destination: str
    priority: Priority
    state: DeliveryState
    attempts: int
    not_before: float  # wall clock; 0 when it may go at once
    reason: str  # why it is held or was put back, in words; empty when there is nothing to say
    updated_at: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a destination answered for one object."""

    destination: str
    status: int  # DIMSE status: 0x0000, or a warning 0xBxxx / 0x0001 / 0x0107 / 0x0116
    comment: str  # (0000,0902) in the peer's words, printable, bounded
    transfer_syntax_uid: str  # as sent; differs from the stored one when converted
    digest: bytes  # of the data set as sent
    at: float
    hub: bool = False  # True: a hub has it durably; what the destination itself says comes later

    @property
    def is_warning(self) -> bool:
        """True when the peer stored the object but had something to say about it."""
        return self.status != 0x0000


@dataclass(frozen=True, slots=True)
class TlsMaterial:
    """Files for one TLS endpoint. With `ca`, the other side must show a certificate that chains to it."""

    certificate: Path
    key: Path
    ca: Path
    server_name: str | None = None  # name to check on the peer's certificate; None means the peer's host
    check_name: bool = True


@dataclass(frozen=True, slots=True)
class WebTarget:
    """A DICOMweb server that objects are stored at (STOW-RS, PS3.18 10.5)."""

    url: str  # of the service: what comes before /studies
    ca: Path | None = None  # authorities for its certificate; None: those of this machine
    certificate: Path | None = None  # ours, where it wants one, with the key
    key: Path | None = None
    user: str | None = None  # HTTP basic authentication; None with a secret: a bearer token
    secret: Path | None = None  # the file of the password, or of the token
    max_objects: int = 32  # in one request
    max_size: int = 1024 * 1024  # of them together; a larger object goes alone


@dataclass(frozen=True, slots=True)
class Peer:
    """A system we may dial."""

    name: str
    ae_title: AETitle
    host: str
    port: int
    tls: TlsMaterial | None = None
    calling_ae: AETitle | None = None  # our title towards this peer; None means the gateway's own
    max_associations: int = 4
    commitment: str = "on-request"  # storage commitment there: "on-request", "always", "query" or "never"
    compare: str = "never"  # what it keeps with what it was sent: "auto", "attributes", "object" or "never"
    compress: bool = False  # whether images go there as JPEG-LS Lossless, where it accepts that
    via: str = ""  # the link it is behind: the hub, or a site by its name; then it has no host and no port
    web: WebTarget | None = None  # where objects for it are delivered instead; everything else goes by DICOM


@dataclass(frozen=True, slots=True)
class Route:
    """What happens to what is sent to `called`: which peers get it, and who may send it."""

    called: AETitle
    to: tuple[str, ...]  # objects go to each; what is relayed goes to the first
    mode: str = "store"  # objects: "store" (store and forward) or "relay"
    calling: frozenset[AETitle] | None = None  # None: any calling AE title
    priorities: dict[str, Priority] = field(default_factory=dict)  # SOP class UID -> override
    calling_upstream: str = "caller"  # whose title the peer sees when we relay: "caller" or "gateway"
    mpps: str = "relay"  # performed procedure steps: "relay" or "queue"
    ups_guard: float = 15.0  # seconds a UPS COMPLETED may wait for the caller's records; 0 switches it off
