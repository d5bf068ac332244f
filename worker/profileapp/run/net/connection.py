"""A connection on which every wait has a deadline and can be cancelled: a server that sends nothing, or one byte at a
time, cannot block the worker.
"""

from __future__ import annotations

import errno
import io
import os
import select
import socket
import ssl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TypeVar

from profileapp.run.net.deadline import POLL_S, Deadline
from profileapp.run.net.reach import Address

CONNECT_TIMEOUT_S = 10.0
IDLE_TIMEOUT_S = 30.0
HEAD_LIMIT_BYTES = 256 * 1024
"""Limit of what precedes a response's content: endless headers, or endless `100 Continue` responses, fail here."""

_Result = TypeVar("_Result")


class Connection:
    """The part of a socket's interface that `http.client` needs."""

    def __init__(self, plain: socket.socket, deadline: Deadline) -> None:
        self._socket = plain
        self._deadline = deadline
        self._head_bytes: int | None = 0

    def use_tls(self, context: ssl.SSLContext, host: str) -> None:
        """Starts TLS, and verifies that the server is `host`. Raises OSError."""
        wrapped = context.wrap_socket(self._socket, server_hostname=host, do_handshake_on_connect=False)
        self._socket = wrapped
        self._retried(wrapped.do_handshake)

    def begin_head(self) -> None:
        """A response's head follows; its size is limited."""
        self._head_bytes = 0

    def end_head(self) -> None:
        """A response's content follows; its reader limits the size."""
        self._head_bytes = None

    def sendall(self, content: bytes) -> None:
        """Sends all bytes. Raises OSError."""
        view = memoryview(content)
        while view:
            view = view[self._retried(partial(self._socket.send, view)) :]

    def makefile(self, mode: str = "rb", *_: object) -> io.BufferedReader:
        """A file object that reads what is received."""
        return io.BufferedReader(_Incoming(self))

    def receive_into(self, buffer: memoryview) -> int:
        """Reads received bytes into `buffer`; returns 0 at the end. Raises OSError."""
        count = self._retried(lambda: self._socket.recv_into(buffer))
        if self._head_bytes is not None:
            self._head_bytes += count
            if self._head_bytes > HEAD_LIMIT_BYTES:
                raise OSError(errno.EMSGSIZE, "the response's head has no end")
        return count

    def close(self) -> None:
        """Does nothing: `http.client` closes before it reads. The code that opened the socket closes it."""

    def shut(self) -> None:
        """Closes the socket."""
        self._socket.close()

    def _retried(self, act: Callable[[], _Result]) -> _Result:
        """The result of `act` as soon as the socket is ready for it."""
        idle = self._deadline.within(IDLE_TIMEOUT_S)
        while True:
            self._deadline.check()
            try:
                return act()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError) as error:
                is_write = isinstance(error, ssl.SSLWantWriteError)
            wait_for(self._socket, idle, write=is_write)


class _Incoming(io.RawIOBase):
    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        return self._connection.receive_into(buffer)


@contextmanager
def connected(addresses: Sequence[Address], port: int, deadline: Deadline) -> Iterator[Connection]:
    """A connection to the first address that accepts one, closed at the end of the block. Raises OSError."""
    connection = Connection(_connect_first(addresses, port, deadline), deadline)
    try:
        yield connection
    finally:
        connection.shut()


def _connect_first(addresses: Sequence[Address], port: int, deadline: Deadline) -> socket.socket:
    failure = OSError(errno.EHOSTUNREACH, "it has no address")
    for address in addresses:
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6
        plain = socket.socket(family, socket.SOCK_STREAM)
        try:
            plain.setblocking(False)
            _connect(plain, str(address), port, deadline)
        except OSError as error:
            plain.close()
            failure = error
            deadline.check()
        except BaseException:
            plain.close()
            raise
        else:
            return plain
    raise failure


def _connect(plain: socket.socket, address: str, port: int, deadline: Deadline) -> None:
    code = plain.connect_ex((address, port))
    if code == errno.EINPROGRESS:
        wait_for(plain, deadline.within(CONNECT_TIMEOUT_S), write=True)
        code = plain.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if code:
        raise OSError(code, os.strerror(code))


def wait_for(waited: socket.socket, deadline: Deadline, *, write: bool) -> None:
    """Returns when the socket is ready. Raises TooLate, and what `deadline` does."""
    poll = select.poll()
    poll.register(waited, select.POLLOUT if write else select.POLLIN)
    while not poll.poll(1000 * min(POLL_S, deadline.check())):
        pass
