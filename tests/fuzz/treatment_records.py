"""Treatment records bent in every way: a summary comes out, short and printable, and nothing is raised."""

from __future__ import annotations

from hypothesis import strategies as st

from gateway.demo.synthetic import RECORD_KINDS, make_record
from gateway.dicom.data_set import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from gateway.records import patient_key, read_patient, summarize
from tests.fuzz.runner import run
from tests.support.treatment_records import SMALL, second_generation

_SYNTAXES = (EXPLICIT_LITTLE, IMPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED, "1.2.3")
_WHOLE = [make_record(kind, sizes=SMALL) for kind in RECORD_KINDS]
_WHOLE += [make_record(kind, sizes=SMALL, transfer_syntax_uid=IMPLICIT_LITTLE) for kind in RECORD_KINDS]
_WHOLE += [second_generation(number) for number in (16, 17, 18, 19, 20)]
_CLASSES = sorted({thing.sop_class_uid for thing in _WHOLE})


@st.composite
def _bent(draw: st.DrawFn) -> tuple[bytes, str, str]:
    thing = draw(st.sampled_from(_WHOLE))
    data = bytearray(thing.data)
    for place, piece in draw(
        st.lists(st.tuples(st.integers(0, len(data) - 1), st.binary(min_size=1, max_size=8)), max_size=6)
    ):
        if draw(st.booleans()):
            data[place : place + len(piece)] = piece
        else:
            data[place:place] = piece
    end = draw(st.integers(0, len(data))) if draw(st.booleans()) else len(data)
    return bytes(data[:end]), thing.sop_class_uid, thing.transfer_syntax_uid


_raw = st.tuples(st.binary(max_size=400), st.sampled_from(_CLASSES), st.sampled_from(_SYNTAXES))
STRATEGIES = {"record": _bent() | _raw}


def check(record: tuple[bytes, str, str]) -> None:
    """The reader of treatment records on bytes of any kind."""
    data, sop_class_uid, syntax = record
    summary = summarize(data, sop_class_uid, syntax)
    assert len(summary.beams) <= summary.beam_count or not summary.readable
    patient = read_patient(data, syntax)
    patient_key(data, syntax, b"secret")
    texts = [summary.treated, summary.plan_label, summary.plan_name, summary.machine, summary.completion]
    texts += [beam.name + beam.delivery for beam in summary.beams]
    texts += [patient.name, patient.patient_id, patient.birth_date]
    assert all(len(text) <= 200 and text.isprintable() for text in texts)


if __name__ == "__main__":
    run(check, STRATEGIES)
