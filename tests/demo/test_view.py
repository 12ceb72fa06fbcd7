"""What a person sees: the page, the plain lines, the verdict."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from gateway.demo import view
from gateway.demo.ledger import Answer, Arrival, Ledger
from gateway.demo.scene import Chapter, Scene


def ledger(*, arrived: int = 2) -> Ledger:
    books = Ledger({"record": 4, "image": 0, "bulk": 0})
    for number in range(3):
        books.answered(Answer("beams-record", str(number), 1000, b"d", 0, 0.012, number < 1))
        if number < arrived:
            books.arrived(Arrival(str(number), 1000, b"d", 1.0))
    return books


def scene() -> Scene:
    made = Scene(ledger(), chapter=Chapter(2, "The link is cut", "In the middle."))
    made.waiting["record"] = 1
    made.waiting_bytes = 1_500_000
    made.advance(3.0, link_up=True)
    made.advance(25.0, link_up=False)
    return made


def drawn(thing: object, width: int = 100) -> str:
    terminal = Console(file=io.StringIO(), width=width, record=True)
    terminal.print(thing)
    return terminal.export_text()


def test_page_tells_the_state() -> None:
    text = drawn(view.page(scene()))
    assert "2  The link is cut. In the middle." in text
    assert "3 answered 0x0000" in text
    assert "1 waiting" in text
    assert "1.5 MB safe on disk" in text
    assert "2 received intact" in text
    assert "slowest 12 ms" in text
    assert "3/4" in text
    assert "━" in text
    assert "╳" in text
    assert "0:25" in text


@pytest.mark.parametrize("width", [80, 100, 200])
def test_page_fits_without_cutting_anything(width: int) -> None:
    text = drawn(view.page(scene(), width), width)
    lines = text.splitlines()
    assert max(map(len, lines)) == min(width, view.WIDTH)
    assert len(lines) <= 24
    assert "…" not in text


def test_plain_view_prints_chapters_and_progress_now_and_then() -> None:
    output = io.StringIO()
    shown = view.PlainView(Console(file=output, width=120))
    moment = scene()
    shown.chapter(moment.chapter)
    shown.update(moment)
    moment.elapsed += 0.1
    shown.update(moment)
    moment.elapsed += 5
    shown.update(moment)
    shown.close()
    lines = output.getvalue().splitlines()
    assert lines[0] == "2. The link is cut: In the middle."
    assert len(lines) == 3
    assert "link cut  answered 0x0000 3/4  waiting 1 (1.5 MB)  at the centre 2/4" in lines[1]


def test_introduction_has_three_lines_that_fit() -> None:
    output = io.StringIO()
    view.introduce(Console(file=output, width=80))
    lines = [line for line in output.getvalue().splitlines() if line]
    assert len(lines) == 4
    assert all(len(line) <= 80 for line in lines)


def test_verdict_of_a_complete_proof() -> None:
    proof = ledger(arrived=3).proof()
    assert view.complaints(proof) == []
    text = drawn(view.verdict(proof, facts=[("Slowest", "12 ms")], complaints=[]))
    assert "at the centre, kept once, bit for bit." in text
    assert "3,000" in text
    assert "✗" not in text
    assert "…" not in text


def test_verdict_names_what_is_missing() -> None:
    proof = ledger(arrived=2).proof()
    assert view.complaints(proof) == ["Treatment records: 1 did not arrive"]
    text = drawn(view.verdict(proof, facts=[], complaints=view.complaints(proof)))
    assert "FAILED: Treatment records: 1 did not arrive" in text
    assert "bit for bit" not in text


def test_complaints_cover_every_way_to_fail() -> None:
    books = Ledger()
    books.answered(Answer("beams-record", "1", 10, b"a", 0xA700, 0.1, True))
    books.answered(Answer("cbct", "2", 10, b"b", 0, 0.1, True))
    books.arrived(Arrival("2", 10, b"other", 1.0))
    books.arrived(Arrival("2", 10, b"third", 1.0))
    books.arrived(Arrival("3", 10, b"c", 1.0))
    words = " ".join(view.complaints(books.proof()))
    assert "1 not answered with 0x0000" in words
    assert "1 arrived with other bytes" in words
    assert "1 objects at the centre were never acknowledged" in words
    assert "1 objects came twice, with different content" in words
