"""Runs an app in a Docker container, with as few rights as an app needs.

Source: Docker Engine API; docker-py's low-level client.
"""

from __future__ import annotations

import platform
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, cast

import docker
import requests
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from docker.types import Mount as DockerMount
from docker.types import Ulimit
from docker.utils import parse_repository_tag

from profileapp.collect.seam import Subject
from profileapp.errors import AgentError, ImageError
from profileapp.model.run import Image
from profileapp.model.text import printable
from profileapp.run.progress import Progress
from profileapp.run.runtime import RUN_ID_VARIABLE, Exit, Launch, NeverStarted, RunningApp

RUN_LABEL = "profileapp.run_id"
STATE_LABEL = "profileapp.state"
API_TIMEOUT_S = 60
OUTPUT_END_TIMEOUT_S = 10.0
WRITTEN_FILE_LIMIT_BYTES = 1024**3
"""How large a file may grow that the app writes to a folder of the host's."""
DAEMON_CHECKS = 8
DAEMON_CHECK_EVERY_S = 0.25

# As Docker calls an image's architecture, by what `uname -m` calls the machine's.
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386", "ppc64le": "ppc64le"}
_TINI_COMPLAINT = b"[FATAL tini"
_COMPLAINT_LIMIT_BYTES = 400
_GONE = (DockerException, requests.exceptions.RequestException, OSError)


class DockerRuntime:
    """Containers of one image on the daemon that `DOCKER_HOST` names (left out: this machine's own).

    `state` tells the runs of one state folder on this machine from those of others on the same daemon.
    """

    name = "docker"
    contained = True
    command: tuple[str, ...] = ()

    def __init__(self, image_name: str, state: str) -> None:
        self.image: Image | None = None
        self._config: dict[str, Any] = {}
        self._image_name = image_name
        self._state = f"{platform.node()}:{state}"
        try:
            self._api = docker.APIClient(version="auto", timeout=API_TIMEOUT_S, **docker.utils.kwargs_from_env())
            self._info: dict[str, Any] = self._api.info()
        except _GONE as error:
            raise AgentError(
                f"no Docker daemon answers ({_one_line(error)}); start it, set DOCKER_HOST, let this user use its "
                "socket, or use --runtime process"
            ) from error

    @property
    def version(self) -> str:
        """`docker 24.0.5`, and the NVIDIA runtime where the daemon has it."""
        number = printable(str(self._info.get("ServerVersion") or ""), 40)
        return f"docker {number}".strip() + (", nvidia" if self.has_nvidia else "")

    @property
    def has_nvidia(self) -> bool:
        """Whether the daemon knows the NVIDIA container runtime."""
        return "nvidia" in (self._info.get("Runtimes") or {})

    def prepare(self, progress: Progress) -> None:
        try:
            found = self._find() or self._pull(progress)
        except _GONE as error:
            raise AgentError(f"image {self._shown}: the daemon cannot get it ({_one_line(error)})") from error
        architecture = found.get("Architecture", "")
        own = _ARCHITECTURES.get(self._info.get("Architecture", ""), self._info.get("Architecture", ""))
        if architecture and own and architecture != own:
            raise ImageError(
                f"image {self._shown} is made for {architecture}, but this agent is {own}; "
                f"build it for linux/{own} too, or name an agent of its architecture"
            )
        self._config = found.get("Config") or {}
        digests = found.get("RepoDigests") or [""]
        self.image = Image(self._image_name, found["Id"], digests[0].partition("@")[2], architecture)

    def start(self, launch: Launch, output: Callable[[bytes], None], exited: Callable[[], None]) -> RunningApp:
        try:
            container_id = self._create(launch)
        except APIError as error:
            if error.is_client_error():
                return NeverStarted(f"the container was refused: {_one_line(error)}")
            raise AgentError(f"the daemon cannot make a container ({_one_line(error)})") from error
        except _GONE as error:
            raise AgentError(f"the daemon cannot make a container ({_one_line(error)})") from error
        app = _Container(self._api, container_id, output, exited)
        try:
            app.start()
        except _GONE as error:
            if _is_the_apps_fault(error):
                app.refuse(f"the app could not be started: {_one_line(error)}")
                return app
            app.remove()
            raise AgentError(f"the daemon cannot start a container ({_one_line(error)})") from error
        return app

    def sweep(self, run_id: str) -> int:
        labels = [f"{RUN_LABEL}={run_id}", f"{STATE_LABEL}={self._state}"]
        swept = 0
        with suppress(*_GONE):
            for container in self._api.containers(all=True, filters={"label": labels}):
                with suppress(*_GONE):
                    self._api.remove_container(container["Id"], force=True, v=True)
                    swept += 1
        return swept

    @property
    def _shown(self) -> str:
        return repr(printable(self._image_name, 200))

    def _find(self) -> dict[str, Any] | None:
        try:
            return self._inspect()
        except ImageNotFound:
            return None
        except APIError as error:
            if error.is_client_error():
                raise ImageError(f"image {self._shown} is no name of an image ({_one_line(error)})") from error
            raise

    def _inspect(self) -> dict[str, Any]:
        inspect: Callable[[str], dict[str, Any]] = self._api.inspect_image
        return inspect(self._image_name)

    def _pull(self, progress: Progress) -> dict[str, Any]:
        repository, tag = parse_repository_tag(self._image_name)
        layers: dict[str, tuple[int, int]] = {}
        try:
            for event in cast(
                "Iterator[dict[str, Any]]", self._api.pull(repository, tag=tag or "latest", stream=True, decode=True)
            ):
                if "error" in event:
                    raise ImageError(f"image {self._shown} is not here and cannot be pulled: {_short(event['error'])}")
                detail = event.get("progressDetail") or {}
                if event.get("id") and detail.get("total"):
                    layers[event["id"]] = int(detail.get("current", 0)), int(detail["total"])
                    done = sum(current for current, _ in layers.values())
                    progress.pulling(self._image_name, done, sum(total for _, total in layers.values()))
            return self._inspect()
        except APIError as error:
            raise ImageError(
                f"image {self._shown} is not here and cannot be pulled ({_one_line(error)}); "
                "build it on this agent, or name one that its registry has"
            ) from error

    def _create(self, launch: Launch) -> str:
        environment = {RUN_ID_VARIABLE: launch.run_id, **launch.env}
        host_config: dict[str, Any] = {
            "mounts": [
                DockerMount(mount.container_path, mount.host_path, type="bind", read_only=not mount.writable)
                for mount in launch.mounts
            ],
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges"],
            "pids_limit": launch.limits.pids,
            "mem_limit": launch.limits.memory_bytes,
            "memswap_limit": launch.limits.memory_bytes,
            # An init passes SIGTERM on to apps that, as process 1, would not feel it, and reaps their orphans.
            "init": True,
            # What the app prints goes to app.log within bounds, and nowhere else.
            "log_config": {"Type": "none", "Config": {}},
        }
        if any(mount.writable for mount in launch.mounts):
            host_config["ulimits"] = [
                Ulimit(name="fsize", soft=WRITTEN_FILE_LIMIT_BYTES, hard=WRITTEN_FILE_LIMIT_BYTES)
            ]
        if self.has_nvidia:
            host_config["runtime"] = "nvidia"
            environment.setdefault("NVIDIA_VISIBLE_DEVICES", "all")
            environment.setdefault("NVIDIA_DRIVER_CAPABILITIES", "all")
        created = self._api.create_container(
            self._image_name,
            **self._words(launch),
            environment=environment,
            labels={RUN_LABEL: launch.run_id, STATE_LABEL: self._state},
            host_config=self._api.create_host_config(**host_config),
        )
        return str(created["Id"])

    def _words(self, launch: Launch) -> dict[str, Any]:
        """Entrypoint and command as the API takes them: the image's own, unless something is put in front."""
        if launch.wrap is None:
            return {"command": list(launch.args) or None}
        entrypoint = self._config.get("Entrypoint") or []
        words = launch.wrap((*entrypoint, *(launch.args or self._config.get("Cmd") or [])))
        return {"entrypoint": list(words[:1]), "command": list(words[1:])}


class _Container:
    """One container, from its creation to its removal."""

    def __init__(
        self,
        api: docker.APIClient,
        container_id: str,
        output: Callable[[bytes], None],
        exited: Callable[[], None],
    ) -> None:
        self.subject: Subject | None = None
        self.exit: Exit | None = None
        self._api = api
        self._id = container_id
        self._output = output
        self._exited = exited
        self._first_output = b""
        self._ended_by_us = False
        self._reader = threading.Thread(target=self._read, name="app-output", daemon=True)

    def start(self) -> None:
        # Attached before the start, so that not one line is lost.
        self._stream = self._api.attach(self._id, stdout=True, stderr=True, stream=True, logs=False)
        self._api.start(self._id)
        self._reader.start()
        threading.Thread(target=self._await_exit, name="app-exit", daemon=True).start()
        with suppress(*_GONE):
            pid = self._api.inspect_container(self._id)["State"]["Pid"]
            if pid:
                self.subject = Subject(pid, self._id)

    def refuse(self, reason: str) -> None:
        """The app was created, but could not be started."""
        self._end(Exit(refused=reason))

    def terminate(self) -> None:
        self._ended_by_us = True
        with suppress(*_GONE):
            self._api.kill(self._id, signal.SIGTERM)

    def kill(self) -> None:
        self._ended_by_us = True
        with suppress(*_GONE):
            self._api.kill(self._id, signal.SIGKILL)

    def remove(self) -> str:
        try:
            self._api.remove_container(self._id, force=True, v=True)
        except NotFound:
            pass
        except _GONE as error:
            return f"container {self._id[:12]} could not be removed ({_one_line(error)}); the next run will"
        if self._reader.is_alive():
            self._reader.join(OUTPUT_END_TIMEOUT_S)
        return ""

    def _read(self) -> None:
        with suppress(*_GONE):
            for content in self._stream:
                # A line of it may come in pieces.
                self._first_output += content[: _COMPLAINT_LIMIT_BYTES - len(self._first_output)]
                self._output(content)
        # Left to the garbage collector, its parts may be closed in an order that Python 3.13 complains of on stderr.
        with suppress(AttributeError, ValueError, *_GONE):
            self._stream._response.close()  # type: ignore[attr-defined]

    def _await_exit(self) -> None:
        try:
            status = int(self._api.wait(self._id, timeout=None)["StatusCode"])
            state = self._api.inspect_container(self._id)["State"]
        except NotFound:
            self._end(Exit(lost="the container was removed by somebody else while it ran"))
            return
        except _GONE as error:
            self._end(Exit(lost=f"the Docker daemon went away while the app ran ({_one_line(error)})"))
            return
        self._reader.join(OUTPUT_END_TIMEOUT_S)
        if status in (126, 127) and self._first_output.startswith(_TINI_COMPLAINT):
            complaint = self._first_output.decode("utf-8", errors="replace").splitlines()[0]
            self._end(Exit(exit_code=status, refused=f"the app could not be started: {_short(complaint)}"))
            return
        number = status - 128 if 128 < status <= 128 + 64 else 0
        if number in (signal.SIGTERM, signal.SIGKILL) and not self._ended_by_us and self._daemon_goes_away():
            self._end(Exit(exit_code=status, signal=number, lost="the Docker daemon was stopped while the app ran"))
            return
        self._end(Exit(exit_code=status, signal=number, oom_killed=bool(state.get("OOMKilled"))))

    def _daemon_goes_away(self) -> bool:
        """A daemon that is stopped ends its containers first, and answers for a moment longer."""
        for _ in range(DAEMON_CHECKS):
            time.sleep(DAEMON_CHECK_EVERY_S)
            try:
                self._api.ping()
            except _GONE:
                return True
        return False

    def _end(self, exit_: Exit) -> None:
        self.exit = exit_
        self._exited()


def _is_the_apps_fault(error: Exception) -> bool:
    """Whether an app that cannot be started is to blame itself: its image has no such user, folder or program."""
    return isinstance(error, APIError) and (error.is_client_error() or "OCI runtime" in str(error.explanation))


def _one_line(error: BaseException) -> str:
    explanation = getattr(error, "explanation", None)
    return _short(str(explanation or error))


def _short(text: str) -> str:
    return printable(" ".join(text.split()), 300)
