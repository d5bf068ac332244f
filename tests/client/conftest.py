"""Python versions that the app's client must support, and a listener for its socket."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import profileapp.client

CLIENT = Path(profileapp.client.__file__)


@cache
def interpreters() -> dict[tuple[int, int], str]:
    """Path of one Python of each version from 3.6 on, found on the PATH and in pyenv."""
    candidates = [sys.executable]
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    candidates += map(str, sorted(root.glob("versions/*/bin/python3")))
    candidates += filter(None, (shutil.which(f"python3.{minor}") for minor in range(6, 20)))
    found: dict[tuple[int, int], str] = {}
    for path in candidates:
        probed = subprocess.run(
            [path, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, check=False
        )
        version = tuple(map(int, probed.stdout.split()))
        if probed.returncode == 0 and len(version) == 2 and version >= (3, 6):
            found.setdefault(version, path)
    return dict(sorted(found.items()))


class Listener:
    """Records the bytes of each connection, available once the connection has ended."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.streams: list[bytes] = []
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._server.bind(str(path))
        self._server.listen(64)
        self._threads: list[threading.Thread] = []
        self._last = threading.Event()
        self._acceptor = threading.Thread(target=self._accept, daemon=True)

    def start(self) -> None:
        """Accepts and reads from now on; earlier connections wait."""
        self._acceptor.start()

    def accept(self) -> socket.socket:
        """Accepts the next connection by hand, for a test that reads it slowly or closes it."""
        connection, _ = self._server.accept()
        connection.settimeout(30)
        return connection

    def output(self) -> list[dict[str, Any]]:
        """All lines of all connections, each of which has ended."""
        # Connections are accepted in order, so this one is the last.
        with socket.socket(socket.AF_UNIX) as last:
            last.bind(f"{self.path}.last")
            last.connect(str(self.path))
            assert self._last.wait(30)
        Path(f"{self.path}.last").unlink()
        for thread in self._threads:
            thread.join(30)
        return [json.loads(line) for stream in self.streams for line in stream.splitlines()]

    def close(self) -> None:
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, address = self._server.accept()
            except OSError:
                return
            if address:
                connection.close()
                self._last.set()
                continue
            thread = threading.Thread(target=self._read, args=(connection,), daemon=True)
            thread.start()
            self._threads.append(thread)

    def _read(self, connection: socket.socket) -> None:
        with connection:
            parts = []
            while part := connection.recv(65536):
                parts.append(part)
            self.streams.append(b"".join(parts))


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    made = Listener(tmp_path / "metrics.sock")
    yield made
    made.close()


@pytest.fixture
def run_app(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs an app's code with a copy of the client, with the given interpreter and, optionally, the socket's path."""

    folder = tmp_path / "app"
    folder.mkdir()
    shutil.copy(CLIENT, folder / "client.py")

    def run(code: str, path: Path | None, python: str = "") -> subprocess.CompletedProcess[str]:
        script = folder / "app.py"
        script.write_text(code)
        env = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
        if path:
            env["PROFILEAPP_SOCKET"] = str(path)
        oldest = next(iter(interpreters().values()))
        finished = subprocess.run(
            [python or oldest, "-W", "error", str(script)],
            env=env,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert finished.stderr == ""
        assert finished.returncode == 0
        return finished

    return run


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`python`: each interpreter found."""
    if "python" in metafunc.fixturenames:
        found = interpreters()
        metafunc.parametrize("python", found.values(), ids=[f"{major}.{minor}" for major, minor in found])
