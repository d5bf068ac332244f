"""Datagrams to a peer that sends each one back: the load knows how many there were, and how large on the wire."""

from __future__ import annotations

import socket
import time

from profileapp.selftest.load import Account, CannotRun, Load, Quantity

PEER = "peer"
PORT = 9999
_PAYLOAD = b"\0" * 1400
FRAME_BYTES = len(_PAYLOAD) + 8 + 20 + 14
"""A datagram with its UDP, IPv4 and Ethernet headers."""
_CHATTER_BYTES = 16 * 1024
"""Traffic besides the load's: address resolution, DNS, IPv6 neighbour discovery."""
_AT_ONCE = 8
_ANSWER_TIMEOUT_S = 0.5
_START_TIMEOUT_S = 10.0
_REST_S = 0.3

_SENT = Quantity("bytes sent", "bytes", "sent_bytes", "moved", "container.network.sent", "", _CHATTER_BYTES)
_RECEIVED = Quantity(
    "bytes received", "bytes", "received_bytes", "moved", "container.network.received", "", _CHATTER_BYTES
)

LOADS = (
    Load(
        "network",
        "datagrams to a service and back",
        "network",
        ("load", "12000"),
        ("load", "4000"),
        (_SENT, _RECEIVED),
        peer=True,
        contained="a process shares the agent's network",
    ),
)


def run(args: tuple[str, ...]) -> Account:
    """Args: `peer`, or `load` and how many datagrams."""
    if args[0] == "peer":
        _echo()
    time.sleep(_REST_S)
    sent = received = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.settimeout(_ANSWER_TIMEOUT_S)
        sent, received = _first_answer(link)
        while sent < int(args[1]):
            for _ in range(_AT_ONCE):
                link.send(_PAYLOAD)
            sent += _AT_ONCE
            received += _answers(link, _AT_ONCE)
    time.sleep(_REST_S)
    return Account({"sent_bytes": float(sent * FRAME_BYTES), "received_bytes": float(received * FRAME_BYTES)})


def _first_answer(link: socket.socket) -> tuple[int, int]:
    """Sends until the peer answers. Returns how many datagrams were sent and received."""
    deadline_s = time.monotonic() + _START_TIMEOUT_S
    sent = 0
    while time.monotonic() < deadline_s:
        try:
            link.connect((PEER, PORT))
            link.send(_PAYLOAD)
            sent += 1
            if _answers(link, 1):
                return sent, 1
        except OSError:
            time.sleep(0.1)
    raise CannotRun("the peer does not answer")


def _answers(link: socket.socket, wanted: int) -> int:
    for received in range(wanted):
        try:
            link.recv(65536)
        except OSError:
            return received
    return wanted


def _echo() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
        link.bind(("0.0.0.0", PORT))  # noqa: S104  (in its own network namespace)
        while True:
            content, sender = link.recvfrom(65536)
            link.sendto(content, sender)
