"""The page of certificates in front of the real room, with openssl as the authority."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import segno
import zxingcpp

from gateway.admin import certificate_words
from gateway.admin.pages.certificates import qr
from gateway.certificates import checking
from gateway.certificates.room import CertificateRoom, Use
from gateway.operator.certificate_facts import CertificateFacts
from gateway.operator.sections.certificates import CertificatesSection
from tests.support.admin_site import Document, Site, site
from tests.support.openssl_ca import OpenSslAuthority

BASE = "/certificates/clinic-07"
ASKED = {
    "common_name": "clinic-07",
    "organization": "Example Clinic",
    "names": "clinic-07.example.org\n192.0.2.10",
    "key": "ecdsa-p256",
}


@pytest.fixture
def authority(tmp_path: Path) -> OpenSslAuthority:
    return OpenSslAuthority.create(tmp_path / "ca")


@asynccontextmanager
async def open_page(
    tmp_path: Path, *uses: Use, role: str = "engineer", doubt: str = ""
) -> AsyncIterator[Site]:
    room = CertificateRoom(tmp_path, uses, clock_doubt=doubt)
    async with site(sections=[CertificatesSection(room)], role=role) as page:
        yield page


async def asked(page: Site, **changes: str) -> str:
    """Make a request through the form, and return it."""
    made = await page.post("/certificates", **{**ASKED, "name": "clinic-07", **changes})
    assert made.headers.get("Location") == BASE, made.text
    return (await page.get(BASE + "/request.csr")).source


def decoded(svg: bytes, text: str) -> str:
    """Read the QR code as a phone would: from its modules, in pixels."""
    matrix = segno.make(text.encode(), error="l", mode="byte", micro=False, boost_error=False).matrix
    size = (len(matrix) + 8) * 3
    assert f'viewBox="0 0 {len(matrix) + 8} {len(matrix) + 8}"'.encode() in svg
    pixels = bytearray(b"\xff" * size * size)
    for y, x in modules(svg):
        for dy in range(3):
            start = ((y * 3) + dy) * size + x * 3
            pixels[start : start + 3] = b"\0\0\0"
    (found,) = zxingcpp.read_barcodes(memoryview(bytes(pixels)).cast("B", (size, size)))
    return str(found.text)


def modules(svg: bytes) -> list[tuple[int, int]]:
    """Follow the path of the picture: dark modules as (row, column)."""
    path = svg.decode().split('stroke="#000"')[-1] if b'stroke="#000"' in svg else svg.decode()
    commands = path.split(' d="')[1].split('"')[0]
    found, x, y, number, last = [], 0.0, 0.0, "", ""
    numbers: list[float] = []

    def done() -> None:
        nonlocal x, y
        if last == "M":
            x, y = numbers
        elif last == "m":
            x, y = x + numbers[0], y + numbers[1]
        elif last == "h":
            found.extend((int(y), int(x) + step) for step in range(int(numbers[0])))
            x += numbers[0]

    for letter in commands + "Z":
        if letter.isalpha() or letter in " ,-":
            if number:
                numbers.append(float(number))
                number = ""
            if letter == "-":
                number = "-"
            if letter.isalpha():
                if last:
                    done()
                last, numbers = letter, []
        else:
            number += letter
    return found


# --- asking --------------------------------------------------------------------------------------------


async def test_at_first_there_is_only_the_way_to_a_request(tmp_path: Path) -> None:
    async with open_page(tmp_path) as page:
        document = await page.get("/certificates")
        assert document.find("h1").text == "Certificates"
        assert "No certificate is in use" in document.text
        assert "open" in document.find("#new").attributes
        assert document.find("#common_name")["value"] == "clinic-07"


@pytest.mark.parametrize("key", ["ecdsa-p256", "rsa-3072"])
async def test_a_request_as_text_file_and_qr_code(tmp_path: Path, key: str) -> None:
    async with open_page(tmp_path) as page:
        csr = await asked(page, key=key)
        assert csr.startswith("-----BEGIN CERTIFICATE REQUEST-----")
        document = await page.get(BASE)
        assert document.find("#csr").text.split() == csr.split()
        fingerprint = document.find("#request .fingerprint").text
        assert [len(group) for group in fingerprint.split()] == [4] * 16
        file = await page.get(BASE + "/request.csr")
        assert file.headers["Content-Disposition"] == 'attachment; filename="clinic-07.csr"'
        picture = await page.get(BASE + "/request.svg")
        assert picture.headers["Content-Type"] == "image/svg+xml"
        assert decoded(picture.raw, csr) == csr


async def test_a_request_that_no_qr_code_holds_says_so(tmp_path: Path) -> None:
    async with open_page(tmp_path) as page:
        names = "\n".join(f"{'x' * 60}.{'y' * 60}.n{number}.example.org" for number in range(20))
        await asked(page, key="rsa-3072", names=names)
        document = await page.get(BASE)
        assert "too long for one QR code" in document.text
        assert not document.all("#request img")
        assert (await page.get(BASE + "/request.svg")).status == 404


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "Clinic 7"}, "Small letters, digits and hyphens only"),
        ({"name": "../x"}, "Small letters, digits and hyphens only"),
        ({"name": ""}, "Please fill this in"),
        ({"common_name": ""}, "Please fill this in"),
        ({"common_name": "x" * 65}, "At most 64 characters"),
        ({"names": "not a host!"}, "not a host name or an address"),
        ({"key": "rsa-512"}, "Please choose one of these"),
    ],
)
async def test_what_is_wrong_in_the_form_is_said_and_the_rest_is_kept(
    tmp_path: Path, changes: dict[str, str], words: str
) -> None:
    async with open_page(tmp_path) as page:
        document = await page.post("/certificates", **{**ASKED, "name": "clinic-07", **changes})
        assert document.status == 422
        assert words in document.text
        assert document.find("#organization")["value"] == "Example Clinic"


async def test_a_second_request_has_to_wait_and_the_first_can_be_forgotten(tmp_path: Path) -> None:
    async with open_page(tmp_path) as page:
        await asked(page)
        again = await page.post("/certificates", name="clinic-07", **ASKED)
        assert (again.status, "another request waits" in again.text) == (422, True)
        assert (await page.post(BASE + "/discard")).headers["Location"] == BASE
        document = await page.get(BASE)
        assert not document.all("#csr")
        assert document.find("#renew")
        assert (await page.get(BASE + "/request.csr")).status == 404


# --- installing ----------------------------------------------------------------------------------------


async def test_from_the_request_to_the_installed_certificate(
    tmp_path: Path, authority: OpenSslAuthority
) -> None:
    async with open_page(tmp_path) as page:
        answer = authority.sign(await asked(page))
        part = await page.post(BASE + "/check", fragment=True, text=answer)
        assert "This can be installed." in part.text
        assert "did not come along" in part.text  # the issuer
        assert not part.all("html")
        done = await page.post(BASE + "/install", text=answer + authority.pem, trust_root="yes")
        assert done.headers["Location"] == BASE
        document = await page.get(BASE)
        assert "New connections use it from now on" in document.text
        current = document.find("#current").text
        assert "days left" in current
        assert "clinic-07.example.org, 192.0.2.10" in current
        assert "Centre CA" in current
        assert not document.all("#csr")
        assert (
            str(tmp_path / "certificates/clinic-07/current/certificate.pem") in document.find("#files").text
        )
        overview = await page.get("/certificates")
        assert "days left" in overview.text
        assert "nobody yet" in overview.text


async def test_an_uploaded_file_and_one_that_is_empty(tmp_path: Path, authority: OpenSslAuthority) -> None:
    async with open_page(tmp_path) as page:
        answer = authority.sign(await asked(page))
        part = await page.post(
            BASE + "/check", fragment=True, files={"file": ("a.pem", answer.encode())}, text=""
        )
        assert "This can be installed." in part.text
        empty = await page.post(BASE + "/check", fragment=True, files={"file": ("a.pem", b"")}, text="")
        assert (empty.status, "This file is empty." in empty.text) == (422, True)
        rubbish = await page.post(
            BASE + "/check", fragment=True, files={"file": ("a.p7b", b"\x30\x03abc")}, text=""
        )
        assert "No certificate can be read in this." in rubbish.text
        nothing = await page.post(BASE + "/check", fragment=True, text="")
        assert (nothing.status, "Please fill this in" in nothing.text) == (422, True)
        much = await page.post(BASE + "/check", fragment=True, files={"file": ("a", b"x" * 60_000)}, text="")
        assert (much.status, "too large" in much.text) == (422, True)
        flood = await page.post(
            BASE + "/check", fragment=True, files={"file": ("a", b"x" * 200_000)}, text=""
        )
        assert flood.status == 413


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda ca, _: ca.pem, "This is the certificate of an authority"),
        (lambda ca, csr: ca.sign(csr, days=(-9, -1)), "Expired on"),
        (lambda ca, csr: ca.sign(csr, days=(5, 9)), "Not valid before"),
        (lambda _, csr: csr, "This is the request itself"),
        (lambda *_: "-----BEGIN PRIVATE KEY-----\nAA\n-----END PRIVATE KEY-----", "contains a private key"),
        (lambda *_: "rubbish", "No certificate can be read in this"),
    ],
    ids=["authority", "expired", "too early", "request", "key", "rubbish"],
)
async def test_what_stands_in_the_way_is_said_before_and_instead_of_installing(
    tmp_path: Path, authority: OpenSslAuthority, make: Callable[[OpenSslAuthority, str], str], words: str
) -> None:
    async with open_page(tmp_path) as page:
        text = make(authority, await asked(page))
        part = await page.post(BASE + "/check", fragment=True, text=text)
        assert "This cannot be installed." in part.text
        assert words in part.text
        refused = await page.post(BASE + "/install", text=text)
        assert refused.status == 422
        assert words in refused.text
        assert text.split()[0] in refused.find("#certificate-text").text or "KEY" in text  # not typed again
        assert "No certificate is installed yet." in refused.find("#current").text


async def test_authorities_are_trusted_after_a_check(tmp_path: Path, authority: OpenSslAuthority) -> None:
    async with open_page(tmp_path) as page:
        await asked(page)
        part = await page.post(BASE + "/authorities/check", fragment=True, text=authority.pem)
        assert "Centre CA" in part.text
        leaf, _ = authority.issue(tmp_path, "leaf")
        wrong = await page.post(BASE + "/authorities", text=leaf.read_text())
        assert (wrong.status, "not the certificate of an authority" in wrong.text) == (422, True)
        assert (await page.post(BASE + "/authorities", text=authority.pem)).headers["Location"] == BASE
        assert "Centre CA" in (await page.get(BASE)).find("#current").text


async def test_going_back_and_removing(tmp_path: Path, authority: OpenSslAuthority) -> None:
    async with open_page(tmp_path) as page:
        await page.post(BASE + "/install", text=authority.sign(await asked(page)))
        renewed = await page.post(BASE + "/request", **ASKED)
        assert renewed.headers["Location"] == BASE
        csr = (await page.get(BASE + "/request.csr")).source
        await page.post(BASE + "/install", text=authority.sign(csr))
        document = await page.get(BASE)
        (row, _) = [row.text for row in document.find("#versions").all("tbody tr")]
        assert row.endswith("in use")
        assert (await page.post(BASE + "/activate", version="1")).headers["Location"] == BASE
        rows = [row.text for row in (await page.get(BASE)).find("#versions").all("tbody tr")]
        assert rows[1].endswith("in use")
        assert (await page.post(BASE + "/activate", version="7")).status == 404
        unsaid = await page.post(BASE + "/remove", word="yes")
        assert (unsaid.status, "Please type clinic-07 exactly." in unsaid.text) == (422, True)
        assert (await page.post(BASE + "/remove", word="clinic-07")).headers["Location"] == "/certificates"
        assert (await page.get(BASE)).status == 404


# --- what is in use ------------------------------------------------------------------------------------


async def test_files_placed_by_hand(tmp_path: Path, authority: OpenSslAuthority) -> None:
    certificate, key = authority.issue(tmp_path, "gateway")
    ca = authority.folder / "ca.pem"
    good = Use("listener", "wan", certificate, key, ca)
    gone = Use("peer", "oncology", tmp_path / "no.pem", key, ca)
    async with open_page(tmp_path, good, gone) as page:
        document = await page.get("/certificates")
        assert "listener wan" in document.text
        assert "placed by hand" in document.text
        assert "Certificate that cannot be read" in document.text
        assert "centre oncology" in document.text
        assert "This file cannot be read" in document.text


async def test_a_clock_that_is_not_trusted_is_said(tmp_path: Path) -> None:
    async with open_page(tmp_path, doubt="no time server") as page:
        assert "clock of this device is not trusted" in (await page.get("/certificates")).text


async def test_hostile_names_stay_text(tmp_path: Path) -> None:
    evil = OpenSslAuthority.create(tmp_path / "evil", "<script>alert(1)</script>")
    async with open_page(tmp_path) as page:
        await page.post("/certificates", name="clinic-07", **{**ASKED, "common_name": "<b>bold</b>\"'"})
        await page.post(BASE + "/authorities", text=evil.pem)
        document = await page.get(BASE)
        assert "<script>alert(1)</script>" in document.text
        assert all("alert(1)" not in script.text for script in document.all("script"))
        assert "bold" in document.find("#request").text
        assert not document.all("b")


@pytest.mark.parametrize("role", ["viewer", "clinic"])
async def test_who_does_not_configure_sees_nothing_of_it(tmp_path: Path, role: str) -> None:
    async with open_page(tmp_path, role=role) as page:
        for path in ("/certificates", BASE, BASE + "/request.csr"):
            assert (await page.get(path)).status == 403
        for path in (
            "/certificates",
            BASE + "/install",
            BASE + "/authorities",
            BASE + "/activate",
            BASE + "/remove",
        ):
            assert (await page.post(path)).status == 403


async def test_a_name_that_is_no_name_is_no_page(tmp_path: Path) -> None:
    async with open_page(tmp_path) as page:
        for name in ("UPPER", "-x", "a%2fb", "x" * 40, "..%2f..%2fetc"):
            document: Document = await page.get(f"/certificates/{name}")
            assert document.status == 404


# --- words ---------------------------------------------------------------------------------------------


def test_every_finding_has_words_that_can_be_translated() -> None:
    assert set(certificate_words._WORDS) == set(checking.WORDS)


@pytest.mark.parametrize(
    ("start", "end", "kind", "words"),
    [(-50, 50, "ok", "50 days left"), (-50, 1.5, "waiting", "1 day left"), (-9, -1, "attention", "expired"),
     (1, 9, "attention", "not valid yet")],
)  # fmt: skip
async def test_life(tmp_path: Path, start: float, end: float, kind: str, words: str) -> None:
    now = 1_800_000_000.0
    certificate = CertificateFacts(
        "CN=a",
        "a",
        (),
        "CN=b",
        now + start * 86400,
        now + end * 86400,
        "",
        "",
        "ab" * 32,
        False,
        False,
        True,
        True,
    )

    class Speaker:
        def text(self, message: str) -> str:
            return message

        def ntext(self, one: str, many: str, count: int) -> str:
            return (one if count == 1 else many) % {"count": count}

    lived = certificate_words.life(Speaker(), certificate, now)  # type: ignore[arg-type]  # what it uses of a Visit
    assert (lived.kind, lived.words) == (kind, words)
    assert 0 <= lived.left <= lived.total


def test_a_fingerprint_is_read_in_groups_of_four() -> None:
    assert certificate_words.grouped("0123456789abcdef") == "0123 4567 89AB CDEF"


def test_the_largest_qr_code_is_read_back() -> None:
    text = "x" * 2900 + "end"
    assert decoded(qr(text), text) == text
