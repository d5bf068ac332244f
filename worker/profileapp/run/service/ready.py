"""Whether a service is ready: one look, which takes no longer than LOOK_TIMEOUT_S."""

from __future__ import annotations

import http.client
import socket
from contextlib import closing

from profileapp.model.target import Ready
from profileapp.run.surroundings import RunningService

LOOK_TIMEOUT_S = 2.0


class SaidText:
    """Whether a text has been printed; fed with what is printed, in whatever pieces."""

    def __init__(self, text: str) -> None:
        self._wanted = text.encode()
        self._tail = b""
        self.found = False

    def feed(self, content: bytes) -> None:
        """Takes what was printed next."""
        if not self.found:
            self._tail += content
            self.found = self._wanted in self._tail
            self._tail = self._tail[-len(self._wanted) :]


def is_ready(ready: Ready, service: RunningService, said: SaidText) -> bool:
    """One look. Never raises."""
    if ready.log:
        return said.found
    if ready.file:
        return service.has_file(ready.file)
    address = service.address
    if not address:
        return False
    return _takes_connections(address, ready.tcp) if ready.tcp else _answers(address, ready.http)


def _takes_connections(address: str, port: int) -> bool:
    try:
        with socket.create_connection((address, port), LOOK_TIMEOUT_S):
            return True
    except OSError:
        return False


def _answers(address: str, port_and_path: str) -> bool:
    port, _, path = port_and_path.partition("/")
    try:
        with closing(http.client.HTTPConnection(address, int(port), timeout=LOOK_TIMEOUT_S)) as connection:
            connection.request("GET", f"/{path}")
            return connection.getresponse().status < 400
    except (OSError, http.client.HTTPException, ValueError):
        return False
