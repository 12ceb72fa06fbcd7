"""Treatment records of one plan, fraction after fraction, with the leaves where the plan wants them.

The demo's records draw new leaf positions for every fraction. A real machine drives to the planned ones, and
reports where they were to a hundredth of a millimetre: most exactly there, some a step beside it.
"""

from __future__ import annotations

import random

from gateway.demo.synthetic import Sizes, make_record
from gateway.demo.synthetic.encoding import encode

_SIZES = Sizes(segments=4)  # 21 kB


def delivered_as_planned(seed: int, fraction: int, beside: float = 0.1) -> bytes:
    """Return the beams record of a fraction; `beside`: share of leaves reported 0.01 mm off."""
    rng = random.Random(f"{seed}/{fraction}")
    planned = make_record(seed=seed, fraction=1, sizes=_SIZES).data_set()
    record = make_record(seed=seed, fraction=fraction, sizes=_SIZES).data_set()
    for wanted, beam in zip(
        planned.TreatmentSessionBeamSequence, record.TreatmentSessionBeamSequence, strict=True
    ):
        points = zip(wanted.ControlPointDeliverySequence, beam.ControlPointDeliverySequence, strict=True)
        for before, point in points:
            devices = zip(
                before.BeamLimitingDevicePositionSequence,
                point.BeamLimitingDevicePositionSequence,
                strict=True,
            )
            for there, device in devices:
                device.LeafJawPositions = [
                    f"{float(leaf) + (rng.choice((-0.01, 0.01)) if rng.random() < beside else 0.0):.2f}"
                    for leaf in there.LeafJawPositions
                ]
    del record.file_meta
    return encode(record)
