from __future__ import annotations

import email.parser
import email.policy

from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.web.multipart import TAIL, Part, closing, content_type, length_of
from gateway.dicom.part10 import read_header
from gateway.model import Instance

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT = "1.2.840.10008.1.2.1"
BOUNDARY = "0123456789abcdef"


@given(st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=5))
def test_every_object_comes_out_as_it_went_in_and_the_length_is_known(bodies: list[bytes]) -> None:
    parts = [
        Part.of(Instance(CT, f"1.2.{number}", EXPLICIT), len(body), BOUNDARY)
        for number, body in enumerate(bodies)
    ]
    whole = b"".join(part.head + body + TAIL for part, body in zip(parts, bodies, strict=True))
    whole += closing(BOUNDARY)
    assert len(whole) == length_of(parts, BOUNDARY)
    pieces = (b"\r\n" + whole).split(f"\r\n--{BOUNDARY}".encode())
    assert pieces[0] == b""
    assert pieces[-1] == b"--\r\n"
    for number, (piece, body) in enumerate(zip(pieces[1:-1], bodies, strict=True)):
        header, _, file = piece.partition(b"\r\n\r\n")
        assert header == b"\r\nContent-Type: application/dicom"
        instance, start = read_header(file)
        assert instance == Instance(CT, f"1.2.{number}", EXPLICIT)
        assert file[start:] == body


def test_another_parser_finds_the_parts() -> None:
    part = Part.of(Instance(CT, "1.2.3", EXPLICIT), 4, BOUNDARY)
    body = part.head + b"data" + TAIL + closing(BOUNDARY)
    head = f"Content-Type: {content_type(BOUNDARY)}\r\n\r\n".encode()
    message = email.parser.BytesParser(policy=email.policy.HTTP).parsebytes(head + body)
    assert message.get_content_type() == "multipart/related"
    assert message.get_param("type") == "application/dicom"
    (only,) = message.iter_parts()
    assert only.get_content_type() == "application/dicom"
    assert not message.defects
