"""Treatment records with something of their own, for tests: pydicom writes them, the gateway's code does not.

The second-generation ones hold what the gateway reads of such a record and the identity around it. They are
not complete objects: no tool at hand can judge those.
"""

from __future__ import annotations

from collections.abc import Callable

import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRLittleEndian

from gateway.demo.synthetic import Manner, Sizes, SyntheticObject, Treatment, make_record
from gateway.demo.synthetic.encoding import encode, item, uid_for

RT = "1.2.840.10008.5.1.4.1.1.481."
SMALL = Sizes(segments=2)
_CONTROL_POINTS = {
    17: "RTRadiationSalvageRecord",
    18: "Tomotherapeutic",
    19: "CArmPhotonElectron",
    20: "RoboticPath",
}
MANNERS = (
    Manner(),
    Manner("OPERATOR", "VERIFIED_OVR"),
    Manner("MACHINE"),
    Manner("UNKNOWN", "NOT_VERIFIED"),
    Manner(continuation=True),
    Manner(origin="SIMULATION"),
    Manner(origin="USER"),
)


def changed(
    change: Callable[[Dataset], object],
    kind: str = "beams-record",
    syntax: str = ExplicitVRLittleEndian,
    **arguments: int,
) -> SyntheticObject:
    """Return a synthetic record after `change` had it in its hands. Values need not be valid."""
    thing = make_record(kind, sizes=SMALL, **arguments)  # type: ignore[arg-type]  # seed, fraction, index
    data_set = thing.data_set()
    del data_set.file_meta
    with pydicom.config.disable_value_validation():
        change(data_set)
        data = encode(data_set, syntax)
    return SyntheticObject(kind, str(data_set.SOPClassUID), str(data_set.SOPInstanceUID), data, syntax)


def second_generation(
    number: int, usage: str = "TREATMENT", ending: str = "NORMAL", origin: str = "DEVICE", seed: int = 1
) -> SyntheticObject:
    """Return a record of SOP class 1.2.840.10008.5.1.4.1.1.481.`number` (PS3.3 C.36.20 - C.36.23)."""
    record = Treatment(seed).patient.common("beams-record", "RTRAD", fraction=1)
    record.SOPClassUID = f"{RT}{number}"
    record.SOPInstanceUID = uid_for("second generation", number, usage, ending, origin, seed)
    record.UserContentLabel = "ARC 1"
    record.UserContentLongLabel = "Arc, clockwise"
    record.TreatmentSessionUID = uid_for("session", seed)
    record.ClinicalFractionNumber = 7
    record.TimezoneOffsetFromUTC = "+0100"
    if number == 16:
        record.RTRadiationSetUsage = usage
        record.ReferencedRTRadiationRecordSequence = [_reference(19, index) for index in range(3)]
        record.ReferencedRTRadiationSetSequence = [_reference(12, 0)]
        record.RTTreatmentFractionCompletionStatus = "COMPLETE"
    else:
        record.RTRadiationUsage = usage
        record.TreatmentRecordContentOrigin = origin
        record.TreatmentDeliveryContinuationFlag = "NO"
        record.RTTreatmentTerminationStatus = ending
        record.TreatmentDeviceIdentificationSequence = [item(DeviceLabel="LINAC1")]
        record.ReferencedRTInstanceSequence = [_reference(13, 0)]
        setattr(
            record,
            f"{_CONTROL_POINTS[number]}ControlPointSequence",
            [item(RTControlPointIndex=1, RecordedRTControlPointDateTime="20260304083005.250")],
        )
    return SyntheticObject("second-generation", record.SOPClassUID, record.SOPInstanceUID, encode(record))


def _reference(number: int, index: int) -> Dataset:
    return item(
        ReferencedSOPClassUID=f"{RT}{number}", ReferencedSOPInstanceUID=uid_for("referenced", number, index)
    )
