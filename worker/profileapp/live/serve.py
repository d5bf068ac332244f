"""Serves `/metrics` for Prometheus and `/healthz`, by default on the loopback interface."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from profileapp.errors import ConfigError
from profileapp.live.exposition import Exposition
from profileapp.model.text import printable

CONNECTIONS_LIMIT = 200
"""Limit of concurrent connections; further ones are closed at once."""
REQUEST_TIMEOUT_S = 10.0
_BACKLOG = 128
_JOIN_TIMEOUT_S = 2.0


def parse_address(text: str) -> tuple[str, int]:
    """`9105`, `0.0.0.0:9105` or `[::1]:9105`; a port alone is on 127.0.0.1. Raises ConfigError."""
    host, colon, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if colon else "127.0.0.1"
    if not host or not (port.isascii() and port.isdecimal() and len(port) < 6 and int(port) < 65536):
        raise ConfigError(f"--serve '{printable(text)}': must be HOST:PORT or a port, such as 127.0.0.1:9105")
    return host, int(port)


class MetricsServer:
    """Serves from `start` to `close`. `is_healthy`: whether samples still arrive."""

    def __init__(self, exposition: Exposition, is_healthy: Callable[[], bool]) -> None:
        self._exposition = exposition
        self._is_healthy = is_healthy
        self._server: ThreadingHTTPServer | None = None
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int:
        """The port that it listens on; 0 before `start`."""
        return int(self._server.server_address[1]) if self._server else 0

    def start(self, host: str, port: int) -> None:
        """Raises ConfigError if it cannot listen."""
        try:
            self._server = _server(host, port, _handler(self._exposition, self._is_healthy))
        except (OSError, UnicodeError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or error
            raise ConfigError(
                f"--serve {printable(host)}:{port}: cannot listen there ({reason}); choose another"
            ) from None
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics-server", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stops serving. Open connections end after their response, or with this process."""
        if self._server and self._thread:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(_JOIN_TIMEOUT_S)


def _server(host: str, port: int, handler: type[BaseHTTPRequestHandler]) -> ThreadingHTTPServer:
    places = threading.BoundedSemaphore(CONNECTIONS_LIMIT)

    class Server(ThreadingHTTPServer):
        address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        request_queue_size = _BACKLOG
        daemon_threads = True
        block_on_close = False

        def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
            if places.acquire(blocking=False):
                super().process_request(request, client_address)
            else:
                self.shutdown_request(request)

        def process_request_thread(
            self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
        ) -> None:
            try:
                super().process_request_thread(request, client_address)
            finally:
                places.release()

        def handle_error(self, request: object, client_address: object) -> None:
            """Ignores errors of scrapers that disconnect."""

    return Server((host, port), handler)


def _handler(exposition: Exposition, is_healthy: Callable[[], bool]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = REQUEST_TIMEOUT_S
        server_version = "profileapp"
        sys_version = ""

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            if path == "/metrics":
                content, content_type = exposition.encode(self.headers.get("Accept", ""))
                self._answer(HTTPStatus.OK, content_type, content)
            elif path == "/healthz":
                status = HTTPStatus.OK if is_healthy() else HTTPStatus.SERVICE_UNAVAILABLE
                self._answer(status, "text/plain", b"ok\n" if is_healthy() else b"no samples come\n")
            else:
                self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"there are /metrics and /healthz\n")

        def do_HEAD(self) -> None:
            self.do_GET()

        def _answer(self, status: HTTPStatus, content_type: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("X-Content-Type-Options", "nosniff")
            self.end_headers()
            if self.command == "GET":
                with suppress(OSError):
                    self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Logs nothing: each scrape would add a line."""

    return Handler
