"""A synthetic patient: who it is, how its studies hang together, and the modules every object repeats."""

from __future__ import annotations

import datetime
import random
from dataclasses import dataclass, field

from pydicom.dataset import Dataset
from pydicom.uid import (
    CTImageStorage,
    RTBeamsTreatmentRecordStorage,
    RTBrachyTreatmentRecordStorage,
    RTDoseStorage,
    RTImageStorage,
    RTIonBeamsTreatmentRecordStorage,
    RTIonPlanStorage,
    RTPlanStorage,
    RTStructureSetStorage,
    RTTreatmentSummaryRecordStorage,
    SpatialRegistrationStorage,
)

from gateway.demo.synthetic.encoding import item, uid_for

# Not registered anywhere and never to be: stands for what a vendor's console sends besides the standard.
PRIVATE_SOP_CLASS = uid_for("private SOP class")

SOP_CLASSES: dict[str, str] = {
    "beams-record": RTBeamsTreatmentRecordStorage,
    "brachy-record": RTBrachyTreatmentRecordStorage,
    "ion-record": RTIonBeamsTreatmentRecordStorage,
    "summary-record": RTTreatmentSummaryRecordStorage,
    "plan": RTPlanStorage,
    "brachy-plan": RTPlanStorage,
    "ion-plan": RTIonPlanStorage,
    "structure-set": RTStructureSetStorage,
    "dose": RTDoseStorage,
    "rt-image": RTImageStorage,
    "ct": CTImageStorage,
    "cbct": CTImageStorage,
    "registration": SpatialRegistrationStorage,
    "private": PRIVATE_SOP_CLASS,
}

_FIRST_FRACTION = datetime.date(2026, 3, 2)
_PLANNED_ON = datetime.date(2026, 2, 16)
FRACTIONS_PLANNED = 30


@dataclass(frozen=True)
class Patient:
    """Identity and all UIDs of one synthetic patient; everything follows from `seed`."""

    seed: int
    name: str = field(init=False)
    patient_id: str = field(init=False)
    sex: str = field(init=False)
    birth_date: str = field(init=False)

    def __post_init__(self) -> None:
        """Derive the identity. It says TEST and Synthetic wherever a person may meet it."""
        rng = self.random("identity")
        object.__setattr__(self, "name", f"TEST^Synthetic {self.seed:02d}")
        object.__setattr__(self, "patient_id", f"SYN-{self.seed:06d}")
        object.__setattr__(self, "sex", rng.choice("MF"))
        object.__setattr__(self, "birth_date", f"{rng.randint(1935, 1985)}{rng.randint(1, 12):02d}01")

    def random(self, *path: object) -> random.Random:
        """Return a generator of its own for each purpose, so that objects do not depend on call order."""
        return random.Random("/".join(map(str, (self.seed, *path))))  # noqa: S311 - reproducible, not secret

    def uid(self, *path: object) -> str:
        """Return the UID of the thing `path` of this patient."""
        return uid_for("patient", self.seed, *path)

    @property
    def planning_frame(self) -> str:
        """Frame of Reference of the planning CT; plan, structures and dose share it."""
        return self.uid("frame", "planning")

    def treated_on(self, fraction: int) -> datetime.datetime:
        """Return when the beam of `fraction` (from 1) first goes on: working days only, in the morning."""
        weeks, day = divmod(fraction - 1, 5)
        date = _FIRST_FRACTION + datetime.timedelta(weeks=weeks, days=day)
        return datetime.datetime.combine(date, datetime.time(8, 30)) + datetime.timedelta(
            minutes=12 * (self.seed % 40)
        )

    def common(
        self, kind: str, modality: str, *, fraction: int = 0, index: int = 0, series: object = 0
    ) -> Dataset:
        """Return Patient, General Study, Series, Equipment and SOP Common for one object.

        `fraction` 0 is the planning study; each fraction is a study of its own, as consoles do it.
        """
        when = (
            self.treated_on(fraction)
            if fraction
            else datetime.datetime.combine(_PLANNED_ON, datetime.time(10))
        )
        at_console = fraction > 0
        return item(
            SpecificCharacterSet="ISO_IR 192",
            InstanceCreationDate=when.strftime("%Y%m%d"),
            InstanceCreationTime=when.strftime("%H%M%S"),
            SOPClassUID=SOP_CLASSES[kind],
            SOPInstanceUID=self.instance_uid(kind, fraction, index),
            StudyDate=when.strftime("%Y%m%d"),
            StudyTime=when.strftime("%H%M%S"),
            AccessionNumber="",
            Modality=modality,
            Manufacturer="Synthetic Devices",
            InstitutionName="Synthetic Clinic",
            ReferringPhysicianName="",
            StationName="LINAC1" if at_console else "TPS1",
            StudyDescription=f"Treatment, fraction {fraction}" if at_console else "Planning",
            SeriesDescription=kind,
            OperatorsName="TEST^Operator",
            ManufacturerModelName="SynLinac 6" if at_console else "SynPlan",
            PatientName=self.name,
            PatientID=self.patient_id,
            PatientBirthDate=self.birth_date,
            PatientSex=self.sex,
            DeviceSerialNumber="SYN0001" if at_console else "SYN0002",
            SoftwareVersions="1.0",
            StudyInstanceUID=self.uid("study", fraction),
            SeriesInstanceUID=self.uid("series", kind, fraction, series),
            StudyID=str(fraction),
            SeriesNumber=str(1 + list(SOP_CLASSES).index(kind)),
        )

    def instance_uid(self, kind: str, fraction: int = 0, index: int = 0) -> str:
        """Return the SOP Instance UID of an object; other objects refer to it by the same call."""
        return self.uid("instance", kind, fraction, index)

    def reference(self, kind: str, fraction: int = 0, index: int = 0) -> Dataset:
        """Return an SOP Instance Reference (PS3.3 10.8) to another object of this patient."""
        return item(
            ReferencedSOPClassUID=SOP_CLASSES[kind],
            ReferencedSOPInstanceUID=self.instance_uid(kind, fraction, index),
        )
