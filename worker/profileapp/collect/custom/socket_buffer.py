"""A datagram socket whose queue holds more than the ten datagrams that Linux gives it."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from pathlib import Path

QUEUE_DATAGRAMS = 4096
"""As many as the queue holds where we may say so. What waits in it is bounded by the send buffer of each sender."""

_QUEUE_FILE = Path("/proc/sys/net/unix/max_dgram_qlen")
_CLONE_NEWNET = 0x40000000


def socket_with_long_queue() -> tuple[socket.socket, int]:
    """A unix datagram socket, and how many datagrams its queue holds; 10 where Linux does not let us have more.

    The length is a setting of the network namespace that a socket is made in (unix(7), ip-sysctl of the kernel:
    `max_dgram_qlen`). As root it is made in a namespace of its own, which ends with it: nothing of the agent is
    changed, and a socket's file is found from every namespace. Raises OSError where no socket can be made at all.
    """
    made: list[tuple[socket.socket, int]] = []

    def make() -> None:
        # A thread may leave its namespace alone; it ends at once, and with it what it changed.
        if ctypes.CDLL(None, use_errno=True).unshare(_CLONE_NEWNET) == 0:
            try:
                _QUEUE_FILE.write_text(str(QUEUE_DATAGRAMS), encoding="utf-8")
                made.append((socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), _queue_datagrams()))
            except OSError:
                return

    if os.geteuid() == 0 and _queue_datagrams() < QUEUE_DATAGRAMS:
        thread = threading.Thread(target=make, name="roomy-socket")
        thread.start()
        thread.join()
    return made[0] if made else (socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), _queue_datagrams())


def queue_datagrams() -> int:
    """As many as the queue of such a socket holds on this agent."""
    made, datagrams = socket_with_long_queue()
    made.close()
    return datagrams


def _queue_datagrams() -> int:
    """As many as a socket holds that is made by this thread now."""
    try:
        return int(_QUEUE_FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 10
