"""Other contents under the same UID: what an archive may have kept from before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from io import BytesIO
from typing import Any

import pydicom

from gateway.demo.synthetic import SyntheticObject
from gateway.demo.synthetic.encoding import encode


def changed(thing: SyntheticObject, change: Callable[[Any], None]) -> SyntheticObject:
    """The same UIDs, and what `change` does to the pydicom data set."""
    data = pydicom.dcmread(BytesIO(thing.data), force=True)
    change(data)
    return replace(thing, data=encode(data))


def deep_inside(thing: SyntheticObject) -> SyntheticObject:
    """Different in one delivered meterset alone: no attribute of a query shows it."""

    def change(data: Any) -> None:
        beam = data.TreatmentSessionBeamSequence[0]
        point = beam.ControlPointDeliverySequence[-1]
        point.DeliveredMeterset = str(float(point.DeliveredMeterset) + 1.0)

    return changed(thing, change)


def yesterday(thing: SyntheticObject) -> SyntheticObject:
    """Different in when it was treated and made: every archive's index may show it."""

    def change(data: Any) -> None:
        data.InstanceCreationTime = "010203"
        if "TreatmentTime" in data:
            data.TreatmentTime = "010203"

    return changed(thing, change)
