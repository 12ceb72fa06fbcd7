"""RT treatment records: beams, brachy, ion, summary (PS3.3 A.29, A.30, A.31, A.50)."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from pydicom.dataset import Dataset

from gateway.demo.synthetic.encoding import item
from gateway.demo.synthetic.machine import (
    BEAM_ENERGY,
    LEAF_PAIRS,
    Beam,
    beams,
    ion_beams,
    jaws,
    leaf_positions,
    treatment_machine,
)
from gateway.demo.synthetic.patient import FRACTIONS_PLANNED, Patient


@dataclass(frozen=True, slots=True)
class Manner:
    """How a fraction went. With any other ending than NORMAL, the last beam or channel was cut short."""

    ending: Literal["NORMAL", "OPERATOR", "MACHINE", "UNKNOWN"] = "NORMAL"
    check: Literal["VERIFIED", "VERIFIED_OVR", "NOT_VERIFIED"] = "VERIFIED"
    continuation: bool = False  # the rest of a fraction that was cut short
    origin: Literal["", "DEVICE", "USER", "SIMULATION"] = (
        ""  # Treatment Record Content Origin; "": not stated
    )


AS_PLANNED = Manner()

_BEAM_SECONDS = 55  # from beam on to the next beam on
_SEGMENT_SECONDS = 3


def beams_record(
    patient: Patient, fraction: int, segments: int, manner: Manner = AS_PLANNED, index: int = 0
) -> Dataset:
    """Return an RT Beams Treatment Record: five step-and-shoot beams of `segments` control points each.

    Every control point carries the delivered leaf positions, which is what gives real records their size.
    A fraction that was cut short ends in the third beam; its continuation begins there.
    """
    record = _record(patient, "beams-record", "plan", fraction, manner, index)
    record.update(_session(fraction))
    record.PrimaryDosimeterUnit = "MU"
    planned = beams(patient)
    delivered = planned[2:] if manner.continuation else planned if manner.ending == "NORMAL" else planned[:3]
    record.TreatmentSessionBeamSequence = [
        _delivered_beam(patient, fraction, beam, segments, _of(manner, last=beam is delivered[-1]))
        for beam in delivered
    ]
    return record


def ion_record(
    patient: Patient, fraction: int, segments: int, manner: Manner = AS_PLANNED, index: int = 0
) -> Dataset:
    """Return an RT Ion Beams Treatment Record: two scanned proton fields of `segments` energy layers."""
    record = _record(patient, "ion-record", "ion-plan", fraction, manner, index)
    record.update(_session(fraction))
    record.PrimaryDosimeterUnit = "MU"
    record.TreatmentSessionIonBeamSequence = [
        _delivered_ion_beam(patient, fraction, beam, segments, _of(manner, last=beam.number == 2))
        for beam in ion_beams(patient)
    ]
    return record


def brachy_record(
    patient: Patient, fraction: int, segments: int, manner: Manner = AS_PLANNED, index: int = 0
) -> Dataset:
    """Return an RT Brachy Treatment Record: one applicator set-up, channels of `segments` dwell positions."""
    record = _record(patient, "brachy-record", "brachy-plan", fraction, manner, index)
    record.update(_session(fraction))
    record.BrachyTreatmentTechnique = "INTERSTITIAL"
    record.BrachyTreatmentType = "HDR"
    record.RecordedSourceSequence = [
        item(
            SourceNumber="1",
            SourceType="POINT",
            SourceManufacturer="Synthetic Devices",
            SourceSerialNumber="SRC0001",
            SourceIsotopeName="Ir-192",
            SourceIsotopeHalfLife="73.83",
            SourceStrengthUnits="AIR_KERMA_RATE",
            ReferenceAirKermaRate="40820.0",
            SourceStrengthReferenceDate="20260201",
            SourceStrengthReferenceTime="120000",
        )
    ]
    record.TreatmentSessionApplicationSetupSequence = [_delivered_setup(patient, fraction, segments, manner)]
    return record


def summary_record(patient: Patient, fraction: int, manner: Manner = AS_PLANNED, index: int = 0) -> Dataset:
    """Return an RT Treatment Summary Record of the course up to and including `fraction`, which went so."""
    record = _record(patient, "summary-record", "plan", fraction, manner, index)
    done = [patient.treated_on(number) for number in range(1, fraction + 1)]
    record.ReferencedTreatmentRecordSequence = [
        patient.reference("beams-record", number) for number in range(1, fraction + 1)
    ]
    record.CurrentTreatmentStatus = "COMPLETED" if fraction == FRACTIONS_PLANNED else "ON_TREATMENT"
    record.FirstTreatmentDate = done[0].strftime("%Y%m%d")
    record.MostRecentTreatmentDate = done[-1].strftime("%Y%m%d")
    record.FractionGroupSummarySequence = [
        item(
            FractionGroupType="EXTERNAL_BEAM",
            NumberOfFractionsPlanned=str(FRACTIONS_PLANNED),
            NumberOfFractionsDelivered=str(fraction),
            FractionStatusSummarySequence=[
                item(
                    TreatmentDate=when.strftime("%Y%m%d"),
                    TreatmentTime=when.strftime("%H%M%S"),
                    TreatmentTerminationStatus=manner.ending if number == fraction else "NORMAL",
                    ReferencedFractionNumber=str(number),
                )
                for number, when in enumerate(done, start=1)
            ],
            ReferencedFractionGroupNumber="1",
        )
    ]
    record.TreatmentSummaryCalculatedDoseReferenceSequence = [
        item(
            DoseReferenceDescription="Target",
            CumulativeDoseToDoseReference=f"{2.0 * fraction:.2f}",
            ReferencedDoseReferenceNumber="1",
        )
    ]
    return record


def _record(patient: Patient, kind: str, plan: str, fraction: int, manner: Manner, index: int) -> Dataset:
    """Return the modules that all four records share, RT General Treatment Record included."""
    when = patient.treated_on(fraction)
    record = patient.common(kind, "RTRECORD", fraction=fraction, index=index)
    record.InstanceNumber = str(fraction)
    record.TreatmentDate = when.strftime("%Y%m%d")
    record.TreatmentTime = when.strftime("%H%M%S")
    if manner.origin:
        record.TreatmentRecordContentOrigin = manner.origin
    record.ReferencedRTPlanSequence = [patient.reference(plan)]
    if kind != "summary-record":
        record.TreatmentMachineSequence = [treatment_machine()]
    return record


def _session(fraction: int) -> Dataset:
    return item(ReferencedFractionGroupNumber="1", NumberOfFractionsPlanned=str(FRACTIONS_PLANNED))


def _of(manner: Manner, *, last: bool) -> Manner:
    """Return how one of several beams went: all but the last ended as planned."""
    return manner if last else replace(manner, ending="NORMAL")


def _termination(fraction: int, manner: Manner) -> Dataset:
    """Return how a beam or set-up ended, and how it was checked."""
    return item(
        CurrentFractionNumber=str(fraction),
        TreatmentDeliveryType="CONTINUATION" if manner.continuation else "TREATMENT",
        TreatmentTerminationStatus=manner.ending,
        TreatmentVerificationStatus=manner.check,
    )


def _share(manner: Manner) -> float:
    """Return how much of what was planned was delivered."""
    return 1.0 if manner.ending == "NORMAL" else 0.41


def _clock(patient: Patient, fraction: int, beam: int, step: int) -> Dataset:
    """Return date and time of a control point, to the millisecond as consoles write it."""
    when = patient.treated_on(fraction) + datetime.timedelta(
        seconds=_BEAM_SECONDS * beam + _SEGMENT_SECONDS * step
    )
    return item(
        TreatmentControlPointDate=when.strftime("%Y%m%d"),
        TreatmentControlPointTime=f"{when:%H%M%S}.{(step * 137) % 1000:03d}",
    )


def _delivered_beam(patient: Patient, fraction: int, beam: Beam, segments: int, manner: Manner) -> Dataset:
    delivered = beam.meterset + patient.random("meterset", fraction, beam.number).uniform(-0.05, 0.05)
    delivered *= _share(manner)
    result = item(
        BeamName=beam.name,
        BeamType="DYNAMIC",
        RadiationType="PHOTON",
        BeamLimitingDeviceLeafPairsSequence=[
            item(RTBeamLimitingDeviceType="ASYMX", NumberOfLeafJawPairs="1"),
            item(RTBeamLimitingDeviceType="ASYMY", NumberOfLeafJawPairs="1"),
            item(RTBeamLimitingDeviceType="MLCX", NumberOfLeafJawPairs=str(LEAF_PAIRS)),
        ],
        NumberOfWedges="0",
        NumberOfCompensators="0",
        NumberOfBoli="0",
        NumberOfBlocks="0",
        SpecifiedPrimaryMeterset=f"{beam.meterset:.3f}",
        DeliveredPrimaryMeterset=f"{delivered:.3f}",
        NumberOfControlPoints=str(segments),
        ControlPointDeliverySequence=list(
            _delivered_control_points(patient, fraction, beam, delivered, segments)
        ),
        ReferencedBeamNumber=str(beam.number),
        ReferencedPatientSetupNumber="1",
    )
    result.update(_termination(fraction, manner))
    return result


def _delivered_control_points(
    patient: Patient, fraction: int, beam: Beam, delivered: float, segments: int
) -> Iterator[Dataset]:
    rng = patient.random("control points", fraction, beam.number)
    for index in range(segments):
        share = index / max(segments - 1, 1)
        point = _clock(patient, fraction, beam.number, index)
        point.ReferencedControlPointIndex = str(index)
        point.SpecifiedMeterset = f"{beam.meterset * share:.3f}"
        point.DeliveredMeterset = f"{delivered * share:.3f}"
        point.DoseRateSet = "600"
        point.DoseRateDelivered = "600" if index else "0"
        positions = [item(RTBeamLimitingDeviceType="MLCX", LeafJawPositions=leaf_positions(rng))]
        if index == 0:
            positions = jaws() + positions
            point.NominalBeamEnergy = BEAM_ENERGY
            point.NominalBeamEnergyUnit = "MV"
            point.update(_machine_angles(beam))
            point.update(_table_top())
        point.BeamLimitingDevicePositionSequence = positions
        yield point


def _machine_angles(beam: Beam) -> Dataset:
    return item(
        GantryAngle=f"{beam.gantry:.1f}",
        GantryRotationDirection="NONE",
        BeamLimitingDeviceAngle="0.0",
        BeamLimitingDeviceRotationDirection="NONE",
        PatientSupportAngle="0.0",
        PatientSupportRotationDirection="NONE",
    )


def _table_top() -> Dataset:
    return item(
        TableTopEccentricAngle="0.0",
        TableTopEccentricRotationDirection="NONE",
        TableTopVerticalPosition="-121.0",
        TableTopLongitudinalPosition="1043.0",
        TableTopLateralPosition="2.0",
        TableTopPitchAngle=0.0,
        TableTopPitchRotationDirection="NONE",
        TableTopRollAngle=0.0,
        TableTopRollRotationDirection="NONE",
    )


def _delivered_ion_beam(patient: Patient, fraction: int, beam: Beam, layers: int, manner: Manner) -> Dataset:
    result = item(
        BeamName=beam.name,
        BeamType="STATIC",
        RadiationType="PROTON",
        ScanMode="MODULATED",
        ModulatedScanModeType="STATIONARY",
        NumberOfWedges="0",
        NumberOfCompensators="0",
        NumberOfBoli="0",
        NumberOfBlocks="0",
        NumberOfRangeShifters="0",
        NumberOfLateralSpreadingDevices="0",
        NumberOfRangeModulators="0",
        PatientSupportType="TABLE",
        SpecifiedPrimaryMeterset=f"{beam.meterset:.3f}",
        DeliveredPrimaryMeterset=f"{beam.meterset * _share(manner):.3f}",
        NumberOfControlPoints=str(2 * layers),
        IonControlPointDeliverySequence=list(_delivered_layers(patient, fraction, beam, layers)),
        ReferencedBeamNumber=str(beam.number),
        ReferencedPatientSetupNumber="1",
    )
    result.update(_termination(fraction, manner))
    return result


def _delivered_layers(patient: Patient, fraction: int, beam: Beam, layers: int) -> Iterator[Dataset]:
    """Yield two control points per energy layer: the spots as delivered, and the end of the layer."""
    rng = patient.random("spots", fraction, beam.number)
    for index in range(2 * layers):
        layer, ends = divmod(index, 2)
        point = _clock(patient, fraction, beam.number, index)
        point.ReferencedControlPointIndex = str(index)
        point.SpecifiedMeterset = f"{beam.meterset * (layer + ends) / layers:.4f}"
        point.DeliveredMeterset = f"{beam.meterset * (layer + ends) / layers:.4f}"
        point.MetersetRateSet = 120.0
        point.MetersetRateDelivered = 120.0
        point.NominalBeamEnergy = f"{160 - 2.5 * layer:.1f}"
        point.KVp = ""
        spots = 40
        point.NumberOfScanSpotPositions = str(spots)
        point.ScanSpotPositionMap = [rng.uniform(-40, 40) for _ in range(2 * spots)]
        point.ScanSpotMetersetsDelivered = [0.0 if ends else rng.uniform(0.01, 0.4) for _ in range(spots)]
        point.ScanningSpotSize = [5.0, 5.0]
        point.ScanSpotTuneID = "3.0"
        point.NumberOfPaintings = "1"
        if index == 0:
            point.update(_machine_angles(beam))
            point.update(_table_top())
            del point.TableTopEccentricAngle, point.TableTopEccentricRotationDirection
        yield point


def _delivered_setup(patient: Patient, fraction: int, dwells: int, manner: Manner) -> Dataset:
    channels = 8
    setup = item(
        ApplicationSetupType="PERINEAL",
        TotalReferenceAirKerma="1520.0",
        RecordedChannelSequence=[
            _delivered_channel(patient, fraction, channel, dwells) for channel in range(1, channels + 1)
        ],
        ReferencedBrachyApplicationSetupNumber="1",
    )
    setup.update(_termination(fraction, manner))
    return setup


def _delivered_channel(patient: Patient, fraction: int, channel: int, dwells: int) -> Dataset:
    rng = patient.random("dwells", fraction, channel)
    times = [rng.uniform(0.4, 9.0) for _ in range(dwells)]
    total = sum(times)
    when = patient.treated_on(fraction) + datetime.timedelta(seconds=_BEAM_SECONDS * channel)
    back = when + datetime.timedelta(seconds=total)
    points = []
    for index in range(2 * dwells):
        point = _clock(patient, fraction, channel, index)
        point.ReferencedControlPointIndex = str(index)
        point.ControlPointRelativePosition = f"{5.0 * (index // 2):.1f}"
        points.append(point)
    return item(
        ChannelNumber=str(channel),
        ChannelLength="1320.0",
        SpecifiedChannelTotalTime=f"{total:.3f}",
        DeliveredChannelTotalTime=f"{total:.3f}",
        SourceMovementType="STEPWISE",
        TransferTubeNumber=str(channel),
        TransferTubeLength="1000.0",
        ReferencedSourceNumber="1",
        SafePositionExitDate=when.strftime("%Y%m%d"),
        SafePositionExitTime=when.strftime("%H%M%S"),
        SafePositionReturnDate=back.strftime("%Y%m%d"),
        SafePositionReturnTime=back.strftime("%H%M%S"),
        NumberOfControlPoints=str(2 * dwells),
        BrachyControlPointDeliveredSequence=points,
    )
