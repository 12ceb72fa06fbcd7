"""From a key made here to an installed certificate, with openssl as the authority."""

from __future__ import annotations

import asyncio
import base64
import stat
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.certificates.room import CertificateRoom, RoomLimits, Use
from gateway.operator.certificate_facts import (
    AuthoritiesAnswer,
    CertificateAnswer,
    CertificateCheck,
    CertificateWanted,
)
from gateway.operator.sections.certificates import (
    CertificateError,
    CertificatesBusy,
    InTheWay,
    NoSuchIdentity,
    NotAcceptable,
)
from tests.support.openssl_ca import USAGE, OpenSslAuthority, openssl

WANTED = CertificateWanted("clinic-07", ("clinic-07.example.org", "192.0.2.10"), "Example Clinic")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


@pytest.fixture
def authority(tmp_path: Path) -> OpenSslAuthority:
    return OpenSslAuthority.create(tmp_path / "ca")


@pytest.fixture
def room(state: Path) -> CertificateRoom:
    return make(state)


def make(
    state: Path,
    *uses: Use,
    doubt: str = "",
    limits: RoomLimits | None = None,
    clock: Callable[[], float] = time.time,
) -> CertificateRoom:
    return CertificateRoom(state, uses, clock_doubt=doubt, limits=limits, wall_clock=clock)


def files_below(folder: Path) -> list[Path]:
    return list(folder.rglob("*"))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def read(path: str) -> str:
    return Path(path).read_text()


async def asked(room: CertificateRoom, wanted: CertificateWanted = WANTED, name: str = "clinic-07") -> str:
    made = await room.ask(name, wanted, who="anna (uid 1000)")
    assert made.request is not None
    return made.request.csr


def codes(check: CertificateCheck, level: str = "error") -> set[str]:
    return {one.code for one in check.findings if one.level == level}


async def check(room: CertificateRoom, text: str) -> CertificateCheck:
    return await room.check("clinic-07", CertificateAnswer(text))


# --- asking --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "words"), [("ecdsa-p256", "ECDSA P-256"), ("rsa-3072", "RSA 3072")])
async def test_openssl_reads_the_request(
    room: CertificateRoom, tmp_path: Path, kind: str, words: str
) -> None:
    wanted = CertificateWanted(WANTED.common_name, WANTED.names, WANTED.organization, kind)  # type: ignore[arg-type]
    made = await room.ask("clinic-07", wanted, who="anna (uid 1000)")
    assert made.request is not None
    assert (made.request.key, made.request.who) == (words, "anna (uid 1000)")
    (tmp_path / "r.csr").write_text(made.request.csr)
    told = openssl("req", "-in", tmp_path / "r.csr", "-noout", "-verify", "-text", "-subject").decode()
    assert "CN = clinic-07" in told
    assert "O = Example Clinic" in told
    assert "DNS:clinic-07.example.org, IP Address:192.0.2.10" in told
    assert "TLS Web Client Authentication" in told
    fingerprint = openssl("req", "-in", tmp_path / "r.csr", "-noout", "-pubkey")
    (tmp_path / "p.pem").write_bytes(fingerprint)
    der = openssl("pkey", "-pubin", "-in", tmp_path / "p.pem", "-outform", "DER")
    (tmp_path / "p.der").write_bytes(der)
    assert made.request.key_sha256 in openssl("dgst", "-sha256", tmp_path / "p.der").decode()


async def test_the_key_is_for_nobody_else_and_never_told(room: CertificateRoom, state: Path) -> None:
    made = await room.ask("clinic-07", WANTED, who="anna")
    for path in files_below(state / "certificates"):
        assert mode(path) == (0o700 if path.is_dir() else 0o600), path
    key = (state / "certificates/clinic-07/pending/key.pem").read_text()
    assert "PRIVATE KEY" in key
    assert key.splitlines()[1] not in repr(made)
    assert "PRIVATE" not in repr(await room.list())


@pytest.mark.parametrize(
    "wanted",
    [
        CertificateWanted(""),
        CertificateWanted("x" * 65),
        CertificateWanted("a\nb"),
        CertificateWanted("a", ("no host!",)),
        CertificateWanted("a", ("x" * 64 + ".org",)),
        CertificateWanted("a", ("-a.org",)),
        CertificateWanted("a", ("300.300.300.300",)),
        CertificateWanted("a", tuple(f"h{n}.org" for n in range(21))),
        CertificateWanted("a", (), "o" * 65),
    ],
    ids=lambda wanted: repr(wanted)[:60],
)
async def test_what_cannot_be_asked_for(room: CertificateRoom, wanted: CertificateWanted) -> None:
    with pytest.raises(NotAcceptable):
        await room.ask("clinic-07", wanted, who="anna")
    assert (await room.list()).identities == ()


async def test_one_request_at_a_time_and_it_can_be_forgotten(room: CertificateRoom, state: Path) -> None:
    first = await asked(room)
    with pytest.raises(InTheWay):
        await room.ask("clinic-07", WANTED, who="anna")
    assert (await room.discard("clinic-07")).request is None
    assert not list((state / "certificates").rglob("key.pem"))
    with pytest.raises(NoSuchIdentity):
        await room.discard("clinic-07")
    assert await asked(room) != first


@pytest.mark.parametrize("name", ["", "../x", "A", "-a", "a/b", "x" * 33, "."])
async def test_a_name_is_no_path(room: CertificateRoom, name: str, state: Path) -> None:
    with pytest.raises((NotAcceptable, NoSuchIdentity)):
        await room.ask(name, WANTED, who="anna")
    assert {path.name for path in files_below(state)} <= {"certificates", "lock"}


async def test_identities_are_bounded(room: CertificateRoom, state: Path) -> None:
    for number in range(16):
        (state / f"certificates/id{number}").mkdir(parents=True)
    with pytest.raises(InTheWay, match="16"):
        await asked(room)


# --- installing ----------------------------------------------------------------------------------------


async def test_an_answer_is_checked_installed_and_used_under_the_same_paths(
    room: CertificateRoom, authority: OpenSslAuthority, state: Path
) -> None:
    answer = authority.sign(await asked(room))
    before = await check(room, answer)
    assert (before.ok, codes(before)) == (True, set())
    assert (await room.identity("clinic-07")).versions == ()  # a check changes nothing
    done = await room.install("clinic-07", CertificateAnswer(answer), who="anna")
    assert done.ok
    await room.trust("clinic-07", AuthoritiesAnswer(authority.pem), who="ben")
    identity = await room.identity("clinic-07")
    assert identity.request is None
    assert identity.chain[0].common_name == "clinic-07"
    assert identity.chain[0].names == ("clinic-07.example.org", "192.0.2.10")
    assert identity.authorities[0].common_name == "Centre CA"
    assert identity.findings == ()
    assert [(one.number, one.current, one.what, one.who) for one in identity.versions] == [
        (2, True, "authorities", "ben"),
        (1, False, "certificate", "anna"),
    ]
    assert identity.files.certificate == str(state / "certificates/clinic-07/current/certificate.pem")
    told = openssl("x509", "-in", identity.files.certificate, "-noout", "-fingerprint", "-sha256").decode()
    assert told.strip().endswith(
        ":".join(identity.chain[0].sha256[n : n + 2].upper() for n in range(0, 64, 2))
    )
    openssl("verify", "-CAfile", identity.files.ca, identity.files.certificate)
    assert mode(Path(identity.files.key)) == 0o600


async def test_a_chain_in_any_order_in_any_wrapping(
    room: CertificateRoom, authority: OpenSslAuthority, tmp_path: Path
) -> None:
    below = OpenSslAuthority.create(tmp_path / "sub", "Issuing CA", parent=authority)
    leaf = below.sign(await asked(room))
    quoted = "\r\n".join("> " + line for line in (authority.pem + below.pem).splitlines())
    mixed = f"Dear colleague,\n\n{quoted}\n-- \nIT\n{leaf}"
    for file, text in (("leaf", leaf), ("rest", below.pem + authority.pem)):
        (tmp_path / file).write_text(text)
    bundle = openssl("crl2pkcs7", "-nocrl", "-certfile", tmp_path / "rest", "-certfile", tmp_path / "leaf")
    (tmp_path / "p7").write_bytes(bundle)
    der = openssl("pkcs7", "-in", tmp_path / "p7", "-outform", "DER")
    for given in (
        CertificateAnswer(authority.pem + below.pem + leaf),
        CertificateAnswer(mixed),
        CertificateAnswer(bundle.decode()),
        CertificateAnswer(binary=base64.b64encode(der).decode()),
        CertificateAnswer(binary=base64.b64encode(mixed.encode()).decode()),
    ):
        checked = await room.check("clinic-07", given)
        assert (checked.ok, codes(checked)) == (True, set()), checked.findings
        assert [one.common_name for one in checked.chain] == ["clinic-07", "Issuing CA"]
        assert [one.common_name for one in checked.authorities] == ["Centre CA"]
    (tmp_path / "leaf.pem").write_text(leaf)
    alone = base64.b64encode(openssl("x509", "-in", tmp_path / "leaf.pem", "-outform", "DER")).decode()
    checked = await room.check("clinic-07", CertificateAnswer(binary=alone))
    assert codes(checked, "warning") == {"chain-incomplete"}
    assert (await room.install("clinic-07", CertificateAnswer(mixed, trust_root=True), who="anna")).ok
    identity = await room.identity("clinic-07")
    assert [one.common_name for one in identity.authorities] == ["Centre CA"]


async def test_a_certificate_for_another_key_is_refused(
    room: CertificateRoom, authority: OpenSslAuthority, tmp_path: Path
) -> None:
    certificate, _ = authority.issue(tmp_path, "other")
    await asked(room)
    checked = await check(room, certificate.read_text())
    assert (checked.ok, codes(checked)) == (False, {"other-key"})
    done = await room.install("clinic-07", CertificateAnswer(certificate.read_text()), who="anna")
    assert not done.ok
    identity = await room.identity("clinic-07")
    assert identity.request is not None
    assert identity.versions == ()


async def test_without_a_request_nothing_is_installed(
    room: CertificateRoom, authority: OpenSslAuthority
) -> None:
    answer = authority.sign(await asked(room))
    await room.discard("clinic-07")
    assert codes(await room.install("clinic-07", CertificateAnswer(answer), who="anna")) == {"no-request"}


@pytest.mark.parametrize(
    ("days", "code", "at"), [((-90, -1), "expired", -1), ((5, 90), "not-yet-valid", 5), ((-1, 10), "", 0)]
)
async def test_validity(
    state: Path, authority: OpenSslAuthority, days: tuple[float, float], code: str, at: float
) -> None:
    room = make(state)
    answer = authority.sign(await asked(room), days=days)
    checked = await check(room, answer)
    assert codes(checked) == ({code} if code else set())
    if code:
        (found,) = [one for one in checked.findings if one.code == code]
        assert found.at is not None
        assert abs(found.at - (time.time() + at * 86400)) < 120
    else:
        assert "expires-soon" in codes(checked, "warning")
    # A clock that nobody trusts must not keep a good certificate out: told, not refused.
    doubtful = await check(make(state, doubt="it has not been set from the network"), answer)
    assert doubtful.ok
    assert {"clock"} <= codes(doubtful, "warning")


async def test_an_authority_in_place_of_the_answer(
    room: CertificateRoom, authority: OpenSslAuthority, tmp_path: Path
) -> None:
    csr = await asked(room)
    assert codes(await check(room, authority.pem)) == {"is-authority"}
    # The authority made one of the device: for the right key, and still nothing to show to anybody.
    checked = await check(room, authority.sign(csr, extensions="sub", copy="none"))
    assert codes(checked) == {"is-authority"}


async def test_a_wrong_chain(room: CertificateRoom, authority: OpenSslAuthority, tmp_path: Path) -> None:
    leaf = authority.sign(await asked(room))
    namesake = OpenSslAuthority.create(tmp_path / "namesake", "Centre CA")
    assert codes(await check(room, leaf + namesake.pem)) == {"chain-broken"}
    stranger = OpenSslAuthority.create(tmp_path / "stranger", "Another CA")
    checked = await check(room, leaf + stranger.pem)
    assert checked.ok
    assert codes(checked, "warning") == {"chain-incomplete", "unrelated"}


@pytest.mark.parametrize(
    ("usage", "errors", "warnings"),
    [
        ("extendedKeyUsage = codeSigning", {"no-usage"}, set()),
        ("extendedKeyUsage = serverAuth", set(), {"no-client"}),
        ("extendedKeyUsage = clientAuth", set(), {"no-server"}),
        ("extendedKeyUsage = anyExtendedKeyUsage", set(), set()),
        ("keyUsage = critical, keyAgreement", {"no-signing"}, set()),
        ("", set(), set()),
    ],
)
async def test_what_it_may_be_used_for(
    room: CertificateRoom, authority: OpenSslAuthority, usage: str, errors: set[str], warnings: set[str]
) -> None:
    names = "\nsubjectAltName = DNS:clinic-07.example.org, IP:192.0.2.10"
    answer = authority.sign(await asked(room), usage=usage + names, copy="none")
    checked = await check(room, answer + authority.pem)
    assert (codes(checked), codes(checked, "warning")) == (errors, warnings)


async def test_names_that_are_missing(room: CertificateRoom, authority: OpenSslAuthority) -> None:
    csr = await asked(room)
    some = authority.sign(csr, usage=USAGE + "\nsubjectAltName = DNS:CLINIC-07.example.org", copy="none")
    checked = await check(room, some + authority.pem)
    assert [(one.code, one.subject) for one in checked.findings] == [("names-missing", "192.0.2.10")]
    none = await check(room, authority.sign(csr, copy="none") + authority.pem)
    assert codes(none, "warning") == {"no-names"}


async def test_weak_algorithms_are_refused(
    room: CertificateRoom, authority: OpenSslAuthority, tmp_path: Path
) -> None:
    answer = authority.sign(await asked(room), digest="sha1")
    assert codes(await check(room, answer + authority.pem)) == {"weak-signature"}
    weak = tmp_path / "weak"
    openssl(
        "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-keyout", f"{weak}.key", "-out", f"{weak}.pem",
        "-subj", "/CN=Old CA", "-days", "30",
    )  # fmt: skip
    trusted = await room.check_authorities("clinic-07", AuthoritiesAnswer(read(f"{weak}.pem")))
    assert codes(trusted) == {"weak-key"}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "unreadable"),
        ("rubbish", "unreadable"),
        ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----", "unreadable"),
        ("-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----", "unreadable"),
        ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "private-key"),
        ("-----BEGIN CERTIFICATE-----" * 3000, "too-large"),
        ("x" * 60_000, "too-large"),
    ],
    ids=["nothing", "rubbish", "not a certificate", "not base64", "a key", "many beginnings", "too much"],
)
async def test_what_is_no_answer(room: CertificateRoom, text: str, code: str) -> None:
    await asked(room)
    assert code in codes(await check(room, text))


async def test_the_request_itself_pasted_back(room: CertificateRoom) -> None:
    assert codes(await check(room, await asked(room))) == {"request"}


async def test_every_cut_of_a_certificate_is_a_finding_and_no_crash(
    room: CertificateRoom, authority: OpenSslAuthority
) -> None:
    answer = authority.sign(await asked(room))
    body = base64.b64decode("".join(answer.splitlines()[1:-1]))
    for length in range(0, len(body), 97):
        cut = await room.check(
            "clinic-07", CertificateAnswer(binary=base64.b64encode(body[:length]).decode())
        )
        assert not cut.ok


async def test_hostile_names_stay_text(room: CertificateRoom, tmp_path: Path) -> None:
    evil = OpenSslAuthority.create(tmp_path / "evil", "<script>alert(1)</script>\u202e\u200b")
    await room.trust("clinic-07", AuthoritiesAnswer(evil.pem), who="anna")
    (told,) = (await room.identity("clinic-07")).authorities
    assert "<script>" in told.common_name
    assert told.common_name.isprintable()


# --- authorities ---------------------------------------------------------------------------------------


async def test_authorities_are_replaced_or_added(
    room: CertificateRoom, authority: OpenSslAuthority, tmp_path: Path
) -> None:
    other = OpenSslAuthority.create(tmp_path / "other", "Second CA")
    assert (await room.trust("clinic-07", AuthoritiesAnswer(authority.pem), who="a")).ok
    assert (await room.trust("clinic-07", AuthoritiesAnswer(other.pem, add=True), who="a")).ok
    identity = await room.identity("clinic-07")
    assert [one.common_name for one in identity.authorities] == ["Centre CA", "Second CA"]
    assert {one.code for one in identity.findings} == {"no-certificate"}
    assert (await room.trust("clinic-07", AuthoritiesAnswer(other.pem), who="a")).ok
    assert [one.common_name for one in (await room.identity("clinic-07")).authorities] == ["Second CA"]


async def test_what_is_not_trusted(
    room: CertificateRoom, authority: OpenSslAuthority, tmp_path: Path
) -> None:
    leaf, _ = authority.issue(tmp_path, "leaf")
    checked = await room.check_authorities("clinic-07", AuthoritiesAnswer(leaf.read_text() + authority.pem))
    assert codes(checked) == {"not-authority"}
    below = OpenSslAuthority.create(tmp_path / "sub", "Issuing CA", parent=authority)
    alone = await room.trust("clinic-07", AuthoritiesAnswer(below.pem), who="anna")
    assert codes(alone) == {"root-missing"}
    assert (await room.list()).identities == ()
    assert (await room.check_authorities("clinic-07", AuthoritiesAnswer(below.pem + authority.pem))).ok


async def test_an_expired_authority_beside_a_good_one_is_a_warning(
    state: Path, authority: OpenSslAuthority, tmp_path: Path
) -> None:
    old = OpenSslAuthority.create(tmp_path / "old", "Old CA", days=1)
    room = make(state, clock=lambda: time.time() + 3 * 86400)
    assert codes(await room.check_authorities("x", AuthoritiesAnswer(old.pem))) == {"expired"}
    both = await room.check_authorities("x", AuthoritiesAnswer(old.pem + authority.pem))
    assert (both.ok, codes(both, "warning")) == (True, {"expired"})


# --- going back, removing ------------------------------------------------------------------------------


async def test_going_back_to_the_certificate_of_before(
    room: CertificateRoom, authority: OpenSslAuthority
) -> None:
    fingerprints = []
    for _ in range(2):
        answer = authority.sign(await asked(room))
        await room.install("clinic-07", CertificateAnswer(answer), who="anna")
        fingerprints.append((await room.identity("clinic-07")).chain[0].sha256)
    back = await room.activate("clinic-07", 1)
    assert back.chain[0].sha256 == fingerprints[0] != fingerprints[1]
    assert [(one.number, one.current) for one in back.versions] == [(2, False), (1, True)]
    assert (await room.activate("clinic-07", 2)).chain[0].sha256 == fingerprints[1]
    with pytest.raises(NoSuchIdentity):
        await room.activate("clinic-07", 3)


async def test_a_damaged_version_is_not_used(
    room: CertificateRoom, authority: OpenSslAuthority, state: Path
) -> None:
    for _ in range(2):
        answer = authority.sign(await asked(room))
        await room.install("clinic-07", CertificateAnswer(answer), who="anna")
    (state / "certificates/clinic-07/versions/1/key.pem").write_text("damaged")
    with pytest.raises(NotAcceptable, match="version 1 cannot be used"):
        await room.activate("clinic-07", 1)
    assert (await room.identity("clinic-07")).versions[0].current


async def test_old_versions_are_forgotten_but_never_the_current_one(
    room: CertificateRoom, authority: OpenSslAuthority, tmp_path: Path
) -> None:
    await room.trust("clinic-07", AuthoritiesAnswer(authority.pem), who="anna")
    for _ in range(10):
        await room.trust("clinic-07", AuthoritiesAnswer(authority.pem), who="anna")
    versions = (await room.identity("clinic-07")).versions
    assert [one.number for one in versions] == [11, 10, 9, 8, 7, 6, 5, 4]
    assert versions[0].current


async def test_only_what_nobody_uses_is_removed(
    state: Path, authority: OpenSslAuthority, room: CertificateRoom
) -> None:
    await asked(room)
    files = (await room.identity("clinic-07")).files
    use = Use("peer", "oncology", Path(files.certificate), Path(files.key), Path(files.ca))
    with pytest.raises(InTheWay, match="oncology"):
        await make(state, use).remove("clinic-07")
    assert (await room.remove("clinic-07")).identities == ()
    with pytest.raises(NoSuchIdentity):
        await room.remove("clinic-07")


# --- what the configuration uses -----------------------------------------------------------------------


async def test_files_placed_by_hand_are_judged(
    state: Path, authority: OpenSslAuthority, tmp_path: Path
) -> None:
    certificate, key = authority.issue(tmp_path, "gateway")
    _, other = authority.issue(tmp_path, "other")
    ca = authority.folder / "ca.pem"
    good = Use("listener", "wan", certificate, key, ca)
    same = Use("peer", "oncology", certificate, key, ca)
    wrong = Use("peer", "wrong", certificate, other, ca)
    gone = Use("peer", "gone", tmp_path / "no.pem", tmp_path / "no.key", ca)
    listed = await make(state, good, same, wrong, gone).list()
    first, second, third = listed.used
    assert [(user.kind, user.name) for user in first.used_by] == [("listener", "wan"), ("peer", "oncology")]
    assert (first.managed, first.findings) == ("", ())
    assert first.chain[0].common_name == "gateway"
    assert [one.code for one in second.findings] == ["key-mismatch"]
    assert [one.code for one in third.findings] == ["file-missing", "key-missing"]
    key.chmod(0o644)
    (opened,) = (await make(state, good).list()).used
    assert [one.code for one in opened.findings] == ["key-readable"]
    (late,) = (await make(state, good, clock=lambda: time.time() + 100 * 86400).list()).used
    assert "expired" in {one.code for one in late.findings}


async def test_who_uses_an_identity_is_known(room: CertificateRoom, state: Path) -> None:
    await asked(room)
    files = (await room.identity("clinic-07")).files
    used = make(state, Use("peer", "oncology", Path(files.certificate), Path(files.key), Path(files.ca)))
    listed = await used.list()
    assert [user.name for user in listed.identities[0].used_by] == ["oncology"]
    assert listed.used[0].managed == "clinic-07"


# --- the child -----------------------------------------------------------------------------------------


async def test_a_listing_is_read_again_only_when_a_file_changed(
    state: Path, authority: OpenSslAuthority, tmp_path: Path
) -> None:
    certificate, key = authority.issue(tmp_path, "gateway")
    now = [time.time()]
    room = make(
        state, Use("listener", "wan", certificate, key, authority.folder / "ca.pem"), clock=lambda: now[0]
    )
    first = await room.list()
    assert await room.list() is first
    renewed, _ = authority.issue(tmp_path, "renewed")
    renewed.replace(certificate)
    second = await room.list()
    assert second.used[0].chain[0].common_name == "renewed"
    now[0] += 700
    assert await room.list() is not second


async def test_a_child_that_dies_or_hangs_is_told_in_words(state: Path) -> None:
    dying = CertificateRoom(state, (), child=("-c", "import os; os._exit(3)"))
    with pytest.raises(CertificateError, match="died"):
        await dying.list()
    hanging = CertificateRoom(
        state, (), child=("-c", "import signal; signal.pause()"), limits=RoomLimits(time_limit=0.2)
    )
    with pytest.raises(CertificateError, match="too long"):
        await hanging.list()
    endless = CertificateRoom(
        state, (), child=("-c", "while True: print('x' * 65536)"), limits=RoomLimits(time_limit=30)
    )
    with pytest.raises(CertificateError):
        await endless.list()


async def test_questions_wait_in_a_bounded_line(state: Path) -> None:
    room = CertificateRoom(
        state, (), child=("-c", "import signal; signal.pause()"),
        limits=RoomLimits(time_limit=0.3, max_waiting=2),
    )  # fmt: skip
    answers = await asyncio.gather(*(room.list() for _ in range(4)), return_exceptions=True)
    assert [type(one) for one in answers].count(CertificatesBusy) == 2
