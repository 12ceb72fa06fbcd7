"""What a treatment record says of itself, read from its data set as received. Pure, and it never raises.

    values.py     RecordSummary: what may be shown to anybody who is signed in; Patient: what may not
    classes.py    which SOP classes are read, and how each names its parts
    reading.py    summarize(): plan, fraction, beams, how they ended, whether a patient was treated at all
    patient.py    read_patient(), for the one operation that reveals; patient_key(), to tell patients apart
    text.py       texts in the record's own character set (PS3.5 6.1)

The bytes come from a peer. They are read by the strict reader of gateway/dicom within limits of size, depth
and number of elements. Whatever is strange makes the record one that "could not be read", and it is passed on
all the same: the gateway carries bytes, and what it shows is a courtesy.
"""

from gateway.records.classes import RECORD_CLASSES
from gateway.records.patient import patient_key, read_patient
from gateway.records.reading import LIMITS, summarize
from gateway.records.values import UNREADABLE, Beam, Patient, RecordSummary

__all__ = [
    "LIMITS",
    "RECORD_CLASSES",
    "UNREADABLE",
    "Beam",
    "Patient",
    "RecordSummary",
    "patient_key",
    "read_patient",
    "summarize",
]
