"""Builds the app's image on this agent."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import docker

from profileapp.errors import AgentError, ImageError
from profileapp.record.files import create_anew, write_all
from profileapp.retry import Patience
from profileapp.run.agent.run_processes import process_marks
from profileapp.run.agent.state import LiveRun
from profileapp.run.docker.client_folder import VARIABLE as CONFIG_VARIABLE
from profileapp.run.docker.client_folder import folder_with_login
from profileapp.run.docker.image import GONE, checked, one_line, short, show_image
from profileapp.run.docker.marks import Marks
from profileapp.run.docker.registry_login import RegistryLogin
from profileapp.run.launch import BuildNetwork
from profileapp.run.mask import Mask
from profileapp.run.progress import Progress
from profileapp.run.stop import Stop, StoppedError
from profileapp.transient import is_transient_text

TIMEOUT_S = 3600.0
LOG_LIMIT_BYTES = 8 * 1024**2
"""Limit of a build's output, the end of which is reported on failure."""

_GRACE_S = 10.0
_POLL_S = 0.1
_TAIL_BYTES = 2000
# What Docker prints of a base image: of BuildKit the failing request, before BuildKit the step that it has come to.
_PULLS_BASE = re.compile(r"failed to resolve source metadata|failed to do request|load metadata for", re.IGNORECASE)
_STEP = re.compile(r"^Step \d+/\d+ : *(\S+)", re.MULTILINE)
_REPORT_INTERVAL_S = 10.0


class _BaseNotPulled(Exception):
    """A base image could not be pulled, for a reason that may pass."""


class BuiltImage:
    """An image built here by `docker build`, whose output is written to `log_path`. `name` appears in reports.

    The image is tagged only with the run's name: another app's image may have the name in a sage.yaml.

    Base images are pulled with the `login`, if there is one; where that fails for a reason that may pass, the build is
    started again with `patience`. `network` is that of the Dockerfile's steps.
    """

    def __init__(
        self,
        folder: Path,
        name: str,
        log_path: Path,
        stop: Stop,
        login: RegistryLogin | None = None,
        network: BuildNetwork = "default",
        patience: Patience | None = None,
    ) -> None:
        self._patience = patience or Patience(0)
        self._network = network
        self.name = name or "built here"
        self._folder = folder
        self._log_path = log_path
        self._stop = stop
        self._login = login

    def get(
        self, api: docker.APIClient, machine: str, live: LiveRun, progress: Progress, own_name: str
    ) -> dict[str, Any]:
        program = shutil.which("docker")
        if program is None:
            raise AgentError("--build needs the `docker` command on this agent (Debian: docker.io; else docker-ce-cli)")
        if not self._folder.is_dir():
            raise ImageError(f"{self._folder}: the folder to build does not exist")
        progress.note(f"building {self._folder} (log: {self._log_path})")
        id_path = live.scratch / "image-id"
        # Absolute: for Docker "-" is standard input.
        where = ("--", str(self._folder.absolute()))
        # --force-rm: else a step that fails leaves its container.
        argv = [program, "build", "--force-rm", "--network", self._network]
        argv += ["--iidfile", str(id_path), "--tag", own_name, *where]
        environment = {**os.environ, **process_marks(live.id, Marks.worker_in(own_name))}
        if self._login is None:
            self._build_again(argv, environment, progress)
        else:
            with folder_with_login(live.scratch / "docker", self._login, os.environ) as config:
                self._build_again(argv, {**environment, CONFIG_VARIABLE: str(config)}, progress)
        image_id = id_path.read_text().strip()
        inspect: Callable[[str], dict[str, Any]] = api.inspect_image
        try:
            return checked(inspect(image_id), show_image(self.name), machine)
        except GONE as error:
            raise AgentError(f"the daemon does not have the image that was built ({one_line(error)})") from error

    def _build_again(self, argv: list[str], environment: dict[str, str], progress: Progress) -> None:
        try:
            self._patience.call(
                lambda: self._build(argv, environment, progress),
                progress.note,
                lambda error: isinstance(error, _BaseNotPulled),
            )
        except _BaseNotPulled as error:
            raise AgentError(f"{error}; its registry was tried again for {self._patience.timeout_s:g} s") from error

    def _build(self, argv: list[str], environment: dict[str, str], progress: Progress) -> None:
        try:
            log = create_anew(self._log_path)
        except OSError as error:
            raise AgentError(f"{self._log_path}: cannot be written ({error.strerror}); choose another --out") from error
        with log:
            self._build_into(log, argv, environment, progress)

    def _build_into(self, log: BinaryIO, argv: list[str], environment: dict[str, str], progress: Progress) -> None:
        began_s = time.monotonic()
        try:
            building = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )
        except OSError as error:
            raise AgentError(f"the image cannot be built ({error.strerror})") from error
        try:
            report_at_s = began_s + _REPORT_INTERVAL_S
            while building.poll() is None:
                now_s = time.monotonic()
                if self._stop.signal:
                    raise StoppedError
                if now_s - began_s > TIMEOUT_S:
                    raise ImageError(f"the image was not built within {TIMEOUT_S:.0f} s")
                if os.fstat(log.fileno()).st_size > LOG_LIMIT_BYTES:
                    raise ImageError(f"the build of the image printed more than {LOG_LIMIT_BYTES // 1024**2} MiB")
                if now_s >= report_at_s:
                    report_at_s += _REPORT_INTERVAL_S
                    progress.note(f"building for {now_s - began_s:.0f} s")
                time.sleep(_POLL_S)
        finally:
            _end(building)
            if self._login:
                # A registry may echo it.
                log.seek(0)
                masked = Mask(self._login.secrets).content(log.read())
                log.seek(0)
                log.truncate()
                write_all(log, masked)
        if building.returncode:
            tail = _tail(log)
            text = (
                f"{self._folder}: the image cannot be built (`docker build` ended with {building.returncode}, "
                f"see {self._log_path}): {_last_line(tail)}"
            )
            raise _BaseNotPulled(text) if may_pass(tail) else ImageError(text)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the client: the daemon cancels a build whose client is gone."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def may_pass(tail: str) -> bool:
    """Whether a build, by the end of its output, failed in pulling a base image, and for a reason that may pass.

    What a step of the Dockerfile fails with is the app's, even if it is a network's.
    """
    last = _last_line(tail)
    steps = _STEP.findall(tail)
    is_pulling = bool(_PULLS_BASE.search(last)) or (bool(steps) and steps[-1].upper() == "FROM")
    return is_pulling and is_transient_text(last)


def _tail(log: BinaryIO) -> str:
    log.seek(max(0, os.fstat(log.fileno()).st_size - _TAIL_BYTES))
    return log.read().decode(errors="replace")


def _last_line(tail: str) -> str:
    return short(next((line for line in reversed(tail.split("\n")) if line.strip()), "it printed nothing"))
