"""Receives many datagrams in one system call: recvmmsg(2), which Python's socket module lacks."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import socket
import struct

_MSG_WAITFORONE = 0x10000
"""Wait for the first datagram only, and return it with all that are queued (linux/socket.h)."""
_NOTHING_THERE = (errno.EAGAIN, errno.EINTR)


class _Vector(ctypes.Structure):
    """`struct iovec` of <sys/uio.h>."""

    _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))


class _Header(ctypes.Structure):
    """`struct msghdr` of <sys/socket.h>."""

    _fields_ = (
        ("name", ctypes.c_void_p),
        ("name_length", ctypes.c_uint),
        ("vectors", ctypes.POINTER(_Vector)),
        ("vector_count", ctypes.c_size_t),
        ("control", ctypes.c_void_p),
        ("control_length", ctypes.c_size_t),
        ("flags", ctypes.c_int),
    )


class _Message(ctypes.Structure):
    """`struct mmsghdr` of <sys/socket.h>."""

    _fields_ = (("header", _Header), ("length", ctypes.c_uint))


_SIZE = struct.Struct(f"={_Message.length.offset}xI{ctypes.sizeof(_Message) - _Message.length.offset - 4}x")
"""Unpacks a datagram's size from a `struct mmsghdr`."""


class DatagramBatch:
    """Buffers for `count` datagrams; a datagram longer than `limit_bytes` is cut to `limit_bytes + 1`."""

    def __init__(self, count: int, limit_bytes: int) -> None:
        self.count = count
        self._slot_bytes = limit_bytes + 1
        # Pages that are never written to use no memory.
        self._room = mmap.mmap(-1, count * self._slot_bytes)
        self._parts = memoryview(self._room)
        self._vectors = (_Vector * count)()
        self._messages = (_Message * count)()
        start = ctypes.addressof(ctypes.c_char.from_buffer(self._room))
        for number in range(count):
            vector = self._vectors[number]
            vector.base, vector.length = start + number * self._slot_bytes, self._slot_bytes
            self._messages[number].header.vectors = ctypes.pointer(vector)
            self._messages[number].header.vector_count = 1
        self._sizes = memoryview(self._messages).cast("B")
        self._address = ctypes.addressof(self._messages)
        self._call = ctypes.CDLL(None, use_errno=True).recvmmsg
        self._call.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_uint, ctypes.c_int, ctypes.c_void_p)

    def read(self, descriptor: int, *, wait: bool) -> list[memoryview]:
        """The queued datagrams, at most `count`, each valid until the next call; empty if there are none.

        `wait` waits for the first one, up to the socket's SO_RCVTIMEO. Raises OSError.
        """
        flags = _MSG_WAITFORONE if wait else socket.MSG_DONTWAIT
        received = self._call(descriptor, self._address, self.count, flags, None)
        if received < 0:
            number = ctypes.get_errno()
            if number in _NOTHING_THERE:
                return []
            raise OSError(number, os.strerror(number))
        parts, start, step = [], 0, self._slot_bytes
        for (size,) in _SIZE.iter_unpack(self._sizes[: received * _SIZE.size]):
            parts.append(self._parts[start : start + size])
            start += step
        return parts
