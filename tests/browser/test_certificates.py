"""From nothing to an installed certificate in a browser, with openssl as the authority; then TLS with it."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import PageAs
from tests.support.box import Box
from tests.support.browsing import assert_accessible, assert_fits, screenshot
from tests.support.openssl_ca import OpenSslAuthority

PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> OpenSslAuthority:
    return OpenSslAuthority.create(tmp_path_factory.mktemp("authority") / "ca", "Centre CA")


def ask(page: Page, name: str) -> str:
    """Fill in the form for a new name, and return the request."""
    page.goto("/certificates")
    new = page.locator("#new")
    if new.get_attribute("open") is None:
        new.locator("summary").click()
    page.get_by_label("Short name on this device").fill(name)
    page.get_by_label("Organisation").fill("Example Clinic")
    page.get_by_label("Host names and addresses of this device").fill("localhost\n127.0.0.1")
    page.get_by_role("button", name="Make key and request").click()
    expect(page.locator("h1")).to_have_text(name)
    return page.locator("#csr").inner_text()


def test_from_a_request_to_tls_with_the_installed_certificate(
    box: Box, page_as: PageAs, authority: OpenSslAuthority, tmp_path: Path
) -> None:
    page = page_as("engineer", "/certificates")
    expect(page.locator("main")).to_contain_text("No certificate is in use")
    assert_accessible(page)
    screenshot(page, "certificates-none")
    csr = ask(page, "clinic-07")
    expect(page.get_by_role("img", name="QR code")).to_be_visible()
    assert page.get_by_role("img", name="QR code").evaluate("each => each.naturalWidth") > 0
    with page.expect_download() as file:
        page.get_by_role("link", name="Download as a file").click()
    assert Path(file.value.path()).read_text() == csr + "\n" or Path(file.value.path()).read_text() == csr
    assert_accessible(page)
    screenshot(page, "certificates-request")

    # First what does not belong: told beside the field, and nothing is installed.
    answer = page.get_by_label("What the authority sent back")
    answer.fill(authority.pem)
    page.locator("#install").get_by_role("button", name="Check").click()
    checked = page.locator("#certificate-checked")
    expect(checked).to_contain_text("This cannot be installed.")
    expect(checked).to_contain_text("This is the certificate of an authority")
    screenshot(page, "certificates-refused")

    answer.fill(authority.sign(csr) + authority.pem)
    page.locator("#install").get_by_role("button", name="Check").click()
    expect(checked).to_contain_text("This can be installed.")
    assert_accessible(page)
    screenshot(page, "certificates-checked")
    page.get_by_label("Trust the root authority that came along").check()
    page.locator("#install").get_by_role("button", name="Install").click()
    expect(page.locator(".notices")).to_contain_text("New connections use it from now on")
    expect(page.locator("#current")).to_contain_text("days left")
    expect(page.locator("#current")).to_contain_text("Centre CA")
    assert_accessible(page)
    screenshot(page, "certificates-installed")

    # What was installed is what TLS takes: the files of the page's own words.
    certificate, key, ca = (page.locator("#files dd").nth(place).inner_text() for place in range(3))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    server.load_verify_locations(ca)
    page.goto("/certificates")
    expect(page.locator("main")).to_contain_text("days left")
    screenshot(page, "certificates")
    page.goto("/audit")
    expect(page.locator("main")).to_contain_text("SHA-256")


def test_a_certificate_is_renewed_and_put_back(page_as: PageAs, authority: OpenSslAuthority) -> None:
    """Of the identity in the test before."""
    page = page_as("admin", "/certificates/clinic-07")
    before = page.locator("#current .fingerprint").first.inner_text()
    page.locator("#renew summary").click()
    page.get_by_role("button", name="Make key and request").click()
    csr = page.locator("#csr").inner_text()
    page.get_by_label("What the authority sent back").fill(authority.sign(csr))
    page.locator("#install").get_by_role("button", name="Install").click()
    expect(page.locator("#current .fingerprint").first).not_to_have_text(before)
    assert_accessible(page)
    screenshot(page, "certificates-renewed")
    page.get_by_role("button", name="Go back to version 1").click()
    expect(page.locator("#current .fingerprint").first).to_have_text(before)


def test_a_request_is_forgotten_after_a_question(page_as: PageAs) -> None:
    page = page_as("engineer")
    ask(page, "other")
    page.get_by_text("Forget the request").first.click()
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Forget the request").click()
    expect(page.locator("#csr")).to_be_visible()
    page.once("dialog", lambda dialog: dialog.accept())
    page.get_by_role("button", name="Forget the request").click()
    expect(page.locator("#csr")).to_have_count(0)
    page.locator("#remove summary").click()
    button = page.locator("#remove").get_by_role("button", name="Remove")
    expect(button).to_be_disabled()
    page.locator("#word").fill("other")
    button.click()
    expect(page.locator("h1")).to_have_text("Certificates")


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_it_fits_a_phone(page_as: PageAs, lang: str) -> None:
    page = page_as("engineer", "/certificates", viewport=PHONE, locale=lang)
    assert_fits(page)
    page.goto("/certificates/clinic-07")
    assert_fits(page)
    assert_accessible(page)
    screenshot(page, f"certificates-phone-{lang}")


def test_it_is_readable_in_the_dark_and_works_without_scripts(
    page_as: PageAs, authority: OpenSslAuthority
) -> None:
    page = page_as("engineer", color_scheme="dark")
    csr = ask(page, "dark")
    assert_accessible(page)
    screenshot(page, "certificates-dark")
    plain = page_as("engineer", "/certificates/dark", java_script_enabled=False)
    plain.get_by_label("What the authority sent back").fill(authority.sign(csr))
    plain.locator("#install").get_by_role("button", name="Check").click()
    expect(plain.locator("#certificate-checked")).to_contain_text("This can be installed.")
    plain.locator("#install").get_by_role("button", name="Install").click()
    expect(plain.locator("#current")).to_contain_text("days left")


@pytest.mark.parametrize("role", ["viewer", "clinic"])
def test_the_clinic_has_no_such_page(page_as: PageAs, role: str) -> None:
    page = page_as(role)
    expect(page.locator(".side.menu")).not_to_contain_text("Certificates")
    answer = page.goto("/certificates")
    assert answer is not None
    assert answer.status == 403
