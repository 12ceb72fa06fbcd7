"""Facts about certificates: what is installed, who uses it, what is asked for, and what is wrong with it.

Everything that stands in a certificate was written by somebody else: the texts are printable and bounded, and
mean nothing to the gateway but to be shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

KeyKind = Literal["ecdsa-p256", "rsa-3072"]
Level = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class CertificateFinding:
    """Something to know about a certificate, or why it cannot be installed."""

    code: Annotated[str, "stable; see docs/certificates.md"]
    level: Annotated[Level, "an error stands in the way of installing"]
    words: str
    subject: Annotated[str, "what it is about: a name, an algorithm; may be empty"] = ""
    at: Annotated[float | None, "a point in time it is about"] = None


@dataclass(frozen=True, slots=True)
class CertificateFacts:
    """One certificate."""

    subject: str
    common_name: str
    names: Annotated[tuple[str, ...], "host names and addresses it is for"]
    issuer: str
    not_before: float
    not_after: float
    key: Annotated[str, "kind of key, as ECDSA P-256 or RSA 3072"]
    signature: str
    sha256: Annotated[str, "fingerprint of the whole certificate, in hexadecimal"]
    authority: Annotated[bool, "it may issue certificates"]
    self_signed: bool
    client: Annotated[bool, "it may be shown when we call"]
    server: Annotated[bool, "it may be shown to who calls us"]


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where the parts are, for the configuration. These paths stay the same when something is replaced."""

    certificate: str
    key: str
    ca: str


@dataclass(frozen=True, slots=True)
class CertificateUser:
    """A part of the configuration that uses a certificate."""

    kind: Literal["listener", "peer", "link"]
    name: str


@dataclass(frozen=True, slots=True)
class UsedFacts:
    """The files that one or more parts of the configuration name, as they are now."""

    used_by: tuple[CertificateUser, ...]
    files: CertificateFiles
    managed: Annotated[str, "name of the identity that the files belong to; empty: placed by hand"]
    chain: Annotated[tuple[CertificateFacts, ...], "our certificate first, then its intermediates"]
    authorities: Annotated[tuple[CertificateFacts, ...], "whom we trust on the other side"]
    findings: tuple[CertificateFinding, ...]


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """A certificate that was asked for and has not been installed."""

    made_at: float
    who: str
    subject: str
    names: tuple[str, ...]
    key: str
    key_sha256: Annotated[str, "fingerprint of the public key, in hexadecimal"]
    csr: Annotated[str, "the request (PKCS #10) in PEM: what goes to the authority"]


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """Something that was installed at some time."""

    number: int
    current: bool
    installed_at: float
    who: str
    what: Annotated[Literal["certificate", "authorities"], "what was replaced"]
    certificate: CertificateFacts | None
    authorities: tuple[CertificateFacts, ...]


@dataclass(frozen=True, slots=True)
class IdentityFacts:
    """One identity that the gateway keeps itself: a key that never leaves, its certificate, whom we trust."""

    name: str
    files: CertificateFiles
    used_by: tuple[CertificateUser, ...]
    chain: tuple[CertificateFacts, ...]
    authorities: tuple[CertificateFacts, ...]
    findings: tuple[CertificateFinding, ...]
    request: RequestFacts | None
    versions: Annotated[tuple[VersionFacts, ...], "the latest first"]


@dataclass(frozen=True, slots=True)
class Certificates:
    """All certificates there are to know of."""

    now: float
    clock_doubt: Annotated[str, "why dates cannot be judged, in words; empty when the clock is trusted"]
    identities: Annotated[tuple[IdentityFacts, ...], "kept by the gateway"]
    used: Annotated[tuple[UsedFacts, ...], "named by the configuration"]


@dataclass(frozen=True, slots=True)
class CertificateWanted:
    """What to ask an authority for."""

    common_name: str
    names: Annotated[tuple[str, ...], "host names and addresses"] = ()
    organization: str = ""
    key: KeyKind = "ecdsa-p256"


@dataclass(frozen=True, slots=True)
class CertificateAnswer:
    """What came back from an authority: PEM or PKCS #7, in any order. Exactly one of the two is given."""

    text: Annotated[str, "PEM"] = ""
    binary: Annotated[str, "DER or PKCS #7 in base64"] = ""
    trust_root: Annotated[bool, "trust the root that came along, for the other side"] = False


@dataclass(frozen=True, slots=True)
class AuthoritiesAnswer:
    """Authorities to trust for the other side."""

    text: Annotated[str, "PEM"] = ""
    binary: Annotated[str, "DER or PKCS #7 in base64"] = ""
    add: Annotated[bool, "to those trusted already; otherwise instead of them"] = False


@dataclass(frozen=True, slots=True)
class CertificateCheck:
    """What installing would do, or why it cannot be done."""

    ok: bool
    findings: tuple[CertificateFinding, ...]
    chain: Annotated[tuple[CertificateFacts, ...], "in the order it will be shown to the other side"]
    authorities: tuple[CertificateFacts, ...]


@dataclass(frozen=True, slots=True)
class VersionWanted:
    """Which version to use."""

    number: int
