"""A centre whose mood the test decides, made of pynetdicom in a process of its own.

The program reads one mood per line on standard input and says what happens on standard output, one JSON value
per line: {"event": "ready"}, {"event": "mood", ...}, {"event": "association", ...} and, before a C-STORE is
answered, {"event": "store", "uid", "sop_class", "syntax", "digest", "size", "status", "calling"}.

Moods: `accept`; `status 0xA700` (answer so, keep nothing); `warn 0xB000` (keep, answer so); `silent` (take
the object, never answer); `reject 1|2` (A-ASSOCIATE-RJ permanent or transient); `abort` (A-ABORT after the
first fragment of a data set).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.model import TlsMaterial
from tests.support.ports import free_port
from tests.support.processes import Program

# A-ABORT, source 2 (service provider), reason 0 (not specified): PS3.8 9.3.8.
_ABORT = b"\x07\x00\x00\x00\x00\x04\x00\x00\x02\x00"


class Receiver:
    """The test's side: starts the program, sets its mood, reads what it says."""

    def __init__(
        self,
        *,
        tls: TlsMaterial | None = None,
        port: int | None = None,
        ae_title: str = "CENTRE",
        keep: Path | None = None,
    ) -> None:
        self.port = port or free_port()
        self.ae_title = ae_title
        self.tls = tls
        self._keep = keep
        self.program: Program | None = None
        self._earlier: list[dict[str, Any]] = []

    def start(self, mood: str = "accept") -> Receiver:
        """Start it in `mood` and return once it listens."""
        command = [
            sys.executable,
            "-m",
            "tests.support.receiver",
            str(self.port),
            self.ae_title,
            "--mood",
            mood,
        ]
        if self.tls is not None:
            command += ["--tls", str(self.tls.certificate), str(self.tls.key), str(self.tls.ca)]
        if self._keep is not None:
            command += ["--keep", str(self._keep)]
        self.program = Program(command, stdin=True, cwd=Path(__file__).parents[2])
        self.program.wait_line('"ready"', timeout=30)
        return self

    def mood(self, mood: str) -> None:
        """Change the mood from now on; returns when the program has taken note."""
        assert self.program is not None
        after = self.program.line_count()
        self.program.tell(mood)
        self.program.wait_line('"mood"', after=after)

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Everything of one kind that was said so far, over all starts, oldest first."""
        said = list(self._earlier)
        if self.program is not None:
            said += _parse(self.program.output)
        return [event for event in said if event["event"] == kind]

    def stored(self) -> list[dict[str, Any]]:
        """The objects that were kept (answered with success or a warning)."""
        return [event for event in self.events("store") if event["kept"]]

    def wait_event(self, kind: str, *, timeout: float = 20.0, after: int = 0) -> None:
        """Wait until something of `kind` is said at line `after` or later of the present run."""
        assert self.program is not None
        self.program.wait_line(f'"event": "{kind}"', timeout=timeout, after=after)

    def wait_stored(self, count: int, *, timeout: float = 20.0) -> None:
        """Wait until `count` objects are said to be kept: what it does is said a moment later."""
        deadline = time.monotonic() + timeout
        while len(self.stored()) < count:
            assert time.monotonic() < deadline, f"{len(self.stored())} of {count} objects were kept"
            time.sleep(0.01)

    def stop(self) -> None:
        """Kill it, as a power cut would; what it said is kept."""
        if self.program is not None:
            self.program.kill()
            self._earlier += _parse(self.program.output)
            self.program = None

    def __enter__(self) -> Receiver:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()


def _parse(output: str) -> Iterator[dict[str, Any]]:
    for line in output.splitlines():
        if line.startswith('{"event"'):
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                continue  # the line in which the process was killed


@contextmanager
def receiver(**settings: Any) -> Iterator[Receiver]:
    """A running receiver for the time of a with block."""
    with Receiver(**settings) as running:
        yield running


class _Program:
    """The process's side."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.mood = options.mood.split()
        self._lock = threading.Lock()
        self._number = 0

    def say(self, event: str, **facts: object) -> None:
        """Print one event; one write per line, so that lines of several associations never mix."""
        with self._lock:
            sys.stdout.write(json.dumps({"event": event, **facts}) + "\n")
            sys.stdout.flush()

    def on_requested(self, event: Any) -> None:
        """Refuse the association when that is the mood."""
        if self.mood[0] == "reject":
            self.say("rejected")
            event.assoc.acse.send_reject(int(self.mood[1]), 1, 1)
            event.assoc.kill()

    def on_accepted(self, event: Any) -> None:
        """Note the association."""
        self.say("association", calling=event.assoc.requestor.ae_title.strip())

    def on_pdu(self, event: Any) -> None:
        """Abort at the first data set fragment when that is the mood."""
        fragment_of_data = any(
            item.message_control_header_byte[-1] != "1"
            for item in getattr(event.pdu, "presentation_data_value_items", ())
        )
        if self.mood[0] == "abort" and fragment_of_data:
            self.say("abort")
            event.assoc.dul.socket.send(_ABORT)
            event.assoc.dul.socket.close()

    def on_store(self, event: Any) -> int:
        """Keep or refuse one object."""
        mood = self.mood
        request = event.request
        body = request.DataSet.getvalue()
        status = int(mood[1], 16) if mood[0] in ("status", "warn") else 0
        kept = mood[0] in ("accept", "warn")
        if kept and self.options.keep:
            with self._lock:
                self._number += 1
                name = f"{self._number:06d}.data"
            (self.options.keep / name).write_bytes(body)
        self.say(
            "store",
            uid=str(request.AffectedSOPInstanceUID),
            sop_class=str(request.AffectedSOPClassUID),
            syntax=str(event.context.transfer_syntax),
            digest=hashlib.sha256(body).hexdigest(),
            size=len(body),
            status=status,
            kept=kept,
            calling=event.assoc.requestor.ae_title.strip(),
        )
        if mood[0] == "silent":
            threading.Event().wait()  # until the process is killed
        return status

    def serve(self) -> None:
        """Listen until standard input ends."""
        from pynetdicom import AE, _config, evt
        from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]  # made at import time

        _config.UNRESTRICTED_STORAGE_SERVICE = True
        ae = AE(ae_title=self.options.ae_title)
        ae.maximum_associations = 100
        ae.maximum_pdu_size = 0x20000
        ae.network_timeout = None
        ae.add_supported_context(Verification)
        context = None
        if self.options.tls:
            certificate, key, ca = self.options.tls
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=ca)
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_cert_chain(certificate, key)
        handlers: list[Any] = [
            (evt.EVT_REQUESTED, self.on_requested),
            (evt.EVT_ACCEPTED, self.on_accepted),
            (evt.EVT_PDU_RECV, self.on_pdu),
            (evt.EVT_C_STORE, self.on_store),
        ]
        ae.start_server(
            ("127.0.0.1", self.options.port), block=False, ssl_context=context, evt_handlers=handlers
        )
        self.say("ready")
        for line in sys.stdin:
            self.mood = line.split()
            self.say("mood", mood=line.strip())


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("ae_title")
    parser.add_argument("--mood", default="accept")
    parser.add_argument("--tls", nargs=3)
    parser.add_argument("--keep", type=Path)
    _Program(parser.parse_args()).serve()


if __name__ == "__main__":
    _main()
