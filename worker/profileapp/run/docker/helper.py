"""Helper containers run programs of this package with rights that this worker lacks, such as to inspect the app.

A user of the daemon may start any container, so a helper grants no new rights. It is made without a registry: an empty
image, this machine's Python and this package, read-only. It has no network, a read-only root, only the capabilities
that it requests, and the run's labels. It shares at most the PID namespace of the app, if it requests this: then the
app's root can kill the helper, and nothing more.

Sources: Docker Engine API; capabilities(7), ptrace(2) "Ptrace access mode checking".
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import docker
import msgspec
from docker.types import Mount as DockerMount

from profileapp.collect.api import HelperProgram, Mount
from profileapp.errors import Unavailable
from profileapp.model.text import printable
from profileapp.run.docker.image import GONE, one_line
from profileapp.run.docker.playback import PACKAGE_FOLDER, python_mounts
from profileapp.run.docker.run_images import import_empty

VARIABLE = "PROFILEAPP_HELPER"
START_LIMIT_S = 20.0
STOP_LIMIT_S = 30.0
_MEMORY_BYTES = 512 * 1024**2
_SCRATCH_BYTES = 128 * 1024**2
_PIDS = 256
_ERRORS_LIMIT_BYTES = 4096


def why_no_helpers(environ: Mapping[str, str], *, is_local: bool) -> str:
    """Why helper containers are not used on this agent; "" if they are. `is_local`: the daemon is on this machine."""
    value = environ.get(VARIABLE, "").strip().lower()
    if value in ("off", "0", "no", "false"):
        return f"helper containers are off on this agent ({VARIABLE}={value})"
    if not is_local:
        return "no helper container, since the daemon is not known to be on this machine"
    return ""


class HelperContainers:
    """Starts helpers of one run. `labels` are the run's, `reason` is why there are none (see `why_no_helpers`)."""

    def __init__(self, api: docker.APIClient, labels: Mapping[str, str], reason: str) -> None:
        self.reason = reason
        self._api = api
        self._labels = labels
        self._image = ""

    def start(self, program: HelperProgram, output: Callable[[bytes], None]) -> HelperContainer:
        """Starts a program; see `Helpers.start`. Raises Unavailable."""
        if self.reason:
            raise Unavailable(self.reason)
        container_id = ""
        try:
            self._image = self._image or import_empty(self._api, self._labels)
            container_id = str(self._api.create_container(self._image, **self._settings(program))["Id"])
            helper = HelperContainer(self._api, container_id, output)
            self._api.start(container_id)
        except GONE as error:
            with suppress(*GONE):
                if container_id:
                    self._api.remove_container(container_id, force=True, v=True)
            raise Unavailable(f"the helper container cannot be started ({one_line(error)})") from error
        helper.read()
        return helper

    def remove(self) -> None:
        """Removes the helpers' image. Never raises: a sweep removes what is left."""
        image, self._image = self._image, ""
        with suppress(*GONE):
            if image:
                self._api.remove_image(image, noprune=True)

    def _settings(self, program: HelperProgram) -> dict[str, Any]:
        python = os.path.realpath(sys.executable)
        host_config: dict[str, Any] = {
            "mounts": [
                DockerMount(each.container_path, each.host_path, type="bind", read_only=not each.writable)
                for each in (*python_mounts(), _msgspec_mount(), *program.mounts)
            ],
            "network_mode": "none",
            "cap_drop": ["ALL"],
            "cap_add": list(program.capabilities),
            "security_opt": ["no-new-privileges"],
            "read_only": True,
            "tmpfs": {"/tmp": f"rw,noexec,nosuid,nodev,size={_SCRATCH_BYTES}"},  # noqa: S108  (the container's)
            "pids_limit": _PIDS,
            "mem_limit": _MEMORY_BYTES,
            "memswap_limit": _MEMORY_BYTES,
            "log_config": {"Type": "none", "Config": {}},
        }
        if program.container_id:
            host_config["pid_mode"] = f"container:{program.container_id}"
        return {
            # Isolated: no site packages, no user modules.
            "entrypoint": [python, "-B", "-s", "-S", "-m", program.module],
            "command": list(program.args),
            "user": "0:0",
            "environment": {"PYTHONPATH": PACKAGE_FOLDER},
            "labels": dict(self._labels),
            "network_disabled": True,
            "host_config": self._api.create_host_config(**host_config),
        }


class HelperContainer:
    """One helper, from its creation to its removal."""

    def __init__(self, api: docker.APIClient, container_id: str, output: Callable[[bytes], None]) -> None:
        self._api = api
        self._id = container_id
        self._output = output
        self._errors = b""
        # Attaches before the start, so that no output is lost.
        self._stream = api.attach(container_id, stdout=True, stderr=True, stream=True, logs=False, demux=True)
        self._reader = threading.Thread(target=self._read, name="helper-output", daemon=True)

    def read(self) -> None:
        """Starts passing on its output."""
        self._reader.start()

    def stop(self) -> str:
        """Stops and removes it; see `Helper.stop`."""
        with suppress(*GONE):
            self._api.kill(self._id, "SIGTERM")
        return self.finish(STOP_LIMIT_S)

    def finish(self, limit_s: float) -> str:
        """Waits until it exits, then removes it; otherwise like `stop`."""
        # The output ends when the helper exits.
        self._reader.join(limit_s)
        problem = self._problem()
        with suppress(*GONE):
            self._api.remove_container(self._id, force=True, v=True)
        self._reader.join(STOP_LIMIT_S)
        return problem

    def _problem(self) -> str:
        lines = self._errors.decode(errors="replace").strip().splitlines()
        if lines:
            return f"the helper container: {printable(lines[-1], 300)}"
        if self._reader.is_alive():
            return "the helper container did not end in time"
        return ""

    def _read(self) -> None:
        with suppress(*GONE):
            for out, err in self._stream:
                if out:
                    self._output(out)
                if err:
                    self._errors = (self._errors + err)[-_ERRORS_LIMIT_BYTES:]
        # If the garbage collector closed it, Python 3.13 might warn on stderr.
        with suppress(AttributeError, ValueError, *GONE):
            self._stream._response.close()  # type: ignore[attr-defined]


def _msgspec_mount() -> Mount:
    """The only third-party package that a helper needs."""
    folder = Path(msgspec.__file__).resolve().parent
    return Mount(str(folder), f"{PACKAGE_FOLDER}/{folder.name}")
