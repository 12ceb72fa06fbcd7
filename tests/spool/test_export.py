"""Export: a DICOM file, whole or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from gateway.errors import LocalError, SpoolFailure
from gateway.spool import Spool
from tests.support.spooling import (
    ENOSPC,
    LARGE,
    SMALL,
    FaultyFiles,
    OpenSpool,
    an_instance,
    content,
    object_files,
    store,
)


@pytest.fixture
def files() -> FaultyFiles:
    return FaultyFiles()


@pytest.fixture
def spool(open_spool: OpenSpool, files: FaultyFiles) -> Spool:
    return open_spool(files=files)


async def test_others_can_read_it(spool: Spool, tmp_path: Path) -> None:
    dataset = Dataset()
    dataset.SOPInstanceUID = an_instance(1).sop_instance_uid
    dataset.PatientName = "Phantom^Water"
    buffer = DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, False
    write_dataset(buffer, dataset)
    await store(spool, buffer.getvalue())
    await spool.export(1, tmp_path / "out.dcm")
    read = dcmread(tmp_path / "out.dcm")
    assert read.PatientName == "Phantom^Water"
    assert read.file_meta.MediaStorageSOPInstanceUID == an_instance(1).sop_instance_uid
    assert read.file_meta.SourceApplicationEntityTitle == "LINAC1"
    assert (tmp_path / "out.dcm").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_the_bytes_are_those_received(spool: Spool, tmp_path: Path, size: int) -> None:
    await store(spool, content(1, size))
    await spool.export(1, tmp_path / "out.dcm")
    assert (tmp_path / "out.dcm").read_bytes().endswith(content(1, size))
    assert (tmp_path / "out.dcm").read_bytes()[128:132] == b"DICM"
    with pytest.raises(LocalError, match="File exists"):
        await spool.export(1, tmp_path / "out.dcm")


async def test_an_object_file_is_a_dicom_file_too(spool: Spool, tmp_path: Path, directory: Path) -> None:
    await store(spool, content(1, LARGE))
    await spool.export(1, tmp_path / "out.dcm")
    assert object_files(directory)[0].read_bytes() == (tmp_path / "out.dcm").read_bytes()


async def test_a_flipped_bit_is_noticed(spool: Spool, tmp_path: Path, directory: Path) -> None:
    await store(spool, content(1, LARGE))
    path = object_files(directory)[0]
    damaged = bytearray(path.read_bytes())
    damaged[-5] ^= 4
    path.write_bytes(damaged)
    with pytest.raises(SpoolFailure, match="not what was received"):
        await spool.export(1, tmp_path / "out.dcm")
    assert not (tmp_path / "out.dcm").exists()


@pytest.mark.parametrize("call", ["write", "sync"])
async def test_a_full_disk_leaves_no_half_file(
    spool: Spool, files: FaultyFiles, tmp_path: Path, call: str
) -> None:
    await store(spool, content(1, SMALL))
    files.fail(call, ENOSPC)
    with pytest.raises(SpoolFailure, match="No space"):
        await spool.export(1, tmp_path / "out.dcm")
    assert not (tmp_path / "out.dcm").exists()


async def test_no_such_object(spool: Spool, tmp_path: Path) -> None:
    with pytest.raises(LocalError):
        await spool.export(7, tmp_path / "out.dcm")
    assert not (tmp_path / "out.dcm").exists()
