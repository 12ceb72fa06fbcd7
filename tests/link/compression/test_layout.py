"""Where the pixels are: found in pieces of any size, in either encoding, and never in an icon."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

from gateway.demo.synthetic import Sizes, Treatment
from gateway.demo.synthetic.encoding import encode, item, pixel_element_header
from gateway.link.compression.layout import PixelFinder, PixelLayout
from tests.support.link_offers import EXPLICIT, JPEG

_SMALL = Sizes(
    matrix=32, ct_slices=2, cbct_slices=2, dose_frames=2, dose_matrix=8, image_rows=16, image_columns=24
)


def find(data: bytes, syntax: str = EXPLICIT, piece: int = 1 << 20) -> PixelFinder:
    finder = PixelFinder(syntax)
    for start in range(0, len(data), piece):
        finder.feed(data[start : start + piece])
    return finder


def image(syntax: str = ExplicitVRLittleEndian, undefined: bool = False, **attributes: object) -> bytes:
    """A data set with an icon before 60 bytes of Pixel Data."""
    icon = item(Rows=1, Columns=2, BitsAllocated=8, SamplesPerPixel=1)
    icon.add_new(0x7FE00010, "OW", b"\1\2")
    icon.is_undefined_length_sequence_item = undefined
    data_set = item(PatientName="TEST^Icon", IconImageSequence=[icon], SamplesPerPixel=1)
    data_set.update(item(Rows=5, Columns=6, BitsAllocated=16))
    data_set.update(item(**attributes))
    data_set["IconImageSequence"].is_undefined_length = undefined
    return encode(data_set, syntax) + pixel_element_header(60, syntax) + bytes(60)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("kind", ["ct", "cbct", "rt-image", "dose"])
@pytest.mark.parametrize("piece", [1, 7, 1 << 20])
def test_pixels_are_found(kind: str, syntax: str, piece: int) -> None:
    thing = Treatment(1, sizes=_SMALL).make(kind, transfer_syntax_uid=syntax)
    data_set = thing.data_set()
    layout = find(thing.data, syntax, piece).layout
    assert layout is not None
    assert thing.data[layout.start : layout.end] == data_set.PixelData
    assert (layout.width, layout.columns, layout.step) == (2, data_set.Columns, 1)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("undefined", [True, False])
@pytest.mark.parametrize("piece", [1, 13, 1 << 20])
def test_an_icon_is_stepped_over(syntax: str, undefined: bool, piece: int) -> None:
    data = image(syntax, undefined)
    assert find(data, syntax, piece).layout == PixelLayout(len(data) - 60, len(data), 2, 6, 1)


@pytest.mark.parametrize(
    ("attributes", "width", "columns", "step"),
    [
        ({"SamplesPerPixel": 3, "PlanarConfiguration": 0, "BitsAllocated": 8}, 1, 18, 3),
        ({"SamplesPerPixel": 3, "PlanarConfiguration": 1, "BitsAllocated": 8}, 1, 6, 1),
        ({"BitsAllocated": 32}, 4, 6, 1),
    ],
)
def test_other_shapes(attributes: dict[str, object], width: int, columns: int, step: int) -> None:
    layout = find(image(**attributes)).layout
    assert layout is not None
    assert (layout.width, layout.columns, layout.step) == (width, columns, step)


def test_floats_have_their_own_element() -> None:
    data_set = item(Rows=2, Columns=3)
    data_set.FloatPixelData = np.zeros(6, "<f4").tobytes()
    data = encode(data_set)
    assert find(data).layout == PixelLayout(len(data) - 24, len(data), 4, 3, 1)


@pytest.mark.parametrize("attributes", [{"BitsAllocated": 1}, {"Columns": 0}, {"SamplesPerPixel": 9}])
def test_what_cannot_be_told_is_not_told(attributes: dict[str, object]) -> None:
    finder = find(image(**attributes))
    assert finder.layout is None
    assert not finder.searching


def test_compressed_and_big_endian_objects_are_not_searched() -> None:
    for syntax in (JPEG, "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"):
        assert not PixelFinder(syntax).searching


def test_the_search_is_bounded() -> None:
    """A structure set of a hundred thousand items must not hold up the loop."""
    many = Dataset()
    many.ContourSequence = [item(ContourNumber=str(n % 1000)) for n in range(5000)]
    many["ContourSequence"].is_undefined_length = True
    for one in many.ContourSequence:
        one.is_undefined_length_sequence_item = True
    finder = find(encode(many))
    assert not finder.searching
    nested = item(ContourNumber="1")
    for _ in range(40):
        nested = item(ContourSequence=[nested])
        nested["ContourSequence"].is_undefined_length = True
        nested.ContourSequence[0].is_undefined_length_sequence_item = True
    assert not find(encode(nested)).searching


@given(
    st.binary(max_size=300),
    st.integers(0, 700),
    st.integers(1, 50),
    st.sampled_from([EXPLICIT, "1.2.840.10008.1.2"]),
)
def test_anything_can_be_fed(noise: bytes, place: int, piece: int, syntax: str) -> None:
    data = image(syntax)
    bent = data[:place] + noise + data[place:]
    whole, cut = find(bent, syntax), find(bent, syntax, piece)
    assert whole.layout == cut.layout
    for finder in (whole, cut):
        assert len(finder._held) < 32
