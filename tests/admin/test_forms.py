"""What a person typed, read within bounds."""

from __future__ import annotations

import pytest
from multidict import MultiDict

from gateway.admin.forms import Form, FormError
from gateway.admin.page import Page, Route
from gateway.admin.visit import Visit
from tests.support.admin_site import site


def form(**fields: str) -> Form:
    return Form(MultiDict(fields))


def wrong(read: object) -> str:
    """Return what is said of a field that is not acceptable."""
    with pytest.raises(FormError) as raised:
        read()  # type: ignore[operator]
    return str(raised.value)


def test_a_text_is_trimmed_and_bounded() -> None:
    assert form(name="  physics \n").text("name") == "physics"
    assert form(name="a" * 5).text("name", max_length=5) == "aaaaa"
    assert "At most 5" in wrong(lambda: form(name="a" * 6).text("name", max_length=5))
    assert "fill this in" in wrong(lambda: form(name="  ").text("name"))
    assert "fill this in" in wrong(lambda: form().text("name"))
    assert form().text("name", required=False) == ""


@pytest.mark.parametrize("hostile", ["a\x00b", "a\x1b[2Jb", "a\u202eb", "a\nb", "\ud800"])
def test_what_cannot_be_printed_is_refused(hostile: str) -> None:
    assert "printable" in wrong(lambda: form(name=hostile).text("name"))


def test_lines_are_allowed_where_they_are_meant() -> None:
    assert form(text="a\r\n\tb").text("text", lines=True) == "a\n\tb"
    assert "printable" in wrong(lambda: form(text="a\x00b").text("text", lines=True))


def test_a_password_is_taken_as_typed() -> None:
    assert form(typed=" pass word ").secret("typed") == " pass word "
    assert wrong(lambda: form(typed="a" * 1025).secret("typed"))
    assert wrong(lambda: form().secret("typed"))


@pytest.mark.parametrize("text", ["", "x", "1.5", "1e3", "٣", "²", "-", "--1", "9" * 30, "0", "11"])
def test_a_number_is_whole_and_within_bounds(text: str) -> None:
    assert wrong(lambda: form(n=text).number("n", low=1, high=10))


def test_numbers_that_are_good() -> None:
    assert form(n=" 7 ").number("n", low=1, high=10) == 7
    assert form(n="-3").number("n", low=-5, high=10) == -3
    assert form(n="").number("n", low=1, high=10, default=4) == 4


def test_a_choice_is_one_of_a_few() -> None:
    assert form(role="viewer").choice("role", ("viewer", "admin")) == "viewer"
    assert wrong(lambda: form(role="root").choice("role", ("viewer", "admin")))
    assert wrong(lambda: form().choice("role", ("viewer",)))


def test_many_values_are_bounded() -> None:
    many = Form(MultiDict([("number", str(n)) for n in range(5)]))
    assert many.all("number") == ("0", "1", "2", "3", "4")
    assert wrong(lambda: many.all("number", most=4))
    assert many.all("nothing") == ()
    assert Form({"number": "7"}).all("number") == ("7",)


def test_boxes() -> None:
    assert form(x="yes").flag("x")
    assert not form().flag("x")


async def _take(visit: Visit) -> object:
    fields = await visit.form()
    upload = fields.file("file")
    assert upload is not None
    return visit.render("problem.html", trouble=_Said(upload.name + ":" + upload.read(10).decode()))


class _Said:
    title, detail, next_step = "Taken", "", ""

    def __init__(self, said: str) -> None:
        self.said = said


TAKING = Page("taking", "Taking", "home", "/take", (Route("POST", "/take", _take),))  # type: ignore[arg-type]


async def test_a_file_comes_along_with_a_name_that_is_only_text() -> None:
    async with site(pages=[TAKING]) as page:
        document = await page.post("/take", files={"file": ("../../<b>x</b>.pem", b"content")})
        assert document.status == 200
        assert "../../<b>x</b>.pem:content" in document.text
        assert "<b>" not in document.source


async def test_a_file_that_is_missing_or_too_large_is_said() -> None:
    async with site(pages=[TAKING]) as page:
        document = await page.post("/take")
        assert (document.status, "Please choose a file." in document.text) == (422, True)
        document = await page.post("/take", files={"file": ("x", b"12345678901")})
        assert (document.status, "This file is too large." in document.text) == (422, True)
        # A text field where a file is expected is none.
        document = await page.post("/take", file="text")
        assert document.status == 422
