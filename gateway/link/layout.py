"""Types, flags and fixed parts of the frames, as FORMAT.md numbers them. Pure.

Every frame begins with its type and its flags, one byte each, which these structures include. Big-endian.
"""

from __future__ import annotations

import struct
from typing import Final

HELLO: Final = 0x01
GOODBYE: Final = 0x02
PING: Final = 0x03
PONG: Final = 0x04
CREDIT: Final = 0x05
OFFER: Final = 0x10
ACCEPT: Final = 0x11
DATA: Final = 0x12
RECEIPT: Final = 0x13
WITHDRAW: Final = 0x14
REPORT: Final = 0x15
SEEN: Final = 0x16
OPEN: Final = 0x20
STREAM: Final = 0x21
RESET: Final = 0x22

QUEUE: Final = 0x81

OPTIONAL: Final = 0x80
"""Frames of this type and above may be ignored by whoever does not know them."""

OFFER_INLINE: Final = 1
OFFER_SEEN_BEFORE: Final = 2
OFFER_AT_ONCE: Final = 4
ACCEPT_PLAIN: Final = 1
DATA_CLASS: Final = 3
DATA_FIRST: Final = 4
DATA_LAST: Final = 8
DATA_INLINE: Final = 16
STREAM_FIN: Final = 1

RECEIPT_HAVE: Final = 0
RECEIPT_ALREADY: Final = 1

NUMBER_HEAD = struct.Struct(">BBI")
GOODBYE_HEAD = struct.Struct(">BBBH")
CREDIT_HEAD = struct.Struct(">BBBIQ")
OFFER_HEAD = struct.Struct(">BBIQBQ32sd")
ACCEPT_HEAD = struct.Struct(">BBIBQ")
DATA_HEAD = struct.Struct(">BBIB")
FIRST_DATA_HEAD = struct.Struct(">BBIBQIIB")
RECEIPT_HEAD = struct.Struct(">BBIBHd")
REPORT_HEAD = struct.Struct(">BBQ16sQ32sBHd")
QUEUE_HEAD = struct.Struct(">BBIQI")
SEEN_HEAD = struct.Struct(">BBQ")
