"""Synthetic radiotherapy objects, for the demo, the tests and the benchmarks.

Independent of the gateway's own DICOM code (pydicom writes everything), reproducible from a seed, and
consistent: one patient's records refer to its plan, the plan to its structures, these to its CT.
`python -m gateway.demo.synthetic --out DIR` writes Part 10 files.

    for thing in Treatment(seed=1).fraction(3):      # what a console sends for one fraction
        send(thing.sop_class_uid, thing.sop_instance_uid, thing.data)
    Template(make_record()).copies(500)              # 500 records, one memcpy each
    stream_large_object(2 << 30)                     # 2 GiB, never in memory
"""

from __future__ import annotations

from gateway.demo.synthetic.bulk import LargeObject, Template, stream_large_object
from gateway.demo.synthetic.encoding import SyntheticObject, file_meta
from gateway.demo.synthetic.patient import PRIVATE_SOP_CLASS, SOP_CLASSES, Patient
from gateway.demo.synthetic.records import Manner
from gateway.demo.synthetic.treatment import (
    RECORD_KINDS,
    Sizes,
    Treatment,
    make_record,
    rt_kinds,
    write_set,
)

__all__ = [
    "PRIVATE_SOP_CLASS",
    "RECORD_KINDS",
    "SOP_CLASSES",
    "LargeObject",
    "Manner",
    "Patient",
    "Sizes",
    "SyntheticObject",
    "Template",
    "Treatment",
    "file_meta",
    "make_record",
    "rt_kinds",
    "stream_large_object",
    "write_set",
]
