"""A datagram socket with a longer queue than Linux's default of ten datagrams."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
from pathlib import Path

QUEUE_DATAGRAMS = 4096
"""Queue length if it may be set. The size of the queued data is limited by each sender's send buffer."""

_QUEUE_FILE = Path("/proc/sys/net/unix/max_dgram_qlen")
_CLONE_NEWNET = 0x40000000


def socket_with_long_queue() -> tuple[socket.socket, int]:
    """A unix datagram socket, and the length of its queue in datagrams; 10 if Linux does not allow more.

    The length is a setting of the network namespace that a socket is made in (unix(7), ip-sysctl of the kernel:
    `max_dgram_qlen`). As root it is created in a private namespace, which ends with it: the agent is not changed, and
    a socket's file is reachable from every namespace. Raises OSError if no socket can be created at all.
    """
    made: list[tuple[socket.socket, int]] = []

    def make() -> None:
        # A single thread can change its namespace; it ends at once, and its changes with it.
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
    """The queue length of such a socket on this agent, in datagrams."""
    made, datagrams = socket_with_long_queue()
    made.close()
    return datagrams


def _queue_datagrams() -> int:
    """The queue length of a socket that this thread would create now."""
    try:
        return int(_QUEUE_FILE.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return 10
