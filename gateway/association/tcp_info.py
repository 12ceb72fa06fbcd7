"""What the kernel knows of one TCP connection: TCP_INFO, struct tcp_info of linux/tcp.h.

The struct grows at its end with newer kernels. What this kernel does not tell is None; on anything but Linux
there is nothing.
"""

from __future__ import annotations

import socket
import struct
import sys
from dataclasses import dataclass

from gateway.traffic import Traffic

_LENGTH = 216  # up to tcpi_bytes_retrans (Linux 4.19)
_UNACKED = 24
_LAST_ACK_RECEIVED = 56
_RTT = 68
_TOTAL_RETRANSMITTED = 100
_BYTES_RECEIVED = 128
_SEGMENTS_OUT = 136
_SEGMENTS_IN = 140
_NOT_SENT = 144
_SHORTEST_RTT = 148
_DELIVERY_RATE = 160
_BYTES_SENT = 200
_BYTES_RETRANSMITTED = 208


@dataclass(frozen=True, slots=True)
class TcpInfo:
    """One connection, from its beginning to this moment."""

    unacknowledged: int  # segments that wait for an acknowledgement
    last_ack: float  # seconds since one came
    round_trip: float  # seconds, as smoothed by the kernel; 0 when there is none yet
    retransmitted: int  # segments sent again
    segments_out: int | None  # all of them, with acknowledgements (Linux 4.6)
    segments_in: int | None
    bytes_sent: int | None  # payload, with what was sent again (Linux 4.19)
    bytes_received: int | None  # payload
    bytes_retransmitted: int | None = None  # of bytes_sent, those sent again (Linux 4.19)
    not_sent: int | None = None  # bytes that wait here for their turn (Linux 4.6)
    shortest_round_trip: float | None = None  # seconds (Linux 4.6)
    delivery_rate: int | None = None  # bytes a second, as measured by the kernel most recently (Linux 4.9)


def read(sock: socket.socket) -> TcpInfo | None:
    """Return what is known of the connection of `sock`; None when nothing is to be had."""
    if sys.platform != "linux" or sock.family not in (socket.AF_INET, socket.AF_INET6) or sock.fileno() < 0:
        return None
    try:
        info = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _LENGTH)
    except OSError:
        return None
    unacknowledged = _number(info, "=I", _UNACKED)
    last_ack = _number(info, "=I", _LAST_ACK_RECEIVED)
    round_trip = _number(info, "=I", _RTT)
    retransmitted = _number(info, "=I", _TOTAL_RETRANSMITTED)
    if unacknowledged is None or last_ack is None or round_trip is None or retransmitted is None:
        return None
    shortest = _number(info, "=I", _SHORTEST_RTT)
    return TcpInfo(
        unacknowledged=unacknowledged,
        last_ack=last_ack / 1000,
        round_trip=round_trip / 1_000_000,
        retransmitted=retransmitted,
        segments_out=_number(info, "=I", _SEGMENTS_OUT),
        segments_in=_number(info, "=I", _SEGMENTS_IN),
        bytes_sent=_number(info, "=Q", _BYTES_SENT),
        bytes_received=_number(info, "=Q", _BYTES_RECEIVED),
        bytes_retransmitted=_number(info, "=Q", _BYTES_RETRANSMITTED),
        not_sent=_number(info, "=I", _NOT_SENT),
        shortest_round_trip=None if shortest is None else shortest / 1_000_000,
        delivery_rate=_number(info, "=Q", _DELIVERY_RATE),
    )


def _number(info: bytes, form: str, at: int) -> int | None:
    if at + struct.calcsize(form) > len(info):
        return None
    value: int = struct.unpack_from(form, info, at)[0]
    return value


def measured(bytes_in: int, bytes_out: int, tcp: TcpInfo | None) -> Traffic:
    """Return what a connection has carried: its PDUs' bytes, and what the kernel knows."""
    if tcp is None:
        return Traffic(bytes_in, bytes_out)
    return Traffic(
        bytes_in=bytes_in,
        bytes_out=bytes_out,
        tcp_in=tcp.bytes_received,
        tcp_out=tcp.bytes_sent,
        segments_in=tcp.segments_in,
        segments_out=tcp.segments_out,
        retransmitted=tcp.retransmitted,
        retransmitted_bytes=tcp.bytes_retransmitted,
        round_trip=tcp.round_trip,
        unacknowledged=tcp.last_ack if tcp.unacknowledged else 0.0,
    )
