"""The synthetic objects of a path test, one for each class: small, valid, and marked wherever a person looks.

Nothing in them was ever measured or delivered: no dose, no meterset, an even grey for pixels. They belong to
one course (plan, structures, dose and record name each other), so that a system that checks references finds
what it looks for when the whole course is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.dicom.data_set import Elements
from gateway.pathtest.attributes import Item, item

MARK: Final = "connection test, not a patient"
"""Study and series description of everything that a path test stores."""

PATIENT_NAME: Final = "TEST^GATEWAY PATH TEST"
PATIENT_ID_PREFIX: Final = "GATEWAY-TEST-"

_PIXELS: Final = 8  # rows, and columns: enough to be an image
_GREY: Final = (1024).to_bytes(2, "little") * (_PIXELS * _PIXELS)


@dataclass(frozen=True, slots=True)
class Course:
    """What the objects of one test share. `day` is YYYYMMDD and `clock` HHMMSS, both of this machine."""

    patient_id: str
    day: str
    clock: str
    uid: Callable[[str], str]  # the UID of a thing of this course: always the same for the same name


@dataclass(frozen=True, slots=True)
class Kind:
    """One class that may be tested."""

    key: str  # as in commands and in the API
    sop_class_uid: str
    modality: str
    build: Callable[[Course], Item]


_RT: Final = "1.2.840.10008.5.1.4.1.1.481."
RECORD: Final = _RT + "4"
IMAGE: Final = _RT + "1"
PLAN: Final = _RT + "5"
STRUCTURES: Final = _RT + "3"
DOSE: Final = _RT + "2"
CT: Final = "1.2.840.10008.5.1.4.1.1.2"


def elements(kind: Kind, course: Course) -> Elements:
    """Return the whole data set of one object."""
    return {**_common(kind, course), **kind.build(course)}


def _common(kind: Kind, course: Course) -> Item:
    """Patient, General Study, Series, Equipment and SOP Common."""
    return item(
        InstanceCreationDate=course.day,
        InstanceCreationTime=course.clock,
        SOPClassUID=kind.sop_class_uid,
        SOPInstanceUID=course.uid(kind.key),
        StudyDate=course.day,
        StudyTime=course.clock,
        AccessionNumber="",
        Modality=kind.modality,
        Manufacturer="DICOM Edge Gateway",
        ReferringPhysicianName="",
        StudyDescription=MARK,
        SeriesDescription=MARK,
        OperatorsName="",
        ManufacturerModelName="path test",
        PatientName=PATIENT_NAME,
        PatientID=course.patient_id,
        PatientBirthDate="",
        PatientSex="O",
        PatientComments=MARK,
        DeviceSerialNumber="0",
        SoftwareVersions="1",
        StudyInstanceUID=course.uid("study"),
        SeriesInstanceUID=course.uid(f"series {kind.key}"),
        StudyID="1",
        SeriesNumber="1",
        InstanceNumber="1",
    )


def _reference(course: Course, key: str, sop_class_uid: str) -> Item:
    return item(ReferencedSOPClassUID=sop_class_uid, ReferencedSOPInstanceUID=course.uid(key))


def _pixels() -> Item:
    return item(
        SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2",
        Rows=_PIXELS,
        Columns=_PIXELS,
        BitsAllocated=16,
        BitsStored=16,
        HighBit=15,
        PixelRepresentation=0,
        PixelData=_GREY,
    )


def _frame(course: Course) -> Item:
    return item(FrameOfReferenceUID=course.uid("frame"), PositionReferenceIndicator="")


def _record(course: Course) -> Item:
    """RT Beams Treatment Record (PS3.3 A.29): one beam of which nothing was delivered."""
    delivered = item(
        TreatmentControlPointDate=course.day,
        TreatmentControlPointTime=course.clock,
        ReferencedControlPointIndex="0",
        SpecifiedMeterset="0",
        DeliveredMeterset="0",
        DoseRateSet="0",
        DoseRateDelivered="0",
        NominalBeamEnergy="6",
        NominalBeamEnergyUnit="MV",
        BeamLimitingDevicePositionSequence=[_jaws("ASYMX"), _jaws("ASYMY")],
        **_ANGLES,
        **_TABLE_TOP,
    )
    last = item(
        TreatmentControlPointDate=course.day,
        TreatmentControlPointTime=course.clock,
        ReferencedControlPointIndex="1",
        SpecifiedMeterset="0",
        DeliveredMeterset="0",
        DoseRateSet="0",
        DoseRateDelivered="0",
    )
    beam = item(
        BeamName="TEST",
        BeamType="STATIC",
        RadiationType="PHOTON",
        BeamLimitingDeviceLeafPairsSequence=[_pairs("ASYMX"), _pairs("ASYMY")],
        **_NOTHING_IN_THE_BEAM,
        SpecifiedPrimaryMeterset="0",
        DeliveredPrimaryMeterset="0",
        NumberOfControlPoints="2",
        ControlPointDeliverySequence=[delivered, last],
        CurrentFractionNumber="0",
        TreatmentDeliveryType="TREATMENT",
        TreatmentTerminationStatus="UNKNOWN",
        TreatmentVerificationStatus="",
        ReferencedBeamNumber="1",
        ReferencedPatientSetupNumber="1",
    )
    machine = item(
        Manufacturer="DICOM Edge Gateway",
        InstitutionName="",
        ManufacturerModelName="path test",
        DeviceSerialNumber="0",
        TreatmentMachineName="TEST",
    )
    return item(
        TreatmentDate=course.day,
        TreatmentTime=course.clock,
        ReferencedRTPlanSequence=[_reference(course, "rt-plan", PLAN)],
        TreatmentMachineSequence=[machine],
        ReferencedFractionGroupNumber="1",
        NumberOfFractionsPlanned="1",
        PrimaryDosimeterUnit="MU",
        TreatmentSessionBeamSequence=[beam],
    )


def _image(course: Course) -> Item:
    """RT Image (PS3.3 A.17)."""
    return {
        **item(
            ImageType="ORIGINAL\\PRIMARY\\PORTAL",
            ConversionType="WSD",
            PatientOrientation="",
            RTImageLabel="GATEWAY TEST",
            ReportedValuesOrigin="ACTUAL",
            RTImagePlane="NORMAL",
            XRayImageReceptorAngle="0",
            ImagePlanePixelSpacing="1\\1",
            RTImagePosition="-4\\4",
            RadiationMachineName="TEST",
            RadiationMachineSAD="1000",
            RTImageSID="1500",
            PrimaryDosimeterUnit="MU",
            GantryAngle="0",
            BeamLimitingDeviceAngle="0",
            PatientSupportAngle="0",
            ReferencedRTPlanSequence=[_reference(course, "rt-plan", PLAN)],
            ReferencedBeamNumber="1",
            ReferencedFractionGroupNumber="1",
        ),
        **_pixels(),
    }


def _plan(course: Course) -> Item:
    """RT Plan (PS3.3 A.20): one open field without a dose, unapproved, meant for verification."""
    first = item(
        ControlPointIndex="0",
        CumulativeMetersetWeight="0",
        NominalBeamEnergy="6",
        DoseRateSet="0",
        BeamLimitingDevicePositionSequence=[_jaws("ASYMX"), _jaws("ASYMY")],
        IsocenterPosition="0\\0\\0",
        **_ANGLES,
        **_TABLE_TOP,
    )
    beam = item(
        Manufacturer="DICOM Edge Gateway",
        TreatmentMachineName="TEST",
        PrimaryDosimeterUnit="MU",
        SourceAxisDistance="1000",
        BeamLimitingDeviceSequence=[_pairs("ASYMX"), _pairs("ASYMY")],
        BeamNumber="1",
        BeamName="TEST",
        BeamType="STATIC",
        RadiationType="PHOTON",
        TreatmentDeliveryType="TREATMENT",
        **_NOTHING_IN_THE_BEAM,
        FinalCumulativeMetersetWeight="1",
        NumberOfControlPoints="2",
        ControlPointSequence=[first, item(ControlPointIndex="1", CumulativeMetersetWeight="1")],
        ReferencedPatientSetupNumber="1",
    )
    group = item(
        FractionGroupNumber="1",
        NumberOfFractionsPlanned="1",
        NumberOfBeams="1",
        NumberOfBrachyApplicationSetups="0",
        ReferencedBeamSequence=[item(BeamMeterset="0", ReferencedBeamNumber="1")],
    )
    return {
        **_frame(course),
        **item(
            RTPlanLabel="GATEWAY TEST",
            RTPlanDescription=MARK,
            RTPlanDate=course.day,
            RTPlanTime=course.clock,
            PlanIntent="VERIFICATION",
            RTPlanGeometry="PATIENT",
            PatientSetupSequence=[item(PatientPosition="HFS", PatientSetupNumber="1")],
            FractionGroupSequence=[group],
            BeamSequence=[beam],
            ReferencedStructureSetSequence=[_reference(course, "rt-structures", STRUCTURES)],
            ApprovalStatus="UNAPPROVED",
        ),
    }


def _structures(course: Course) -> Item:
    """RT Structure Set (PS3.3 A.19): one region, a point at the origin."""
    image = _reference(course, "ct", CT)
    series = item(SeriesInstanceUID=course.uid("series ct"), ContourImageSequence=[image])
    study = item(
        ReferencedSOPClassUID="1.2.840.10008.3.1.2.3.1",
        ReferencedSOPInstanceUID=course.uid("study"),
        RTReferencedSeriesSequence=[series],
    )
    frame = item(FrameOfReferenceUID=course.uid("frame"), RTReferencedStudySequence=[study])
    contour = item(
        ContourImageSequence=[image],
        ContourGeometricType="POINT",
        NumberOfContourPoints="1",
        ContourData="0\\0\\0",
    )
    roi = item(
        ROINumber="1",
        ReferencedFrameOfReferenceUID=course.uid("frame"),
        ROIName="TEST",
        ROIGenerationAlgorithm="AUTOMATIC",
    )
    observation = item(
        ObservationNumber="1", ReferencedROINumber="1", RTROIInterpretedType="MARKER", ROIInterpreter=""
    )
    return {
        **_frame(course),
        **item(
            StructureSetLabel="GATEWAY TEST",
            StructureSetDescription=MARK,
            StructureSetDate=course.day,
            StructureSetTime=course.clock,
            ReferencedFrameOfReferenceSequence=[frame],
            StructureSetROISequence=[roi],
            ROIContourSequence=[
                item(ROIDisplayColor="255\\0\\0", ContourSequence=[contour], ReferencedROINumber="1")
            ],
            RTROIObservationsSequence=[observation],
            ApprovalStatus="UNAPPROVED",
        ),
    }


def _dose(course: Course) -> Item:
    """RT Dose (PS3.3 A.18): a single plane."""
    return {
        **_frame(course),
        **_pixels(),
        **item(
            SliceThickness="",
            ImagePositionPatient="-4\\-4\\0",
            ImageOrientationPatient="1\\0\\0\\0\\1\\0",
            PixelSpacing="1\\1",
            DoseUnits="GY",
            DoseType="PHYSICAL",
            DoseSummationType="PLAN",
            DoseComment=MARK,
            DoseGridScaling="0.0000001",
            TissueHeterogeneityCorrection="IMAGE",
            ReferencedRTPlanSequence=[_reference(course, "rt-plan", PLAN)],
        ),
    }


def _ct(course: Course) -> Item:
    """CT Image (PS3.3 A.3): one slice."""
    return {
        **_frame(course),
        **_pixels(),
        **item(
            ImageType="ORIGINAL\\PRIMARY\\AXIAL",
            AcquisitionNumber="1",
            SliceThickness="1",
            KVP="",
            BodyPartExamined="WHOLEBODY",
            PatientPosition="HFS",
            ImagePositionPatient="-4\\-4\\0",
            ImageOrientationPatient="1\\0\\0\\0\\1\\0",
            PixelSpacing="1\\1",
            RescaleIntercept="-1024",
            RescaleSlope="1",
            RescaleType="HU",
        ),
    }


def _jaws(device: str) -> Item:
    return item(RTBeamLimitingDeviceType=device, LeafJawPositions="-5\\5")


def _pairs(device: str) -> Item:
    return item(RTBeamLimitingDeviceType=device, NumberOfLeafJawPairs="1")


_NOTHING_IN_THE_BEAM: Final[Mapping[str, str]] = {
    "NumberOfWedges": "0",
    "NumberOfCompensators": "0",
    "NumberOfBoli": "0",
    "NumberOfBlocks": "0",
}
_ANGLES: Final[Mapping[str, str]] = {
    "GantryAngle": "0",
    "GantryRotationDirection": "NONE",
    "BeamLimitingDeviceAngle": "0",
    "BeamLimitingDeviceRotationDirection": "NONE",
    "PatientSupportAngle": "0",
    "PatientSupportRotationDirection": "NONE",
    "TableTopEccentricAngle": "0",
    "TableTopEccentricRotationDirection": "NONE",
}
_TABLE_TOP: Final[Mapping[str, str]] = {
    "TableTopVerticalPosition": "",
    "TableTopLongitudinalPosition": "",
    "TableTopLateralPosition": "",
}

KINDS: Final[tuple[Kind, ...]] = (
    Kind("rt-record", RECORD, "RTRECORD", _record),
    Kind("rt-image", IMAGE, "RTIMAGE", _image),
    Kind("rt-plan", PLAN, "RTPLAN", _plan),
    Kind("rt-structures", STRUCTURES, "RTSTRUCT", _structures),
    Kind("rt-dose", DOSE, "RTDOSE", _dose),
    Kind("ct", CT, "CT", _ct),
)
"""Every class that can be tested, in the order in which they are sent."""
