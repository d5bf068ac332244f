"""Services for an app that is a process of the host: only a playback, on this machine's loopback address."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import profileapp
from profileapp.collect.api import AppHandle
from profileapp.errors import AgentError, ConfigError
from profileapp.model.run import Network, Totals
from profileapp.model.target import Ready, Service
from profileapp.probe import answers, takes_connections
from profileapp.record.tree_size import Size
from profileapp.run.agent.ownership import this_worker
from profileapp.run.agent.run_processes import process_marks
from profileapp.run.launch import Exit
from profileapp.run.progress import Progress
from profileapp.run.service.playback import DATA_FOLDER, PORT, RTSP_PORT, streams_text
from profileapp.run.service_host import RunningService, ServiceLaunch

LOOPBACK = "127.0.0.1"
_END_TIMEOUT_S = 2.0
_READ_BYTES = 64 * 1024


class ProcessServiceHost:
    """Starts a playback; refuses what needs a container. `lock_path` is the agent's lock."""

    def __init__(self, lock_path: Path) -> None:
        self._lock_path = lock_path

    def prepare(self, service: Service, progress: Progress) -> None:
        if service.image:
            raise ConfigError(f"service {service.name} needs a container; use the docker runtime")

    def open_network(self, run_id: str, *, internet: bool | None) -> tuple[str, Network | None]:
        if internet is False:
            raise AgentError("`internet: false` needs a container; use the docker runtime")
        return "", None

    def close_network(self, network: str) -> str:
        return ""

    def host_name(self, service: Service) -> str:
        return LOOPBACK

    def start(
        self, launch: ServiceLaunch, output: Callable[[bytes], None], exited: Callable[[], None]
    ) -> RunningService:
        paths = {}
        for mount in launch.mounts:
            if mount.container_path.startswith(f"{DATA_FOLDER}/"):
                name = mount.container_path.removeprefix(f"{DATA_FOLDER}/").split("/")[0]
                paths[name] = mount.host_path
        text = streams_text(launch.service, paths=paths)
        package = Path(profileapp.__file__).resolve().parent
        try:
            process = subprocess.Popen(
                [sys.executable, "-B", "-s", "-m", "profileapp.playback", LOOPBACK, str(PORT), str(RTSP_PORT), text],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={
                    "PYTHONPATH": str(package.parent),
                    **launch.env,
                    **process_marks(launch.run_id, this_worker(self._lock_path)),
                },
                start_new_session=True,
            )
        except OSError as error:
            raise AgentError(f"service {launch.service.name} cannot be started ({error})") from error
        return _Playback(process, output, exited)


class _Playback:
    """The playback as a process."""

    def __init__(
        self, process: subprocess.Popen[bytes], output: Callable[[bytes], None], exited: Callable[[], None]
    ) -> None:
        self.handle: AppHandle | None = AppHandle(process.pid)
        self.exit: Exit | None = None
        self.totals: Totals | None = None
        self._process = process
        self._exited = exited
        self._reader = threading.Thread(target=self._read, args=(output,), name="service-output", daemon=True)
        self._reader.start()

    def answers(self, ready: Ready) -> bool:
        return takes_connections(LOOPBACK, ready.tcp) if ready.tcp else answers(LOOPBACK, ready.http)

    def written(self) -> Size:
        return Size()

    def has_file(self, path: str) -> bool:
        return Path(path).exists()

    def signal(self, number: int) -> None:
        with suppress(OSError):
            self._process.send_signal(number)

    def terminate(self) -> None:
        self.signal(signal.SIGTERM)

    def kill(self) -> None:
        self.signal(signal.SIGKILL)

    def remove(self) -> str:
        self.terminate()
        try:
            self._process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._reader.join(_END_TIMEOUT_S)
        return ""

    def _read(self, output: Callable[[bytes], None]) -> None:
        stream = self._process.stdout
        if stream is not None:
            with stream, suppress(OSError, ValueError):
                while content := os.read(stream.fileno(), _READ_BYTES):
                    output(content)
        status = self._process.wait()
        self.exit = Exit(exit_code=status if status >= 0 else 128 - status, signal=max(0, -status))
        self._exited()
