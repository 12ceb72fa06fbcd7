"""RT Plan, brachy plan, RT Ion Plan (PS3.3 A.20, A.49): what the records of a patient refer to."""

from __future__ import annotations

from collections.abc import Iterator

from pydicom.dataset import Dataset

from gateway.demo.synthetic.encoding import decimals, item
from gateway.demo.synthetic.machine import (
    BEAM_ENERGY,
    LEAF_BOUNDARIES,
    LEAF_PAIRS,
    MACHINE,
    Beam,
    beams,
    ion_beams,
    jaws,
    leaf_positions,
)
from gateway.demo.synthetic.patient import FRACTIONS_PLANNED, Patient
from gateway.demo.synthetic.volumes import ISOCENTRE


def plan(patient: Patient, segments: int) -> Dataset:
    """Return an RT Plan: five step-and-shoot beams of `segments` control points."""
    data_set = _general(patient, "plan")
    data_set.FractionGroupSequence = [_fractions(beams(patient))]
    data_set.BeamSequence = [_beam(patient, beam, segments) for beam in beams(patient)]
    return data_set


def ion_plan(patient: Patient, segments: int) -> Dataset:
    """Return an RT Ion Plan: two scanned proton fields of `segments` energy layers."""
    data_set = _general(patient, "ion-plan")
    data_set.FractionGroupSequence = [_fractions(ion_beams(patient))]
    data_set.IonBeamSequence = [_ion_beam(patient, beam, segments) for beam in ion_beams(patient)]
    return data_set


def brachy_plan(patient: Patient, segments: int) -> Dataset:
    """Return an RT Plan for HDR brachytherapy: eight channels of `segments` dwell positions."""
    data_set = _general(patient, "brachy-plan")
    fractions = _fractions([])
    fractions.NumberOfBrachyApplicationSetups = "1"
    fractions.ReferencedBrachyApplicationSetupSequence = [
        item(
            BrachyApplicationSetupDoseSpecificationPoint=ISOCENTRE,
            BrachyApplicationSetupDose="6.0",
            ReferencedBrachyApplicationSetupNumber="1",
        )
    ]
    data_set.FractionGroupSequence = [fractions]
    data_set.BrachyTreatmentTechnique = "INTERSTITIAL"
    data_set.BrachyTreatmentType = "HDR"
    data_set.TreatmentMachineSequence = [item(TreatmentMachineName="AFTERLOADER1")]
    data_set.SourceSequence = [
        item(
            SourceNumber="1",
            SourceType="POINT",
            SourceIsotopeName="Ir-192",
            SourceIsotopeHalfLife="73.83",
            SourceStrengthUnits="AIR_KERMA_RATE",
            ReferenceAirKermaRate="40820.0",
            SourceStrengthReferenceDate="20260201",
            SourceStrengthReferenceTime="120000",
        )
    ]
    data_set.ApplicationSetupSequence = [
        item(
            ApplicationSetupType="PERINEAL",
            ApplicationSetupNumber="1",
            TotalReferenceAirKerma="1520.0",
            ChannelSequence=[_channel(channel, segments) for channel in range(1, 9)],
        )
    ]
    return data_set


def _general(patient: Patient, kind: str) -> Dataset:
    """Return RT General Plan, Prescription, Patient Setup and Approval."""
    data_set = patient.common(kind, "RTPLAN")
    data_set.InstanceNumber = "1"
    data_set.FrameOfReferenceUID = patient.planning_frame
    data_set.PositionReferenceIndicator = ""
    data_set.update(
        item(
            RTPlanLabel=f"SYN {kind}",
            RTPlanName="Synthetic",
            RTPlanDate=data_set.StudyDate,
            RTPlanTime=data_set.StudyTime,
            PlanIntent="VERIFICATION",
            RTPlanGeometry="PATIENT",
            DoseReferenceSequence=[
                item(
                    DoseReferenceNumber="1",
                    DoseReferenceUID=patient.uid("dose reference"),
                    DoseReferenceStructureType="SITE",
                    DoseReferenceDescription="Target",
                    DoseReferenceType="TARGET",
                    TargetPrescriptionDose=str(2 * FRACTIONS_PLANNED),
                )
            ],
            PatientSetupSequence=[item(PatientPosition="HFS", PatientSetupNumber="1")],
            ReferencedStructureSetSequence=[patient.reference("structure-set")],
            ApprovalStatus="UNAPPROVED",
        )
    )
    return data_set


def _fractions(planned: list[Beam]) -> Dataset:
    result = item(
        FractionGroupNumber="1",
        NumberOfFractionsPlanned=str(FRACTIONS_PLANNED),
        NumberOfBeams=str(len(planned)),
        NumberOfBrachyApplicationSetups="0",
    )
    if planned:
        result.ReferencedBeamSequence = [
            item(
                BeamDose=f"{2 / len(planned):.3f}",
                BeamMeterset=f"{beam.meterset:.3f}",
                ReferencedBeamNumber=str(beam.number),
            )
            for beam in planned
        ]
    return result


def _beam(patient: Patient, beam: Beam, segments: int) -> Dataset:
    return item(
        Manufacturer="Synthetic Devices",
        TreatmentMachineName=MACHINE,
        PrimaryDosimeterUnit="MU",
        SourceAxisDistance="1000.0",
        BeamLimitingDeviceSequence=[
            item(RTBeamLimitingDeviceType="ASYMX", NumberOfLeafJawPairs="1"),
            item(RTBeamLimitingDeviceType="ASYMY", NumberOfLeafJawPairs="1"),
            item(
                RTBeamLimitingDeviceType="MLCX",
                NumberOfLeafJawPairs=str(LEAF_PAIRS),
                LeafPositionBoundaries=decimals(LEAF_BOUNDARIES),
            ),
        ],
        BeamNumber=str(beam.number),
        BeamName=beam.name,
        BeamType="DYNAMIC",
        RadiationType="PHOTON",
        TreatmentDeliveryType="TREATMENT",
        NumberOfWedges="0",
        NumberOfCompensators="0",
        NumberOfBoli="0",
        NumberOfBlocks="0",
        FinalCumulativeMetersetWeight="1",
        NumberOfControlPoints=str(segments),
        ControlPointSequence=list(_control_points(patient, beam, segments)),
        ReferencedPatientSetupNumber="1",
    )


def _control_points(patient: Patient, beam: Beam, segments: int) -> Iterator[Dataset]:
    rng = patient.random("planned control points", beam.number)
    for index in range(segments):
        leaves = item(RTBeamLimitingDeviceType="MLCX", LeafJawPositions=leaf_positions(rng))
        point = item(
            ControlPointIndex=str(index),
            CumulativeMetersetWeight=f"{index / max(segments - 1, 1):.5f}",
            BeamLimitingDevicePositionSequence=[leaves],
        )
        if index == 0:
            point.NominalBeamEnergy = BEAM_ENERGY
            point.DoseRateSet = "600"
            point.BeamLimitingDevicePositionSequence = [*jaws(), leaves]
            point.update(_geometry(beam))
        yield point


def _geometry(beam: Beam) -> Dataset:
    return item(
        GantryAngle=f"{beam.gantry:.1f}",
        GantryRotationDirection="NONE",
        BeamLimitingDeviceAngle="0.0",
        BeamLimitingDeviceRotationDirection="NONE",
        PatientSupportAngle="0.0",
        PatientSupportRotationDirection="NONE",
        TableTopEccentricAngle="0.0",
        TableTopEccentricRotationDirection="NONE",
        TableTopVerticalPosition="",
        TableTopLongitudinalPosition="",
        TableTopLateralPosition="",
        IsocenterPosition=ISOCENTRE,
    )


def _ion_beam(patient: Patient, beam: Beam, layers: int) -> Dataset:
    return item(
        TreatmentMachineName="GANTRY1",
        PrimaryDosimeterUnit="MU",
        BeamNumber=str(beam.number),
        BeamName=beam.name,
        BeamType="STATIC",
        RadiationType="PROTON",
        ScanMode="MODULATED",
        ModulatedScanModeType="STATIONARY",
        TreatmentDeliveryType="TREATMENT",
        NumberOfWedges="0",
        NumberOfCompensators="0",
        NumberOfBoli="0",
        NumberOfBlocks="0",
        NumberOfRangeShifters="0",
        NumberOfLateralSpreadingDevices="0",
        NumberOfRangeModulators="0",
        VirtualSourceAxisDistances=[2000.0, 2000.0],
        FinalCumulativeMetersetWeight="1",
        PatientSupportType="TABLE",
        NumberOfControlPoints=str(2 * layers),
        IonControlPointSequence=list(_ion_control_points(patient, beam, layers)),
        ReferencedPatientSetupNumber="1",
    )


def _ion_control_points(patient: Patient, beam: Beam, layers: int) -> Iterator[Dataset]:
    rng = patient.random("planned spots", beam.number)
    for index in range(2 * layers):
        layer, ends = divmod(index, 2)
        spots = 40
        point = item(
            NominalBeamEnergy=f"{160 - 2.5 * layer:.1f}",
            ControlPointIndex=str(index),
            CumulativeMetersetWeight=f"{(layer + ends) / layers:.5f}",
            ScanSpotTuneID="3.0",
            NumberOfScanSpotPositions=str(spots),
            ScanSpotPositionMap=[rng.uniform(-40, 40) for _ in range(2 * spots)],
            ScanSpotMetersetWeights=[0.0 if ends else rng.uniform(0.01, 0.4) for _ in range(spots)],
            ScanningSpotSize=[5.0, 5.0],
            NumberOfPaintings="1",
        )
        if index == 0:
            point.update(_geometry(beam))
            del point.TableTopEccentricAngle, point.TableTopEccentricRotationDirection
            point.TableTopPitchAngle = 0.0
            point.TableTopPitchRotationDirection = "NONE"
            point.TableTopRollAngle = 0.0
            point.TableTopRollRotationDirection = "NONE"
            point.MetersetRate = 120.0
        yield point


def _channel(channel: int, dwells: int) -> Dataset:
    return item(
        ChannelNumber=str(channel),
        ChannelLength="1320.0",
        ChannelTotalTime=str(5 * dwells),
        SourceMovementType="STEPWISE",
        SourceApplicatorNumber=str(channel),
        SourceApplicatorID=f"NEEDLE{channel}",
        SourceApplicatorType="RIGID",
        SourceApplicatorLength="200.0",
        SourceApplicatorStepSize="5.0",
        TransferTubeNumber=str(channel),
        TransferTubeLength="1000.0",
        NumberOfControlPoints=str(2 * dwells),
        FinalCumulativeTimeWeight=str(5 * dwells),
        BrachyControlPointSequence=[
            item(
                ControlPointIndex=str(index),
                CumulativeTimeWeight=str(5 * ((index + 1) // 2)),
                ControlPointRelativePosition=f"{5.0 * (index // 2):.1f}",
                ControlPoint3DPosition=decimals([5.0 * channel, 0.0, 5.0 * (index // 2)]),
            )
            for index in range(2 * dwells)
        ],
        ReferencedSourceNumber="1",
        ReferencedROINumber="2",
    )
