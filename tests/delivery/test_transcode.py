"""Conversion checked by two independent readers: pydicom's data sets and DCMTK's dcmconv."""

from __future__ import annotations

import array
import hashlib
import io
import struct
import subprocess
import warnings
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.delivery.decompress import NotConvertible
from gateway.delivery.transcode import (
    DEFLATED_LE,
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    NATIVE,
    targets,
    transcode,
)
from tests.support import machine, objects

RLE, JPEG_LOSSY = "1.2.840.10008.1.2.5", "1.2.840.10008.1.2.4.50"
LIMIT = 1 << 28


def convert(data: bytes, source: str, target: str, limit: int = LIMIT) -> bytes:
    sink = io.BytesIO()
    digest = transcode(io.BytesIO(data), sink, source, target, limit)
    assert digest == hashlib.sha256(sink.getvalue()).digest()
    return sink.getvalue()


def parsed(data: bytes, syntax: str) -> pydicom.Dataset:
    raw = objects.part10("1.2", "1.2", syntax, data)
    return pydicom.dcmread(io.BytesIO(raw), force=True)


def comparable(data_set: pydicom.Dataset, syntax: str) -> dict[str, object]:
    """All values as pydicom understands them, without group lengths; the VR may become UN or OW."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        flat: dict[str, object] = {}
        for tag in list(data_set.keys()):
            raw, element = data_set.get_item(tag), data_set[tag]
            if tag.element == 0:
                continue
            if tag.is_private and element.VR != "SQ":
                # Without its VR pydicom guesses; the bytes are what counts.
                flat[str(tag)] = _swapped(raw.value or b"", raw.VR if syntax == EXPLICIT_BE else "")
            elif element.VR == "SQ":
                flat[str(tag)] = [comparable(item, syntax) for item in element.value]
            elif isinstance(element.value, bytes):
                flat[str(tag)] = _swapped(element.value, element.VR if syntax == EXPLICIT_BE else "")
            else:
                flat[str(tag)] = str(element.value or "")
        return flat


def _swapped(value: bytes, vr: str) -> bytes:
    codes = {"US": "H", "SS": "H", "OW": "H", "AT": "H", "UL": "I", "SL": "I", "FL": "I", "FD": "Q"}
    words = array.array(codes.get(vr, "B"), value)
    words.byteswap()
    return words.tobytes()


FILES = Path(pydicom.__file__).parent / "data" / "test_files"
SAMPLES = [
    "rtplan.dcm",
    "rtstruct.dcm",
    "CT_small.dcm",
    "MR_small.dcm",
    "MR_small_implicit.dcm",
    "MR_small_bigendian.dcm",
    "MR_small_padded.dcm",
    "ExplVR_BigEnd.dcm",
    "ExplVR_LitEndNoMeta.dcm",
    "nested_priv_SQ.dcm",
    "priv_SQ.dcm",
    "image_dfl.dcm",
    "reportsi.dcm",
    "waveform_ecg.dcm",
    "liver_1frame.dcm",
    "liver_expb_1frame.dcm",
    "SC_rgb_small_odd.dcm",
    "SC_rgb_small_odd_big_endian.dcm",
    "examples_palette.dcm",
    "examples_overlay.dcm",
    "test-SR.dcm",
]


def sample(name: str) -> tuple[bytes, str]:
    path = FILES / name
    raw = path.read_bytes()
    data_set = pydicom.dcmread(path, force=True)
    if raw[128:132] == b"DICM":
        return objects.data_set(path), str(data_set.file_meta.TransferSyntaxUID)
    implicit, _ = data_set.original_encoding
    return raw, IMPLICIT_LE if implicit else EXPLICIT_LE


@pytest.mark.parametrize("target", NATIVE)
@pytest.mark.parametrize("name", SAMPLES)
def test_every_value_survives(name: str, target: str) -> None:
    data, source = sample(name)
    if target not in targets(source):
        assert target == source
        return
    converted = convert(data, source, target)
    assert comparable(parsed(converted, target), target) == comparable(parsed(data, source), source)


@pytest.mark.parametrize("name", SAMPLES)
def test_there_and_back_gives_the_same_bytes(name: str) -> None:
    """Once in the form this module writes (sequences of undefined length), nothing changes any more."""
    data, source = sample(name)
    if source != EXPLICIT_LE:
        data = convert(data, source, EXPLICIT_LE)
    for other in (IMPLICIT_LE, EXPLICIT_BE, DEFLATED_LE):
        there = convert(data, EXPLICIT_LE, other)
        again = convert(convert(there, other, EXPLICIT_LE), EXPLICIT_LE, other)
        assert again == there


@pytest.mark.peers
@pytest.mark.parametrize(
    ("target", "option"), [(IMPLICIT_LE, "+ti"), (EXPLICIT_LE, "+te"), (EXPLICIT_BE, "+tb")]
)
@pytest.mark.parametrize("name", ["rtplan.dcm", "rtdose.dcm", "CT_small.dcm", "MR_small.dcm"])
def test_dcmtk_agrees(tmp_path: Path, name: str, target: str, option: str) -> None:
    data, source = sample(name)
    if target not in targets(source) or (name, target) == ("rtdose.dcm", EXPLICIT_BE):
        return
    ours, theirs = tmp_path / "ours.dcm", tmp_path / "theirs.dcm"
    original = tmp_path / "original.dcm"
    original.write_bytes(objects.part10("1.2", "1.2", source, data))
    ours.write_bytes(objects.part10("1.2", "1.2", target, convert(data, source, target)))
    dcmconv = machine.program("dcmconv")
    for before, after in ((original, theirs), (ours, tmp_path / "read.dcm")):
        done = subprocess.run([dcmconv, option, "-e", before, after], capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
    # dcmconv reads ours and writes it in its own style: then the bytes can be compared.
    assert objects.data_set(tmp_path / "read.dcm") == objects.data_set(theirs)


RLE_SAMPLES = [
    "MR_small_RLE.dcm",
    "rtdose_rle.dcm",
    "rtdose_rle_1frame.dcm",
    "SC_rgb_rle.dcm",
    "SC_rgb_rle_2frame.dcm",
    "SC_rgb_rle_16bit.dcm",
    "SC_rgb_rle_16bit_2frame.dcm",
    "SC_rgb_rle_32bit_2frame.dcm",
]


@pytest.mark.peers
@pytest.mark.parametrize("name", RLE_SAMPLES)
def test_rle_is_decompressed_to_the_pixels_that_dcmtk_finds(tmp_path: Path, name: str) -> None:
    data, source = sample(name)
    assert source == RLE
    native = parsed(convert(data, RLE, EXPLICIT_LE), EXPLICIT_LE)
    theirs = tmp_path / "theirs.dcm"
    done = subprocess.run([machine.program("dcmdrle"), "+te", FILES / name, theirs], capture_output=True)
    assert done.returncode == 0, done.stderr
    assert _interleaved(native) == _interleaved(pydicom.dcmread(theirs))
    rest, got = comparable(parsed(data, RLE), RLE), comparable(native, EXPLICIT_LE)
    for tag in ("(7FE0,0010)", "(0028,0006)"):
        rest.pop(tag, None)
        got.pop(tag, None)
    assert got == rest


def _interleaved(data_set: pydicom.Dataset) -> bytes:
    """Pixel bytes with the samples of one pixel together, whatever the planar configuration."""
    raw = data_set.PixelData
    if data_set.SamplesPerPixel == 1 or data_set.PlanarConfiguration == 0:
        return bytes(raw)
    width = data_set.BitsAllocated // 8
    frame = data_set.Rows * data_set.Columns * data_set.SamplesPerPixel * width
    plane = frame // data_set.SamplesPerPixel
    out = bytearray()
    for start in range(0, len(raw) // frame * frame, frame):
        for at in range(0, plane, width):
            for number in range(data_set.SamplesPerPixel):
                out += raw[start + number * plane + at : start + number * plane + at + width]
    return bytes(out) + bytes(raw[len(out) :])


def test_never_from_or_to_anything_lossy() -> None:
    assert targets(JPEG_LOSSY) == ()
    assert targets("1.2.840.10008.1.2.4.81") == ()  # JPEG-LS near-lossless
    assert targets("1.2.840.10008.1.2.4.91") == ()  # JPEG 2000
    assert targets("1.2.3.4") == ()
    for source in NATIVE:
        assert set(targets(source)) == set(NATIVE) - {source}
    with pytest.raises(NotConvertible, match="lossless"):
        convert(b"", JPEG_LOSSY, EXPLICIT_LE)
    with pytest.raises(NotConvertible, match="lossless"):
        convert(b"", EXPLICIT_LE, RLE)


@pytest.mark.parametrize(("name", "target"), [("rtdose.dcm", EXPLICIT_BE), ("rtdose_expb.dcm", EXPLICIT_LE)])
def test_wide_big_endian_pixels_are_refused_because_their_meaning_is_not_certain(
    name: str, target: str
) -> None:
    data, source = sample(name)
    with pytest.raises(NotConvertible, match="16 bits"):
        convert(data, source, target)


@pytest.mark.parametrize("target", [EXPLICIT_LE, IMPLICIT_LE, DEFLATED_LE])
def test_a_dose_survives(target: str) -> None:
    data, source = sample("rtdose.dcm")
    if target != source:
        converted = convert(data, source, target)
        assert comparable(parsed(converted, target), target) == comparable(parsed(data, source), source)


def test_a_deflated_bomb_is_bounded() -> None:
    bomb = objects.small_object("1.2", "1.3", bytes(4_000_000))
    packed = convert(bomb, EXPLICIT_LE, DEFLATED_LE)
    assert len(packed) < 10_000
    with pytest.raises(NotConvertible, match="unfolds"):
        convert(packed, DEFLATED_LE, EXPLICIT_LE, limit=1_000_000)


def element(tag: int, vr: bytes, value: bytes) -> bytes:
    if vr in (b"OB", b"UN", b"OW", b"SQ"):
        return struct.pack("<HH2sHI", tag >> 16, tag & 0xFFFF, vr, 0, len(value)) + value
    return struct.pack("<HH2sH", tag >> 16, tag & 0xFFFF, vr, len(value)) + value


@pytest.mark.parametrize(
    "data",
    [
        element(0x00100010, b"PN", b"Doe^John")[:-2],  # ends in a value
        element(0x00100010, b"PN", b"Doe^John") + b"\x10\x00",  # ends in a tag
        element(0x00100020, b"LO", b"12") + element(0x00100010, b"PN", b"Doe^John"),  # not in order
        element(0x00100010, b"PN", b"Doe^John") * 2,  # twice the same
        element(0x7FE00010, b"OB", b"")[:-4] + b"\xff\xff\xff\xff" + b"\xfe\xff\x00\xe0\x00\x00\x00\x00"
        b"\xfe\xff\xdd\xe0\x00\x00\x00\x00",  # encapsulated although the syntax is native
    ],
)
def test_what_cannot_be_read_for_certain_is_not_converted(data: bytes) -> None:
    with pytest.raises(NotConvertible):
        convert(data, EXPLICIT_LE, IMPLICIT_LE)


def test_values_that_pydicom_would_normalize_keep_their_bytes() -> None:
    odd = (
        element(0x00080005, b"CS", b"ISO_IR 100")
        + element(0x00100010, b"PN", b" Doe^\xe9\xff  ")
        + element(0x00101030, b"DS", b" 1.50\\ nan ")
        + element(0x00280106, b"US", b"\x01\x80")
        + element(0x300A0070, b"SQ", b"")
    )
    converted = parsed(convert(odd, EXPLICIT_LE, IMPLICIT_LE), IMPLICIT_LE)
    assert converted.get_item(0x00100010).value == b" Doe^\xe9\xff  "
    assert converted.get_item(0x00101030).value == b" 1.50\\ nan "


def test_the_sign_of_pixel_values_decides_an_ambiguous_vr() -> None:
    for sign, vr in ((b"\x00\x00", "US"), (b"\x01\x00", "SS")):
        explicit = element(0x00280103, b"US", sign) + element(0x00280106, vr.encode(), b"\x01\x80")
        implicit = convert(explicit, EXPLICIT_LE, IMPLICIT_LE)
        assert convert(implicit, IMPLICIT_LE, EXPLICIT_LE) == explicit


@given(st.binary(max_size=300), st.sampled_from(NATIVE), st.sampled_from(NATIVE))
def test_garbage_is_refused_in_words_or_converted_faithfully(data: bytes, source: str, target: str) -> None:
    if source == target:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            converted = convert(data, source, target, limit=10_000)
        except NotConvertible:
            return
        assert convert(converted, target, source, limit=20_000) is not None
