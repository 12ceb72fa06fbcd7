"""What stands in the way of installing a certificate, and what is worth knowing. Time is an argument.

Without a clock that can be trusted, dates are told as warnings: a board that starts in 1970 must not refuse
the certificate that its centre needs.
"""

from __future__ import annotations

import datetime
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.certificates import describing
from gateway.certificates.reading import Found
from gateway.operator.certificate_facts import CertificateFinding

SOON: Final = 30 * 86400.0
MAX_CHAIN: Final = 8

WORDS: Final[dict[str, str]] = {
    "too-large": "this is far too large to be a certificate with its chain",
    "too-many": "these are too many certificates",
    "unreadable": "no certificate can be read in this; PEM begins with -----BEGIN CERTIFICATE-----",
    "private-key": "this contains a private key; a key is made on this device and nobody else has it: "
    "whoever sent it should consider it lost",
    "request": "this is the request, not the answer of the authority",
    "no-request": "no request of this device waits for an answer",
    "other-key": "this certificate is for another key: it does not answer the request of this device",
    "is-authority": "this is the certificate of an authority, not one for this device",
    "not-authority": "this is not the certificate of an authority: {subject}",
    "expired": "it expired on {at}: {subject}",
    "not-yet-valid": "it is not valid before {at}: {subject}",
    "expires-soon": "it expires soon, on {at}: {subject}",
    "weak-key": "its key is too weak: {subject}",
    "weak-signature": "it is signed with an algorithm that is no longer secure: {subject}",
    "no-usage": "it may be used neither to call others (client) nor to be called (server)",
    "no-client": "it may not be used to call others (client authentication)",
    "no-server": "it may not be used to be called by others (server authentication)",
    "no-signing": "its key usage does not include digital signatures, which TLS needs",
    "chain-broken": "its signature does not match the certificate of its issuer that came along: {subject}",
    "chain-incomplete": "the certificate of its issuer did not come along; if that is an intermediate "
    "authority, the other side may not trust this device without it: {subject}",
    "chain-too-long": "its chain is longer than any that is in use",
    "unrelated": "this certificate has nothing to do with it and is left out: {subject}",
    "names-missing": "a name that was asked for is missing: {subject}",
    "no-names": "it names no host: callers that check the name will refuse it",
    "root-missing": "the self-signed root is missing, and without it nothing is trusted: {subject}",
    "clock": "the clock of this device cannot be trusted, so dates are only told: {subject}",
    "key-missing": "the key cannot be read: {subject}",
    "key-mismatch": "the key does not belong to the certificate",
    "key-readable": "everybody on this machine may read the key: {subject}",
    "file-missing": "cannot be read: {subject}",
    "no-certificate": "no certificate is installed yet",
    "no-authorities": "no authority is trusted yet: the other side cannot be checked",
    "not-loadable": "TLS does not take it: {subject}",
}


def finding(
    code: str, subject: str = "", *, error: bool = True, at: float | None = None
) -> CertificateFinding:
    """Return a finding with its words."""
    date = "" if at is None else f"{datetime.datetime.fromtimestamp(at, datetime.UTC):%Y-%m-%d}"
    words = WORDS[code].format(subject=subject, at=date)
    return CertificateFinding(code, "error" if error else "warning", words, subject, at)


@dataclass(slots=True)
class Verdict:
    """What an answer is worth. The chain begins with our certificate and ends before the root."""

    findings: list[CertificateFinding] = field(default_factory=list)
    chain: list[x509.Certificate] = field(default_factory=list)
    roots: list[x509.Certificate] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """Nothing stands in the way."""
        return bool(self.chain or self.roots) and not any(one.level == "error" for one in self.findings)


def judge_answer(
    found: Found,
    *,
    key: bytes | None,
    asked: Collection[str],
    authorities: Sequence[x509.Certificate],
    now: float,
    clock_doubt: str,
) -> Verdict:
    """Judge what came back for a request. `key`: the public half of the pending key, None without one."""
    verdict = Verdict([finding(code) for code in dict.fromkeys(found.trouble)])
    if key is None:
        verdict.findings.append(finding("no-request"))
    if not found.certificates:
        return verdict
    leaf = _leaf(found.certificates, key)
    verdict.chain = [leaf]
    wrong = ""
    if describing.is_authority(leaf):
        wrong = "is-authority"
    elif key is not None and describing.public_bytes(leaf.public_key()) != key:
        wrong = "other-key"
    if wrong:  # what else there is to say of it does not matter
        verdict.findings.append(finding(wrong, describing.name_words(leaf.subject)))
        return verdict
    verdict.findings += _about_leaf(leaf, asked)
    chain, roots = _chain(leaf, found.certificates, authorities, verdict.findings)
    verdict.chain, verdict.roots = chain, roots
    verdict.findings += dates(chain, now, clock_doubt)
    for certificate in chain:
        verdict.findings += strength(certificate)
    if clock_doubt:
        verdict.findings.append(finding("clock", clock_doubt, error=False))
    return verdict


def judge_authorities(found: Found, *, now: float, clock_doubt: str) -> Verdict:
    """Judge certificates that are to be trusted."""
    verdict = Verdict([finding(code) for code in dict.fromkeys(found.trouble)])
    verdict.roots = list(found.certificates)
    if not verdict.roots:
        return verdict
    for root in verdict.roots:
        if not describing.is_authority(root):
            verdict.findings.append(finding("not-authority", describing.name_words(root.subject)))
        verdict.findings += strength(root)
    verdict.findings += _rootless(verdict.roots)
    told = dates(verdict.roots, now, clock_doubt)
    # One authority of several that has expired is on its way out; all of them are of no use.
    useless = {one.subject for one in told if one.code in ("expired", "not-yet-valid")}
    if len(useless) < len(verdict.roots):
        told = [CertificateFinding(one.code, "warning", one.words, one.subject, one.at) for one in told]
    verdict.findings += told
    if clock_doubt:
        verdict.findings.append(finding("clock", clock_doubt, error=False))
    return verdict


def dates(certificates: Iterable[x509.Certificate], now: float, clock_doubt: str) -> list[CertificateFinding]:
    """Return what there is to say about validity."""
    told = []
    for certificate in certificates:
        start = certificate.not_valid_before_utc.timestamp()
        end = certificate.not_valid_after_utc.timestamp()
        subject, sure = describing.name_words(certificate.subject), not clock_doubt
        if end < now:
            told.append(finding("expired", subject, error=sure, at=end))
        elif start > now:
            told.append(finding("not-yet-valid", subject, error=sure, at=start))
        elif end < now + SOON:
            told.append(finding("expires-soon", subject, error=False, at=end))
    return told


def strength(certificate: x509.Certificate) -> list[CertificateFinding]:
    """Return what is too weak: keys, and signatures of what does not vouch for itself."""
    told = []
    key = certificate.public_key()
    words = describing.key_words(key)
    match key:
        case rsa.RSAPublicKey():
            weak = key.key_size < 2048
        case ec.EllipticCurvePublicKey():
            weak = key.curve.key_size < 256
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            weak = False
        case _:
            weak = True
    if weak:
        told.append(finding("weak-key", words))
    algorithm = certificate.signature_hash_algorithm
    if algorithm is not None and _weakly_signed(certificate) and not describing.is_self_signed(certificate):
        told.append(finding("weak-signature", algorithm.name.upper()))
    return told


def _weakly_signed(certificate: x509.Certificate) -> bool:
    algorithm = certificate.signature_hash_algorithm
    return algorithm is not None and algorithm.name in ("md5", "sha1")


def chain_of(
    certificates: Sequence[x509.Certificate], authorities: Sequence[x509.Certificate]
) -> list[CertificateFinding]:
    """Return what is wrong with a chain as it is installed."""
    told: list[CertificateFinding] = []
    _chain(certificates[0], certificates, authorities, told)
    return told


def _leaf(certificates: Sequence[x509.Certificate], key: bytes | None) -> x509.Certificate:
    """The certificate for this device: the newest for its key; else the likeliest, to speak about."""
    ours = [one for one in certificates if describing.public_bytes(one.public_key()) == key]
    if ours:
        return max(ours, key=lambda one: one.not_valid_before_utc)
    return next((one for one in certificates if not describing.is_authority(one)), certificates[0])


def _about_leaf(leaf: x509.Certificate, asked: Collection[str]) -> list[CertificateFinding]:
    told = []
    client = describing.may(leaf, ExtendedKeyUsageOID.CLIENT_AUTH)
    server = describing.may(leaf, ExtendedKeyUsageOID.SERVER_AUTH)
    if not client and not server:
        told.append(finding("no-usage"))
    elif not client:
        told.append(finding("no-client", error=False))
    elif not server:
        told.append(finding("no-server", error=False))
    try:
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        usage = None
    if usage is not None and not usage.digital_signature:
        told.append(finding("no-signing"))
    names = {name.lower() for name in describing.names(leaf)}
    if not names:
        told.append(finding("no-names", error=False))
    else:
        missing = [name for name in asked if name.lower() not in names]
        told += [finding("names-missing", name, error=False) for name in missing]
    return told


def _chain(
    leaf: x509.Certificate,
    pool: Sequence[x509.Certificate],
    authorities: Sequence[x509.Certificate],
    told: list[CertificateFinding],
) -> tuple[list[x509.Certificate], list[x509.Certificate]]:
    """Return the chain from `leaf` up, without its root, and the root if it came along."""
    chain, roots = [leaf], []
    others = [one for one in pool if one != leaf]
    while not describing.is_self_signed(chain[-1]):
        last = chain[-1]
        issuer = next((one for one in others if one not in chain and describing.issued_by(last, one)), None)
        if issuer is None:
            namesakes = [one for one in others if one.subject == last.issuer]
            issuer_words = describing.name_words(last.issuer)
            if namesakes and not _weakly_signed(last):  # of such a signature nothing can be said
                told.append(finding("chain-broken", issuer_words))
            elif not any(describing.issued_by(last, one) for one in authorities):
                told.append(finding("chain-incomplete", issuer_words, error=False))
            break
        if describing.is_self_signed(issuer):
            roots.append(issuer)
            break
        if len(chain) >= MAX_CHAIN:
            told.append(finding("chain-too-long"))
            break
        chain.append(issuer)
    left = [one for one in others if one not in chain and one not in roots]
    told += [finding("unrelated", describing.name_words(one.subject), error=False) for one in left]
    return chain, roots


def _rootless(authorities: Sequence[x509.Certificate]) -> list[CertificateFinding]:
    """Name what cannot be followed up to a root: without one, TLS trusts nothing below."""
    told = []
    for authority in authorities:
        at, steps = authority, 0
        while not describing.is_self_signed(at) and steps <= MAX_CHAIN:
            above = next((one for one in authorities if one != at and describing.issued_by(at, one)), None)
            if above is None:
                told.append(finding("root-missing", describing.name_words(at.issuer)))
                break
            at, steps = above, steps + 1
    return told
