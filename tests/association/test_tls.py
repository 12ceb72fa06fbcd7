"""TLS towards a peer, and the words for each way it can fail."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.association.errors import ConnectFailed
from gateway.association.requestor import RequestorAssociation, RequestorTimeouts, open_association
from gateway.association.tls import (
    ClientContexts,
    ServerContext,
    client_context,
    server_context,
    session_words,
    words_for,
)
from gateway.errors import LocalError
from gateway.model import AETitle, Peer, TlsMaterial
from tests.support.certs import Authority
from tests.support.notice_log import NoticeLog
from tests.support.wire_centre import WireCentre, wire_centre
from tests.support.wire_peer import CONTEXTS


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority.create(tmp_path)


@pytest.fixture
def ours(authority: Authority) -> TlsMaterial:
    return authority.issue("gateway")


async def dial(
    port: int, tls: TlsMaterial, *, host: str = "127.0.0.1", patience: float = 5
) -> RequestorAssociation:
    peer = Peer("centre", AETitle("CENTRE"), host, port, tls)
    return await open_association(
        peer,
        CONTEXTS,
        calling_ae=AETitle("GW"),
        notices=NoticeLog().notices,
        timeouts=RequestorTimeouts(tls=patience),
        way=client_context(tls),
    )


async def polite(centre: WireCentre) -> None:
    try:
        await centre.accept()
        await centre.finish()
    except (AssertionError, OSError):
        return  # the other side never spoke DICOM, as it should be in most tests here


async def why_not(port: int, tls: TlsMaterial, **options: object) -> str:
    with pytest.raises(ConnectFailed) as raised:
        await dial(port, tls, **options)  # type: ignore[arg-type]  # passed through
    assert raised.value.phase == "tls"
    return raised.value.words


async def test_an_association_over_mutual_tls(authority: Authority, ours: TlsMaterial) -> None:
    async with wire_centre(polite, tls=server_context(authority.issue("centre"))) as port:
        association = await dial(port, ours)
        assert association.tls.startswith("TLSv1.3 TLS_")
        await association.release()


async def test_tls_1_2_is_the_floor(authority: Authority, ours: TlsMaterial) -> None:
    old = server_context(authority.issue("centre"))
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    async with wire_centre(polite, tls=old) as port:
        association = await dial(port, ours)
        assert association.tls.startswith("TLSv1.2 ECDHE-")
        await association.release()
    assert server_context(ours).minimum_version is ssl.TLSVersion.TLSv1_2
    assert client_context(ours).minimum_version is ssl.TLSVersion.TLSv1_2


async def test_a_certificate_for_another_name_is_refused_unless_told_otherwise(
    authority: Authority, ours: TlsMaterial
) -> None:
    theirs = server_context(authority.issue("centre", hosts=["ois.example.org"]))
    async with wire_centre(polite, tls=theirs) as port:
        assert "another IP address" in await why_not(port, ours)
        assert "another host name" in await why_not(port, replace(ours, server_name="pacs.example.org"))
        await (await dial(port, replace(ours, server_name="ois.example.org"))).release()
        await (await dial(port, replace(ours, check_name=False))).release()


async def test_an_expired_certificate_is_named_as_such(authority: Authority, ours: TlsMaterial) -> None:
    async with wire_centre(polite, tls=server_context(authority.issue("centre", days=-1))) as port:
        assert "has expired" in await why_not(port, ours)


async def test_a_strangers_certificate_is_not_trusted(ours: TlsMaterial, tmp_path: Path) -> None:
    stranger = Authority.create(tmp_path, "stranger")
    async with wire_centre(polite, tls=server_context(stranger.issue("centre"))) as port:
        assert "not trusted here" in await why_not(port, ours)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_a_peer_that_does_not_trust_us_is_a_tls_failure_in_words(
    authority: Authority, ours: TlsMaterial, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    # OpenSSL's own server in a thread: unlike asyncio's it sends the alert that says why.
    theirs = authority.issue("centre")
    context = server_context(replace(theirs, ca=Authority.create(tmp_path, "stranger").ca))
    context.minimum_version = context.maximum_version = version
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection, pytest.raises(ssl.SSLError):
            context.wrap_socket(connection, server_side=True)

    serving = asyncio.create_task(asyncio.to_thread(serve))
    assert "does not trust the authority" in await why_not(listening.getsockname()[1], ours)
    await serving
    listening.close()


async def test_a_peer_that_speaks_plain_dicom(ours: TlsMaterial) -> None:
    async def plain(centre: WireCentre) -> None:
        await centre.reader.read(1)
        centre.writer.write(b"\x07\x00\x00\x00\x00\x04\x00\x00\x00\x00")
        await centre.writer.drain()
        await centre.reader.read()

    async with wire_centre(plain) as port:
        assert "does not speak TLS" in await why_not(port, ours)


async def test_a_peer_that_hangs_up_or_stays_silent_in_the_handshake(ours: TlsMaterial) -> None:
    async def hang_up(centre: WireCentre) -> None:
        await centre.reader.read(1)

    async def silent(centre: WireCentre) -> None:
        await centre.reader.read()

    async with wire_centre(hang_up) as port:
        assert "closed the connection" in await why_not(port, ours)
    async with wire_centre(silent) as port:
        assert "in time" in await why_not(port, ours, patience=0.1)


async def test_material_and_context_must_go_together(ours: TlsMaterial) -> None:
    peer = Peer("centre", AETitle("CENTRE"), "127.0.0.1", 1, ours)
    with pytest.raises(LocalError, match="do not match"):
        await open_association(peer, CONTEXTS, calling_ae=AETitle("GW"), notices=NoticeLog().notices)


@pytest.mark.parametrize("broken", ["certificate", "key", "ca"])
@pytest.mark.parametrize("how", ["missing", "rubbish"])
def test_files_at_fault_are_named(ours: TlsMaterial, tmp_path: Path, broken: str, how: str) -> None:
    path = tmp_path / "broken.pem"
    if how == "rubbish":
        path.write_text("this is no PEM")
    material = replace(ours, **{broken: path})
    for make in (server_context, client_context):
        with pytest.raises(LocalError, match=r"broken\.pem"):
            make(material)


def test_the_contexts_of_peers_are_made_once_and_a_broken_one_is_that_peers_trouble(
    ours: TlsMaterial, tmp_path: Path
) -> None:
    contexts = ClientContexts()
    peer = Peer("centre", AETitle("CENTRE"), "127.0.0.1", 2762, tls=ours)
    assert contexts.of(replace(peer, tls=None)) is None
    assert contexts.of(peer) is contexts.of(replace(peer, name="other"))
    broken = replace(peer, tls=replace(ours, key=tmp_path / "gone.pem"))
    for _ in range(2):
        with pytest.raises(ConnectFailed, match=r"gone\.pem") as failed:
            contexts.of(broken)
        assert failed.value.phase == "tls"


def test_a_replaced_certificate_holds_from_the_next_association_on(
    authority: Authority, ours: TlsMaterial
) -> None:
    contexts = ClientContexts()
    peer = Peer("centre", AETitle("CENTRE"), "127.0.0.1", 2762, tls=ours)
    before = contexts.of(peer)
    other = authority.issue("renewed")
    other.key.replace(ours.key)
    with pytest.raises(ConnectFailed, match="not a PEM certificate with its private key"):
        contexts.of(peer)  # one file of two: told, and looked at again
    other.certificate.replace(ours.certificate)
    after = contexts.of(peer)
    assert after is not before
    assert contexts.of(peer) is after


def test_a_listener_goes_on_with_what_it_had_when_new_files_are_broken(
    authority: Authority, ours: TlsMaterial
) -> None:
    server = ServerContext(ours)
    before, trouble = server.current()
    assert not trouble
    ours.key.unlink()
    context, trouble = server.current()
    assert context is before
    assert ours.key.name in trouble
    assert server.current() == (before, "")  # told once
    other = authority.issue("renewed")
    other.certificate.replace(ours.certificate)
    other.key.replace(ours.key)
    context, trouble = server.current()
    assert (context is before, trouble) == (False, "")


def test_a_key_that_does_not_belong_to_the_certificate_is_said(
    authority: Authority, ours: TlsMaterial
) -> None:
    other = authority.issue("other")
    with pytest.raises(LocalError, match="not a PEM certificate with its private key"):
        server_context(replace(ours, key=other.key))


def test_unknown_faults_still_have_words() -> None:
    unknown = ssl.SSLError(1, "whatever")
    unknown.reason = "MADE_UP"
    assert words_for(unknown) == "the TLS exchange failed: made up"
    assert words_for(ssl.SSLError()) == "the TLS exchange failed (SSLError)"
    assert "in time" in words_for(TimeoutError())
    assert "ZeroDivisionError" in words_for(ZeroDivisionError())
    assert session_words(None, None) == ""
