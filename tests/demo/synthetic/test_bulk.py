"""Many objects, and huge ones."""

from __future__ import annotations

import hashlib
import tracemalloc
from pathlib import Path

import pytest
from pydicom import dcmread

from gateway.demo.synthetic import SyntheticObject, Template, make_record, stream_large_object

MIB = 1 << 20


def test_copies_differ_in_the_instance_uid_alone() -> None:
    original = make_record()
    copies = list(Template(original).copies(50))
    assert len({copy.sop_instance_uid for copy in copies}) == 50
    assert len({copy.digest for copy in copies}) == 50
    for copy in copies[:3]:
        data_set = copy.data_set()
        assert data_set.SOPInstanceUID == copy.sop_instance_uid
        data_set.SOPInstanceUID = original.sop_instance_uid
        data_set.file_meta.MediaStorageSOPInstanceUID = original.sop_instance_uid
        assert data_set == original.data_set()


def test_copies_are_reproducible() -> None:
    assert Template(make_record()).copy(7) == Template(make_record()).copy(7)


@pytest.mark.parametrize("data", [b"", b"1.2.3 and 1.2.3 again"])
def test_template_needs_the_uid_exactly_once(data: bytes) -> None:
    with pytest.raises(ValueError, match="exactly once"):
        Template(SyntheticObject("beams-record", "1.2", "1.2.3", data))


def test_large_object_has_the_size_it_says() -> None:
    large = stream_large_object(5 * MIB)
    pieces = list(large)
    assert sum(map(len, pieces)) == large.size >= 5 * MIB
    assert max(map(len, pieces)) <= MIB // 4


def test_large_object_repeats_itself_exactly() -> None:
    large = stream_large_object(5 * MIB)
    assert b"".join(large) == b"".join(large) == b"".join(stream_large_object(5 * MIB))


def test_no_two_pieces_are_equal() -> None:
    _, *pixels = stream_large_object(8 * MIB)
    assert len({hashlib.sha256(piece).digest() for piece in pixels}) == len(pixels)


def test_large_object_is_a_readable_file(tmp_path: Path) -> None:
    large = stream_large_object(3 * MIB)
    read = dcmread(large.write(tmp_path / "large.dcm"))
    assert read.SOPInstanceUID == large.sop_instance_uid
    assert len(read.PixelData) == large.pixel_bytes
    assert int(read.NumberOfFrames) == 2


def test_streaming_takes_no_memory() -> None:
    large = stream_large_object(256 * MIB)
    tracemalloc.start()
    try:
        assert sum(len(piece) for piece in large) == large.size
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4 * MIB


def test_more_than_one_element_holds_is_refused() -> None:
    assert stream_large_object(4094 * MIB).size > 4094 * MIB
    with pytest.raises(ValueError, match="do not fit"):
        stream_large_object(4096 * MIB)
