from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.receipt import COMMENT_MAX, make_receipt, printable


def test_a_receipt_says_what_was_sent_and_answered() -> None:
    receipt = make_receipt(
        "oncology", 0xB000, "coerced ", transfer_syntax_uid="1.2.840.10008.1.2", digest=b"d", at=5.0
    )
    assert (receipt.destination, receipt.status, receipt.comment) == ("oncology", 0xB000, "coerced")
    assert (receipt.transfer_syntax_uid, receipt.digest, receipt.at) == ("1.2.840.10008.1.2", b"d", 5.0)
    assert receipt.is_warning


def test_control_characters_do_not_reach_a_terminal() -> None:
    assert printable("bad\x1b[31m\nthing\x00") == "bad [31m thing"


@given(st.text())
def test_a_comment_is_bounded_and_on_one_line(comment: str) -> None:
    shown = printable(comment)
    assert len(shown) <= COMMENT_MAX
    assert shown.isprintable()
