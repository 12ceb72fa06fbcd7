"""Image series and what is drawn on them: CT, CBCT, portal images, structures, dose, registration.

The pixels are a body outline with noise, made by slicing one prepared table of noise, so that a whole
CBCT costs milliseconds without numpy. They look like a phantom, not like a person.
"""

from __future__ import annotations

import array
import functools
import math
import random
import sys

from pydicom.dataset import Dataset

from gateway.demo.synthetic.encoding import decimals, item
from gateway.demo.synthetic.patient import Patient

PIXEL_SPACING = 1.0  # mm, CT and CBCT
SLICE_THICKNESS = 3.0  # mm
_AIR, _WATER = 24, 1024  # stored values; Rescale Intercept is -1024

ISOCENTRE = ["0.0", "0.0", "0.0"]


def ct_slice(patient: Patient, kind: str, fraction: int, index: int, slices: int, matrix: int) -> Dataset:
    """Return one CT or CBCT slice without its pixels; `kind` is "ct" or "cbct"."""
    on_board = kind == "cbct"
    position = (index - slices / 2) * SLICE_THICKNESS
    corner = -matrix * PIXEL_SPACING / 2
    data_set = patient.common(kind, "CT", fraction=fraction, index=index)
    data_set.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data_set.AcquisitionNumber = "1"
    data_set.InstanceNumber = str(index + 1)
    data_set.update(
        item(
            SliceThickness=f"{SLICE_THICKNESS:.1f}",
            KVP="120",
            BodyPartExamined="PELVIS",
            PatientPosition="HFS",
            ImagePositionPatient=decimals([corner, corner, position]),
            ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
            FrameOfReferenceUID=frame_of(patient, kind, fraction),
            PositionReferenceIndicator="",
            SamplesPerPixel=1,
            PhotometricInterpretation="MONOCHROME2",
            Rows=matrix,
            Columns=matrix,
            PixelSpacing=decimals([PIXEL_SPACING, PIXEL_SPACING]),
            BitsAllocated=16,
            BitsStored=16,
            HighBit=15,
            PixelRepresentation=0,
            RescaleIntercept="-1024",
            RescaleSlope="1",
            RescaleType="HU",
            WindowCenter="40",
            WindowWidth="400",
        )
    )
    if on_board:
        data_set.ProtocolName = "CBCT pelvis"
    return data_set


def frame_of(patient: Patient, kind: str, fraction: int) -> str:
    """Return the Frame of Reference: the planning CT's, or the one of that day's CBCT."""
    return patient.planning_frame if kind == "ct" else patient.uid("frame", "cbct", fraction)


def rt_image(patient: Patient, fraction: int, index: int, rows: int, columns: int) -> Dataset:
    """Return a portal image of beam `index` + 1, without its pixels (PS3.3 A.17)."""
    data_set = patient.common("rt-image", "RTIMAGE", fraction=fraction, index=index)
    data_set.ImageType = ["ORIGINAL", "PRIMARY", "PORTAL"]
    data_set.ConversionType = "DI"
    data_set.InstanceNumber = str(index + 1)
    data_set.update(
        item(
            PatientOrientation="",
            SamplesPerPixel=1,
            PhotometricInterpretation="MONOCHROME2",
            Rows=rows,
            Columns=columns,
            BitsAllocated=16,
            BitsStored=16,
            HighBit=15,
            PixelRepresentation=0,
            RTImageLabel=f"Portal {index + 1}",
            RTImageName=f"Fraction {fraction}",
            ReportedValuesOrigin="ACTUAL",
            RTImagePlane="NORMAL",
            XRayImageReceptorAngle="0",
            ImagePlanePixelSpacing=["0.78", "0.78"],
            RTImagePosition=decimals([-columns * 0.39, rows * 0.39], 2),
            RadiationMachineName="LINAC1",
            RadiationMachineSAD="1000",
            RTImageSID="1500",
            PrimaryDosimeterUnit="MU",
            GantryAngle=f"{72 * (index % 5)}",
            BeamLimitingDeviceAngle="0",
            PatientSupportAngle="0",
            ReferencedRTPlanSequence=[patient.reference("plan")],
            ReferencedBeamNumber=str(index % 5 + 1),
            ReferencedFractionGroupNumber="1",
            FractionNumber=str(fraction),
        )
    )
    return data_set


def pixels(patient: Patient, what: str, fraction: int, index: int, rows: int, columns: int) -> bytes:
    """Return `rows` x `columns` 16-bit pixels, little endian: an ellipse of water with noise, in air."""
    noise = _noise_table(patient.seed)
    rng = patient.random("pixels", what, fraction, index)
    width = 0.42 + rng.uniform(-0.02, 0.02)
    height = 0.32 + rng.uniform(-0.02, 0.02)
    air = _little_endian(array.array("H", [_AIR])) * columns
    out = bytearray()
    for row in range(rows):
        inside = 1 - ((row / rows - 0.5) / height) ** 2
        half = int(columns * width * math.sqrt(inside)) if inside > 0 else 0
        left = columns // 2 - half
        start = 2 * rng.randrange(len(noise) // 2 - columns)
        out += air[: 2 * left]
        out += noise[start : start + 4 * half]
        out += air[: 2 * (columns - left - 2 * half)]
    return bytes(out)


@functools.lru_cache(maxsize=4)
def _noise_table(seed: int) -> bytes:
    """Return noise around water, about 20 HU wide, long enough that rows do not repeat by eye."""
    rng = random.Random(f"noise/{seed}")  # noqa: S311 - reproducible, not secret
    raw = rng.randbytes(1 << 16)
    return _little_endian(array.array("H", [_WATER - 32 + (byte & 0x3F) for byte in raw]))


def _little_endian(values: array.array[int]) -> bytes:
    if sys.byteorder == "big":
        values.byteswap()
    return values.tobytes()


def structure_set(patient: Patient, slices: int) -> Dataset:
    """Return an RT Structure Set: body, target and an organ at risk, drawn on every planning slice."""
    rois = (("BODY", "EXTERNAL", 200.0, 150.0), ("PTV", "PTV", 45.0, 40.0), ("BLADDER", "ORGAN", 30.0, 25.0))
    data_set = patient.common("structure-set", "RTSTRUCT")
    data_set.InstanceNumber = "1"
    data_set.FrameOfReferenceUID = patient.planning_frame
    data_set.PositionReferenceIndicator = ""
    data_set.StructureSetLabel = "SYNTHETIC"
    data_set.StructureSetDate = data_set.StudyDate
    data_set.StructureSetTime = data_set.StudyTime
    data_set.ReferencedFrameOfReferenceSequence = [
        item(
            FrameOfReferenceUID=patient.planning_frame,
            RTReferencedStudySequence=[
                item(
                    ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",
                    ReferencedSOPInstanceUID=data_set.StudyInstanceUID,
                    RTReferencedSeriesSequence=[
                        item(
                            SeriesInstanceUID=patient.uid("series", "ct", 0, 0),
                            ContourImageSequence=[patient.reference("ct", 0, i) for i in range(slices)],
                        )
                    ],
                )
            ],
        )
    ]
    data_set.StructureSetROISequence = [
        item(
            ROINumber=str(number),
            ReferencedFrameOfReferenceUID=patient.planning_frame,
            ROIName=name,
            ROIGenerationAlgorithm="AUTOMATIC",
        )
        for number, (name, *_) in enumerate(rois, start=1)
    ]
    data_set.ROIContourSequence = [
        item(
            ROIDisplayColor=["255", str(60 * number), "0"],
            ContourSequence=[_contour(patient, i, slices, width, height) for i in range(slices)],
            ReferencedROINumber=str(number),
        )
        for number, (_, _, width, height) in enumerate(rois, start=1)
    ]
    data_set.RTROIObservationsSequence = [
        item(
            ObservationNumber=str(number),
            ReferencedROINumber=str(number),
            RTROIInterpretedType=role,
            ROIInterpreter="",
        )
        for number, (_, role, *_) in enumerate(rois, start=1)
    ]
    data_set.ApprovalStatus = "UNAPPROVED"
    return data_set


def _contour(patient: Patient, index: int, slices: int, width: float, height: float) -> Dataset:
    z = (index - slices / 2) * SLICE_THICKNESS
    points = 60
    coordinates: list[float] = []
    for step in range(points):
        angle = 2 * math.pi * step / points
        coordinates += (width * math.cos(angle), height * math.sin(angle), z)
    return item(
        ContourImageSequence=[patient.reference("ct", 0, index)],
        ContourGeometricType="CLOSED_PLANAR",
        NumberOfContourPoints=str(points),
        ContourData=decimals(coordinates, 2),
    )


def dose(patient: Patient, frames: int, matrix: int) -> Dataset:
    """Return an RT Dose grid of `frames` planes over the target, without its pixels (PS3.3 A.18)."""
    spacing = 2.5
    data_set = patient.common("dose", "RTDOSE")
    data_set.InstanceNumber = "1"
    data_set.update(
        item(
            SliceThickness="",
            ImagePositionPatient=decimals([-matrix * spacing / 2] * 2 + [-frames * spacing / 2], 2),
            ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
            FrameOfReferenceUID=patient.planning_frame,
            PositionReferenceIndicator="",
            SamplesPerPixel=1,
            PhotometricInterpretation="MONOCHROME2",
            NumberOfFrames=str(frames),
            FrameIncrementPointer=0x3004000C,
            Rows=matrix,
            Columns=matrix,
            PixelSpacing=[str(spacing), str(spacing)],
            BitsAllocated=16,
            BitsStored=16,
            HighBit=15,
            PixelRepresentation=0,
            DoseUnits="GY",
            DoseType="PHYSICAL",
            DoseSummationType="PLAN",
            GridFrameOffsetVector=decimals([spacing * i for i in range(frames)]),
            DoseGridScaling="0.001",
            TissueHeterogeneityCorrection="IMAGE",
            ReferencedRTPlanSequence=[patient.reference("plan")],
        )
    )
    return data_set


def registration(patient: Patient, fraction: int, ct_slices: int, cbct_slices: int) -> Dataset:
    """Return a Spatial Registration of the day's CBCT to the planning CT: a couch shift (PS3.3 A.39.1)."""
    rng = patient.random("registration", fraction)
    shift = [rng.uniform(-4, 4) for _ in range(3)]
    still = [1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 1.0, 0, 0, 0, 0, 1.0]
    moved = list(still)
    moved[3], moved[7], moved[11] = shift
    data_set = patient.common("registration", "REG", fraction=fraction)
    data_set.InstanceNumber = "1"
    data_set.ContentDate = data_set.StudyDate
    data_set.ContentTime = data_set.StudyTime
    data_set.BodyPartExamined = "PELVIS"
    data_set.ContentLabel = "CBCT_TO_CT"
    data_set.ContentDescription = "Couch shift"
    data_set.ContentCreatorName = "TEST^Operator"
    data_set.FrameOfReferenceUID = patient.planning_frame
    data_set.PositionReferenceIndicator = ""
    data_set.RegistrationSequence = [
        _registered(patient, "ct", 0, ct_slices, still),
        _registered(patient, "cbct", fraction, cbct_slices, moved),
    ]
    data_set.ReferencedSeriesSequence = [
        item(
            SeriesInstanceUID=patient.uid("series", "cbct", fraction, 0),
            ReferencedInstanceSequence=[patient.reference("cbct", fraction, i) for i in range(cbct_slices)],
        )
    ]
    data_set.StudiesContainingOtherReferencedInstancesSequence = [
        item(
            StudyInstanceUID=patient.uid("study", 0),
            ReferencedSeriesSequence=[
                item(
                    SeriesInstanceUID=patient.uid("series", "ct", 0, 0),
                    ReferencedInstanceSequence=[patient.reference("ct", 0, i) for i in range(ct_slices)],
                )
            ],
        )
    ]
    return data_set


def _registered(patient: Patient, kind: str, fraction: int, slices: int, matrix: list[float]) -> Dataset:
    return item(
        FrameOfReferenceUID=frame_of(patient, kind, fraction),
        ReferencedImageSequence=[patient.reference(kind, fraction, i) for i in range(slices)],
        MatrixRegistrationSequence=[
            item(
                MatrixSequence=[
                    item(
                        FrameOfReferenceTransformationMatrixType="RIGID",
                        FrameOfReferenceTransformationMatrix=decimals(matrix, 4),
                    )
                ],
                RegistrationTypeCodeSequence=[],
            )
        ],
    )
