"""Waits until a service accepts connections or answers: a separate program, which runs on the service's network.

Standard library only: it runs where only Python is installed. `python -m profileapp.probe HOST tcp 6379`, or
`… HOST http 8000/health`. It exits with 0 once the service is ready, and keeps trying until then.
"""

from __future__ import annotations

import socket
import sys
import time
from contextlib import suppress

CHECK_TIMEOUT_S = 2.0
"""The deadline of one check, however slowly a service answers, and however much it sends."""

_PAUSE_S = 0.05
_ANSWER_LIMIT_BYTES = 64 * 1024


def takes_connections(host: str, port: int) -> bool:
    """Checks once. Never raises."""
    try:
        with socket.create_connection((host, port), CHECK_TIMEOUT_S):
            return True
    except OSError:
        return False


def answers(host: str, port_and_path: str) -> bool:
    """Checks once whether a GET is answered with a status below 400. Never raises.

    Source: RFC 9112; interim responses (1xx) precede the final one.
    """
    deadline_s = time.monotonic() + CHECK_TIMEOUT_S
    port, _, path = port_and_path.partition("/")
    request = f"GET /{path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n"
    with suppress(OSError, ValueError), socket.create_connection((host, int(port)), CHECK_TIMEOUT_S) as connection:
        connection.sendall(request.encode())
        response = b""
        while len(response) < _ANSWER_LIMIT_BYTES:
            left_s = deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            connection.settimeout(left_s)
            more = connection.recv(_ANSWER_LIMIT_BYTES)
            response += more
            status = _status(response)
            if status:
                return status < 400
            if not more:
                return False
    return False


def _status(response: bytes) -> int:
    """The status of the first final response; 0 if it is incomplete. Raises ValueError if it is not HTTP."""
    while b"\r\n" in response:
        version, _, rest = response.partition(b" ")
        if not version.startswith(b"HTTP/"):
            raise ValueError("not HTTP")
        status = int(rest[:3])
        if status >= 200:
            return status
        _, end, response = response.partition(b"\r\n\r\n")
        if not end:
            break
    return 0


def main() -> None:
    """Runs the program."""
    host, kind, where = sys.argv[1:]
    while not (takes_connections(host, int(where)) if kind == "tcp" else answers(host, where)):
        time.sleep(_PAUSE_S)


if __name__ == "__main__":
    main()
