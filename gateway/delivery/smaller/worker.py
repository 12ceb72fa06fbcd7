"""The process that makes images smaller: `python -m gateway.delivery.smaller.worker MEMORY MAX_BYTES`.

    question   length of the data set (4), transfer syntax (1: 0 explicit, 1 implicit little endian), data set
    answer     length (4), kind (1: 0 done, 1 not to be done), data set or words

The first answer comes unasked: it is ready. It ends with its input.
"""

from __future__ import annotations

import os
import signal
import struct
import sys
from typing import BinaryIO, Final

from gateway.delivery import transcode
from gateway.delivery.decompress import NotConvertible
from gateway.delivery.smaller.images import as_jpeg_ls
from gateway.link.compression.worker import confine

HEADER: Final = struct.Struct(">IB")
SYNTAXES: Final = (transcode.EXPLICIT_LE, transcode.IMPLICIT_LE)
DONE, NOT = 0, 1


def serve(questions: BinaryIO, answers: BinaryIO, max_bytes: int) -> None:
    """Answer until the questions end."""
    _answer(answers, DONE, b"")
    while head := questions.read(HEADER.size):
        length, syntax = HEADER.unpack(head)
        data = questions.read(length)
        try:
            done = as_jpeg_ls(data, SYNTAXES[syntax], max_bytes)
        except NotConvertible as error:
            _answer(answers, NOT, str(error).encode())
        except MemoryError:
            _answer(answers, NOT, b"it takes more memory than this gateway grants")
        else:
            _answer(answers, DONE, done)


def _answer(answers: BinaryIO, kind: int, rest: bytes) -> None:
    answers.write(HEADER.pack(len(rest), kind))
    answers.write(rest)
    answers.flush()


def main() -> None:
    """See above."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the daemon ends us, by closing our input
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # nothing that a library prints may get between the answers
    confine(int(sys.argv[1]))
    try:
        serve(sys.stdin.buffer, answers, int(sys.argv[2]))
    except BrokenPipeError:
        os._exit(0)


if __name__ == "__main__":
    main()
