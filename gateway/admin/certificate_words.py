"""What is wrong with a certificate, in plain words that can be translated; fingerprints to be read aloud."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass

from gateway.admin.forms import Form, FormError
from gateway.admin.page import N_
from gateway.admin.visit import Visit
from gateway.admin.words import date
from gateway.operator.certificate_facts import CertificateFacts, CertificateFinding

MAX_ANSWER = 36 * 1024
"""Bytes of a certificate with its chain: more than any authority sends."""

DAY = 86400.0
SOON = 30 * DAY

_WORDS = {
    "too-large": N_("This is far too large to be a certificate."),
    "too-many": N_("These are too many certificates."),
    "unreadable": N_("No certificate can be read in this. It should begin with -----BEGIN CERTIFICATE-----."),
    "private-key": N_(
        "This contains a private key. The key of this device is made here and nobody else has it: do not "
        "send or paste keys, and tell whoever sent this one that it should not be used any more."
    ),
    "request": N_("This is the request itself. Paste what the authority sent back for it."),
    "no-request": N_("This device has not asked for a certificate under this name. Make a request first."),
    "other-key": N_(
        "This certificate is for another key: %(subject)s. It does not answer the request of this device. "
        "Ask the authority whether they used the latest request."
    ),
    "is-authority": N_("This is the certificate of an authority, not the one for this device: %(subject)s."),
    "not-authority": N_("This is not the certificate of an authority: %(subject)s."),
    "expired": N_("Expired on %(at)s: %(subject)s."),
    "not-yet-valid": N_("Not valid before %(at)s: %(subject)s. Compare the clock of this device."),
    "expires-soon": N_("Expires soon, on %(at)s: %(subject)s."),
    "weak-key": N_("The key is too weak to be safe: %(subject)s."),
    "weak-signature": N_("It is signed with %(subject)s, which is no longer safe. Ask for SHA-256."),
    "no-usage": N_(
        "It may be used neither to call others nor to be called. Ask for client and server authentication."
    ),
    "no-client": N_("It may not be used to call others (client authentication), only to be called."),
    "no-server": N_("It may not be used to be called by others (server authentication), only to call."),
    "no-signing": N_("It may not make digital signatures, which a secure connection needs."),
    "chain-broken": N_(
        "The certificate of its issuer that came along is another one of the same name: %(subject)s."
    ),
    "chain-incomplete": N_(
        "The certificate of its issuer did not come along: %(subject)s. If that is an intermediate "
        "authority, ask for its certificate too, or the other side may not trust this device."
    ),
    "chain-too-long": N_("Its chain is longer than any that is in use."),
    "unrelated": N_("Left out, since it has nothing to do with the rest: %(subject)s."),
    "names-missing": N_("A name that was asked for is missing in it: %(subject)s."),
    "no-names": N_("It names no host. Systems that check the name will refuse it."),
    "root-missing": N_("The root authority is missing, and without it nothing is trusted: %(subject)s."),
    "clock": N_("The clock of this device is not trusted, so dates are told but not judged."),
    "key-missing": N_("The key cannot be read: %(subject)s."),
    "key-mismatch": N_("The key does not belong to the certificate."),
    "key-readable": N_("Everybody on this device may read the key: %(subject)s."),
    "file-missing": N_("This file cannot be read: %(subject)s."),
    "no-certificate": N_("No certificate is installed yet."),
    "no-authorities": N_("No authority is trusted yet, so the other side cannot be checked."),
    "not-loadable": N_("It cannot be used for secure connections: %(subject)s."),
}


@dataclass(frozen=True, slots=True)
class Remark:
    """One finding, in the reader's language. `kind`: attention or waiting."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Life:
    """How much of its life a certificate has left. Days."""

    kind: str  # ok, waiting, attention, info
    words: str
    left: float
    total: float


def remarks(visit: Visit, findings: Iterable[CertificateFinding]) -> list[Remark]:
    """Say findings in words, errors first."""
    ordered = sorted(findings, key=lambda one: one.level != "error")
    return [
        Remark("attention" if one.level == "error" else "waiting", _remark(visit, one)) for one in ordered
    ]


def _remark(visit: Visit, found: CertificateFinding) -> str:
    words = _WORDS.get(found.code)
    if words is None:
        return found.words
    return visit.text(words, subject=found.subject, at=date(visit.lang, found.at))


def life(visit: Visit, certificate: CertificateFacts, now: float) -> Life:
    """Say how long a certificate is good for."""
    left, total = certificate.not_after - now, certificate.not_after - certificate.not_before
    days = int(left // DAY)
    if left < 0:
        kind, words = "attention", visit.text("expired")
    elif certificate.not_before > now:
        kind, words = "attention", visit.text("not valid yet")
    else:
        kind = "waiting" if left < SOON else "ok"
        words = visit.ntext("%(count)s day left", "%(count)s days left", days)
    total = max(total, DAY)
    return Life(kind, words, min(max(left, 0), total) / DAY, total / DAY)


def grouped(fingerprint: str) -> str:
    """Return a fingerprint as people read it to each other: capital letters in groups of four."""
    text = fingerprint.upper()
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


def brought(form: Form) -> tuple[str, str]:
    """Return what was pasted, or a file that was chosen, as (PEM text, base64). FormError: neither."""
    upload = form.file("file", required=False)
    if upload is None:
        return form.text("text", max_length=MAX_ANSWER, lines=True), ""
    with contextlib.closing(upload.content):
        content = upload.read(MAX_ANSWER)
    if not content:
        raise FormError("file", N_("This file is empty."))
    if b"-----BEGIN" in content:
        return content.decode("ascii", "replace"), ""
    return "", base64.b64encode(content).decode()
