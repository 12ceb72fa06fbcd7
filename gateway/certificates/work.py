"""What the child process does for each question. Blocking; the only place that changes anything."""

from __future__ import annotations

import ssl
import stat
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key

from gateway.certificates import asking, checking, describing, reading
from gateway.certificates.store import AUTHORITIES, CERTIFICATE, KEY, Store, StoreError, Version
from gateway.operator import certificate_facts as facts
from gateway.operator.words import printable


@dataclass(frozen=True, slots=True)
class Use:
    """Files that a part of the configuration names."""

    kind: str  # "listener", "peer" or "link"
    name: str
    certificate: str
    key: str
    ca: str


class Work:
    """Answers questions about one store."""

    def __init__(self, store: Store, uses: Sequence[Use], *, now: float, clock_doubt: str) -> None:
        self._store = store
        self._uses = uses
        self._now = now
        self._clock_doubt = clock_doubt

    # --- looking -------------------------------------------------------------------------------------

    def list(self) -> facts.Certificates:
        """Everything there is."""
        by_files: dict[tuple[str, str, str], list[Use]] = {}
        for use in self._uses:
            by_files.setdefault((use.certificate, use.key, use.ca), []).append(use)
        return facts.Certificates(
            self._now,
            self._clock_doubt,
            tuple(self.identity(name) for name in self._store.names()),
            tuple(self._used(uses) for uses in by_files.values()),
        )

    def identity(self, name: str) -> facts.IdentityFacts:
        """One identity. StoreError "not-found"."""
        if name not in self._store.names():
            raise StoreError("not-found", f"there is no identity {printable(name, 40)!r}")
        current = self._store.current(name)
        versions = self._store.versions(name)
        return facts.IdentityFacts(
            name,
            self._files(name),
            tuple(_user(use) for use in self._uses if self._store.identity_of(Path(use.certificate)) == name),
            _facts(_pem(current.certificate)) if current else (),
            _facts(_pem(current.authorities)) if current else (),
            tuple(self._findings(current)),
            self._request(name),
            tuple(_version(one, current) for one in versions),
        )

    def _files(self, name: str) -> facts.CertificateFiles:
        paths = [str(self._store.path(name, file)) for file in (CERTIFICATE, KEY, AUTHORITIES)]
        return facts.CertificateFiles(*paths)

    def _findings(self, current: Version | None) -> Iterable[facts.CertificateFinding]:
        if current is None:
            return
        chain, authorities = _pem(current.certificate), _pem(current.authorities)
        if not chain:
            yield checking.finding("no-certificate", error=False)
        else:
            yield from checking.dates(chain, self._now, self._clock_doubt)
            yield from checking.chain_of(chain, authorities)
        if not authorities:
            yield checking.finding("no-authorities", error=False)
        yield from checking.dates(authorities, self._now, self._clock_doubt)

    def _request(self, name: str) -> facts.RequestFacts | None:
        pending = self._store.pending(name)
        if pending is None:
            return None
        try:
            request = x509.load_pem_x509_csr(pending.csr)
        except ValueError:
            return None
        digest = hashes.Hash(hashes.SHA256())
        digest.update(describing.public_bytes(request.public_key()))
        return facts.RequestFacts(
            _number(pending.about.get("made_at")),
            _text(pending.about.get("who")),
            describing.name_words(request.subject),
            tuple(describing.names(request)),
            describing.key_words(request.public_key()),
            digest.finalize().hex(),
            pending.csr.decode("ascii", "replace"),
        )

    def _used(self, uses: Sequence[Use]) -> facts.UsedFacts:
        first = uses[0]
        found: list[facts.CertificateFinding] = []
        chain = _from_file(first.certificate, found)
        authorities = _from_file(first.ca, found)
        found += _key_findings(Path(first.key), chain)
        if chain:
            found += checking.dates(chain, self._now, self._clock_doubt)
            found += checking.chain_of(chain, authorities)
            found += checking.strength(chain[0])
        found += checking.dates(authorities, self._now, self._clock_doubt)
        return facts.UsedFacts(
            tuple(_user(use) for use in uses),
            facts.CertificateFiles(first.certificate, first.key, first.ca),
            self._store.identity_of(Path(first.certificate)),
            _facts(chain),
            _facts(authorities),
            tuple(found),
        )

    # --- changing ------------------------------------------------------------------------------------

    def ask(self, name: str, wanted: facts.CertificateWanted, who: str) -> facts.IdentityFacts:
        """Make a key and a request. StoreError "invalid" or "conflict"."""
        with self._store.changing():
            key, csr = asking.ask(wanted)
            self._store.ask(name, key, csr, {"made_at": self._now, "who": who})
        return self.identity(name)

    def discard(self, name: str) -> facts.IdentityFacts | None:
        """Forget a request. StoreError "not-found"."""
        with self._store.changing():
            self._store.discard(name)
        return self.identity(name)

    def check(self, name: str, answer: facts.CertificateAnswer) -> facts.CertificateCheck:
        """Say what installing would do."""
        return _checked(self._judge(name, answer))

    def install(self, name: str, answer: facts.CertificateAnswer, who: str) -> facts.CertificateCheck:
        """Install an answer and use it from now on, unless something stands in the way."""
        with self._store.changing():
            self._store.sweep(name)
            verdict = self._judge(name, answer)
            pending, current = self._store.pending(name), self._store.current(name)
            if not verdict.ok or pending is None:
                return _checked(verdict)
            authorities = current.authorities if current else b""
            if answer.trust_root and verdict.roots:
                authorities = _merged(authorities, verdict.roots)
            files = {CERTIFICATE: _to_pem(verdict.chain), KEY: pending.key, AUTHORITIES: authorities}
            checked = self._put(name, files, "certificate", who, verdict)
            if checked.ok:
                self._store.discard(name)
            return checked

    def check_authorities(self, name: str, answer: facts.AuthoritiesAnswer) -> facts.CertificateCheck:
        """Say what trusting these would do."""
        return _checked(self._judge_authorities(name, answer)[0])

    def trust(self, name: str, answer: facts.AuthoritiesAnswer, who: str) -> facts.CertificateCheck:
        """Trust these authorities from now on, unless something stands in the way."""
        with self._store.changing():
            verdict, authorities = self._judge_authorities(name, answer)
            if not verdict.ok:
                return _checked(verdict)
            current = self._store.current(name)
            files = {
                CERTIFICATE: current.certificate if current else b"",
                KEY: current.key if current else b"",
                AUTHORITIES: authorities,
            }
            return self._put(name, files, "authorities", who, verdict)

    def activate(self, name: str, number: int) -> facts.IdentityFacts:
        """Go back, or forward, to a version. StoreError "not-found"; "invalid" when TLS does not take it."""
        with self._store.changing():
            version = next((one for one in self._store.versions(name) if one.number == number), None)
            if version is None:
                raise StoreError("not-found", f"there is no version {number} of {name}")
            trouble = _not_loadable(self._store.folder / name / "versions" / str(number), version.certificate)
            if trouble:
                raise StoreError("invalid", f"version {number} cannot be used: {trouble}")
            self._store.activate(name, number)
        return self.identity(name)

    def remove(self, name: str) -> facts.Certificates:
        """Remove an identity that nothing uses. StoreError "not-found"; "conflict" while it is used."""
        with self._store.changing():
            users = [use.name for use in self._uses if self._store.identity_of(Path(use.certificate)) == name]
            if users:
                raise StoreError("conflict", f"the configuration uses it, for {', '.join(users)}")
            self._store.remove(name)
        return self.list()

    def _judge(self, name: str, answer: facts.CertificateAnswer) -> checking.Verdict:
        pending, current = self._store.pending(name), self._store.current(name)
        key, asked = None, []
        if pending is not None:
            request = x509.load_pem_x509_csr(pending.csr)
            key, asked = describing.public_bytes(request.public_key()), describing.names(request)
        return checking.judge_answer(
            reading.read(answer.text, answer.binary),
            key=key,
            asked=asked,
            authorities=_pem(current.authorities) if current else [],
            now=self._now,
            clock_doubt=self._clock_doubt,
        )

    def _judge_authorities(
        self, name: str, answer: facts.AuthoritiesAnswer
    ) -> tuple[checking.Verdict, bytes]:
        found = reading.read(answer.text, answer.binary)
        current = self._store.current(name)
        if answer.add and current is not None and found.certificates:
            known = [one for one in _pem(current.authorities) if one not in found.certificates]
            found.certificates[:0] = known
        verdict = checking.judge_authorities(found, now=self._now, clock_doubt=self._clock_doubt)
        return verdict, _to_pem(verdict.roots)

    def _put(
        self, name: str, files: Mapping[str, bytes], what: str, who: str, verdict: checking.Verdict
    ) -> facts.CertificateCheck:
        """Write a version, let TLS itself try it, and use it."""
        about = {"installed_at": self._now, "who": who, "what": what}
        place = self._store.install(name, files, about)
        trouble = _not_loadable(place, files[CERTIFICATE])
        if trouble:
            self._store.drop(name, place)
            verdict.findings.append(checking.finding("not-loadable", trouble))
            return _checked(verdict)
        self._store.activate(name, int(place.name))
        return _checked(verdict)


def _not_loadable(place: Path, certificate: bytes) -> str:
    """Say why TLS would not take a version; empty when it would."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        if certificate:
            context.load_cert_chain(place / CERTIFICATE, place / KEY)
        if (place / AUTHORITIES).exists():
            context.load_verify_locations(place / AUTHORITIES)
    except ssl.SSLError as error:
        return (error.reason or "unreadable").lower().replace("_", " ")
    return ""


def _checked(verdict: checking.Verdict) -> facts.CertificateCheck:
    return facts.CertificateCheck(
        verdict.ok, tuple(verdict.findings), _facts(verdict.chain), _facts(verdict.roots)
    )


def _pem(content: bytes) -> list[x509.Certificate]:
    """Return certificates of a file that was checked when it was written."""
    try:
        return x509.load_pem_x509_certificates(content) if content else []
    except ValueError:
        return []


def _from_file(path: str, found: list[facts.CertificateFinding]) -> list[x509.Certificate]:
    """Return certificates of a file that somebody placed by hand."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(reading.MAX_TEXT * 16)
    except OSError as error:
        found.append(checking.finding("file-missing", f"{path} ({error.strerror})"))
        return []
    certificates = _pem(content)
    if not certificates:
        found.append(checking.finding("unreadable", path))
    return certificates


def _key_findings(path: Path, chain: Sequence[x509.Certificate]) -> Iterable[facts.CertificateFinding]:
    try:
        content = path.read_bytes()
        mode = stat.S_IMODE(path.stat().st_mode)
        key = load_pem_private_key(content, password=None)
    except OSError as error:
        yield checking.finding("key-missing", f"{path} ({error.strerror})")
        return
    except (ValueError, TypeError, UnsupportedAlgorithm):
        yield checking.finding("key-missing", f"{path} (no readable private key)")
        return
    if mode & stat.S_IRWXO:
        yield checking.finding("key-readable", f"{path} ({mode:04o})", error=False)
    if chain and describing.public_bytes(key) != describing.public_bytes(chain[0].public_key()):
        yield checking.finding("key-mismatch")


def _facts(certificates: Iterable[x509.Certificate]) -> tuple[facts.CertificateFacts, ...]:
    told = []
    for certificate in certificates:
        try:
            told.append(describing.describe(certificate))
        except (ValueError, UnsupportedAlgorithm, x509.DuplicateExtension):
            continue  # malformed inside: TLS will not take it either, and says why
    return tuple(told)


def _to_pem(certificates: Iterable[x509.Certificate]) -> bytes:
    return b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates)


def _merged(known: bytes, more: Sequence[x509.Certificate]) -> bytes:
    before = _pem(known)
    return _to_pem([*before, *(one for one in more if one not in before)])


def _user(use: Use) -> facts.CertificateUser:
    return facts.CertificateUser("listener" if use.kind == "listener" else "peer", use.name)


def _version(version: Version, current: Version | None) -> facts.VersionFacts:
    chain = _facts(_pem(version.certificate))
    return facts.VersionFacts(
        version.number,
        current is not None and current.number == version.number,
        _number(version.about.get("installed_at")),
        _text(version.about.get("who")),
        "authorities" if version.about.get("what") == "authorities" else "certificate",
        chain[0] if chain else None,
        _facts(_pem(version.authorities)),
    )


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _text(value: Any) -> str:
    return printable(value, 160) if isinstance(value, str) else ""
