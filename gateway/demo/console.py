"""The treatment console: a Storage SCU over plain TCP, made of pynetdicom, that times every answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

from pydicom.uid import ExplicitVRLittleEndian
from pynetdicom import AE

from gateway.demo.ledger import Answer
from gateway.demo.reactor import reactor_at_rest
from gateway.demo.synthetic import SyntheticObject

AE_TITLE = "LINAC1"


class ConsoleError(Exception):
    """The console could not associate; the text says with whom."""


class Console:
    """Sends what was made while treating a patient, one association per patient, as consoles do.

    `link_up` tells whether the long link is up, for the books only. `pause` is the time between two
    objects, seconds: a real console takes minutes for a patient.
    """

    def __init__(self, port: int, *, called_ae: str, link_up: Callable[[], bool], pause: float = 0.0) -> None:
        self._port = port
        self._called_ae = called_ae
        self._link_up = link_up
        self._pause = pause
        self._stopped = threading.Event()

    def stop(self) -> None:
        """Make `treat` end after the object under way. May be called from any thread."""
        self._stopped.set()

    def treat(self, objects: Sequence[SyntheticObject], answered: Callable[[Answer], None]) -> None:
        """Send the objects of one patient in order; call `answered` for each. Blocks.

        Raises ConsoleError when there is no association. A missing answer is booked, and ends it.
        """
        entity = AE(ae_title=AE_TITLE)
        entity.maximum_pdu_size = 1 << 17
        for sop_class in dict.fromkeys(thing.sop_class_uid for thing in objects):
            entity.add_requested_context(sop_class, [ExplicitVRLittleEndian])
        association = entity.associate("127.0.0.1", self._port, ae_title=self._called_ae)
        if not association.is_established:
            raise ConsoleError(f"no association with {self._called_ae} on port {self._port}")
        try:
            with reactor_at_rest(association):
                for thing in objects:
                    answer = self._send(association, thing)
                    answered(answer)
                    if answer.status is None or self._stopped.wait(self._pause):
                        return
        finally:
            if association.is_established:
                association.release()

    def _send(self, association: Any, thing: SyntheticObject) -> Answer:
        data_set = thing.data_set()
        link_up = self._link_up()
        start = time.perf_counter()
        answer = association.send_c_store(data_set)
        seconds = time.perf_counter() - start
        status = int(answer.Status) if "Status" in answer else None
        return Answer(thing.kind, thing.sop_instance_uid, thing.size, thing.digest, status, seconds, link_up)
